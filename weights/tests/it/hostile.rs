//! Files made to hurt: each is refused at once, by what is wrong with it.

use std::time::{Duration, Instant};

use collimate_weights::gguf::Gguf;
use collimate_weights::safetensors::SafetensorsFile;
use collimate_weights::{Dtype, limits};

use crate::support::{Scratch, refusal, within_memory};
use crate::{gguf, safetensors};

/// Builds GGUF by hand, so that it may lie.
#[derive(Clone)]
struct Forge(Vec<u8>);

impl Forge {
    fn new(tensors: u64, entries: u64) -> Self {
        Self(b"GGUF\x03\0\0\0".to_vec()).u64(tensors).u64(entries)
    }
    fn u32(mut self, v: u32) -> Self {
        self.0.extend(v.to_le_bytes());
        self
    }
    fn u64(mut self, v: u64) -> Self {
        self.0.extend(v.to_le_bytes());
        self
    }
    fn text(self, text: &str) -> Self {
        let mut forge = self.u64(text.len() as u64);
        forge.0.extend(text.bytes());
        forge
    }
    /// An F32 tensor entry.
    fn tensor(self, name: &str, dims: &[u64], offset: u64) -> Self {
        let forge = self.text(name).u32(dims.len() as u32);
        dims.iter().fold(forge, |forge, &dim| forge.u64(dim)).u32(0).u64(offset)
    }
    fn pad(mut self, to: usize) -> Self {
        self.0.resize(to, 0);
        self
    }
    /// The refusal, which must come within 10 ms and without memory.
    fn refused(self) -> String {
        let scratch = Scratch::new();
        let path = scratch.file("hostile.gguf", &self.0);
        let mut quickest = Duration::MAX;
        // The best of several tries: the machine may be busy with other tests.
        for _ in 0..5 {
            let start = Instant::now();
            let refused = Gguf::open(&path).is_err();
            quickest = quickest.min(start.elapsed());
            assert!(refused);
        }
        let error = within_memory(self.0.len(), || refusal(Gguf::open(&path)));
        assert!(quickest < Duration::from_millis(10), "{quickest:?} to say: {error}");
        error
    }
}

#[test]
fn gguf_counts_and_lengths_that_the_file_cannot_hold() {
    assert!(Forge::new(1 << 32, 0).pad(64).refused().contains("4294967296 items cannot fit"));
    assert!(Forge::new(0, 1 << 32).pad(64).refused().contains("4294967296 items cannot fit"));
    assert!(Forge::new(u64::MAX, u64::MAX).pad(64).refused().contains("cannot fit"));
    assert!(Forge::new(0, 1).u64(1 << 40).pad(64).refused().contains("a metadata key of 1099511627776 bytes passes the limit"));
    assert!(Forge::new(0, 1).text("k").u32(8).u64(1 << 40).pad(64).refused().contains("value of metadata `k`: 1099511627776 items cannot"));
    for kind in [0, 5, 7, 8, 10, 12] {
        assert!(Forge::new(0, 1).text("k").u32(9).u32(kind).u64(1 << 61).pad(64).refused().contains("cannot fit"), "type {kind}");
    }
}

#[test]
fn gguf_lists_of_lists_and_unknown_types() {
    assert!(Forge::new(0, 1).text("k").u32(9).u32(9).u64(1).pad(64).refused().contains("`k` is a list of lists"));
    assert!(Forge::new(0, 1).text("k").u32(9).u32(77).u64(1).pad(64).refused().contains("list of the unknown type 77"));
    assert!(Forge::new(0, 1).text("k").u32(13).pad(64).refused().contains("unknown type 13"));
    assert!(Forge::new(0, 1).text("k").u32(7).u32(2).pad(64).refused().contains("a truth value is 0 or 1"));
    let mut invalid = Forge::new(0, 1).text("k").u32(8).text("ab");
    *invalid.0.last_mut().unwrap() = 0xff;
    assert!(invalid.refused().contains("is not UTF-8"));
}

