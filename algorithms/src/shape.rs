//! Shapes are checked at the door: past it plain tensor operations may be used, and a failure there is our fault, not the input's.

use tch::Tensor;

use crate::AlgorithmError;

/// Binds axis letters to sizes: every tensor must agree with the letters bound before it. Returns the sizes in order of first appearance.
///
/// # Errors
/// When a tensor has another number of axes or another size.
pub fn bind(site: &'static str, tensors: &[(&'static str, &Tensor, &'static str)]) -> Result<Vec<i64>, AlgorithmError> {
    let mut bound: Vec<(char, i64)> = Vec::new();
    for (name, tensor, letters) in tensors {
        let size = tensor.size();
        let known = |l: char| bound.iter().find(|(b, _)| *b == l).map(|(_, n)| *n);
        let fits = size.len() == letters.len() && letters.chars().zip(&size).all(|(l, n)| known(l).is_none_or(|k| k == *n));
        if !fits {
            let letter = |l: char| known(l).map_or_else(|| l.to_string(), |n| format!("{l}={n}"));
            let wanted = letters.chars().map(letter).collect::<Vec<_>>().join(", ");
            return Err(AlgorithmError::Shape { site, name, got: size, wanted });
        }
        for (l, n) in letters.chars().zip(size) {
            if !bound.iter().any(|(b, _)| *b == l) {
                bound.push((l, n));
            }
        }
    }
    Ok(bound.into_iter().map(|(_, n)| n).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn a_wrong_shape_is_named_with_its_letters() {
        let zeros = |s: &[i64]| Tensor::zeros(s, (Kind::Float, Device::Cpu));
        let error = bind("loss", &[("logp", &zeros(&[8, 5]), "BT"), ("advantage", &zeros(&[8, 1]), "BT")]).unwrap_err();
        assert_eq!(error.to_string(), "loss: advantage is [8, 1], wanted [B=8, T=5]");
        assert_eq!(bind("loss", &[("logp", &zeros(&[8, 5]), "BT"), ("reward", &zeros(&[8]), "B")]).unwrap(), [8, 5]);
    }
}
