//! Blocks: rows that share a prefix, without padding.
//!
//! A batch is a list of blocks; a block is a prefix and the suffixes that continue it: a prompt and its G completions (online RL), the
//! common part of a pair and its two answers (preferences), or rows without prefix (supervised tuning). What all prefixes of a batch have
//! in common, the *root* (a system prompt, worked examples), is computed once for all blocks. The linear layers see one matrix of all
//! tokens. Rows lie in this order: the root, then for each block the rest of its prefix and its suffixes one after another. The last token
//! of a suffix has no row: nothing is predicted from it.

use collimate_types::TokenId;
use tch::{Device, Kind, Tensor};

use crate::ModelError;

/// One continuation of a block's prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suffix {
    /// Its tokens, at least one.
    pub tokens: Vec<TokenId>,
    /// Which of them need a leaf (a log-probability), `[S]`.
    pub scored: Vec<bool>,
    /// The row of the algorithm's `[B, T]` leaves this suffix fills.
    pub row: usize,
}

/// Rows that share a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The shared tokens; may be empty.
    pub prefix: Vec<TokenId>,
    /// What continues them.
    pub suffixes: Vec<Suffix>,
}

impl Block {
    /// How many rows the block fills.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.prefix.len() + self.suffixes.iter().map(|s| s.tokens.len().saturating_sub(1)).sum::<usize>()
    }
}

/// One number that the loss needs: the log-probability of `label`, predicted from head row `head_row`, for place `[row, column]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    /// Index into [`Packed::head_rows`].
    pub head_row: usize,
    /// The token that was drawn.
    pub label: TokenId,
    /// Row of the `[B, T]` leaves.
    pub row: usize,
    /// Column of the `[B, T]` leaves: the position inside the suffix.
    pub column: usize,
}

/// Where a block's rows lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// First row of the block, behind the root.
    pub start: i64,
    /// Rows of its prefix that are its own: all but the root.
    pub prefix: i64,
    /// Rows of each suffix that has any, in order.
    pub suffixes: Vec<i64>,
}

impl Span {
    /// How many rows the block has.
    #[must_use]
    pub fn rows(&self) -> i64 {
        self.prefix + self.suffixes.iter().sum::<i64>()
    }
}

/// A batch laid out for the model.
#[derive(Debug)]
pub struct Packed {
    /// `[N]` token ids.
    pub tokens: Vec<TokenId>,
    /// `[N]` positions: a suffix goes on where its prefix ends.
    pub positions: Vec<i64>,
    /// How many rows, the first ones, every block's prefix begins with.
    pub root: usize,
    /// The blocks.
    pub spans: Vec<Span>,
    /// Rows whose hidden state the head needs, ascending. The last row of a prefix predicts the first token of every suffix: it stands
    /// here once.
    pub head_rows: Vec<i64>,
    /// The leaves, ordered by `head_row`.
    pub leaves: Vec<Leaf>,
}

impl Packed {
    /// Lays blocks out.
    ///
    /// # Errors
    /// When a suffix is empty or its mask has another length.
    pub fn new(blocks: &[Block]) -> Result<Self, ModelError> {
        let root = common(blocks);
        let shared = blocks.first().map_or(&[][..], |b| &b.prefix[..root]);
        let mut packed = Self {
            tokens: shared.to_vec(),
            positions: (0..root as i64).collect(),
            root,
            spans: Vec::new(),
            head_rows: Vec::new(),
            leaves: Vec::new(),
        };
        for block in blocks {
            packed.push(block)?;
        }
        packed.leaves.sort_by_key(|l| l.head_row); // by row of the trunk for now; stable, so equal rows keep the order of the suffixes
        packed.head_rows = packed.leaves.iter().map(|l| l.head_row as i64).collect();
        packed.head_rows.dedup();
        let mut index = 0;
        for leaf in &mut packed.leaves {
            while packed.head_rows[index] != leaf.head_row as i64 {
                index += 1;
            }
            leaf.head_row = index;
        }
        Ok(packed)
    }

