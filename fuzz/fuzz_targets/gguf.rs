//! Hostile bytes for `targets::gguf`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::gguf(data));
