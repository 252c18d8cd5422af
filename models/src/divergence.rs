//! The KL divergence to a reference over the whole vocabulary, and back, in chunks of rows.

use tch::{Device, Tensor};

use crate::{HeadLeaves, Param, VocabHead};

/// The head of a reference with its hidden states of the same rows.
#[derive(Debug, Clone, Copy)]
pub struct Against<'a> {
    /// The reference's head.
    pub head: &'a VocabHead,
    /// The reference's embedding.
    pub embedding: &'a Param,
    /// `[R, hidden]` of the reference, before its final normalisation.
    pub hidden: &'a Tensor,
}

impl VocabHead {
    /// `KL(π ‖ π_ref) = Σⱼ pⱼ (log pⱼ − log qⱼ)` of each leaf's row, both laws at the leaves' temperature, without gradient.
    ///
    /// # Shapes
    /// `hidden [R, hidden]` → `[L]`
    pub fn divergence(&self, embedding: &Param, hidden: &Tensor, leaves: &HeadLeaves, against: Against<'_>) -> Tensor {
        let rows = Tensor::zeros([hidden.size()[0]], (hidden.kind(), Device::Cpu));
        for (start, count) in self.chunks(self.projection(embedding), hidden.size()[0]) {
            let (logp, ratio) = self.laws(embedding, hidden, leaves, against, (start, count));
            rows.narrow(0, start, count).copy_(&(logp.exp() * ratio).sum_dim_intlist(-1, false, None));
        }
        rows.index_select(0, &leaves.row_tensor())
    }

    /// Accumulates the gradients of weight and norm and returns dL/dhidden `[R, hidden]`; `grads [L]` is dL/dKL of each leaf. The reference
    /// gets none.
    ///
    /// With g the sum over a row's leaves: `dL/dzⱼ = g·pⱼ·(log pⱼ − log qⱼ − KL)/τ`.
    pub fn divergence_backward(
        &self,
        embedding: &Param,
        hidden: &Tensor,
        leaves: &HeadLeaves,
        against: Against<'_>,
        grads: &Tensor,
    ) -> Tensor {
        let owner = self.owner(embedding);
        let normed = self.normalise(hidden);
        let of_rows = Tensor::zeros([hidden.size()[0]], (grads.kind(), Device::Cpu)).index_add(0, &leaves.row_tensor(), grads);
        let dnormed = hidden.zeros_like();
        for (start, count) in self.chunks(owner.value(), hidden.size()[0]) {
            let (logp, ratio) = self.laws(embedding, hidden, leaves, against, (start, count));
            let p = logp.exp();
            let kl = (&p * &ratio).sum_dim_intlist(-1, true, None);
            let dz = p * (ratio - kl) * (of_rows.narrow(0, start, count).unsqueeze(-1) / leaves.temperature());
            dnormed.narrow(0, start, count).copy_(&dz.mm(owner.value()));
            if owner.trainable() {
                let _ = owner.grad().addmm_(&dz.tr(), &normed.narrow(0, start, count));
            }
        }
        self.norm_backward(hidden, &dnormed)
    }

    /// `log p` and `log p − log q` of a chunk, `[count, V]` each.
    fn laws(
        &self,
        embedding: &Param,
        hidden: &Tensor,
        leaves: &HeadLeaves,
        against: Against<'_>,
        (start, count): (i64, i64),
    ) -> (Tensor, Tensor) {
        let law = |head: &Self, embedding: &Param, hidden: &Tensor| {
            (head.logits(embedding, &hidden.narrow(0, start, count)) / leaves.temperature()).log_softmax(-1, hidden.kind())
        };
        let logp = law(self, embedding, hidden);
        let ratio = &logp - law(against.head, against.embedding, against.hidden);
        (logp, ratio)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Block, Packed, Piece, Suffix};
    use tch::Kind;

    fn param(shape: &[i64]) -> Param {
        let value = Tensor::randn(shape, (Kind::Double, Device::Cpu));
        Param::new(&value, vec![Piece { name: "p".into(), start: 0, rows: shape[0] }])
    }

    /// Value and gradients against autograd through whole laws, in float64, with a temperature and a row that two leaves share.
    #[test]
    fn the_divergence_in_chunks_is_the_plain_one_with_its_gradient() {
        tch::manual_seed(7);
        let (vocab, width, tau) = (37, 8, 0.7);
        let _guard = tch::no_grad_guard();
        let (embedding, other) = (param(&[vocab, width]), param(&[vocab, width]));
        let (norm, weight) = (param(&[width]), param(&[width]));
        let (head, reference) = (VocabHead::new(norm, 1e-5, None), VocabHead::new(weight, 1e-5, None));
        let suffix = |tokens: &[u32], row| Suffix { tokens: tokens.to_vec(), scored: vec![true; tokens.len()], row };
        let packed = Packed::new(&[Block { prefix: vec![1, 2], suffixes: vec![suffix(&[3, 3, 5], 0), suffix(&[3, 9], 1)] }]).unwrap();
        let leaves = HeadLeaves::new(&packed, tau);
        let rows = packed.head_rows.len() as i64;
        let rand = |n: &[i64]| Tensor::randn(n, (Kind::Double, Device::Cpu));
        let (x, y, grads) = (rand(&[rows, width]), rand(&[rows, width]), rand(&[leaves.len() as i64]));
        let against = Against { head: &reference, embedding: &other, hidden: &y };
        let kl = head.divergence(&embedding, &x, &leaves, against);
        let dx = head.divergence_backward(&embedding, &x, &leaves, against, &grads);

        let leaf = x.detach().set_requires_grad(true);
        let (plain, wanted) = tch::with_grad(|| {
            let p = (head.logits(&embedding, &leaf) / tau).log_softmax(-1, Kind::Double);
            let q = (reference.logits(&other, &y) / tau).log_softmax(-1, Kind::Double);
            let kl = (p.exp() * (&p - q)).sum_dim_intlist(-1, false, None).index_select(0, &leaves.row_tensor());
            let inputs = [&leaf, embedding.value(), head.params().next().map_or(&leaf, Param::value)];
            (kl.detach(), Tensor::run_backward(&[(&kl * &grads).sum(Kind::Double)], &inputs, false, false))
        });
        let norm_grad = head.params().next().map(Param::grad).unwrap();
        for (ours, theirs) in [(&kl, &plain), (&dx, &wanted[0]), (&embedding.grad(), &wanted[1]), (&norm_grad, &wanted[2])] {
            let relative = f64::try_from((ours - theirs).norm() / theirs.norm()).unwrap();
            assert!(relative < 1e-12, "relative difference {relative:e}"); // float64 sums of at most 37 numbers
        }
        assert!(f64::try_from(kl.min()).unwrap() > 0.0);
        let own = Against { head: &head, embedding: &embedding, hidden: &x };
        assert!(f64::try_from(head.divergence(&embedding, &x, &leaves, own).abs().max()).unwrap() < 1e-12);
    }
}
