//! Reads the front of a GGUF file: header, metadata, tensor list.

use std::collections::BTreeMap;

use super::cursor::Cursor;
use super::kinds::{self, value};
use super::strings::Strings;
use super::value::{Array, Value};
use super::{ALIGNMENT, ALIGNMENT_KEY, MAGIC};
use crate::error::WeightsError;
use crate::file::ModelFile;
use crate::limits;
use crate::tensor::{Catalog, TensorInfo};

/// Bytes of the least metadata entry: length of the key, type, one byte of value.
const LEAST_ENTRY: u64 = 8 + 4 + 1;
/// Bytes of the least tensor entry: length of the name, number of dimensions, type, offset.
const LEAST_TENSOR: u64 = 8 + 4 + 4 + 8;

type Metadata = BTreeMap<String, Value>;

/// Reads everything before the tensors' data and checks the tensors against the length of the file.
pub(super) fn read(file: &ModelFile) -> Result<(Metadata, Catalog), WeightsError> {
    let mut cursor = Cursor::new(file)?;
    check_version(&mut cursor)?;
    let tensor_count = cursor.u64("the number of tensors")?;
    let entry_count = cursor.u64("the number of metadata entries")?;
    let entry_count = bounded(&cursor, entry_count, LEAST_ENTRY, limits::METADATA, "metadata entries")?;
    let tensor_count = bounded(&cursor, tensor_count, LEAST_TENSOR, limits::TENSORS, "tensors")?;

    let mut metadata = Metadata::new();
    for _ in 0..entry_count {
        entry(&mut cursor, &mut metadata)?;
    }
    let alignment = alignment(&cursor, &metadata)?;
    let mut raw = Vec::new();
    for _ in 0..tensor_count {
        raw.push(tensor(&mut cursor, file, alignment)?);
    }
    let list_end = cursor.at();
    let tensors = place(file, raw, list_end, alignment)?;
    let catalog =
        Catalog::new(tensors).map_err(|name| file.malformed(Some(&name), 0..list_end, "the name occurs twice in the list of tensors"))?;
    Ok((metadata, catalog))
}

fn check_version(cursor: &mut Cursor<'_>) -> Result<(), WeightsError> {
    let magic: [u8; 4] = cursor.array("the magic bytes")?;
    if magic != MAGIC {
        return Err(cursor.malformed(0, format!("the file starts with {magic:02x?} and not with GGUF")));
    }
    match cursor.u32("the version")? {
        2 | 3 => Ok(()),
        version if matches!(version.swap_bytes(), 1..=3) => Err(cursor.malformed(4, "the file is big-endian, which is not read")),
        version => Err(cursor.malformed(4, format!("version {version} is not read, only 2 and 3"))),
    }
}

/// A count that both the rest of the file and our own limit can hold.
fn bounded(cursor: &Cursor<'_>, count: u64, least: u64, limit: usize, what: &str) -> Result<usize, WeightsError> {
    let count = cursor.room_for(count, least, what)?;
    if count > limit {
        return Err(cursor.malformed(8, format!("{count} {what} pass the limit of {limit}")));
    }
    Ok(count)
}

/// Reads one metadata entry.
fn entry(cursor: &mut Cursor<'_>, metadata: &mut Metadata) -> Result<(), WeightsError> {
    let start = cursor.at();
    let key = cursor.text(limits::GGUF_NAME, "a metadata key")?;
    let kind = cursor.u32("a metadata type")?;
    let what = format!("the value of metadata `{key}`");
    let value = if kind == value::ARRAY { Value::Array(array(cursor, &what)?) } else { scalar(cursor, kind, &what)? };
    if metadata.contains_key(&key) {
        return Err(cursor.malformed(start, format!("metadata `{key}` occurs twice")));
    }
    metadata.insert(key, value);
    Ok(())
}

fn scalar(cursor: &mut Cursor<'_>, kind: u32, what: &str) -> Result<Value, WeightsError> {
    Ok(match kind {
        value::U8 => Value::U8(u8::from_le_bytes(cursor.array(what)?)),
        value::I8 => Value::I8(i8::from_le_bytes(cursor.array(what)?)),
        value::U16 => Value::U16(u16::from_le_bytes(cursor.array(what)?)),
        value::I16 => Value::I16(i16::from_le_bytes(cursor.array(what)?)),
        value::U32 => Value::U32(u32::from_le_bytes(cursor.array(what)?)),
        value::I32 => Value::I32(i32::from_le_bytes(cursor.array(what)?)),
        value::U64 => Value::U64(u64::from_le_bytes(cursor.array(what)?)),
        value::I64 => Value::I64(i64::from_le_bytes(cursor.array(what)?)),
        value::F32 => Value::F32(f32::from_le_bytes(cursor.array(what)?)),
        value::F64 => Value::F64(f64::from_le_bytes(cursor.array(what)?)),
        value::BOOL => {
            let [byte] = cursor.array(what)?;
            Value::Bool(truth(cursor, byte, what)?)
        }
        value::STR => Value::Str(cursor.text(u64::MAX, what)?),
        _ => return Err(cursor.malformed(cursor.at() - 4, format!("{what} has the unknown type {kind}"))),
    })
}

