//! Hostile bytes for `targets::control_frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::control_frame(data));
