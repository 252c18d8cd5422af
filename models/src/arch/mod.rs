//! Architectures: one file each, and one word in the roster below.

use collimate_weights::gguf::Gguf;
use serde_json::Value;

use crate::{ModelConfig, ModelError, load::Loader, model::Parts};

/// How a tensor lies in a GGUF file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// As in a Hugging Face checkpoint.
    Plain,
    /// Rows of each head interleaved: row `2i + h` there is row `i + h·d/2` here (llama.cpp rotates neighbours, transformers halves).
    Interleaved {
        /// How many heads the rows belong to.
        heads: i64,
    },
}

/// An architecture.
pub struct Arch {
    /// Its name, and `model_type` in `config.json`.
    pub name: &'static str,
    /// `architectures[0]` in `config.json`.
    pub class: &'static str,
    /// The class of the same trunk with a scalar head.
    pub classifier: &'static str,
    /// `general.architecture` in a GGUF file.
    pub gguf: &'static str,
    /// Writes the `config.json` a GGUF file stands for.
    pub config_from_gguf: fn(&Gguf) -> Result<Value, ModelError>,
    /// The name a Hugging Face tensor has in a GGUF file, and how it lies there.
    pub gguf_tensor: fn(&str, &ModelConfig) -> Option<(String, Layout)>,
    /// Reads the trunk, without a head.
    pub build: fn(&Loader<'_>) -> Result<Parts, ModelError>,
}

impl std::fmt::Debug for Arch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arch").field("name", &self.name).finish_non_exhaustive()
    }
}

macro_rules! roster {
    ($($name:ident),* $(,)?) => {
        $(mod $name;)*
        /// Every architecture there is.
        pub static ROSTER: &[&Arch] = &[$(&$name::ARCH),*];
    };
}

roster! { llama }

/// The names of all architectures, for messages.
#[must_use]
pub fn names() -> String {
    ROSTER.iter().map(|a| a.name).collect::<Vec<_>>().join(", ")
}
