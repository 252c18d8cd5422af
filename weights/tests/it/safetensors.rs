//! Safetensors: what we write the peers read, what they write we read, and directories.

use std::collections::BTreeMap;

use collimate_weights::safetensors::{Outgoing, SafetensorsDir, SafetensorsFile, write};
use collimate_weights::{Dtype, Encoding, TensorSource, WeightsError};
use half::{bf16, f16};
use proptest::prelude::*;
use safetensors::SafeTensors;

use crate::support::{Rng, Scratch, refusal};

type Tensor = (&'static str, Dtype, Vec<usize>, Vec<u8>);

/// A file of these tensors, by our writer.
pub(crate) fn file_of(tensors: &[Tensor], metadata: &[(&str, &str)]) -> Vec<u8> {
    let outgoing: Vec<Outgoing> =
        tensors.iter().map(|(name, dtype, shape, _)| Outgoing { name: (*name).into(), shape: shape.clone(), dtype: *dtype }).collect();
    let metadata = metadata.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    let mut out = Vec::new();
    write(&mut out, &outgoing, &metadata, &mut |i, bytes| {
        bytes.extend(&tensors[i].3);
        Ok(())
    })
    .unwrap();
    out
}

fn le<const N: usize, T: Copy>(values: &[T], bytes: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&v| bytes(v)).collect()
}

/// One tensor of each float type, counters, an empty tensor and a scalar, out of order.
pub(crate) fn sample() -> Vec<Tensor> {
    let floats = [0.5, -1.25, 3.0, 65504.0, -0.0, 0.1];
    vec![
        ("half", Dtype::F16, vec![2, 3], le(&floats, |v| f16::from_f32(v).to_le_bytes())),
        ("brain", Dtype::BF16, vec![3, 2], le(&floats, |v| bf16::from_f32(v).to_le_bytes())),
        ("single", Dtype::F32, vec![6], le(&floats, f32::to_le_bytes)),
        ("double", Dtype::F64, vec![1, 6], le(&floats, |v: f32| f64::from(v).to_le_bytes())),
        ("steps", Dtype::I64, vec![3], le(&[1_i64, -2, i64::MAX], i64::to_le_bytes)),
        ("mask", Dtype::Bool, vec![3], vec![1, 0, 1]),
        ("empty", Dtype::F32, vec![0, 4], vec![]),
        ("scalar", Dtype::F32, vec![], 2.5_f32.to_le_bytes().into()),
    ]
}

#[test]
fn every_float_type_reads_back_as_the_floats_that_were_written() {
    let scratch = Scratch::new();
    let file = SafetensorsFile::open(scratch.file("m.safetensors", &file_of(&sample(), &[("format", "pt")]))).unwrap();
    let read = |name: &str| {
        let mut out = vec![0.0; file.find(name).unwrap().elements()];
        file.read_f32(name, &mut out).unwrap();
        out
    };
    let floats = [0.5, -1.25, 3.0, 65504.0, -0.0, 0.1];
    assert_eq!(read("single"), floats);
    assert_eq!(read("double"), floats);
    // 0.1 is 0x2e66 as half and 0x3dcd as brain float; 65504 rounds up to 65536 there.
    assert_eq!(read("half"), [0.5, -1.25, 3.0, 65504.0, -0.0, 0.099_975_586]);
    assert_eq!(read("brain"), [0.5, -1.25, 3.0, 65536.0, -0.0, 0.100_097_656]);
    assert_eq!((read("empty"), read("scalar")), (vec![], vec![2.5]));
    assert_eq!(file.metadata()["format"], "pt");
    assert_eq!(file.find("half").unwrap().shape, [2, 3]);
    assert_eq!(file.find("mask").unwrap().encoding, Encoding::Plain(Dtype::Bool));
}

#[test]
fn counters_and_raw_bytes_are_read_as_they_are() {
    let scratch = Scratch::new();
    let file = SafetensorsFile::open(scratch.file("m.safetensors", &file_of(&sample(), &[]))).unwrap();
    let mut steps = [0; 3];
    file.read_i64("steps", &mut steps).unwrap();
    assert_eq!(steps, [1, -2, i64::MAX]);
    assert_eq!(file.read_bytes("mask").unwrap(), [1, 0, 1]);
    assert!(refusal(file.read_i64("single", &mut [0; 6])).contains("`single` is F32 and cannot be read as i64"));
    assert!(refusal(file.read_f32("steps", &mut [0.0; 3])).contains("`steps` is I64 and cannot be read as f32"));
}

