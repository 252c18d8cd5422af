//! What every command that runs a model shares: LibTorch's settings, the model with its tokenizer, and the two streams.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use collimate_models::{Model, PeftDir, Source, open};
use collimate_text::Tokenizer;
use tch::Kind;

use crate::exit::{Code, Exit, OrExit};
use crate::machine;

/// Sets LibTorch up in this thread, before its first tensor: threads (0 = all cores), deterministic kernels, kept allocations.
/// Returns the number of threads.
#[expect(clippy::must_use_candidate, reason = "it is called for what it does")]
pub fn start_libtorch(threads: usize) -> usize {
    let threads = if threads == 0 { machine::cores() } else { threads };
    collimate_bridge::keep_large_allocations();
    tch::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX));
    collimate_bridge::set_deterministic(true);
    threads
}

/// A model on disk with its tokenizer, both checked, weights not yet read.
#[derive(Debug)]
pub struct Opened {
    /// The weights.
    pub source: Source,
    /// The tokenizer.
    pub tokenizer: Tokenizer,
}

/// Opens a checkpoint, a Hugging Face directory, a GGUF file, or an adapter with its base.
///
/// # Errors
/// With code 3, when the model or its tokenizer is bad or missing.
pub fn open_model(path: &Path) -> Result<Opened, Exit> {
    let path = model_dir(path)?;
    let source = open(&path).or_model()?;
    // An adapter may come with the tokenizer it was trained with; else its base has one.
    let tokenizer = match source.gguf() {
        _ if path.join("tokenizer.json").is_file() => Tokenizer::from_dir(&path),
        Some(file) => Tokenizer::from_gguf(file),
        None => Tokenizer::from_dir(&source.path),
    };
    Ok(Opened { source, tokenizer: tokenizer.or_model()? })
}

/// The same with an adapter put on it.
///
/// # Errors
/// As [`open_model`], and when the model has an adapter already.
pub fn open_with_adapter(path: &Path, adapter: Option<&Path>) -> Result<Opened, Exit> {
    let opened = open_model(path)?;
    let Some(adapter) = adapter else { return Ok(opened) };
    if opened.source.adapter().is_some() {
        let message = format!("`{}` is an adapter itself; give --model its base", path.display());
        return Err(Exit { code: Code::Refused, message: Some(message) });
    }
    let adapter = PeftDir::open(&model_dir(adapter)?).or_model()?;
    Ok(Opened { source: opened.source.with_adapter(adapter), ..opened })
}

/// The tokenizer of a model, without its weights.
///
/// # Errors
/// With code 3, when it is bad or missing.
pub fn open_tokenizer(path: &Path) -> Result<Tokenizer, Exit> {
    let path = model_dir(path)?;
    if path.join("tokenizer.json").is_file() {
        return Tokenizer::from_dir(&path).or_model();
    }
    open_model(&path).map(|opened| opened.tokenizer)
}

/// A run directory stands for its newest good checkpoint.
pub(crate) fn model_dir(path: &Path) -> Result<PathBuf, Exit> {
    if !path.exists() {
        let message = format!("there is no model at `{}`; give a Hugging Face directory, a checkpoint or a GGUF file", path.display());
        return Err(Exit { code: Code::Model, message: Some(message) });
    }
    if path.join("checkpoints").is_dir() && !path.join("config.json").exists() {
        let latest = collimate_store::latest(path).or_model()?;
        let none = || Exit { code: Code::Model, message: Some(format!("the run `{}` has no good checkpoint", path.display())) };
        return latest.map(|c| c.dir).ok_or_else(none);
    }
    Ok(path.to_owned())
}

/// Reads the weights in float32.
///
/// # Errors
/// With code 3.
pub fn load(source: &Source) -> Result<Model, Exit> {
    source.load(Kind::Float).or_model()
}

/// A line for people, to stderr. A closed stderr is nobody's fault.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Data, to stdout, with a line end.
///
/// # Errors
/// When stdout is closed (`| head`) the command ends quietly, with code 0 and nothing more to say.
pub fn print(line: &str) -> Result<(), Exit> {
    let mut out = io::stdout().lock();
    ended(out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()))
}

/// Data, to stdout, as it is.
///
/// # Errors
/// As [`fn@print`].
pub fn print_raw(text: &str) -> Result<(), Exit> {
    let mut out = io::stdout().lock();
    ended(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

fn ended(result: io::Result<()>) -> Result<(), Exit> {
    match result {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Err(Exit { code: Code::Done, message: None }),
        Err(e) => Err(Exit { code: Code::Failed, message: Some(format!("standard output cannot be written: {e}")) }),
    }
}

/// Text of a model as it may stand on a terminal: control characters but line ends and tabs are shown, not obeyed.
#[must_use]
pub fn harmless(text: &str) -> String {
    let one = |c: char| {
        if c.is_control() && c != '\n' && c != '\t' { c.escape_default().collect::<String>() } else { c.to_string() }
    };
    text.chars().map(one).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_model_cannot_steer_the_terminal() {
        assert_eq!(super::harmless("a\u{1b}[2Jb\n\tc\u{7}"), "a\\u{1b}[2Jb\n\tc\\u{7}");
    }
}
