//! Writes a GGUF file (version 3), one tensor at a time.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};

use zerocopy::IntoBytes;

use super::kinds::{self, value};
use super::value::{Array, Value};
use super::{ALIGNMENT, ALIGNMENT_KEY, MAGIC};
use crate::encoding::Encoding;
use crate::error::WeightsError;
use crate::limits;

/// A tensor that will be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Its name.
    pub name: String,
    /// Its dimensions, row-major: turned round on the way out.
    pub shape: Vec<usize>,
    /// What `fill` gives its elements as.
    pub encoding: Encoding,
}

/// Streams a GGUF file into `out`: at no time is more than one tensor held.
///
/// `fill` is called once a tensor, in the order of `tensors`, with the tensor's position and an empty buffer to which it appends exactly the
/// encoded bytes. `general.alignment` in `metadata` sets the alignment (a power of two; 32 without it).
///
/// # Errors
/// [`WeightsError::Outgoing`] for what the reader would refuse (a name that occurs twice, more than four dimensions, a row that is not whole
/// blocks) or a callback that appended another number of bytes; [`WeightsError::Sink`] when `out` or `fill` fails.
pub fn write(
    out: &mut dyn Write,
    metadata: &BTreeMap<String, Value>,
    tensors: &[Outgoing],
    fill: &mut dyn FnMut(usize, &mut Vec<u8>) -> io::Result<()>,
) -> Result<(), WeightsError> {
    let alignment = match metadata.get(ALIGNMENT_KEY) {
        None => ALIGNMENT,
        Some(Value::U32(bytes)) if bytes.is_power_of_two() => u64::from(*bytes),
        Some(other) => {
            let what = format!("metadata `{ALIGNMENT_KEY}` is {other:?}, and must be a power of two as U32");
            return Err(WeightsError::Outgoing { tensor: None, what });
        }
    };
    let (front, sizes) = front(metadata, tensors, alignment)?;
    let sink = |source| WeightsError::Sink { tensor: None, source };
    out.write_all(&front).map_err(sink)?;
    let mut bytes = Vec::new();
    for (i, tensor) in tensors.iter().enumerate() {
        let fail = |source| WeightsError::Sink { tensor: Some(tensor.name.clone()), source };
        bytes.clear();
        fill(i, &mut bytes).map_err(fail)?;
        if bytes.len() as u64 != sizes[i] {
            let what = format!("{} bytes were given and its shape takes {}", bytes.len(), sizes[i]);
            return Err(WeightsError::Outgoing { tensor: Some(tensor.name.clone()), what });
        }
        pad(&mut bytes, alignment);
        out.write_all(&bytes).map_err(fail)?;
    }
    out.flush().map_err(sink)
}

/// Everything before the data, filled up to the alignment, and the bytes of each tensor.
fn front(metadata: &BTreeMap<String, Value>, tensors: &[Outgoing], alignment: u64) -> Result<(Vec<u8>, Vec<u64>), WeightsError> {
    if tensors.len() > limits::TENSORS || metadata.len() > limits::METADATA {
        let what = format!("{} tensors and {} metadata entries are more than the reader takes", tensors.len(), metadata.len());
        return Err(WeightsError::Outgoing { tensor: None, what });
    }
    let mut bytes = Vec::from(MAGIC);
    bytes.extend(3_u32.to_le_bytes());
    bytes.extend((tensors.len() as u64).to_le_bytes());
    bytes.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata {
        if key.len() as u64 > limits::GGUF_NAME {
            let what = format!("metadata key of {} bytes passes the limit of {}", key.len(), limits::GGUF_NAME);
            return Err(WeightsError::Outgoing { tensor: None, what });
        }
        text(&mut bytes, key);
        put(&mut bytes, value);
    }
    let mut seen = HashSet::new();
    let mut sizes = Vec::with_capacity(tensors.len());
    let mut offset = 0_u64;
    for tensor in tensors {
        let fail = |what: &str| WeightsError::Outgoing { tensor: Some(tensor.name.clone()), what: what.to_owned() };
        if !seen.insert(&tensor.name) {
            return Err(fail("the name occurs twice"));
        }
        let size = list(&mut bytes, tensor, offset)?;
        sizes.push(size);
        offset = offset
            .checked_add(size)
            .and_then(|end| end.checked_next_multiple_of(alignment))
            .ok_or_else(|| fail("the sizes of all tensors together do not fit in 64 bits"))?;
    }
    pad(&mut bytes, alignment);
    Ok((bytes, sizes))
}

