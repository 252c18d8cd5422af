//! The vocabulary head: hidden states to log-probabilities and back, in chunks of rows, so that `[B, T, V]` never exists.

use std::cell::RefCell;

use collimate_bridge::{BridgeError, rms_norm};
use tch::{Device, Tensor};

use crate::{Packed, Param, Recording, linear::few};

/// Logits of a chunk hold about so many numbers: large enough for a full-speed product, small enough to stay beside the weights.
const CHUNK_NUMBERS: i64 = 12_582_912;

/// Final normalisation and projection to the vocabulary.
///
/// With `z = W·rms(h)/τ` of a row and `lse = log Σⱼ exp zⱼ`, a leaf of label y is `logp = z_y − lse`, and the row's entropy is
/// `H = lse − Σⱼ pⱼ zⱼ`. Back, with `g` = dL/dlogp and `e` = dL/dH summed over the row's leaves:
/// `dL/dzⱼ = Σ_y g_y·[j = y] − pⱼ·Σ g − e·pⱼ·(log pⱼ + H)`.
#[derive(Debug)]
pub struct VocabHead {
    norm: Param,
    eps: f64,
    /// None: the embedding's weight is used.
    weight: Option<Param>,
    buffer: RefCell<Option<Tensor>>,
}

/// The leaves of a batch as tensors, ordered by row.
#[derive(Debug)]
pub struct HeadLeaves {
    /// `[L]` row of the hidden states.
    rows: Vec<i64>,
    /// `[L]` token.
    labels: Vec<i64>,
    temperature: f64,
}

impl HeadLeaves {
    /// The leaves of a packed batch at a sampling temperature; 0 (greedy) is taken as 1.
    #[must_use]
    pub fn new(packed: &Packed, temperature: f64) -> Self {
        let temperature = if temperature == 0.0 { 1.0 } else { temperature };
        let rows = packed.leaves.iter().map(|l| l.head_row as i64).collect();
        Self { rows, labels: packed.leaves.iter().map(|l| i64::from(l.label)).collect(), temperature }
    }

    /// `[L]` rows of the hidden states.
    pub(crate) fn row_tensor(&self) -> Tensor {
        Tensor::from_slice(&self.rows)
    }

    /// What divides the logits.
    pub(crate) fn temperature(&self) -> f64 {
        self.temperature
    }

    /// L.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Leaves whose row lies in `start .. start + rows`: first leaf, rows relative to `start`, labels.
    fn of(&self, start: i64, rows: i64) -> (i64, Tensor, Tensor) {
        let first = self.rows.partition_point(|r| *r < start);
        let last = self.rows.partition_point(|r| *r < start + rows);
        let relative: Vec<i64> = self.rows[first..last].iter().map(|r| r - start).collect();
        (first as i64, Tensor::from_slice(&relative), Tensor::from_slice(&self.labels[first..last]))
    }
}

/// What pass 1 gives.
#[derive(Debug)]
pub struct HeadPass {
    /// `[L]` log-probabilities.
    pub logp: Tensor,
    /// `[L]` entropy of the leaf's row, if it was asked for.
    pub entropy: Option<Tensor>,
    /// `[R]` log-sum-exp of each row's logits.
    lse: Tensor,
    /// `[R]` entropies, if asked for.
    row_entropy: Option<Tensor>,
}

impl HeadPass {
    /// Log-probabilities that are known already, `[L]`: the first pass is spared. Only [`VocabHead::backward_recorded`] goes with it.
    #[must_use]
    pub fn known(logp: Tensor) -> Self {
        let lse = logp.zeros_like();
        Self { logp, entropy: None, lse, row_entropy: None }
    }
}

impl VocabHead {
    /// `norm [hidden]`, `weight [V, hidden]` or none if tied to the embedding.
    #[must_use]
    pub fn new(norm: Param, eps: f64, weight: Option<Param>) -> Self {
        Self { norm, eps, weight, buffer: RefCell::new(None) }
    }

    /// The parameters.
    pub fn params(&self) -> impl Iterator<Item = &Param> {
        std::iter::once(&self.norm).chain(&self.weight)
    }

    /// The parameters, to be frozen.
    pub fn params_mut(&mut self) -> impl Iterator<Item = &mut Param> {
        std::iter::once(&mut self.norm).chain(&mut self.weight)
    }