    /// How many rows the trunk computes.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.tokens.len()
    }

    /// The token ids as a tensor `[N]`.
    pub fn token_tensor(&self) -> Tensor {
        let ids: Vec<i64> = self.tokens.iter().map(|t| i64::from(*t)).collect();
        Tensor::from_slice(&ids)
    }

    /// The head's rows as a tensor `[R]`.
    pub fn head_row_tensor(&self) -> Tensor {
        Tensor::from_slice(&self.head_rows)
    }

    /// Spreads numbers of the leaves over `[rows, columns]`, zeros elsewhere.
    pub fn scatter(&self, leaves: &Tensor, rows: usize, columns: usize) -> Tensor {
        let flat = Tensor::zeros([(rows * columns) as i64], (leaves.kind(), Device::Cpu));
        let _ = flat.shallow_clone().index_copy_(0, &self.places(columns), leaves);
        flat.view([rows as i64, columns as i64])
    }

    /// Takes the leaves' numbers out of `[rows, columns]`.
    pub fn gather(&self, grid: &Tensor) -> Tensor {
        let columns = grid.size()[1];
        grid.contiguous().view([-1]).index_select(0, &self.places(columns as usize))
    }

    fn places(&self, columns: usize) -> Tensor {
        let places: Vec<i64> = self.leaves.iter().map(|l| (l.row * columns + l.column) as i64).collect();
        Tensor::from_slice(&places).to_kind(Kind::Int64)
    }

    fn push(&mut self, block: &Block) -> Result<(), ModelError> {
        let start = self.tokens.len();
        let prefix = block.prefix.len();
        self.tokens.extend(&block.prefix[self.root..]);
        self.positions.extend(self.root as i64..prefix as i64);
        let own = prefix - self.root;
        let mut lengths = Vec::with_capacity(block.suffixes.len());
        for suffix in &block.suffixes {
            if suffix.tokens.is_empty() || suffix.tokens.len() != suffix.scored.len() {
                let (tokens, scored) = (suffix.tokens.len(), suffix.scored.len());
                return Err(ModelError::Batch(format!(
                    "a suffix of {tokens} tokens has a mask of {scored}; both must be equal and above 0"
                )));
            }
            let first = self.tokens.len();
            for (column, (&label, _)) in suffix.tokens.iter().zip(&suffix.scored).enumerate().filter(|(_, (_, scored))| **scored) {
                // The token before predicts: the row before, or for the first token the last of the prefix.
                let before = if column > 0 { Some(first + column - 1) } else { own.checked_sub(1).map(|p| start + p) };
                // The first token of a row without prefix is predicted by nothing.
                if let Some(head_row) = before {
                    self.leaves.push(Leaf { head_row, label, row: suffix.row, column });
                }
            }
            let rows = suffix.tokens.len() - 1;
            self.tokens.extend(&suffix.tokens[..rows]);
            self.positions.extend((prefix..prefix + rows).map(|p| p as i64));
            lengths.extend((rows > 0).then_some(rows as i64));
        }
        self.spans.push(Span { start: start as i64, prefix: own as i64, suffixes: lengths });
        Ok(())
    }
}

/// The longest beginning of all prefixes that leaves each of them a row of its own; nothing where there is one block alone.
fn common(blocks: &[Block]) -> usize {
    let [first, rest @ ..] = blocks else { return 0 };
    if rest.is_empty() {
        return 0;
    }
    let shortest = blocks.iter().map(|b| b.prefix.len()).min().unwrap_or(0).saturating_sub(1);
    let alike = |b: &Block| b.prefix.iter().zip(&first.prefix).take_while(|(a, b)| a == b).count();
    rest.iter().map(alike).fold(shortest, usize::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suffix(tokens: &[TokenId], row: usize) -> Suffix {
        Suffix { tokens: tokens.to_vec(), scored: vec![true; tokens.len()], row }
    }

    #[test]
    fn the_last_prefix_row_predicts_every_first_token_and_stands_once() {
        let block = Block { prefix: vec![10, 11, 12], suffixes: vec![suffix(&[20, 21], 0), suffix(&[30], 1)] };
        let packed = Packed::new(&[block]).unwrap();
        assert_eq!(packed.tokens, [10, 11, 12, 20]);
        assert_eq!(packed.positions, [0, 1, 2, 3]);
        assert_eq!(packed.spans, [Span { start: 0, prefix: 3, suffixes: vec![1] }]);
        assert_eq!(packed.head_rows, [2, 3]);
        let leaves: Vec<_> = packed.leaves.iter().map(|l| (l.head_row, l.label, l.row, l.column)).collect();
        assert_eq!(leaves, [(0, 20, 0, 0), (0, 30, 1, 0), (1, 21, 0, 1)]);
    }

    #[test]
    fn what_all_prefixes_begin_with_stands_once() {
        let block = |prefix: &[TokenId], row| Block { prefix: prefix.to_vec(), suffixes: vec![suffix(&[20, 21], row)] };
        let packed = Packed::new(&[block(&[10, 11, 12], 0), block(&[10, 11, 13, 14], 1)]).unwrap();
        assert_eq!((packed.root, packed.tokens.as_slice()), (2, [10, 11, 12, 20, 13, 14, 20].as_slice()));
        assert_eq!(packed.positions, [0, 1, 2, 3, 2, 3, 4]);
        let spans = [(2, 1), (4, 2)].map(|(start, prefix)| Span { start, prefix, suffixes: vec![1] });
        assert_eq!(packed.spans, spans);
        // Equal prefixes keep a row of their own each: the one that predicts.
        let packed = Packed::new(&[block(&[10, 11], 0), block(&[10, 11], 1)]).unwrap();
        assert_eq!((packed.root, packed.tokens.as_slice()), (1, [10, 11, 20, 11, 20].as_slice()));
    }

    #[test]
    fn leaves_go_out_and_come_back() {
        let block = Block { prefix: vec![1], suffixes: vec![suffix(&[2, 3], 0), suffix(&[4, 5, 6], 1)] };
        let packed = Packed::new(&[block]).unwrap();
        let values = Tensor::arange(5, (Kind::Float, Device::Cpu));
        let grid = packed.scatter(&values, 2, 3);
        assert_eq!(grid.size(), [2, 3]);
        assert_eq!(packed.gather(&grid), values);
        assert_eq!(grid.double_value(&[0, 2]), 0.0);
    }

    #[test]
    fn a_mask_of_another_length_is_refused() {
        let bad = Suffix { tokens: vec![1, 2], scored: vec![true], row: 0 };
        assert!(Packed::new(&[Block { prefix: vec![], suffixes: vec![bad] }]).is_err());
    }
}