#[test]
fn a_buffer_of_another_length_and_an_unknown_name_are_refused() {
    let scratch = Scratch::new();
    let file = SafetensorsFile::open(scratch.file("m.safetensors", &file_of(&sample(), &[]))).unwrap();
    for length in [5, 7] {
        let error = file.read_f32("single", &mut vec![0.0; length]).unwrap_err();
        assert!(matches!(error, WeightsError::Length { want: 6, got, .. } if got == length), "{error}");
    }
    assert!(refusal(file.read_bytes("nothing")).contains("no tensor `nothing` among its 8 (such as `double`)"));
}

#[test]
fn the_peers_reader_accepts_what_we_write() {
    let tensors = sample();
    let bytes = file_of(&tensors, &[("format", "pt"), ("quote", "\"\\\n")]);
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert_eq!(header % 8, 0, "the tensors must start aligned");
    let peer = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(peer.len(), tensors.len());
    for (name, dtype, shape, data) in &tensors {
        let view = peer.tensor(name).unwrap();
        assert_eq!((view.dtype().to_string(), view.shape(), view.data()), (dtype.name().to_owned(), &shape[..], &data[..]));
        let at = view.data().as_ptr() as usize - bytes.as_ptr() as usize;
        assert_eq!(at % dtype.size(), 0, "{name} is not aligned");
    }
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(metadata.metadata().as_ref().unwrap()["quote"], "\"\\\n");
}

#[test]
fn we_accept_what_the_peers_write() {
    let scratch = Scratch::new();
    let data = le(&[1.0_f32, 2.0, 3.0, 4.0], f32::to_le_bytes);
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2, 2], &data).unwrap();
    let bytes = safetensors::serialize([("w\u{1F600}\"", view)], Some([("k".to_owned(), "v".to_owned())].into())).unwrap();
    let file = SafetensorsFile::open(scratch.file("peer.safetensors", &bytes)).unwrap();
    let mut out = [0.0; 4];
    file.read_f32("w\u{1F600}\"", &mut out).unwrap();
    assert_eq!((out, file.metadata()["k"].as_str()), ([1.0, 2.0, 3.0, 4.0], "v"));
}

#[test]
fn the_same_tensors_give_the_same_bytes_whatever_came_before() {
    assert_eq!(file_of(&sample(), &[("b", "2"), ("a", "1")]), file_of(&sample(), &[("a", "1"), ("b", "2")]));
    // Fixed for ever: a checkpoint's hash must not depend on our release.
    let bytes = file_of(&[("w", Dtype::F32, vec![1], vec![0; 4])], &[("format", "pt")]);
    let header = br#"{"__metadata__":{"format":"pt"},"w":{"data_offsets":[0,4],"dtype":"F32","shape":[1]}}"#;
    assert_eq!(&bytes[8..8 + header.len()], header);
}

#[test]
fn the_writer_refuses_what_the_reader_would() {
    let w = |name: &str, shape: &[usize]| Outgoing { name: name.into(), shape: shape.into(), dtype: Dtype::F32 };
    let try_write = |tensors: &[Outgoing], given: usize| {
        write(&mut Vec::new(), tensors, &BTreeMap::new(), &mut |_, bytes| {
            bytes.resize(given, 0);
            Ok(())
        })
    };
    assert!(try_write(&[w("a", &[2])], 8).is_ok());
    assert!(refusal(try_write(&[w("a", &[2])], 7)).contains("tensor `a`: 7 bytes were given and its shape takes 8"));
    assert!(refusal(try_write(&[w("a", &[2]), w("a", &[2])], 8)).contains("occurs twice"));
    assert!(refusal(try_write(&[w("__metadata__", &[2])], 8)).contains("reserved"));
    assert!(refusal(try_write(&[w("a", &[1 << 40, 1 << 40])], 8)).contains("do not fit in 63 bits"));
    assert!(refusal(try_write(&[w("a", &[1; 17])], 4)).contains("17 dimensions"));
}

/// A directory of two shards and their index.
fn sharded(index: &str) -> Scratch {
    let scratch = Scratch::new();
    let float = |v: f32| v.to_le_bytes().to_vec();
    scratch.file("one.safetensors", &file_of(&[("a", Dtype::F32, vec![1], float(1.0)), ("x", Dtype::F32, vec![1], float(9.0))], &[]));
    scratch.file("two.safetensors", &file_of(&[("b", Dtype::F32, vec![1], float(2.0)), ("x", Dtype::F32, vec![1], float(8.0))], &[]));
    scratch.file("model.safetensors.index.json", index.as_bytes());
    scratch
}

