//! Dropout whose masks are addresses: the mask of a row follows from the update, the place in the model and the row's content.
//!
//! The content of a row is every token up to it, which is all that its activations depend on. So packing, micro-batches and shared
//! prefixes change no mask, and whoever runs a pass again computes the same one instead of keeping it.

use collimate_types::{Seed, TokenId};
use tch::{Kind, Tensor};

use crate::Packed;

/// The address of each row of a batch, `[N]`.
pub(crate) fn addresses(packed: &Packed, seed: Seed) -> Vec<u64> {
    let mut out = Vec::with_capacity(packed.rows());
    let (root, rest) = packed.tokens.split_at(packed.root);
    let shared = extend(seed.0, root, &mut out);
    let mut rest = rest.iter().as_slice();
    for span in &packed.spans {
        let (prefix, after) = rest.split_at(span.prefix as usize);
        let prefix = extend(shared, prefix, &mut out);
        rest = after;
        for rows in &span.suffixes {
            let (suffix, after) = rest.split_at(*rows as usize);
            extend(prefix, suffix, &mut out);
            rest = after;
        }
    }
    out
}

/// Appends the addresses of tokens that follow what has the address `before`; returns the last one.
fn extend(before: u64, tokens: &[TokenId], out: &mut Vec<u64>) -> u64 {
    tokens.iter().fold(before, |address, token| {
        let next = Seed(address ^ u64::from(*token).rotate_left(32)).bits(0);
        out.push(next);
        next
    })
}

/// 0 with probability `p`, else `1/(1 − p)`: `[N, width]` for rows of these addresses at place `site` of the model.
///
/// 16 bits decide a number, so `p` is met to 1/65536.
pub(crate) fn mask(rows: &[u64], site: u64, (width, p): (i64, f64), kind: Kind) -> Tensor {
    let closed = (p * 65536.0).round() as u64;
    let kept = (1.0 / (1.0 - p)) as f32;
    let width = width as usize;
    let mut values = vec![0.0_f32; rows.len() * width];
    for (row, address) in values.chunks_mut(width.max(1)).zip(rows) {
        let seed = Seed(address ^ site);
        for (n, lanes) in (0_u64..).zip(row.chunks_mut(4)) {
            let bits = seed.bits(n);
            for (lane, value) in lanes.iter_mut().enumerate() {
                if (bits >> (16 * lane)) & 0xffff >= closed {
                    *value = kept;
                }
            }
        }
    }
    Tensor::from_slice(&values).view([rows.len() as i64, width as i64]).to_kind(kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Block, Suffix};

    fn suffix(tokens: &[u32]) -> Suffix {
        Suffix { tokens: tokens.to_vec(), scored: vec![true; tokens.len()], row: 0 }
    }

    #[test]
    fn a_row_has_one_address_however_it_is_packed() {
        let seed = Seed(3);
        let shared = Packed::new(&[
            Block { prefix: vec![1, 2, 3], suffixes: vec![suffix(&[4, 5, 6]), suffix(&[4, 7, 8])] },
            Block { prefix: vec![1, 2, 9], suffixes: vec![suffix(&[4, 5])] },
        ]);
        let shared = addresses(&shared.unwrap(), seed);
        let alone = |tokens: &[u32]| {
            let tokens = [tokens, &[0]].concat();
            addresses(&Packed::new(&[Block { prefix: vec![], suffixes: vec![suffix(&tokens)] }]).unwrap(), seed)
        };
        // Rows: root 1 2, then 3, its suffixes 4 5 and 4 7, then 9 and 4.
        let (first, second, third) = (alone(&[1, 2, 3, 4, 5]), alone(&[1, 2, 3, 4, 7]), alone(&[1, 2, 9, 4]));
        assert_eq!(shared, [&first[..], &second[3..], &third[2..]].concat());
        assert_eq!(first[..4], second[..4]);
        assert_ne!(first[4], second[4]);
        assert_ne!(addresses(&Packed::new(&[Block { prefix: vec![1], suffixes: vec![suffix(&[2])] }]).unwrap(), Seed(4))[0], first[0]);
    }

    #[test]
    fn a_mask_keeps_the_mean_and_closes_the_share_it_is_told_to() {
        let rows: Vec<u64> = (0..500).map(|n| Seed(1).bits(n)).collect();
        let mask = mask(&rows, 77, (201, 0.3), Kind::Double);
        let closed = f64::try_from(mask.eq(0.0).to_kind(Kind::Double).mean(Kind::Double)).unwrap();
        let mean = f64::try_from(mask.mean(Kind::Double)).unwrap();
        // 100,500 draws: one standard error is 0.0014 of the share and 0.002 of the mean.
        assert!((closed - 0.3).abs() < 0.008 && (mean - 1.0).abs() < 0.012, "{closed} closed, mean {mean}");
        let other = super::mask(&rows, 78, (201, 0.3), Kind::Double);
        assert!(f64::try_from((mask - other).abs().mean(Kind::Double)).unwrap() > 0.3, "another place has another mask");
    }
}