#[test]
fn gguf_dimensions_whose_product_overflows() {
    let huge = 1 << 40;
    for dims in [&[huge, huge][..], &[huge, huge, 0], &[0, huge, huge], &[u64::MAX], &[1 << 62], &[1 << 16, 1 << 16, 1 << 16, 1 << 16]] {
        assert!(Forge::new(1, 0).tensor("w", dims, 0).pad(128).refused().contains("tensor `w`: shape"), "{dims:?}");
    }
    assert!(Forge::new(1, 0).tensor("w", &[1; 5], 0).pad(128).refused().contains("5 dimensions, more than the 4"));
    assert!(Forge::new(1, 0).text("w").u32(u32::MAX).pad(128).refused().contains("4294967295 dimensions"));
}

#[test]
fn gguf_offsets_that_pass_the_end_overlap_or_are_not_aligned() {
    let at = |offset| Forge::new(1, 0).tensor("w", &[4], offset).pad(128).refused();
    assert!(at(64).contains("tensor `w`: the tensor ends at byte 144 and the file at 128"), "{}", at(64));
    assert!(at(u64::MAX - 31).contains("the file at 128"));
    assert!(at(8).contains("offset 8 is not a multiple of the alignment 32"));
    let two = Forge::new(2, 0).tensor("a", &[16], 0).tensor("b", &[4], 32).pad(256).refused();
    assert!(two.contains("tensor `b`: the tensor overlaps the one before it"), "{two}");
}

#[test]
fn gguf_alignments_that_are_no_power_of_two() {
    for alignment in [0, 3, 48] {
        let forge = Forge::new(0, 1).text("general.alignment").u32(4).u32(alignment).pad(128);
        assert!(forge.refused().contains("must be a power of two as U32"), "{alignment}");
    }
    assert!(Forge::new(0, 1).text("general.alignment").u32(8).text("32").pad(128).refused().contains("must be a power of two as U32"));
    let far = Forge::new(1, 1).text("general.alignment").u32(4).u32(1 << 31).tensor("w", &[4], 0).pad(256);
    assert!(far.refused().contains("the file at 256"));
}

#[test]
fn gguf_keys_and_tensors_that_occur_twice() {
    assert!(Forge::new(0, 2).text("k").u32(4).u32(1).text("k").u32(4).u32(2).refused().contains("metadata `k` occurs twice"));
    assert!(Forge::new(2, 0).tensor("w", &[8], 0).tensor("w", &[8], 32).pad(256).refused().contains("`w`: the name occurs twice"));
}

#[test]
fn gguf_of_another_kind() {
    assert!(Forge(b"GGML\x03\0\0\0".to_vec()).pad(64).refused().contains("and not with GGUF"));
    assert!(Forge(b"GGUF\x01\0\0\0".to_vec()).pad(64).refused().contains("version 1 is not read"));
    assert!(Forge(b"GGUF\0\0\0\x03".to_vec()).pad(64).refused().contains("big-endian"));
    assert!(Forge(Vec::new()).refused().contains("the file ends inside the magic bytes"));
}

