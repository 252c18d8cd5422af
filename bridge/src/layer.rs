//! The elementwise work of a transformer layer, one pass over memory each. Float32 or float64, contiguous, on the CPU; deterministic for
//! any number of threads. Every kernel has a test against LibTorch's own operations below.

use tch::{Device, Tensor};

use crate::{BridgeError, address, ffi::raw};

/// RMS normalisation: `y = x / √(mean(x²) + eps) ⊙ w` (Zhang and Sennrich 2019, arXiv:1910.07467).
///
/// # Shapes
/// `x [N, n]`, `weight [n]` → `[N, n]`
///
/// # Errors
/// When shapes or kinds do not fit.
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor, BridgeError> {
    let out = Tensor::empty_like(x);
    raw::rms_norm(address(x), address(weight), eps, address(&out))?;
    Ok(out)
}

/// Back through [`rms_norm`]: adds to `dx` and to `dweight` in place.
///
/// # Errors
/// When shapes or kinds do not fit.
pub fn rms_norm_backward(x: &Tensor, weight: &Tensor, eps: f64, dy: &Tensor, dx: &Tensor, dweight: &Tensor) -> Result<(), BridgeError> {
    Ok(raw::rms_norm_backward(address(x), address(weight), eps, address(dy), address(dx), address(dweight))?)
}

/// `silu(g) ⊙ u` of `[g | u]`.
///
/// # Shapes
/// `gate_up [N, 2n]` → `[N, n]`
///
/// # Errors
/// When the shape or kind does not fit.
pub fn silu_mul(gate_up: &Tensor) -> Result<Tensor, BridgeError> {
    let size = gate_up.size();
    let out = Tensor::empty([size[0], size[1] / 2], (gate_up.kind(), Device::Cpu));
    raw::silu_mul(address(gate_up), address(&out))?;
    Ok(out)
}

/// Back through [`silu_mul`]: the output once more (what follows needs it) and the gradient of `[g | u]`.
///
/// # Errors
/// When shapes or kinds do not fit.
pub fn silu_mul_backward(gate_up: &Tensor, dy: &Tensor) -> Result<(Tensor, Tensor), BridgeError> {
    let (out, dgate_up) = (room_like(dy), room_like(gate_up));
    raw::silu_mul_backward(address(gate_up), address(dy), address(&out), address(&dgate_up))?;
    Ok((out, dgate_up))
}

/// Room for a matrix like another one. The number of rows changes a little from step to step; rounded up, the freed memory of one step fits
/// the next, and no page is faulted in anew.
fn room_like(t: &Tensor) -> Tensor {
    let (rows, width) = t.size2().unwrap_or((t.numel() as i64, 1));
    Tensor::empty([(rows + 255) / 256 * 256, width], (t.kind(), Device::Cpu)).narrow(0, 0, rows)
}

/// Rotates the first `heads` heads of every row in place by the row's angles (halves rotated), or back.
///
/// # Shapes
/// `x [N, ≥ heads·d]`, `cos`, `sin [N, d/2]`
///
/// # Errors
/// When shapes or kinds do not fit.
pub fn rotate_heads(x: &Tensor, heads: i64, (cos, sin): (&Tensor, &Tensor), back: bool) -> Result<(), BridgeError> {
    Ok(raw::rotate_heads(address(x), heads, address(cos), address(sin), back)?)
}

