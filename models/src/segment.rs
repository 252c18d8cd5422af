//! A layer, and the backward pass every architecture has for free.

use std::fmt::Debug;

use tch::Tensor;

use crate::{Ctx, DecodeRows, KvCache, Linear, ModelError, Param};

/// What a forward pass keeps for its backward pass.
#[derive(Debug)]
pub enum Saved {
    /// The input alone: the segment is run again.
    Input(Tensor),
    /// Whatever a hand-written backward needs, a row for each row of the input, in an order only its segment knows but for the first: the
    /// input.
    Tensors(Vec<Tensor>),
}

/// A layer of the trunk.
///
/// The default backward keeps the input alone and reruns [`Segment::run`] under autograd, so a new architecture needs no more than `run`,
/// `decode` and `params`. An architecture may override `forward` and `backward` together with a version written by hand, which is then
/// tested against this one.
pub trait Segment: Debug + Send {
    /// The computation itself, made of differentiable operations.
    ///
    /// # Shapes
    /// `x [N, hidden]` → `[N, hidden]`
    fn run(&self, x: &Tensor, ctx: &Ctx<'_>) -> Tensor;

    /// One new token per row over the cache of layer `layer`, with what backward needs of these rows.
    ///
    /// # Shapes
    /// `x [n, hidden]` → `[n, hidden]`
    ///
    /// # Errors
    /// When rows and cache do not fit.
    fn decode(&self, x: &Tensor, rows: &DecodeRows, cache: &KvCache, layer: usize) -> Result<(Tensor, Saved), ModelError>;

    /// The parameters, always in the same order.
    fn params(&self) -> Vec<&Param>;

    /// The parameters, to be frozen.
    fn params_mut(&mut self) -> Vec<&mut Param>;

    /// The projections that can carry an adapter, always in the same order: none by default.
    fn linears_mut(&mut self) -> Vec<&mut Linear> {
        Vec::new()
    }

    /// Widths of the tensors that `forward` and `decode` save: the input's alone by default.
    fn saved_widths(&self, hidden: i64) -> Vec<i64> {
        vec![hidden]
    }

    /// Forward, with what backward needs. Called under a no-grad guard.
    fn forward(&self, x: &Tensor, ctx: &Ctx<'_>) -> (Tensor, Saved) {
        (self.run(x, ctx), Saved::Input(x.shallow_clone()))
    }

    /// Accumulates the parameters' gradients and returns the gradient of the input. Called under a no-grad guard.
    fn backward(&self, saved: &Saved, dy: &Tensor, ctx: &Ctx<'_>) -> Tensor {
        rerun_backward(self, saved, dy, ctx)
    }
}

/// The default backward: run again under autograd, in one segment only, so that the graph of one layer is all that ever lives.
///
/// # Panics
/// When `saved` is not an input, or LibTorch fails on tensors that were already computed once.
pub fn rerun_backward<S: Segment + ?Sized>(segment: &S, saved: &Saved, dy: &Tensor, ctx: &Ctx<'_>) -> Tensor {
    let Saved::Input(x) = saved else { unreachable!("this backward keeps the input alone") };
    let x = x.detach().set_requires_grad(true);
    let trained: Vec<&Param> = segment.params().into_iter().filter(|p| p.trainable()).collect();
    // `with_grad` does not restore the mode when its closure panics; the guard around it does.
    let _restore = tch::no_grad_guard();
    let grads = tch::with_grad(|| {
        let y = segment.run(&x, ctx);
        // d(Σ y·dy) = dy: this is how a vector-Jacobian product is asked for through a scalar.
        let scalar = (y * dy).sum(dy.kind());
        let inputs: Vec<&Tensor> = std::iter::once(&x).chain(trained.iter().map(|p| p.value())).collect();
        Tensor::run_backward(&[scalar], &inputs, false, false)
    });
    for (param, grad) in trained.iter().zip(&grads[1..]) {
        param.accumulate(grad);
    }
    grads[0].shallow_clone()
}
