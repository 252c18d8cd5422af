//! Writes a safetensors file, one tensor at a time.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};

use serde_json::{Value, json};

use super::header::METADATA_KEY;
use crate::encoding::{Dtype, Encoding};
use crate::error::WeightsError;
use crate::limits;

/// A tensor that will be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Its name.
    pub name: String,
    /// Its dimensions, row-major.
    pub shape: Vec<usize>,
    /// Its element type.
    pub dtype: Dtype,
}

/// Streams a safetensors file into `out`: at no time is more than one tensor held.
///
/// `fill` is called once a tensor, in the order of the file, with the tensor's position in `tensors` and an empty buffer to which it appends
/// exactly the tensor's bytes (little-endian, row-major). In the file wide element types come before narrow ones, else the order is the
/// caller's: so every tensor is aligned, and the same input gives the same bytes. transformers wants `metadata` to say `format` = `pt`.
///
/// # Errors
/// [`WeightsError::Outgoing`] for a name that occurs twice or is reserved, a shape that does not fit in 63 bits, too many tensors or a
/// callback that appended another number of bytes; [`WeightsError::Sink`] when `out` or `fill` fails.
pub fn write(
    out: &mut dyn Write,
    tensors: &[Outgoing],
    metadata: &BTreeMap<String, String>,
    fill: &mut dyn FnMut(usize, &mut Vec<u8>) -> io::Result<()>,
) -> Result<(), WeightsError> {
    let mut order: Vec<usize> = (0..tensors.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(tensors[i].dtype.size()));
    let sizes = check(tensors)?;
    let header = header(tensors, metadata, &order, &sizes)?;
    let sink = |source| WeightsError::Sink { tensor: None, source };
    out.write_all(&(header.len() as u64).to_le_bytes()).map_err(sink)?;
    out.write_all(&header).map_err(sink)?;

    let mut bytes = Vec::new();
    for i in order {
        let name = || Some(tensors[i].name.clone());
        bytes.clear();
        fill(i, &mut bytes).map_err(|source| WeightsError::Sink { tensor: name(), source })?;
        if bytes.len() as u64 != sizes[i] {
            return Err(WeightsError::Outgoing {
                tensor: name(),
                what: format!("{} bytes were given and its shape takes {}", bytes.len(), sizes[i]),
            });
        }
        out.write_all(&bytes).map_err(|source| WeightsError::Sink { tensor: name(), source })?;
    }
    out.flush().map_err(sink)
}

/// The bytes of each tensor, once names and shapes are found to be ones that the reader accepts.
fn check(tensors: &[Outgoing]) -> Result<Vec<u64>, WeightsError> {
    if tensors.len() > limits::TENSORS {
        let what = format!("{} tensors, more than the {} a file may hold", tensors.len(), limits::TENSORS);
        return Err(WeightsError::Outgoing { tensor: None, what });
    }
    let mut seen = HashSet::new();
    let mut sizes = Vec::with_capacity(tensors.len());
    for Outgoing { name, shape, dtype } in tensors {
        let fail = |what: String| WeightsError::Outgoing { tensor: Some(name.clone()), what };
        if name == METADATA_KEY {
            return Err(fail("the name is reserved by the format".to_owned()));
        }
        if !seen.insert(name) {
            return Err(fail("the name occurs twice".to_owned()));
        }
        if shape.len() > limits::RANK {
            return Err(fail(format!("{} dimensions, more than the {} allowed", shape.len(), limits::RANK)));
        }
        let bytes = Encoding::Plain(*dtype).bytes_of(shape);
        sizes.push(bytes.ok_or_else(|| fail(format!("the sizes of shape {shape:?} of {dtype} do not fit in 63 bits")))?);
    }
    Ok(sizes)
}

/// The JSON header, filled up with spaces so that the tensors start at a multiple of 8.
fn header(tensors: &[Outgoing], metadata: &BTreeMap<String, String>, order: &[usize], sizes: &[u64]) -> Result<Vec<u8>, WeightsError> {
    let mut text = Vec::from(b"{");
    if metadata.len() > limits::METADATA {
        let what = format!("{} metadata entries, more than the {} allowed", metadata.len(), limits::METADATA);
        return Err(WeightsError::Outgoing { tensor: None, what });
    }
    if !metadata.is_empty() {
        entry(&mut text, METADATA_KEY, &json!(metadata));
    }
    let mut start = 0_u64;
    for &i in order {
        let Outgoing { name, shape, dtype } = &tensors[i];
        let end = start.checked_add(sizes[i]).ok_or_else(|| WeightsError::Outgoing {
            tensor: Some(name.clone()),
            what: "the sizes of all tensors together do not fit in 64 bits".to_owned(),
        })?;
        // Keys in sorted order: serde_json then writes the same bytes whether it keeps the order or sorts.
        entry(&mut text, name, &json!({ "data_offsets": [start, end], "dtype": dtype.name(), "shape": shape }));
        start = end;
    }
    text.push(b'}');
    text.resize(text.len().next_multiple_of(8), b' ');
    if text.len() as u64 > limits::HEADER_BYTES {
        let what = format!("a header of {} bytes passes the limit of {}", text.len(), limits::HEADER_BYTES);
        return Err(WeightsError::Outgoing { tensor: None, what });
    }
    Ok(text)
}

/// Appends `"key":value`, with a comma where something stands before.
fn entry(text: &mut Vec<u8>, key: &str, value: &Value) {
    if text.len() > 1 {
        text.push(b',');
    }
    text.extend(format!("{}:{value}", Value::from(key)).bytes());
}
