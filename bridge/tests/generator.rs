//! LibTorch's generator, in a process of its own: it is one for the whole process, and other tests draw from it at the same time.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

use collimate_bridge::{rng_state, set_rng_state};

#[test]
fn the_generator_state_returns_bit_for_bit() {
    tch::manual_seed(3);
    let state = rng_state().unwrap();
    let draw = || Vec::<f32>::try_from(tch::Tensor::rand([8], (tch::Kind::Float, tch::Device::Cpu))).unwrap();
    let first = draw();
    set_rng_state(&state).unwrap();
    assert_eq!(first, draw());
    assert!(set_rng_state(&state[..7]).is_err());
}