fn array(cursor: &mut Cursor<'_>, what: &str) -> Result<Array, WeightsError> {
    let kind = cursor.u32(what)?;
    let count = cursor.u64(what)?;
    Ok(match kind {
        value::U8 => Array::U8(cursor.numbers(count, what)?),
        value::I8 => Array::I8(cursor.numbers(count, what)?),
        value::U16 => Array::U16(cursor.numbers(count, what)?),
        value::I16 => Array::I16(cursor.numbers(count, what)?),
        value::U32 => Array::U32(cursor.numbers(count, what)?),
        value::I32 => Array::I32(cursor.numbers(count, what)?),
        value::U64 => Array::U64(cursor.numbers(count, what)?),
        value::I64 => Array::I64(cursor.numbers(count, what)?),
        value::F32 => Array::F32(cursor.numbers(count, what)?),
        value::F64 => Array::F64(cursor.numbers(count, what)?),
        value::BOOL => {
            let bytes: Vec<u8> = cursor.numbers(count, what)?;
            Array::Bool(bytes.into_iter().map(|byte| truth(cursor, byte, what)).collect::<Result<_, _>>()?)
        }
        value::STR => {
            let count = cursor.room_for(count, 8, what)?;
            let mut strings = Strings::default();
            for _ in 0..count {
                strings.push(&cursor.text(u64::MAX, what)?);
            }
            Array::Str(strings)
        }
        value::ARRAY => return Err(cursor.malformed(cursor.at() - 12, format!("{what} is a list of lists, which is not read"))),
        _ => return Err(cursor.malformed(cursor.at() - 12, format!("{what} is a list of the unknown type {kind}"))),
    })
}

fn truth(cursor: &Cursor<'_>, byte: u8, what: &str) -> Result<bool, WeightsError> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(cursor.malformed(cursor.at() - 1, format!("{what} is {byte}, and a truth value is 0 or 1"))),
    }
}

fn alignment(cursor: &Cursor<'_>, metadata: &Metadata) -> Result<u64, WeightsError> {
    let Some(value) = metadata.get(ALIGNMENT_KEY) else { return Ok(ALIGNMENT) };
    match value {
        Value::U32(bytes) if bytes.is_power_of_two() => Ok(u64::from(*bytes)),
        _ => Err(cursor.malformed(0, format!("metadata `{ALIGNMENT_KEY}` is {value:?}, and must be a power of two as U32"))),
    }
}

/// Reads one entry of the tensor list. Its offset still counts from the start of the data.
fn tensor(cursor: &mut Cursor<'_>, file: &ModelFile, alignment: u64) -> Result<TensorInfo, WeightsError> {
    let start = cursor.at();
    let name = cursor.text(limits::GGUF_NAME, "a tensor name")?;
    let fail = |cursor: &Cursor<'_>, what: String| file.malformed(Some(&name), start..cursor.at(), what);
    let rank = cursor.u32("the number of dimensions")? as usize;
    if rank > limits::GGUF_RANK {
        return Err(fail(cursor, format!("{rank} dimensions, more than the {} allowed", limits::GGUF_RANK)));
    }
    let mut shape = Vec::with_capacity(rank);
    for _ in 0..rank {
        let dim = cursor.u64("a dimension")?;
        shape.push(usize::try_from(dim).map_err(|_| fail(cursor, format!("dimension {dim} does not fit in memory")))?);
    }
    shape.reverse();
    let encoding = kinds::encoding(cursor.u32("a tensor type")?);
    let offset = cursor.u64("a tensor offset")?;
    let encoding = encoding.map_err(|encoding| {
        let mend = "convert it to F16, BF16, F32, Q8_0, Q4_0 or Q4_1, or take the original safetensors";
        WeightsError::Encoding { file: file.path.clone(), tensor: name.clone(), encoding, mend }
    })?;
    let Some(bytes) = encoding.bytes_of(&shape) else {
        let block = encoding.block_elements();
        return Err(fail(cursor, format!("shape {shape:?} of {encoding} is not whole blocks of {block}, or its sizes pass 63 bits")));
    };
    if offset % alignment != 0 {
        return Err(fail(cursor, format!("offset {offset} is not a multiple of the alignment {alignment}")));
    }
    Ok(TensorInfo { name, shape, encoding, offset, bytes })
}

/// Turns offsets into places in the file, in the order in which the tensors lie, and refuses those that pass its end or overlap.
fn place(file: &ModelFile, mut tensors: Vec<TensorInfo>, list_end: u64, alignment: u64) -> Result<Vec<TensorInfo>, WeightsError> {
    let data = list_end.next_multiple_of(alignment);
    tensors.sort_by_key(|t| (t.offset, t.bytes));
    let mut before = data;
    for tensor in &mut tensors {
        let start = data.saturating_add(tensor.offset);
        let end = start.saturating_add(tensor.bytes);
        if end > file.len {
            let what = format!("the tensor ends at byte {end} and the file at {}", file.len);
            return Err(file.malformed(Some(&tensor.name), start..end, what));
        }
        if start < before {
            let what = format!("the tensor overlaps the one before it, which ends at byte {before}");
            return Err(file.malformed(Some(&tensor.name), start..end, what));
        }
        tensor.offset = start;
        before = end;
    }
    Ok(tensors)
}
