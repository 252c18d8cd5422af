//! What is fed with hostile bytes. A target may refuse them; it may not panic, hang or ask for memory that they only claim.
//!
//! `cargo +nightly fuzz run TARGET` searches; the ordinary tests replay `corpus/TARGET` with small changes (tests/tests/it/corpus.rs).

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use collimate_datasets::{DataConfig, load};
use collimate_reward_sdk::wire;
use collimate_text::Tokenizer;
use collimate_text::testing::byte_tokenizer;
use collimate_transport::{HEADER_BYTES, Header, Order, Report};
use collimate_types::{Message, Seed, Task};
use collimate_weights::{TensorSource, gguf::Gguf, safetensors::SafetensorsFile};

/// Tensors that a target reads at most, and the largest of them in numbers.
const MOST: usize = 16;
const LARGEST: usize = 1 << 16;

/// The bytes as a file.
fn file(data: &[u8], ending: &str) -> Option<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new().suffix(ending).tempfile().ok()?;
    file.write_all(data).ok()?;
    Some(file)
}

fn tensors(source: &dyn TensorSource) {
    for info in source.tensors().iter().take(MOST) {
        let count = info.shape.iter().try_fold(1_usize, |n, d| n.checked_mul(*d));
        if let Some(count) = count.filter(|n| *n <= LARGEST) {
            let _ = source.read_f32(&info.name, &mut vec![0.0; count]);
        }
    }
}

/// A file of weights.
pub fn safetensors(data: &[u8]) {
    let Some(file) = file(data, ".safetensors") else { return };
    if let Ok(file) = SafetensorsFile::open(file.path()) {
        tensors(&file);
    }
}

/// A file of weights with metadata and a tokenizer.
pub fn gguf(data: &[u8]) {
    let Some(file) = file(data, ".gguf") else { return };
    if let Ok(file) = Gguf::open(file.path()) {
        tensors(&file);
        let _ = Tokenizer::from_gguf(&file);
    }
}

/// Rows of a data set, whatever their format.
pub fn jsonl(data: &[u8]) {
    let Some(file) = file(data, ".jsonl") else { return };
    for format in ["auto", "prompts"] {
        let config = DataConfig { format: format.into(), train: Some(file.path().into()), heldout_rows: 0, ..DataConfig::default() };
        let _ = load(&config, Seed(0));
    }
}

/// A recipe: as far as a table of values (the command line is tried by the tests, with the binary).
pub fn recipe(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = toml::from_str::<toml::Table>(text);
    }
}

/// A frame between launcher, actors and learner: its head, then its message.
pub fn control_frame(data: &[u8]) {
    let Some((head, payload)) = data.split_first_chunk::<HEADER_BYTES>() else { return };
    if let Ok(head) = Header::decode(*head, 1 << 20) {
        let payload = &payload[..payload.len().min(head.len as usize)];
        let _ = serde_json::from_slice::<Order>(payload);
        let _ = serde_json::from_slice::<Report>(payload);
    }
}

/// Frames between a run and a reward in a program of its own, both ways.
pub fn plugin_frame(data: &[u8]) {
    if let Ok(Some((_, range))) = wire::frame::first(data, 1 << 20) {
        let payload = &data[range];
        let _ = wire::verdict::units(payload);
        let _ = wire::json::Reply::read(payload).and_then(wire::json::Reply::verdicts);
        let mut reader = wire::item::Reader::new(payload);
        if reader.prompt().is_ok() {
            while !reader.at_end() && reader.answer().is_ok() {}
        }
    }
}

/// A chat template of a model's repository, with a conversation.
pub fn chat_template(data: &[u8]) {
    let Ok(template) = std::str::from_utf8(data) else { return };
    let Ok(dir) = tempfile::tempdir() else { return };
    if written(dir.path(), template).is_none() {
        return;
    }
    let Ok(tokenizer) = Tokenizer::from_dir(dir.path()) else { return };
    let messages = vec![Message::user("2 + 2 = ?")];
    let task = Task { id: "t".into(), text: None, messages, truth: serde_json::Value::Null, reward: None };
    let _ = tokenizer.prompt(Arc::new(task));
}

fn written(dir: &Path, template: &str) -> Option<()> {
    for (name, bytes) in byte_tokenizer().files() {
        let mut json: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if name == "tokenizer_config.json" {
            json["chat_template"] = template.into();
            std::fs::write(dir.join(&name), json.to_string()).ok()?;
        } else {
            std::fs::write(dir.join(&name), bytes).ok()?;
        }
    }
    Some(())
}
