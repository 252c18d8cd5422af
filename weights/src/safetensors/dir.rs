//! A Hugging Face model directory: `model.safetensors`, or shards behind `model.safetensors.index.json`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::file::SafetensorsFile;
use super::json::Unique;
use crate::error::WeightsError;
use crate::limits;
use crate::tensor::{Catalog, TensorInfo, TensorSource};

/// The file of a model that has only one.
const SINGLE: &str = "model.safetensors";
/// The table from tensor names to shards.
const INDEX: &str = "model.safetensors.index.json";

/// The tensors of a model directory as one list.
#[derive(Debug)]
pub struct SafetensorsDir {
    dir: PathBuf,
    files: Vec<SafetensorsFile>,
    catalog: Catalog,
    /// The file of each tensor: a position in `files` for each position in the catalog.
    shard: Vec<usize>,
}

/// The index. Its `metadata` (sizes for people) is not needed.
#[derive(Deserialize)]
struct Index {
    weight_map: Unique<String, { limits::TENSORS }>,
}

impl SafetensorsDir {
    /// Opens a model directory. `model.safetensors` is taken where there is one, as transformers does, else the index.
    ///
    /// A tensor belongs to the shard that the index names, and must be there; one that the index does not name is not part of the model.
    ///
    /// # Errors
    /// [`WeightsError::Directory`] when there is neither file or the index contradicts its shards, and the errors of
    /// [`SafetensorsFile::open`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, WeightsError> {
        let dir = dir.as_ref();
        if dir.join(SINGLE).exists() {
            return Self::gather(dir, vec![SafetensorsFile::open(dir.join(SINGLE))?], |_, _| true);
        }
        let path = dir.join(INDEX);
        if !path.exists() {
            return Err(WeightsError::Directory {
                path: dir.to_owned(),
                what: format!("holds neither {SINGLE} nor {INDEX}"),
                mend: "give a model directory with safetensors weights, or a GGUF file",
            });
        }
        let map = read_index(&path)?;
        let names = shard_names(&path, &map)?;
        let files = names.iter().map(|name| SafetensorsFile::open(dir.join(name))).collect::<Result<Vec<_>, _>>()?;
        for (tensor, shard) in &map {
            let at = names.binary_search(&shard.as_str()).unwrap_or_default();
            if files[at].find(tensor).is_none() {
                let what = format!("names tensor `{tensor}` in {shard}, which does not hold it");
                return Err(WeightsError::Directory { path, what, mend: "fetch the index and the shards again, all of one revision" });
            }
        }
        Self::gather(dir, files, |tensor, at| map.get(tensor).is_some_and(|shard| shard == names[at]))
    }

    /// The free text in the header of the first file.
    #[must_use]
    pub fn metadata(&self) -> Option<&BTreeMap<String, String>> {
        self.files.first().map(SafetensorsFile::metadata)
    }

    /// The files, in the order of their names.
    #[must_use]
    pub fn files(&self) -> &[SafetensorsFile] {
        &self.files
    }

    /// Joins the tensors that `belongs` (by name and position of their file) into one list.
    fn gather(dir: &Path, files: Vec<SafetensorsFile>, belongs: impl Fn(&str, usize) -> bool) -> Result<Self, WeightsError> {
        let mut tensors = Vec::new();
        let mut shard = Vec::new();
        for (at, file) in files.iter().enumerate() {
            for tensor in file.tensors().iter().filter(|t| belongs(&t.name, at)) {
                tensors.push(tensor.clone());
                shard.push(at);
            }
        }
        let catalog = Catalog::new(tensors).map_err(|name| WeightsError::Directory {
            path: dir.to_owned(),
            what: format!("holds tensor `{name}` twice"),
            mend: "fetch the shards again, all of one revision",
        })?;
        Ok(Self { dir: dir.to_owned(), files, catalog, shard })
    }
}

impl TensorSource for SafetensorsDir {
    fn tensors(&self) -> &[TensorInfo] {
        self.catalog.tensors()
    }

    fn find(&self, name: &str) -> Option<&TensorInfo> {
        self.catalog.find(name)
    }

    fn read_f32(&self, name: &str, out: &mut [f32]) -> Result<(), WeightsError> {
        let at = self.catalog.expect(&self.dir, name)?;
        self.files[self.shard[at]].read_f32(name, out)
    }
}

/// Reads the index: tensor name to shard.
fn read_index(path: &Path) -> Result<BTreeMap<String, String>, WeightsError> {
    let fail = |source| WeightsError::Io { file: path.to_owned(), doing: "open", source };
    // One byte more than allowed makes a longer index end in the middle, which JSON does not forgive.
    let text = BufReader::new(File::open(path).map_err(fail)?.take(limits::HEADER_BYTES + 1));
    let index: Index = serde_json::from_reader(text).map_err(|error| WeightsError::Directory {
        path: path.to_owned(),
        what: format!("is not an index of shards: {error}"),
        mend: "fetch it again",
    })?;
    Ok(index.weight_map.0)
}

/// The shards that the index names, sorted, each once. A name must stay in the directory.
fn shard_names<'a>(path: &Path, map: &'a BTreeMap<String, String>) -> Result<Vec<&'a str>, WeightsError> {
    let mut names: Vec<&str> = map.values().map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let stray = names.iter().find(|name| Path::new(name).file_name() != Some(name.as_ref()));
    let what = match stray {
        Some(name) => format!("names the shard `{name}`, which is not a plain file name"),
        None if names.len() > limits::SHARDS => format!("names {} shards, more than the {} allowed", names.len(), limits::SHARDS),
        None => return Ok(names),
    };
    Err(WeightsError::Directory { path: path.to_owned(), what, mend: "fetch the index again from a source you trust" })
}
