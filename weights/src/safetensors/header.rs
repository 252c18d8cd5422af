//! The header: eight bytes of length, then a JSON object from tensor names to type, shape and offsets.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufReader, Read};

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use super::json::{Shape, Unique};
use crate::encoding::{Dtype, Encoding};
use crate::error::WeightsError;
use crate::file::ModelFile;
use crate::limits;
use crate::tensor::{Catalog, TensorInfo};

/// Bytes of the length in front of the header.
pub(super) const PREFIX: u64 = 8;
/// The reserved key under which free text is kept.
pub(super) const METADATA_KEY: &str = "__metadata__";

/// Reads and checks the header: afterwards every tensor lies in the file, without gaps or overlaps.
pub(super) fn read(file: &ModelFile) -> Result<(Catalog, BTreeMap<String, String>), WeightsError> {
    let mut prefix = [0; 8];
    if file.len < PREFIX {
        return Err(file.malformed(None, 0..PREFIX, format!("the file has {} bytes and no safetensors header", file.len)));
    }
    file.read_at(&mut prefix, 0)?;
    let length = u64::from_le_bytes(prefix);
    if length > limits::HEADER_BYTES {
        return Err(file.malformed(None, 0..PREFIX, format!("a header of {length} bytes passes the limit of {}", limits::HEADER_BYTES)));
    }
    let data = PREFIX + length;
    if data > file.len {
        return Err(file.malformed(None, PREFIX..data, format!("the header ends at byte {data} and the file at {}", file.len)));
    }
    let (raw, metadata) = parse(file, length)?;
    let tensors = place(file, raw, data)?;
    let catalog = Catalog::new(tensors).map_err(|name| file.malformed(Some(&name), PREFIX..data, "the name occurs twice in the header"))?;
    Ok((catalog, metadata))
}

/// One tensor as the header states it.
struct Raw {
    name: String,
    dtype: RawDtype,
    shape: Vec<usize>,
    start: u64,
    end: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    dtype: RawDtype,
    shape: Shape,
    data_offsets: [u64; 2],
}

/// A type by its name. One that is not read is kept as text, so that its error can name tensor and type.
#[derive(Deserialize)]
#[serde(from = "String")]
enum RawDtype {
    Known(Dtype),
    Unknown(String),
}

impl From<String> for RawDtype {
    fn from(name: String) -> Self {
        Dtype::from_name(&name).map_or(Self::Unknown(name), Self::Known)
    }
}

type Parsed = (Vec<Raw>, BTreeMap<String, String>);

/// Parses the JSON as a stream: the text is never held as a whole.
fn parse(file: &ModelFile, length: u64) -> Result<Parsed, WeightsError> {
    let mut handle = &file.file;
    std::io::Seek::seek(&mut handle, std::io::SeekFrom::Start(PREFIX)).map_err(|source| WeightsError::Io {
        file: file.path.clone(),
        doing: "read",
        source,
    })?;
    let mut at = None;
    let text = BufReader::with_capacity(64 * 1024, handle.take(length));
    let mut json = serde_json::Deserializer::from_reader(text);
    let parsed = HeaderSeed { at: &mut at }.deserialize(&mut json).and_then(|parsed| json.end().map(|()| parsed));
    parsed.map_err(|error| {
        // The header is one line unless somebody wrote it by hand; the column then counts its bytes.
        let whole = PREFIX..PREFIX + length;
        let column = PREFIX + (error.column() as u64).saturating_sub(1);
        let bytes = if error.line() == 1 && whole.contains(&column) { column..column + 1 } else { whole };
        file.malformed(at.as_deref(), bytes, format!("the header is not as the format wants it: {error}"))
    })
}

/// Reads the header object; `at` holds the tensor that is being read, for the error.
struct HeaderSeed<'a> {
    at: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for HeaderSeed<'_> {
    type Value = Parsed;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Parsed, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for HeaderSeed<'_> {
    type Value = Parsed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object from tensor names to their type, shape and offsets")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parsed, A::Error> {
        let mut tensors = Vec::new();
        let mut metadata = None;
        while let Some(name) = map.next_key::<String>()? {
            if name == METADATA_KEY {
                if metadata.is_some() {
                    return Err(A::Error::custom(format_args!("key `{METADATA_KEY}` occurs twice")));
                }
                metadata = Some(map.next_value::<Unique<String, { limits::METADATA }>>()?.0);
                continue;
            }
            if tensors.len() == limits::TENSORS {
                return Err(A::Error::custom(format_args!("more than {} tensors", limits::TENSORS)));
            }
            *self.at = Some(name.clone());
            let RawEntry { dtype, shape, data_offsets: [start, end] } = map.next_value()?;
            *self.at = None;
            tensors.push(Raw { name, dtype, shape: shape.0, start, end });
        }
        Ok((tensors, metadata.unwrap_or_default()))
    }
}

/// Orders the tensors as they lie and checks that they fill the file from the header's end to the file's end.
fn place(file: &ModelFile, mut raw: Vec<Raw>, data: u64) -> Result<Vec<TensorInfo>, WeightsError> {
    raw.sort_by_key(|t| (t.start, t.end));
    let mut tensors = Vec::with_capacity(raw.len());
    let mut expected = 0;
    for tensor in raw {
        let end = tensor.end;
        tensors.push(place_one(file, tensor, data, expected)?);
        expected = end;
    }
    let end = data + expected;
    if end != file.len {
        return Err(file.malformed(None, end..file.len, "the file goes on after its last tensor"));
    }
    Ok(tensors)
}

/// Checks one tensor, whose first byte must be `expected` (both counted from `data`, the end of the header).
fn place_one(file: &ModelFile, raw: Raw, data: u64, expected: u64) -> Result<TensorInfo, WeightsError> {
    let Raw { name, dtype, shape, start, end } = raw;
    let bytes = data.saturating_add(start)..data.saturating_add(end);
    let fail = |what: String| file.malformed(Some(&name), bytes.clone(), what);
    let encoding = match dtype {
        RawDtype::Known(dtype) => Encoding::Plain(dtype),
        RawDtype::Unknown(encoding) => {
            let mend = "convert the model to F32, F16 or BF16";
            return Err(WeightsError::Encoding { file: file.path.clone(), tensor: name, encoding, mend });
        }
    };
    if end < start {
        return Err(fail(format!("the tensor ends at offset {end}, before it starts at {start}")));
    }
    let Some(want) = encoding.bytes_of(&shape) else {
        return Err(fail(format!("the sizes of shape {shape:?} of {encoding} do not fit in 63 bits")));
    };
    if want != end - start {
        return Err(fail(format!("shape {shape:?} of {encoding} takes {want} bytes and the offsets give {}", end - start)));
    }
    if start != expected {
        let how = if start < expected { "overlaps the tensor before it" } else { "leaves a gap to the tensor before it" };
        return Err(fail(format!("the tensor starts at offset {start} and {how}, which ends at {expected}")));
    }
    if bytes.end > file.len {
        return Err(fail(format!("the tensor ends at byte {} and the file at {}", bytes.end, file.len)));
    }
    Ok(TensorInfo { name, shape, encoding, offset: bytes.start, bytes: want })
}
