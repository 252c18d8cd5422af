//! Keys and values of a decoding batch: each prompt's once, each row's own.

use collimate_bridge::{DecodeRow, KEY_LANES, PrefixCache};
use tch::{Device, Kind, Tensor};

use crate::{AdapterMode, AdapterPass, ModelConfig, Rope};

/// Keys and values of one prompt: per layer keys `[kv_heads, head_dim, P padded]`, rotated, and values `[kv_heads, P, head_dim]`.
#[derive(Debug)]
pub struct PrefixKv {
    /// Keys and values of each layer.
    pub layers: Vec<(Tensor, Tensor)>,
    /// P: tokens of the prompt.
    pub length: usize,
}

/// The cache of a decoding batch. Own keys and values are allocated once; a prompt's lie in a place that is used again when its last
/// row has left.
#[derive(Debug)]
pub struct KvCache {
    own: Vec<(Tensor, Tensor)>,
    prefixes: Vec<Option<PrefixKv>>,
    empty: Tensor,
    slots: usize,
    capacity: usize,
}

/// The rows of one decoding step.
#[derive(Debug)]
pub struct DecodeRows {
    /// Where each row stands.
    pub rows: Vec<DecodeRow>,
    /// Cosines of the new tokens' angles, `[n, head_dim / 2]`.
    pub cos: Tensor,
    /// Sines of the new tokens' angles.
    pub sin: Tensor,
    /// How adapters take part.
    pub adapters: AdapterPass,
}

impl DecodeRows {
    /// Rows at their positions: prefix and own tokens come before the new one.
    #[must_use]
    pub fn new(rows: Vec<DecodeRow>, rope: &Rope, kind: Kind, mode: AdapterMode) -> Self {
        let positions: Vec<i64> = rows.iter().map(|r| r.prefix_len + r.own_len).collect();
        let (cos, sin) = rope.table(&positions, kind);
        Self { rows, cos, sin, adapters: AdapterPass::plain(mode) }
    }
}

impl PrefixKv {
    /// From each layer's rotated keys and values of the prompt's rows, `[P, kv_heads, head_dim]`, which are copied.
    #[must_use]
    pub fn new(layers: impl Iterator<Item = (Tensor, Tensor)>, length: usize) -> Self {
        let missing = length.next_multiple_of(KEY_LANES as usize) - length;
        let keys = |k: &Tensor| k.permute([1, 2, 0]).constant_pad_nd([0, missing as i64]).contiguous();
        let layers = layers.map(|(k, v)| (keys(&k), v.transpose(0, 1).contiguous())).collect();
        Self { layers, length }
    }
}

impl KvCache {
    /// Room for `slots` rows of `capacity` own tokens.
    #[must_use]
    pub fn new(config: &ModelConfig, kind: Kind, slots: usize, capacity: usize) -> Self {
        let capacity = capacity.next_multiple_of(KEY_LANES as usize);
        let (s, h, c, d) = (slots as i64, config.kv_heads, capacity as i64, config.head_dim);
        let zeros = |shape: [i64; 4]| Tensor::zeros(shape, (kind, Device::Cpu));
        let own = (0..config.layers).map(|_| (zeros([s, h, d, c]), zeros([s, h, c, d]))).collect();
        Self { own, prefixes: Vec::new(), empty: Tensor::zeros([0], (kind, Device::Cpu)), slots, capacity }
    }

    /// Bytes that [`KvCache::new`] takes.
    #[must_use]
    pub fn bytes(config: &ModelConfig, kind: Kind, slots: usize, capacity: usize) -> usize {
        let per_token = 2 * config.layers * (config.kv_heads * config.head_dim) as usize * kind.elt_size_in_bytes();
        slots * capacity.next_multiple_of(KEY_LANES as usize) * per_token
    }

    /// How many rows fit.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// How many own tokens of a row fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Keeps a prompt's keys and values; returns the place rows name in [`DecodeRow::prefix`].
    pub fn insert(&mut self, prefix: PrefixKv) -> usize {
        if let Some(place) = self.prefixes.iter().position(Option::is_none) {
            self.prefixes[place] = Some(prefix);
            return place;
        }
        self.prefixes.push(Some(prefix));
        self.prefixes.len() - 1
    }

    /// Forgets a prompt.
    pub fn remove(&mut self, place: usize) {
        if let Some(prefix) = self.prefixes.get_mut(place) {
            *prefix = None;
        }
    }

    /// Forgets all prompts.
    pub fn clear_prefixes(&mut self) {
        self.prefixes.clear();
    }

    /// Float or Double.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.empty.kind()
    }

    /// Own keys `[slots, kv_heads, head_dim, capacity]` and values `[slots, kv_heads, capacity, head_dim]` of a layer.
    pub fn own(&self, layer: usize) -> (&Tensor, &Tensor) {
        let (k, v) = &self.own[layer];
        (k, v)
    }

    /// The prompts' keys and values of a layer, by place.
    #[must_use]
    pub fn prefixes(&self, layer: usize) -> Vec<PrefixCache<'_>> {
        let views = self.prefixes.iter().map(|p| match p {
            Some(p) => PrefixCache { k: &p.layers[layer].0, v: &p.layers[layer].1 },
            None => PrefixCache { k: &self.empty, v: &self.empty },
        });
        views.collect()
    }
}
