//! Hostile bytes for `targets::plugin_frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::plugin_frame(data));
