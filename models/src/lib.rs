//! Transformers on LibTorch: packed forward, heads, tape, KV cache, load and save.
//!
//! A model is a *trunk* (token embedding and a list of [`Segment`]s) with a *head*. A batch is a list of [`Block`]s whose rows share a
//! prefix that is computed once ([`Packed`]). Nothing here runs under autograd but what [`segment`] reruns on purpose: the backward pass
//! goes segment by segment, and gradients add up in place in [`Param`].
//!
//! A new architecture is one file in [`arch`] and one word in its roster.

mod adapter;
pub mod arch;
pub mod attention;
mod cache;
mod config;
mod ctx;
mod divergence;
mod dropout;
mod error;
mod head;
mod heads;
mod linear;
mod load;
mod lora;
mod model;
pub mod packed;
mod param;
pub mod peft;
mod recording;
mod rope;
mod save;
mod scalar;
pub mod segment;
mod tape;
mod tensor_file;

pub use cache::{DecodeRows, KvCache, PrefixKv};
pub use config::ModelConfig;
pub use ctx::Ctx;
pub use divergence::Against;
pub use error::ModelError;
pub use head::{HeadLeaves, HeadPass, LeafGrads, VocabHead};
pub use heads::Head;
pub use linear::Linear;
pub use load::{Source, open};
pub use lora::{AdapterMode, AdapterPass, LoraConfig, is_adapter};
pub use model::Model;
pub use packed::{Block, Leaf, Packed, Suffix};
pub use param::{Param, Piece};
pub use peft::PeftDir;
pub use recording::{Extent, Found, Recording};
pub use rope::{Rope, RopeScaling};
pub use save::{config_json, generation_config_json, write_weights};
pub use scalar::{Fresh, ScalarHead, ScoreModel, scored_blocks};
pub use segment::{Saved, Segment};
pub use tape::Tape;
pub use tensor_file::{TensorFile, write_tensors};