/// A safetensors file of this header and `data` zero bytes.
fn forged(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

fn refused(bytes: &[u8]) -> String {
    let scratch = Scratch::new();
    let path = scratch.file("hostile.safetensors", bytes);
    within_memory(bytes.len(), || refusal(SafetensorsFile::open(&path)))
}

#[test]
fn safetensors_headers_that_pass_the_file_or_the_limit() {
    for length in [u64::MAX, 1 << 40, limits::HEADER_BYTES + 1] {
        assert!(refused(&length.to_le_bytes()).contains("passes the limit"), "{length}");
    }
    assert!(refused(&100_u64.to_le_bytes()).contains("the header ends at byte 108 and the file at 8"));
    assert!(refused(&[0; 8]).contains("header is not as the format wants it"));
    assert!(refused(&[1, 2, 3]).contains("has 3 bytes and no safetensors header"));
}

#[test]
fn safetensors_keys_that_occur_twice() {
    let w = r#""w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;
    let shifted = w.replace("[0,4]", "[4,8]");
    assert!(refused(&forged(&format!("{{{w},{w}}}"), 4)).contains("overlaps"));
    assert!(refused(&forged(&format!("{{{w},{shifted}}}"), 8)).contains("tensor `w`: the name occurs twice"));
    assert!(refused(&forged(r#"{"__metadata__":{"a":"1","a":"2"}}"#, 0)).contains("key `a` occurs twice"));
    assert!(refused(&forged(r#"{"__metadata__":{},"__metadata__":{}}"#, 0)).contains("key `__metadata__` occurs twice"));
    assert!(refused(&forged(r#"{"w":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 4)).contains("tensor `w`"));
}

#[test]
fn safetensors_offsets_that_lie() {
    let at = |shape: &str, offsets: &str, data| {
        refused(&forged(&format!(r#"{{"w":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}}}"#), data))
    };
    assert!(at("[2]", "[0,8]", 4).contains("tensor `w`: the tensor ends at byte"));
    assert!(at("[2]", "[8,0]", 8).contains("before it starts"));
    assert!(at("[2]", "[0,4]", 4).contains("takes 8 bytes and the offsets give 4"));
    assert!(at("[1]", "[0,8]", 8).contains("takes 4 bytes and the offsets give 8"));
    assert!(at("[1]", "[4,8]", 8).contains("leaves a gap"));
    assert!(at("[1]", "[0,4]", 8).contains("goes on after its last tensor"));
    assert!(at("[1]", "[18446744073709551612,18446744073709551615]", 8).contains("`w`"));
    assert!(at("[1099511627776,1099511627776]", "[0,4]", 4).contains("do not fit in 63 bits"));
    assert!(at("[0,1099511627776,1099511627776]", "[0,0]", 0).contains("do not fit in 63 bits"));
    assert!(at("[-1]", "[0,4]", 4).contains("tensor `w`"));
    assert!(at("[1.5]", "[0,4]", 4).contains("tensor `w`"));
}

#[test]
fn safetensors_entries_of_another_kind() {
    let entry = |text: &str| refused(&forged(text, 4));
    assert!(entry(r#"{"w":{"dtype":"F4","shape":[1],"data_offsets":[0,4]}}"#).contains("tensor `w` is F4, which Collimate does not read"));
    assert!(entry(r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"extra":1}}"#).contains("unknown field `extra`"));
    assert!(entry(r#"{"w":{"dtype":"F32","shape":[1]}}"#).contains("missing field `data_offsets`"));
    assert!(entry(r#"[]"#).contains("an object from tensor names"));
    assert!(entry(r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}} x"#).contains("trailing"));
    assert!(entry(&"[".repeat(10_000)).contains("header"));
    assert!(entry(&format!(r#"{{"w":{{"dtype":{}"#, "[".repeat(10_000))).contains("tensor `w`"));
}

#[test]
fn safetensors_headers_that_would_cost_more_memory_than_their_text() {
    let ones = format!(r#"{{"w":{{"dtype":"U8","shape":[{}1],"data_offsets":[0,1]}}}}"#, "1,".repeat(4 << 20));
    assert!(refused(&forged(&ones, 1)).contains("more than 16 dimensions"));
    let mut many = String::from("{");
    for i in 0..=limits::TENSORS {
        many += &format!(r#"{}"{i}":{{"dtype":"U8","shape":[],"data_offsets":[{i},{}]}}"#, if i == 0 { "" } else { "," }, i + 1);
    }
    assert!(refused(&forged(&(many + "}"), limits::TENSORS + 1)).contains("more than 131072 tensors"));
    let mut notes = String::from(r#"{"__metadata__":{"#);
    for i in 0..=limits::METADATA {
        notes += &format!(r#"{}"{i}":"""#, if i == 0 { "" } else { "," });
    }
    assert!(refused(&forged(&(notes + "}}"), 0)).contains("more than 65536 entries"));
}

#[test]
fn a_file_that_shrinks_after_it_was_opened_is_an_error_not_a_crash() {
    use collimate_weights::TensorSource;
    let scratch = Scratch::new();
    let path = scratch.file("m.safetensors", &safetensors::file_of(&[("w", Dtype::F32, vec![64], vec![0; 256])], &[]));
    let file = SafetensorsFile::open(&path).unwrap();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(100).unwrap();
    assert!(refusal(file.read_f32("w", &mut [0.0; 64])).contains("cannot read"));
    let path = scratch.file("m.gguf", &gguf::sample());
    let file = Gguf::open(&path).unwrap();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(100).unwrap();
    assert!(refusal(file.read_f32("q4_1", &mut [0.0; 128])).contains("cannot read"));
}