    /// Logits of rows, made of differentiable operations: `[n, hidden]` → `[n, V]`.
    pub fn logits(&self, embedding: &Param, hidden: &Tensor) -> Tensor {
        self.normalise(hidden).linear::<&Tensor>(self.projection(embedding), None)
    }

    /// Logits of decoding rows: `[n, hidden]` → `[n, V]`.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn decode(&self, embedding: &Param, hidden: &Tensor) -> Result<Tensor, BridgeError> {
        few(&rms_norm(&hidden.contiguous(), self.norm.value(), self.eps)?, self.projection(embedding), None)
    }

    /// Final normalisation: `[n, hidden]` → `[n, hidden]`.
    pub fn normalise(&self, hidden: &Tensor) -> Tensor {
        hidden.rms_norm(hidden.size()[1], Some(self.norm.value()), self.eps)
    }

    /// Pass 1: the leaves, without gradient. `hidden [R, hidden]` are the head's rows before the final normalisation.
    #[must_use]
    pub fn forward(&self, embedding: &Param, hidden: &Tensor, leaves: &HeadLeaves, entropy: bool) -> HeadPass {
        let weight = self.projection(embedding);
        let normed = self.normalise(hidden);
        let like = (hidden.kind(), Device::Cpu);
        let rows = hidden.size()[0];
        let (logp, lse) = (Tensor::zeros([leaves.len() as i64], like), Tensor::zeros([rows], like));
        let row_entropy = entropy.then(|| Tensor::zeros([rows], like));
        let leaf_entropy = entropy.then(|| Tensor::zeros([leaves.len() as i64], like));
        for (start, count) in self.chunks(weight, rows) {
            let z = self.chunk_logits(weight, &normed.narrow(0, start, count), leaves.temperature);
            let (first, at, labels) = leaves.of(start, count);
            let picked = z.view([-1]).index_select(0, &(&at * weight.size()[0] + labels));
            let top = z.amax(-1, true);
            let _ = z.shallow_clone().subtract_(&top);
            let sum = if let Some(h) = &row_entropy {
                let p = z.exp();
                let sum = p.sum_dim_intlist(-1, false, None);
                let mean = (&p * &z).sum_dim_intlist(-1, false, None) / &sum;
                h.narrow(0, start, count).copy_(&(sum.log() - mean));
                sum
            } else {
                z.shallow_clone().exp_().sum_dim_intlist(-1, false, None)
            };
            let shift = sum.log() + top.squeeze_dim(-1);
            lse.narrow(0, start, count).copy_(&shift);
            logp.narrow(0, first, at.size()[0]).copy_(&(picked - shift.index_select(0, &at)));
            if let (Some(leaf), Some(row)) = (&leaf_entropy, &row_entropy) {
                leaf.narrow(0, first, at.size()[0]).copy_(&row.narrow(0, start, count).index_select(0, &at));
            }
        }
        HeadPass { logp, entropy: leaf_entropy, lse, row_entropy }
    }

    /// Pass 2: accumulates the gradients of weight and norm, and returns dL/dhidden `[R, hidden]`. Each chunk's logits are computed anew.
    pub fn backward(&self, embedding: &Param, hidden: &Tensor, leaves: &HeadLeaves, pass: &HeadPass, grads: LeafGrads<'_>) -> Tensor {
        let owner = self.weight.as_ref().unwrap_or(embedding);
        let weight = owner.value();
        let normed = self.normalise(hidden);
        let dnormed = hidden.zeros_like();
        for (start, count) in self.chunks(weight, hidden.size()[0]) {
            let rows = normed.narrow(0, start, count);
            let z = self.chunk_logits(weight, &rows, leaves.temperature);
            let _ = z.shallow_clone().subtract_(&pass.lse.narrow(0, start, count).unsqueeze(-1)); // log p
            let dz = self.chunk_gradient(&z, leaves, pass, grads, (start, count));
            let _ = dz.shallow_clone().multiply_scalar_(1.0 / leaves.temperature);
            dnormed.narrow(0, start, count).copy_(&dz.mm(weight));
            if owner.trainable() {
                let _ = owner.grad().addmm_(&dz.tr(), &rows);
            }
        }
        self.norm_backward(hidden, &dnormed)
    }

    /// Pass 2 from probabilities that are known already: the sampler's, `p = w/Σw` of head rows `heads` in its recording. No product with
    /// the vocabulary is repeated; chunks of the weights become dL/dz where they lie in the copy.
    pub fn backward_recorded(
        &self,
        embedding: &Param,
        hidden: &Tensor,
        leaves: &HeadLeaves,
        (recording, heads): (&Recording, &[i64]),
        dlogp: &Tensor,
    ) -> Tensor {
        let owner = self.weight.as_ref().unwrap_or(embedding);
        let weight = owner.value();
        let normed = self.normalise(hidden);
        let dnormed = hidden.zeros_like();
        for (start, count) in self.chunks(weight, hidden.size()[0]) {
            let (dz, totals) = recording.weights(&heads[start as usize..(start + count) as usize]);
            let (first, at, labels) = leaves.of(start, count);
            let g = dlogp.narrow(0, first, at.size()[0]) / leaves.temperature;
            let sum = Tensor::zeros([count], (g.kind(), Device::Cpu)).index_add(0, &at, &g);
            // dL/dz_j = ([j = y]·g − p_j·Σg)/τ
            let _ = dz.shallow_clone().g_mul_(&(-sum / totals.to_kind(g.kind())).unsqueeze(-1));
            let _ = dz.view([-1]).index_add_(0, &(at * weight.size()[0] + labels), &g);
            dnormed.narrow(0, start, count).copy_(&dz.mm(weight));
            if owner.trainable() {
                let _ = owner.grad().addmm_(&dz.tr(), &normed.narrow(0, start, count));
            }
        }
        self.norm_backward(hidden, &dnormed)
    }

    /// dL/dz of a chunk from its log-probabilities, in place where no entropy is needed.
    fn chunk_gradient(
        &self,
        logp: &Tensor,
        leaves: &HeadLeaves,
        pass: &HeadPass,
        grads: LeafGrads<'_>,
        (start, count): (i64, i64),
    ) -> Tensor {
        let vocab = logp.size()[1];
        let (first, at, labels) = leaves.of(start, count);
        let per_row = |g: &Tensor| {
            let sum = Tensor::zeros([count], (g.kind(), Device::Cpu));
            sum.index_add(0, &at, &g.narrow(0, first, at.size()[0])).unsqueeze(-1)
        };
        let dlogp = grads.logp.narrow(0, first, at.size()[0]);
        let entropy_part = match (grads.entropy, &pass.row_entropy) {
            (Some(e), Some(h)) => Some((logp + h.narrow(0, start, count).unsqueeze(-1)) * logp.exp() * per_row(e)),
            _ => None,
        };
        let mut dz = logp.shallow_clone().exp_();
        let _ = dz.g_mul_(&per_row(grads.logp).neg());
        if let Some(part) = entropy_part {
            let _ = dz.g_sub_(&part);
        }
        let _ = dz.view([-1]).index_add_(0, &(&at * vocab + labels), &dlogp);
        dz
    }

    /// Through the normalisation, under autograd: `[R, hidden]` numbers only.
    pub(crate) fn norm_backward(&self, hidden: &Tensor, dy: &Tensor) -> Tensor {
        let x = hidden.detach().set_requires_grad(true);
        let _restore = tch::no_grad_guard();
        let grads = tch::with_grad(|| {
            let scalar = (self.normalise(&x) * dy).sum(dy.kind());
            let mut inputs = vec![&x];
            inputs.extend(self.norm.trainable().then(|| self.norm.value()));
            Tensor::run_backward(&[scalar], &inputs, false, false)
        });
        if let Some(grad) = grads.get(1) {
            self.norm.accumulate(grad);
        }
        grads[0].shallow_clone()
    }

    /// The parameter that holds the projection: its own, or the embedding.
    pub(crate) fn owner<'a>(&'a self, embedding: &'a Param) -> &'a Param {
        self.weight.as_ref().unwrap_or(embedding)
    }

    pub(crate) fn projection<'a>(&'a self, embedding: &'a Param) -> &'a Tensor {
        self.weight.as_ref().unwrap_or(embedding).value()
    }

    /// `z [count, V]` in the kept buffer.
    fn chunk_logits(&self, weight: &Tensor, rows: &Tensor, temperature: f64) -> Tensor {
        let (count, vocab) = (rows.size()[0], weight.size()[0]);
        let mut kept = self.buffer.borrow_mut();
        let fits = kept.as_ref().is_some_and(|b| b.kind() == rows.kind() && b.size()[0] >= count && b.size()[1] == vocab);
        if !fits {
            *kept = Some(Tensor::zeros([count, vocab], (rows.kind(), Device::Cpu)));
        }
        let out = kept.as_ref().map_or_else(|| rows.zeros_like(), |b| b.narrow(0, 0, count));
        let _ = rows.mm_out(&out, &weight.tr());
        if (temperature - 1.0).abs() > f64::EPSILON {
            let _ = out.shallow_clone().multiply_scalar_(1.0 / temperature);
        }
        out
    }

    /// `(start, count)` of each chunk of rows.
    pub(crate) fn chunks(&self, weight: &Tensor, rows: i64) -> impl Iterator<Item = (i64, i64)> + use<> {
        let size = (CHUNK_NUMBERS / weight.size()[0]).clamp(16, 4096);
        (0..rows).step_by(size as usize).map(move |start| (start, size.min(rows - start)))
    }
}