#[test]
fn a_sharded_directory_reads_as_one_and_the_index_decides() {
    let scratch =
        sharded(r#"{"metadata":{"total_size":12},"weight_map":{"a":"one.safetensors","b":"two.safetensors","x":"two.safetensors"}}"#);
    let dir = SafetensorsDir::open(scratch.path()).unwrap();
    let read = |name: &str| {
        let mut out = [0.0];
        dir.read_f32(name, &mut out).map(|()| out[0])
    };
    assert_eq!((read("a").unwrap(), read("b").unwrap(), read("x").unwrap()), (1.0, 2.0, 8.0));
    assert_eq!(dir.tensors().len(), 3);
    assert!(refusal(read("c")).contains("no tensor `c`"));
}

#[test]
fn a_single_file_goes_before_an_index() {
    let scratch = sharded("not even JSON");
    scratch.file("model.safetensors", &file_of(&[("only", Dtype::F32, vec![1], vec![0; 4])], &[]));
    let dir = SafetensorsDir::open(scratch.path()).unwrap();
    assert!(dir.find("only").is_some() && dir.find("a").is_none());
}

#[test]
fn a_directory_that_contradicts_itself_is_refused_and_named() {
    let open = |index: &str| refusal(SafetensorsDir::open(sharded(index).path()));
    assert!(open(r#"{"weight_map":{"b":"one.safetensors"}}"#).contains("names tensor `b` in one.safetensors, which does not hold it"));
    assert!(open(r#"{"weight_map":{"a":"gone.safetensors"}}"#).contains("gone.safetensors: No such file"));
    assert!(open(r#"{"weight_map":{"a":"../one.safetensors"}}"#).contains("not a plain file name"));
    assert!(open(r#"{"weight_map":{"a":"/etc/passwd"}}"#).contains("not a plain file name"));
    assert!(open(r#"{"weight_map":{"a":"one.safetensors","a":"two.safetensors"}}"#).contains("key `a` occurs twice"));
    assert!(open("{").contains("is not an index of shards"));
    let empty = Scratch::new();
    assert!(refusal(SafetensorsDir::open(empty.path())).contains("holds neither model.safetensors nor"));
    assert!(refusal(SafetensorsFile::open(empty.path())).contains("is not a regular file"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Shapes around the size of the read buffer: a tensor is decoded in pieces, and the seams must not show.
    #[test]
    fn any_tensor_survives_the_round_trip(seed: u64, rows in 0_usize..5, columns in 0_usize..20_000, dtype in 0_usize..15) {
        let dtype = Dtype::ALL[dtype];
        let scratch = Scratch::new();
        let mut rng = Rng(seed);
        let data = rng.bytes(rows * columns * dtype.size());
        let tensors = [("first", Dtype::U8, vec![3], vec![1, 2, 3]), ("w", dtype, vec![rows, columns], data.clone())];
        let file = SafetensorsFile::open(scratch.file("m.safetensors", &file_of(&tensors, &[]))).unwrap();
        prop_assert_eq!(&file.read_bytes("w").unwrap(), &data);
        let mut out = vec![0.0_f32; rows * columns];
        let read = file.read_f32("w", &mut out);
        let bits = |v: f32| if v.is_nan() { 0x7fc0_0000 } else { v.to_bits() };
        let want: Vec<f32> = match dtype {
            Dtype::F32 => data.chunks(4).map(|c| f32::from_le_bytes(c.try_into().unwrap())).collect(),
            Dtype::F64 => data.chunks(8).map(|c| f64::from_le_bytes(c.try_into().unwrap()) as f32).collect(),
            Dtype::F16 => data.chunks(2).map(|c| f16::from_le_bytes(c.try_into().unwrap()).to_f32()).collect(),
            Dtype::BF16 => data.chunks(2).map(|c| bf16::from_le_bytes(c.try_into().unwrap()).to_f32()).collect(),
            _ => { prop_assert!(read.is_err()); return Ok(()); }
        };
        read.unwrap();
        prop_assert!(out.iter().zip(&want).all(|(a, b)| bits(*a) == bits(*b)));
    }
}
