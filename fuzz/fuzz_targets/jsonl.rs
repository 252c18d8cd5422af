//! Hostile bytes for `targets::jsonl`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::jsonl(data));