/// Appends the entry of a tensor and gives the bytes of its data.
fn list(bytes: &mut Vec<u8>, tensor: &Outgoing, offset: u64) -> Result<u64, WeightsError> {
    let Outgoing { name, shape, encoding } = tensor;
    let fail = |what: String| WeightsError::Outgoing { tensor: Some(name.clone()), what };
    if name.len() as u64 > limits::GGUF_NAME || shape.len() > limits::GGUF_RANK {
        return Err(fail(format!("shape {shape:?} has more than {} dimensions, or the name is too long", limits::GGUF_RANK)));
    }
    let number = kinds::number(*encoding).ok_or_else(|| fail(format!("{encoding} is not written to GGUF")))?;
    let size = encoding.bytes_of(shape);
    let size = size.ok_or_else(|| fail(format!("shape {shape:?} of {encoding} is not whole blocks, or its sizes pass 63 bits")))?;
    text(bytes, name);
    bytes.extend(u32::try_from(shape.len()).unwrap_or(u32::MAX).to_le_bytes());
    shape.iter().rev().for_each(|&dim| bytes.extend((dim as u64).to_le_bytes()));
    bytes.extend(number.to_le_bytes());
    bytes.extend(offset.to_le_bytes());
    Ok(size)
}

/// Zeros up to a multiple of the alignment.
fn pad(bytes: &mut Vec<u8>, alignment: u64) {
    let alignment = usize::try_from(alignment).unwrap_or(1);
    bytes.resize(bytes.len().next_multiple_of(alignment), 0);
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

/// Appends a type and a value of it.
fn put(bytes: &mut Vec<u8>, value: &Value) {
    let mut plain = |kind: u32, raw: &[u8]| {
        bytes.extend(kind.to_le_bytes());
        bytes.extend(raw);
    };
    match value {
        Value::U8(v) => plain(value::U8, &v.to_le_bytes()),
        Value::I8(v) => plain(value::I8, &v.to_le_bytes()),
        Value::U16(v) => plain(value::U16, &v.to_le_bytes()),
        Value::I16(v) => plain(value::I16, &v.to_le_bytes()),
        Value::U32(v) => plain(value::U32, &v.to_le_bytes()),
        Value::I32(v) => plain(value::I32, &v.to_le_bytes()),
        Value::U64(v) => plain(value::U64, &v.to_le_bytes()),
        Value::I64(v) => plain(value::I64, &v.to_le_bytes()),
        Value::F32(v) => plain(value::F32, &v.to_le_bytes()),
        Value::F64(v) => plain(value::F64, &v.to_le_bytes()),
        Value::Bool(v) => plain(value::BOOL, &[u8::from(*v)]),
        Value::Str(v) => {
            plain(value::STR, &[]);
            text(bytes, v);
        }
        Value::Array(v) => {
            plain(value::ARRAY, &[]);
            put_array(bytes, v);
        }
    }
}

fn put_array(bytes: &mut Vec<u8>, array: &Array) {
    let count = (array.len() as u64).to_le_bytes();
    let mut plain = |kind: u32, raw: &[u8]| {
        bytes.extend(kind.to_le_bytes());
        bytes.extend(count);
        bytes.extend(raw);
    };
    match array {
        Array::U8(v) => plain(value::U8, v),
        Array::I8(v) => plain(value::I8, v.as_bytes()),
        Array::U16(v) => plain(value::U16, v.as_bytes()),
        Array::I16(v) => plain(value::I16, v.as_bytes()),
        Array::U32(v) => plain(value::U32, v.as_bytes()),
        Array::I32(v) => plain(value::I32, v.as_bytes()),
        Array::U64(v) => plain(value::U64, v.as_bytes()),
        Array::I64(v) => plain(value::I64, v.as_bytes()),
        Array::F32(v) => plain(value::F32, v.as_bytes()),
        Array::F64(v) => plain(value::F64, v.as_bytes()),
        Array::Bool(v) => plain(value::BOOL, v.as_bytes()),
        Array::Str(v) => {
            plain(value::STR, &[]);
            v.iter().for_each(|s| text(bytes, s));
        }
    }
}
