//! Numbers measured beside a loss, as sums and counts, so that micro-batches and ranks add exactly.

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

/// Named means in the making.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stats(BTreeMap<String, (f64, f64)>);

impl Stats {
    /// Adds a sum over `count` items.
    pub fn sum(&mut self, name: &str, sum: f64, count: f64) {
        let entry = self.0.entry(name.to_owned()).or_insert((0.0, 0.0));
        entry.0 += sum;
        entry.1 += count;
    }

    /// Adds the masked numbers of a tensor `[B, T]`.
    pub fn masked(&mut self, name: &str, values: &Tensor, mask: &Tensor) {
        let number = |t: Tensor| f64::try_from(t.detach().to_kind(Kind::Double)).unwrap_or(f64::NAN);
        self.sum(name, number((values.detach() * mask).sum(Kind::Double)), number(mask.sum(Kind::Double)));
    }

    /// Adds the numbers of a tensor.
    pub fn mean(&mut self, name: &str, values: &Tensor) {
        let sum = f64::try_from(values.detach().to_kind(Kind::Double).sum(Kind::Double)).unwrap_or(f64::NAN);
        self.sum(name, sum, values.numel() as f64);
    }

    /// Adds all of another.
    pub fn add(&mut self, other: &Self) {
        for (name, (sum, count)) in &other.0 {
            self.sum(name, *sum, *count);
        }
    }

    /// The means.
    #[must_use]
    pub fn means(&self) -> BTreeMap<String, f64> {
        self.0.iter().filter(|(_, (_, n))| *n > 0.0).map(|(name, (sum, n))| (name.clone(), sum / n)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_the_whole() {
        let (mut a, mut b) = (Stats::default(), Stats::default());
        a.sum("x", 3.0, 2.0);
        b.sum("x", 9.0, 1.0);
        b.sum("none", 0.0, 0.0);
        a.add(&b);
        assert_eq!(a.means(), BTreeMap::from([("x".to_owned(), 4.0)]));
    }
}
