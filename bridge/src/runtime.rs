//! Process-wide settings: determinism, allocator, generator state.

use crate::{BridgeError, ffi::raw};

/// Makes LibTorch choose deterministic kernels.
pub fn set_deterministic(on: bool) {
    raw::set_deterministic(on);
}

/// Tells the allocator to keep large blocks instead of returning them to the system: fresh pages cost seconds a step.
///
/// Call it once, before the first tensor.
pub fn keep_large_allocations() {
    raw::keep_large_allocations();
}

/// How LibTorch was built: compiler, BLAS, CPU capability.
#[must_use]
pub fn show_config() -> String {
    raw::show_config()
}

/// The state of LibTorch's CPU generator.
///
/// # Errors
/// When LibTorch refuses.
pub fn rng_state() -> Result<Vec<u8>, BridgeError> {
    Ok(raw::rng_state()?)
}

/// Puts the state of LibTorch's CPU generator back.
///
/// # Errors
/// When the bytes are not such a state.
pub fn set_rng_state(state: &[u8]) -> Result<(), BridgeError> {
    Ok(raw::set_rng_state(state)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_state_returns_bit_for_bit() {
        tch::manual_seed(3);
        let state = rng_state().unwrap();
        let first = Vec::<f32>::try_from(tch::Tensor::rand([8], (tch::Kind::Float, tch::Device::Cpu))).unwrap();
        set_rng_state(&state).unwrap();
        let again = Vec::<f32>::try_from(tch::Tensor::rand([8], (tch::Kind::Float, tch::Device::Cpu))).unwrap();
        assert_eq!(first, again);
        assert!(set_rng_state(&state[..7]).is_err());
    }

    #[test]
    fn libtorch_is_the_pinned_one() {
        assert!(show_config().contains("TORCH_VERSION=2.11.0"), "{}", show_config());
    }
}
