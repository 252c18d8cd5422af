//! A JSON object that carries the hash of its own bytes, so that one flipped bit in it is found.
//!
//! The last field, `seal`, is the BLAKE3 of every byte before it. It is checked on bytes, not on parsed values: a flip that would change a
//! blank into another blank is found as well.

use crate::hash::hash_bytes;

const HEAD: &str = ",\n  \"seal\": \"";
const TAIL: &str = "\"\n}\n";
const CLOSE: &str = "\n}";
/// Hexadecimal digits of a BLAKE3.
const DIGITS: usize = 64;

/// Adds the seal to an object as `serde_json::to_string_pretty` writes it; `None` if it is not such an object, or an empty one.
pub(crate) fn sealed(object: &str) -> Option<String> {
    let body = object.strip_suffix(CLOSE)?;
    Some(format!("{body}{HEAD}{}{TAIL}", hash_bytes(body.as_bytes())))
}

/// The object without its seal, if the seal holds; otherwise what is wrong.
pub(crate) fn unsealed(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let rest = bytes.strip_suffix(TAIL.as_bytes()).ok_or("its end is missing")?;
    let (rest, seal) = rest.split_at_checked(rest.len().wrapping_sub(DIGITS)).ok_or("its end is missing")?;
    let body = rest.strip_suffix(HEAD.as_bytes()).ok_or("it has no seal")?;
    let found = hash_bytes(body);
    if found.as_bytes() != seal {
        return Err(format!("its seal is {} and its bytes have {found}", seal.escape_ascii()));
    }
    Ok([body, CLOSE.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_comes_off_again_and_every_single_flip_and_cut_is_found() {
        let object = serde_json::to_string_pretty(&serde_json::json!({"a": [1, 2], "b": " x "})).unwrap();
        let whole = sealed(&object).unwrap().into_bytes();
        assert_eq!(unsealed(&whole).unwrap(), object.as_bytes());
        serde_json::from_slice::<serde_json::Value>(&whole).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(unsealed(&flipped).is_err(), "bit {bit}");
        }
        for len in 0..whole.len() {
            assert!(unsealed(&whole[..len]).is_err(), "length {len}");
        }
    }
}