/// `x Wᵀ + b` for few rows of float32, as decoding needs it: faster than a general product up to some dozens of rows.
///
/// # Shapes
/// `x [n, in]`, `weight [out, in]`, `bias [out]` → `[n, out]`
///
/// # Errors
/// When shapes or kinds do not fit.
pub fn few_rows_linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor, BridgeError> {
    let out = Tensor::empty([x.size()[0], weight.size()[0]], (x.kind(), Device::Cpu));
    raw::few_rows_linear(address(x), address(weight), bias.map_or(0, address), address(&out))?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    fn rand(shape: &[i64], kind: Kind) -> Tensor {
        Tensor::randn(shape, (kind, Device::Cpu))
    }

    /// Both kinds with the tolerance of their rounding: sums of some hundred numbers.
    const KINDS: [(Kind, f64); 2] = [(Kind::Float, 5e-6), (Kind::Double, 1e-13)];

    fn close(a: &Tensor, b: &Tensor, tolerance: f64) {
        let far = f64::try_from(((a - b).norm() / b.norm()).to_kind(Kind::Double)).unwrap();
        assert!(far < tolerance, "relative difference {far:e}");
    }

    #[test]
    fn normalisation_and_its_gradient_are_autograds() {
        for (kind, tolerance) in KINDS {
            let (x, w, dy) = (rand(&[37, 300], kind), rand(&[300], kind), rand(&[37, 300], kind));
            let (xg, wg) = (x.copy().set_requires_grad(true), w.copy().set_requires_grad(true));
            let y = xg.rms_norm(300, Some(&wg), 1e-5);
            let grads = Tensor::run_backward(&[(&y * &dy).sum(kind)], &[&xg, &wg], false, false);
            close(&rms_norm(&x, &w, 1e-5).unwrap(), &y.detach(), tolerance);
            let (dx, dw) = (x.ones_like(), w.ones_like());
            rms_norm_backward(&x, &w, 1e-5, &dy, &dx, &dw).unwrap();
            close(&(dx - 1.0), &grads[0], tolerance * 4.0);
            close(&(dw - 1.0), &grads[1], tolerance * 4.0);
        }
    }

    #[test]
    fn gating_and_its_gradient_are_autograds() {
        for (kind, tolerance) in KINDS {
            let (gu, dy) = (rand(&[37, 2 * 100], kind) * 6.0, rand(&[37, 100], kind));
            let leaf = gu.copy().set_requires_grad(true);
            let parts = leaf.chunk(2, -1);
            let y = parts[0].silu() * &parts[1];
            let grads = Tensor::run_backward(&[(&y * &dy).sum(kind)], &[&leaf], false, false);
            close(&silu_mul(&gu).unwrap(), &y.detach(), tolerance);
            let (out, dgu) = silu_mul_backward(&gu, &dy).unwrap();
            close(&out, &y.detach(), tolerance);
            close(&dgu, &grads[0], tolerance);
        }
    }

    #[test]
    fn a_rotation_keeps_lengths_and_goes_back() {
        let x = rand(&[9, 4 * 16], Kind::Double);
        let angle = rand(&[9, 8], Kind::Double);
        let (cos, sin) = (angle.cos(), angle.sin());
        let turned = x.copy();
        rotate_heads(&turned, 3, (&cos, &sin), false).unwrap();
        close(&turned.square().sum(Kind::Double), &x.square().sum(Kind::Double), 1e-13);
        // The fourth head stays; the first pair of the first row is turned by its angle.
        assert_eq!(turned.narrow(1, 48, 16), x.narrow(1, 48, 16));
        let at = |t: &Tensor, i| t.double_value(&[0, i]);
        let wanted = at(&x, 0) * at(&cos, 0) - at(&x, 8) * at(&sin, 0);
        assert!((at(&turned, 0) - wanted).abs() < 1e-14);
        rotate_heads(&turned, 3, (&cos, &sin), true).unwrap();
        close(&turned, &x, 1e-13);
    }

    #[test]
    fn a_product_of_few_rows_is_the_general_one() {
        // Odd sizes, so that every remainder of rows, outputs and lanes is met.
        for rows in [1, 2, 3, 5, 8, 9, 15, 16, 17, 31, 32, 33, 47, 64, 70] {
            for (out, width) in [(1, 7), (13, 16), (97, 100), (200, 333)] {
                let (x, w, b) = (rand(&[rows, width], Kind::Float), rand(&[out, width], Kind::Float), rand(&[out], Kind::Float));
                let wanted = x.to_kind(Kind::Double).linear(&w.to_kind(Kind::Double), Some(&b.to_kind(Kind::Double)));
                let y = few_rows_linear(&x, &w, Some(&b)).unwrap().to_kind(Kind::Double);
                close(&y, &wanted, 1e-6);
                close(&few_rows_linear(&x, &w, None).unwrap().to_kind(Kind::Double), &(wanted - b), 1e-6);
            }
        }
        assert!(few_rows_linear(&rand(&[3, 8], Kind::Float), &rand(&[4, 7], Kind::Float), None).is_err());
        assert!(few_rows_linear(&rand(&[3, 8], Kind::Double), &rand(&[4, 8], Kind::Double), None).is_err());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let x = rand(&[3, 8], Kind::Float);
        assert!(rms_norm(&x, &rand(&[7], Kind::Float), 1e-5).is_err());
        assert!(rms_norm(&x, &rand(&[8], Kind::Double), 1e-5).is_err());
        assert!(rms_norm(&x.tr(), &rand(&[3], Kind::Float), 1e-5).is_err());
    }
}
