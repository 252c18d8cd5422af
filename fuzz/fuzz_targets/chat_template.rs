//! Hostile bytes for `targets::chat_template`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::chat_template(data));
