//! GGUF: round trips, every encoding against independent arithmetic, and typed metadata.

use std::collections::BTreeMap;

use collimate_weights::gguf::{Array, Gguf, Outgoing, Value, write};
use collimate_weights::{Dtype, Encoding, TensorSource};
use half::{bf16, f16};
use proptest::prelude::*;

use crate::quantise;
use crate::support::{Rng, Scratch, refusal};

type Tensor = (&'static str, Encoding, Vec<usize>, Vec<u8>);

/// A file of these tensors, by our writer.
pub(crate) fn file_of(metadata: &[(&str, Value)], tensors: &[Tensor]) -> Vec<u8> {
    let outgoing: Vec<Outgoing> = tensors
        .iter()
        .map(|(name, encoding, shape, _)| Outgoing { name: (*name).into(), shape: shape.clone(), encoding: *encoding })
        .collect();
    let metadata: BTreeMap<String, Value> = metadata.iter().map(|(k, v)| ((*k).into(), v.clone())).collect();
    let mut out = Vec::new();
    write(&mut out, &metadata, &outgoing, &mut |i, bytes| {
        bytes.extend(&tensors[i].3);
        Ok(())
    })
    .unwrap();
    out
}

/// Metadata of every type.
pub(crate) fn metadata() -> Vec<(&'static str, Value)> {
    vec![
        ("general.architecture", Value::from("llama")),
        ("t.u8", Value::U8(200)),
        ("t.i8", Value::I8(-100)),
        ("t.u16", Value::U16(60_000)),
        ("t.i16", Value::I16(-30_000)),
        ("t.u32", Value::U32(4_000_000_000)),
        ("t.i32", Value::I32(-2_000_000_000)),
        ("t.u64", Value::U64(u64::MAX)),
        ("t.i64", Value::I64(i64::MIN)),
        ("t.f32", Value::F32(1e-5)),
        ("t.f64", Value::F64(0.1)),
        ("t.bool", Value::Bool(true)),
        ("a.u8", Value::Array(Array::U8(vec![1, 255]))),
        ("a.i8", Value::Array(Array::I8(vec![-1]))),
        ("a.u16", Value::Array(Array::U16(vec![60_000, 0]))),
        ("a.i16", Value::Array(Array::I16(vec![-2]))),
        ("a.u32", Value::Array(Array::U32(vec![7, 8]))),
        ("a.i32", Value::Array(Array::I32(vec![-1, 1, 3]))),
        ("a.u64", Value::Array(Array::U64(vec![1 << 40]))),
        ("a.i64", Value::Array(Array::I64(vec![-(1 << 40)]))),
        ("a.f32", Value::Array(Array::F32(vec![0.5, -0.25]))),
        ("a.f64", Value::Array(Array::F64(vec![0.1]))),
        ("a.bool", Value::Array(Array::Bool(vec![true, false]))),
        ("a.str", Value::Array(Array::Str(["<s>", "", "Ġthe", "é"].into_iter().collect()))),
        ("a.none", Value::Array(Array::Str(std::iter::empty::<&str>().collect()))),
    ]
}

/// The six encodings.
const ENCODINGS: [Encoding; 6] = [
    Encoding::Plain(Dtype::F32),
    Encoding::Plain(Dtype::F16),
    Encoding::Plain(Dtype::BF16),
    Encoding::Q8_0,
    Encoding::Q4_0,
    Encoding::Q4_1,
];

/// Encodes floats by plain arithmetic.
fn encode(encoding: Encoding, values: &[f32]) -> Vec<u8> {
    match encoding {
        Encoding::Plain(Dtype::F32) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        Encoding::Plain(Dtype::F16) => values.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect(),
        Encoding::Plain(Dtype::BF16) => values.iter().flat_map(|&v| bf16::from_f32(v).to_le_bytes()).collect(),
        Encoding::Q8_0 => quantise::q8_0(values),
        Encoding::Q4_0 => quantise::q4_0(values),
        Encoding::Q4_1 => quantise::q4_1(values),
        _ => panic!("{encoding} is not a GGUF encoding"),
    }
}

/// The largest distance between a value in [−2, 2] and its code: half a step of the coarsest block.
fn tolerance(encoding: Encoding) -> f32 {
    match encoding {
        Encoding::Plain(Dtype::F32) => 0.0,
        Encoding::Plain(Dtype::F16) => 2.0 / 2048.0,
        Encoding::Plain(Dtype::BF16) => 2.0 / 256.0,
        Encoding::Q8_0 => 2.0 / 127.0 / 2.0 * 1.01,
        // The scale is signed, so that the far side clips up to one whole step.
        Encoding::Q4_0 => 2.0 / 8.0 * 1.01,
        _ => 4.0 / 15.0 / 2.0 * 1.01,
    }
}

/// A small file with a tensor of each encoding and metadata of each type.
pub(crate) fn sample() -> Vec<u8> {
    let values = Rng(1).floats(128);
    let names = ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1"];
    let tensors: Vec<Tensor> = names.into_iter().zip(ENCODINGS).map(|(n, e)| (n, e, vec![2, 64], encode(e, &values))).collect();
    file_of(&metadata(), &tensors)
}

#[test]
fn metadata_of_every_type_comes_back() {
    let scratch = Scratch::new();
    let file = Gguf::open(scratch.file("m.gguf", &sample())).unwrap();
    let want: BTreeMap<String, Value> = metadata().into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    assert_eq!(file.metadata(), &want);
    assert_eq!(file.str("general.architecture").unwrap(), "llama");
    assert_eq!((file.u64("t.u32").unwrap(), file.bool("t.bool").unwrap(), file.f64("t.f64").unwrap()), (4_000_000_000, true, 0.1));
    assert_eq!(file.strings("a.str").unwrap().iter().collect::<Vec<_>>(), ["<s>", "", "Ġthe", "é"]);
    assert_eq!((file.ints("a.i32").unwrap(), file.floats("a.f32").unwrap()), (vec![-1, 1, 3], vec![0.5, -0.25]));
    assert!(refusal(file.u64("t.i8")).contains("metadata `t.i8` is I8 and must be a whole number from 0 on"));
    assert!(refusal(file.str("t.none")).contains("metadata `t.none` is missing"));
}

#[test]
fn shapes_are_turned_round_and_back() {
    let scratch = Scratch::new();
    let bytes = file_of(&[], &[("w", Encoding::Plain(Dtype::F32), vec![2, 3], vec![0; 24])]);
    // Behind magic, version and counts: the name, two dimensions, the innermost (3) first.
    assert_eq!(bytes[24..53], [1, 0, 0, 0, 0, 0, 0, 0, b'w', 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
    let file = Gguf::open(scratch.file("m.gguf", &bytes)).unwrap();
    assert_eq!(file.find("w").unwrap().shape, [2, 3]);
}

#[test]
fn version_two_reads_like_version_three() {
    let scratch = Scratch::new();
    let mut bytes = sample();
    bytes[4] = 2;
    assert_eq!(Gguf::open(scratch.file("m.gguf", &bytes)).unwrap().tensors().len(), 6);
}

#[test]
fn a_file_may_set_its_own_alignment() {
    let scratch = Scratch::new();
    let f32 = Encoding::Plain(Dtype::F32);
    let tensors = [("a", f32, vec![1], 1.0_f32.to_le_bytes().to_vec()), ("b", f32, vec![1], 2.0_f32.to_le_bytes().to_vec())];
    for alignment in [1, 8, 256] {
        let bytes = file_of(&[("general.alignment", Value::U32(alignment))], &tensors);
        let file = Gguf::open(scratch.file("m.gguf", &bytes)).unwrap();
        let mut out = [0.0];
        file.read_f32("b", &mut out).unwrap();
        assert_eq!((out, file.find("b").unwrap().offset % u64::from(alignment)), ([2.0], 0));
    }
}

#[test]
fn other_encodings_are_refused_by_name_with_the_mend() {
    let scratch = Scratch::new();
    let mut bytes = file_of(&[], &[("blk.0.attn_q.weight", Encoding::Plain(Dtype::F32), vec![256], vec![0; 1024])]);
    let kind = 24 + 8 + 19 + 4 + 8;
    for (number, name) in [(14, "Q6_K"), (12, "Q4_K"), (20, "IQ4_NL"), (99, "type 99")] {
        bytes[kind] = number;
        let error = refusal(Gguf::open(scratch.file("m.gguf", &bytes)));
        assert!(error.contains(&format!("tensor `blk.0.attn_q.weight` is {name}, which Collimate does not read; convert")), "{error}");
    }
}

#[test]
fn the_writer_refuses_what_the_reader_would() {
    let try_write = |shape: &[usize], encoding: Encoding, given: usize, metadata: &[(&str, Value)]| {
        let tensors = [Outgoing { name: "w".into(), shape: shape.into(), encoding }];
        let metadata = metadata.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        write(&mut Vec::new(), &metadata, &tensors, &mut |_, bytes| {
            bytes.resize(given, 0);
            Ok(())
        })
    };
    assert!(try_write(&[2, 32], Encoding::Q8_0, 68, &[]).is_ok());
    assert!(refusal(try_write(&[2, 32], Encoding::Q8_0, 67, &[])).contains("67 bytes were given and its shape takes 68"));
    assert!(refusal(try_write(&[32, 2], Encoding::Q8_0, 68, &[])).contains("not whole blocks"));
    assert!(refusal(try_write(&[1; 5], Dtype::F32.into(), 4, &[])).contains("more than 4 dimensions"));
    assert!(refusal(try_write(&[1], Dtype::I64.into(), 8, &[])).contains("I64 is not written to GGUF"));
    assert!(refusal(try_write(&[1], Dtype::F32.into(), 4, &[("general.alignment", Value::U32(0))])).contains("power of two"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Sizes around the read buffer: the seams between its fillings must not show.
    #[test]
    fn every_encoding_comes_back_within_half_a_step(seed: u64, rows in 1_usize..4, blocks in 1_usize..2200, which in 0_usize..6) {
        let encoding = ENCODINGS[which];
        let scratch = Scratch::new();
        let values = Rng(seed).floats(rows * blocks * 32);
        let tensors = [("one", encoding, vec![32], encode(encoding, &[0.5; 32])), ("w", encoding, vec![rows, blocks * 32], encode(encoding, &values))];
        let file = Gguf::open(scratch.file("m.gguf", &file_of(&[], &tensors))).unwrap();
        let mut out = vec![f32::NAN; values.len()];
        file.read_f32("w", &mut out).unwrap();
        let worst = out.iter().zip(&values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        prop_assert!(worst <= tolerance(encoding), "{} is off by {}", encoding, worst);
        prop_assert!(!out.iter().any(|v| v.is_nan()));
    }
}
