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
    fn libtorch_is_the_pinned_one() {
        assert!(show_config().contains("TORCH_VERSION=2.11.0"), "{}", show_config());
    }
}
