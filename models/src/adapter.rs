//! The adapters of one projection: one for each named part of a fused weight, computed together.

use collimate_bridge::BridgeError;
use collimate_types::Seed;
use tch::Tensor;

use crate::{AdapterPass, LoraConfig, Param, Piece, dropout, linear::few};

/// What PEFT puts before the name of a module.
pub(crate) const PEFT_PREFIX: &str = "base_model.model.";

/// `y += s · drop(x) Aᵀ Bᵀ` for every part that has an adapter. The A of all parts lie in one matrix, so that their inputs are read once;
/// they share one dropout mask, whose law for each of them is that of a mask of its own.
#[derive(Debug)]
pub(crate) struct Adapter {
    /// `[parts · rank, in]`
    a: Param,
    /// `[Σ rows, rank]`
    b: Param,
    /// Of each part the first column of the projection's output, and how many.
    parts: Vec<(i64, i64)>,
    rank: i64,
    scale: f64,
    dropout: f64,
    /// Where in the model it stands, for masks.
    site: u64,
    /// A and B before training, where they were something.
    start: Option<(Tensor, Tensor)>,
}

impl Adapter {
    /// For those pieces of a weight `[out, in]` that are wanted; none if none is. A is uniform in `±1/√in` (PEFT's default), B zero: at first
    /// nothing changes.
    pub(crate) fn new(weight: &Param, wanted: &dyn Fn(&str) -> bool, config: &LoraConfig, seed: Seed) -> Option<Self> {
        let (kind, input) = (weight.kind(), weight.value().size()[1]);
        let chosen: Vec<(&str, &Piece)> = weight
            .pieces()
            .iter()
            .filter_map(|p| Some((p.name.strip_suffix(".weight")?, p)))
            .filter(|(module, _)| wanted(module))
            .collect();
        let first = chosen.first()?;
        let site = address_of(seed, first.0).0;
        let (mut a_pieces, mut b_pieces, mut parts, mut values, mut row) = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), 0);
        for (i, (module, piece)) in (0_i64..).zip(&chosen) {
            let name = |matrix: &str| format!("{PEFT_PREFIX}{module}.lora_{matrix}.weight");
            a_pieces.push(Piece { name: name("A"), start: i * config.rank, rows: config.rank });
            b_pieces.push(Piece { name: name("B"), start: row, rows: piece.rows });
            parts.push((piece.start, piece.rows));
            row += piece.rows;
            let (seed, bound) = (address_of(seed, module), 1.0 / (input as f64).sqrt());
            let unit = |n: u64| (seed.bits(n) >> 11) as f64 * (2.0 / 9_007_199_254_740_992.0) - 1.0;
            values.extend((0..(config.rank * input) as u64).map(|n| (bound * unit(n)) as f32));
        }
        let a = Tensor::from_slice(&values).view([parts.len() as i64 * config.rank, input]).to_kind(kind);
        let b = Tensor::zeros([row, config.rank], (kind, weight.value().device()));
        Some(Self {
            a: Param::new(&a, a_pieces).of_an_adapter(),
            b: Param::new(&b, b_pieces).of_an_adapter(),
            parts,
            rank: config.rank,
            scale: config.scale(),
            dropout: config.dropout,
            site,
            start: None,
        })
    }

    /// What stands there now is what training begins from.
    pub(crate) fn keep_start(&mut self) {
        self.start = Some((self.a.value().detach().copy(), self.b.value().detach().copy()));
    }

    pub(crate) fn params(&self) -> [&Param; 2] {
        [&self.a, &self.b]
    }

    pub(crate) fn params_mut(&mut self) -> [&mut Param; 2] {
        [&mut self.a, &mut self.b]
    }

    /// A and B of a pass; none if they change nothing.
    fn values(&self, pass: &AdapterPass) -> Option<(&Tensor, &Tensor)> {
        if pass.start { self.start.as_ref().map(|(a, b)| (a, b)) } else { Some((self.a.value(), self.b.value())) }
    }

    /// Adds to `y [N, out]` in place.
    pub(crate) fn add(&self, x: &Tensor, y: &Tensor, pass: &AdapterPass) {
        let Some((a, b)) = self.values(pass) else { return };
        let u = self.dropped(x, pass).linear::<&Tensor>(a, None) * self.scale;
        self.spread(&u, b, y);
    }

    /// The same for decoding: few rows, no dropout.
    pub(crate) fn add_few(&self, x: &Tensor, y: &Tensor, pass: &AdapterPass) -> Result<(), BridgeError> {
        let Some((a, b)) = self.values(pass) else { return Ok(()) };
        let u = few(x, a, None)?.g_mul_scalar_(self.scale);
        self.spread(&u, b, y);
        Ok(())
    }

    /// `y_i += u_i B_iᵀ` for every part.
    fn spread(&self, u: &Tensor, b: &Tensor, y: &Tensor) {
        for (i, (start, rows), from) in self.each() {
            let _ = y.narrow(1, start, rows).addmm_(&u.narrow(1, i * self.rank, self.rank), &b.narrow(0, from, rows).tr());
        }
    }

    /// Accumulates the gradients of A and B: with `g_i = s · dy_i B_i`, `dA_i += g_iᵀ drop(x)` and `dB_i += s · dy_iᵀ (drop(x) A_iᵀ)`.
    pub(crate) fn accumulate(&self, x: &Tensor, dy: &Tensor, pass: &AdapterPass) {
        if !self.a.trainable() || pass.start {
            return;
        }
        let x = self.dropped(x, pass);
        let u = x.linear::<&Tensor>(&self.a.value().detach(), None) * self.scale;
        let _ = self.a.grad().addmm_(&self.gathered(dy, &self.b.value().detach()).tr(), &x);
        let db = self.b.grad();
        for (i, (start, rows), from) in self.each() {
            let _ = db.narrow(0, from, rows).addmm_(&dy.narrow(1, start, rows).tr(), &u.narrow(1, i * self.rank, self.rank));
        }
    }

    /// Adds its part to the gradient of the input in place: `dx += drop'(Σ g_i A_i)`.
    pub(crate) fn add_input_gradient(&self, dy: &Tensor, dx: &Tensor, pass: &AdapterPass) {
        let Some((a, b)) = self.values(pass) else { return };
        let (a, g) = (a.detach(), self.gathered(dy, &b.detach()));
        match self.mask(dy, a.size()[1], pass) {
            Some(mask) => drop(dx.shallow_clone().g_add_(&g.mm(&a).g_mul_(&mask))),
            None => drop(dx.shallow_clone().addmm_(&g, &a)),
        }
    }

    /// `[g_1 | g_2 | …]`, `[N, parts · rank]`.
    fn gathered(&self, dy: &Tensor, b: &Tensor) -> Tensor {
        let mut g = Tensor::empty([dy.size()[0], self.parts.len() as i64 * self.rank], (dy.kind(), dy.device()));
        for (i, (start, rows), from) in self.each() {
            g.narrow(1, i * self.rank, self.rank).copy_(&dy.narrow(1, start, rows).mm(&b.narrow(0, from, rows)));
        }
        g.g_mul_scalar_(self.scale)
    }

    /// Adds `s · B_i A_i` to the rows of each part: the adapter becomes a part of the weight.
    pub(crate) fn merge_into(&self, weight: &Param) {
        let (a, b, weight) = (self.a.value().detach(), self.b.value().detach(), weight.value().detach());
        for (i, (start, rows), from) in self.each() {
            let product = b.narrow(0, from, rows).mm(&a.narrow(0, i * self.rank, self.rank)) * self.scale;
            let _ = weight.narrow(0, start, rows).g_add_(&product);
        }
    }

    fn dropped(&self, x: &Tensor, pass: &AdapterPass) -> Tensor {
        self.mask(x, x.size()[1], pass).map_or_else(|| x.shallow_clone(), |mask| x * mask)
    }

    fn mask(&self, like: &Tensor, width: i64, pass: &AdapterPass) -> Option<Tensor> {
        let rows = pass.rows.as_ref().filter(|_| self.dropout > 0.0)?;
        Some(dropout::mask(rows, self.site, (width, self.dropout), like.kind()))
    }

    /// Of each part: its number, its columns of the output, its first row of B.
    fn each(&self) -> impl Iterator<Item = (i64, (i64, i64), i64)> + '_ {
        let mut from = 0;
        (0_i64..).zip(&self.parts).map(move |(i, part)| {
            let at = from;
            from += part.1;
            (i, *part, at)
        })
    }
}

/// The address of a module's decisions.
fn address_of(seed: Seed, module: &str) -> Seed {
    seed.fork(module, 0)
}
