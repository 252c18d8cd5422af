//! Where expressions with variables are compared: points that are the same in every run, and that nobody would choose.

use std::collections::BTreeSet;
use std::hash::Hasher;

use num_rational::BigRational;

use super::eval::Point;

/// The variable that stands for the base of a logarithm without one. It is no name that can be written.
pub(crate) const BASE: &str = "\\base";
/// How many values a variable can take in a round.
const SPREAD: u64 = 1 << 13;

/// A point: every variable has a value that depends on its name and the round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seeded<'a> {
    pub(crate) round: u64,
    /// The variables that are whole numbers, as factorials want them.
    pub(crate) whole: &'a BTreeSet<String>,
}

impl Point for Seeded<'_> {
    fn value_of(&self, symbol: &str) -> BigRational {
        let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
        hash.write(symbol.as_bytes());
        let random = mixed(hash.finish() ^ mixed(self.round + 1));
        let (size, sign) = (random % SPREAD, if random >> 63 == 0 { 1 } else { -1 });
        let size = i64::try_from(size).unwrap_or(1);
        if symbol == BASE {
            return BigRational::new((size + 2050).into(), 1024.into());
        }
        if self.whole.contains(symbol) {
            return BigRational::from_integer((size % 37 + 2).into());
        }
        // Every second round in the positive numbers, half of these below 1; the others with any sign.
        match self.round % 4 {
            0 => BigRational::new((2 * size + 1).into(), (2 * 8192).into()),
            2 => BigRational::new((2 * size + 1).into(), 2048.into()),
            _ => BigRational::new((sign * (2 * size + 1)).into(), 2048.into()),
        }
    }
}

/// The finaliser of splitmix64.
fn mixed(z: u64) -> u64 {
    let z = z.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// FNV-1a of 64 bits: the same on every machine and in every version.
struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_differ_by_name_and_round_and_are_never_0() {
        let mut seen = std::collections::BTreeSet::new();
        for round in 0..24 {
            for name in ["x", "y", "z", "x_1", "alpha"] {
                let value = Seeded { round, whole: &BTreeSet::new() }.value_of(name);
                assert!(value != BigRational::from_integer(0.into()));
                assert!(round % 2 == 1 || value > BigRational::from_integer(0.into()));
                seen.insert(value.to_string());
            }
        }
        assert!(seen.len() > 115, "{}", seen.len());
    }
}
