//! What a segment must know besides its input.

use std::{cell::RefCell, collections::HashMap};

use tch::{Device, Kind, Tensor};

use crate::{AdapterMode, AdapterPass, Packed, Rope, packed::Span};

/// Positions and blocks of one packed forward.
#[derive(Debug)]
pub struct Ctx<'a> {
    /// Cosines of the rows' angles, `[N, head_dim / 2]`.
    pub cos: Tensor,
    /// Sines of the rows' angles, `[N, head_dim / 2]`.
    pub sin: Tensor,
    /// Which rows belong together.
    pub spans: &'a [Span],
    /// How many rows, the first ones, every block's prefix begins with.
    pub root: i64,
    /// For each block the additive masks of the rest of its prefix, `[P, root + P]`, and of its suffixes, `[S, root + P + S]`; none where a
    /// row attends causally to itself alone.
    pub masks: Vec<[Option<Tensor>; 2]>,
    /// If set, attention leaves each layer's rotated keys and its values here, `[N, kv_heads, head_dim]`: a prompt's prefill.
    pub kv: Option<RefCell<Vec<(Tensor, Tensor)>>>,
    /// How adapters take part.
    pub adapters: AdapterPass,
}

impl<'a> Ctx<'a> {
    /// For the rows of a batch.
    #[must_use]
    pub fn new(rope: &Rope, packed: &'a Packed, kind: Kind, mode: AdapterMode) -> Self {
        let (cos, sin) = rope.table(&packed.positions, kind);
        let root = packed.root as i64;
        let mut made = HashMap::new();
        let mut both = |span: &Span| {
            let longest = span.suffixes.iter().copied().max().unwrap_or(0);
            [mask((root, span.prefix), kind, &mut made), mask((root + span.prefix, longest), kind, &mut made)]
        };
        let masks = packed.spans.iter().map(&mut both).collect();
        Self { cos, sin, spans: &packed.spans, root, masks, kv: None, adapters: AdapterPass::packed(mode, packed) }
    }

    /// The same, keeping keys and values.
    #[must_use]
    pub fn keeping_kv(mut self) -> Self {
        self.kv = Some(RefCell::new(Vec::new()));
        self
    }
}

/// Query s of a suffix sees the whole prefix of p rows and the suffix up to itself. Blocks of one shape share one mask.
fn mask((p, s): (i64, i64), kind: Kind, made: &mut HashMap<(i64, i64), Tensor>) -> Option<Tensor> {
    if p == 0 || s == 0 {
        return None;
    }
    let mask = made.entry((p, s)).or_insert_with(|| {
        let blocked = Tensor::full([s, p + s], f64::NEG_INFINITY, (kind, Device::Cpu));
        blocked.triu(p + 1)
    });
    Some(mask.shallow_clone())
}