/// The loss's gradient with respect to the leaves.
#[derive(Debug, Clone, Copy)]
pub struct LeafGrads<'a> {
    /// `[L]` dL/dlogp.
    pub logp: &'a Tensor,
    /// `[L]` dL/dentropy, if the loss has such a term.
    pub entropy: Option<&'a Tensor>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Block, Piece, Suffix};
    use tch::Kind;

    fn param(t: &Tensor) -> Param {
        let rows = t.size()[0];
        Param::new(t, vec![Piece { name: "p".into(), start: 0, rows }])
    }

    fn rand(shape: &[i64]) -> Tensor {
        Tensor::randn(shape, (Kind::Double, Device::Cpu))
    }

    /// Pass 2 against autograd through plain logits, in float64, with temperature and entropy.
    #[test]
    fn the_chunked_head_has_the_gradient_of_the_plain_one() {
        tch::manual_seed(5);
        let (vocab, hidden, tau) = (37, 8, 0.7);
        let _guard = tch::no_grad_guard();
        let embedding = param(&rand(&[vocab, hidden]));
        let head = VocabHead::new(param(&rand(&[hidden])), 1e-5, None);
        let s = |tokens: &[u32], row| Suffix { tokens: tokens.to_vec(), scored: vec![true; tokens.len()], row };
        let packed = Packed::new(&[Block { prefix: vec![1, 2], suffixes: vec![s(&[3, 3, 5], 0), s(&[3, 9], 1)] }]).unwrap();
        let leaves = HeadLeaves::new(&packed, tau);
        let x = rand(&[packed.head_rows.len() as i64, hidden]);
        let (dlogp, dent) = (rand(&[leaves.len() as i64]), rand(&[leaves.len() as i64]));
        let pass = head.forward(&embedding, &x, &leaves, true);
        let dx = head.backward(&embedding, &x, &leaves, &pass, LeafGrads { logp: &dlogp, entropy: Some(&dent) });

        let leaf = x.detach().set_requires_grad(true);
        let at = Tensor::from_slice(&leaves.rows);
        let (plain, grads) = tch::with_grad(|| {
            let z = head.logits(&embedding, &leaf) / tau;
            let logp_all = z.log_softmax(-1, Kind::Double);
            let entropy = -(logp_all.exp() * &logp_all).sum_dim_intlist(-1, false, Kind::Double);
            let logp = logp_all.index_select(0, &at).gather(1, &Tensor::from_slice(&leaves.labels).unsqueeze(-1), false).squeeze_dim(-1);
            let scalar = (&logp * &dlogp + entropy.index_select(0, &at) * &dent).sum(Kind::Double);
            let inputs = [&leaf, embedding.value(), head.norm.value()];
            (logp.detach(), Tensor::run_backward(&[scalar], &inputs, false, false))
        });
        for (ours, theirs) in [(&pass.logp, &plain), (&dx, &grads[0]), (&embedding.grad(), &grads[1]), (&head.norm.grad(), &grads[2])] {
            let relative = f64::try_from((ours - theirs).norm() / theirs.norm()).unwrap();
            assert!(relative < 1e-12, "relative difference {relative:e}"); // float64 sums of at most 37 numbers
        }
    }
}
