//! `collimate data`: problems, figures, a look, and the published shapes.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use collimate_datasets::{DataConfig, DataError, Example, Located, Measure, Rejected, Writer, check_with, each_example, stats};
use collimate_text::Tokenizer;
use collimate_types::{Message, Speaker};
use serde_json::{Value, json};

use crate::args::{Data, DataArgs};
use crate::config::{Layer, Purpose, load};
use crate::exit::{Code, Exit, OrExit, refused};
use crate::measure::Counter;
use crate::run::refuse;
use crate::session::{self, harmless};

/// Looks at data files.
pub(crate) fn data(args: &Data) -> Result<Code, Exit> {
    match args {
        Data::Check { source, rejects } => check(source, rejects.as_deref()),
        Data::Stats { source, model, max_length } => figures(source, model.as_deref(), *max_length),
        Data::Preview { source, rows, model } => preview(source, *rows, model.as_deref()),
        Data::Convert { source, out } => convert(source, out),
    }
}

/// The section `[data]` that the arguments stand for; they are read as a recipe's are.
fn config(args: &DataArgs) -> Result<DataConfig, Exit> {
    let set = |key: &str, value: &str| Layer::Set(format!("data.{key}={value}"));
    let mut layers = vec![set("format", &args.format)];
    layers.extend(args.bad_rows.iter().map(|value| set("bad_rows", value)));
    layers.extend(args.set.iter().map(|change| Layer::Set(format!("data.{change}"))));
    let mut config = load(&layers, Purpose::Show).map_err(|d| refuse(&d, args.json))?.recipe.data;
    // A look is not a run: nothing is refused because many rows are bad.
    if !args.set.iter().any(|s| s.starts_with("max_bad_share")) {
        config.max_bad_share = 1.0;
    }
    Ok(config)
}

fn check(args: &DataArgs, rejects: Option<&Path>) -> Result<Code, Exit> {
    let report = check_with(&args.file, &config(args)?).or_refused()?;
    if args.json {
        session::print(&serde_json::to_string(&report).or_failed()?)?;
    } else {
        session::print(&harmless(&report.to_string()))?;
    }
    if !report.rejected.is_empty() {
        let path = rejects.map_or_else(|| beside(&args.file), Path::to_owned);
        write_rejects(&path, &report.rejected)?;
        session::say(&format!("{} bad rows stand in {}", report.rejected.len(), path.display()));
    }
    Ok(if report.usable() { Code::Done } else { Code::Refused })
}

fn beside(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy().replace(['*', '?', '[', ']', ':'], "_");
    PathBuf::from(format!("{name}.rejects.jsonl"))
}

/// Writes bad rows with their reasons.
pub(crate) fn write_rejects(path: &Path, rejected: &[Rejected]) -> Result<(), Exit> {
    let write = || {
        let mut writer = Writer::create(path)?;
        for row in rejected {
            writer.row(&serde_json::to_value(row).unwrap_or_default())?;
        }
        writer.finish()
    };
    write().map_err(|e| format!("the bad rows cannot be written to `{}`: {e}", path.display())).or_failed()
}

fn tokenizer(model: Option<&Path>) -> Result<Option<Tokenizer>, Exit> {
    model.map(session::open_tokenizer).transpose()
}

fn figures(args: &DataArgs, model: Option<&Path>, limit: Option<u64>) -> Result<Code, Exit> {
    let tokenizer = tokenizer(model)?;
    let counter = tokenizer.as_ref().map(Counter);
    let measure = counter.as_ref().map(|c| c as &dyn Measure);
    let figures = stats(&args.file, &config(args)?, measure, limit).or_refused()?;
    if args.json {
        session::print(&serde_json::to_string(&figures).or_failed()?)?;
    } else {
        session::print(harmless(&figures.to_string()).trim_end())?;
    }
    Ok(if figures.usable() { Code::Done } else { Code::Refused })
}

fn joined(errors: &[DataError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn preview(args: &DataArgs, rows: usize, model: Option<&Path>) -> Result<Code, Exit> {
    let tokenizer = tokenizer(model)?;
    let (mut left, mut failed) = (rows, None);
    let seen = each_example(&args.file, &config(args)?, None, &mut |located: Located| {
        if left == 0 {
            return ControlFlow::Break(());
        }
        left -= 1;
        match shown(&located, tokenizer.as_ref(), args.json).and_then(|text| session::print(&text)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(exit) => {
                failed = Some(exit);
                ControlFlow::Break(())
            }
        }
    });
    if let Some(exit) = failed {
        return Err(exit);
    }
    seen.map_err(|errors| harmless(&joined(&errors))).or_refused()?;
    Ok(Code::Done)
}

/// An example as a run sees it.
fn shown(located: &Located, tokenizer: Option<&Tokenizer>, as_json: bool) -> Result<String, Exit> {
    let (row, example) = (&located.row, &located.example);
    let place = format!("{}:{}", row.file.display(), row.line);
    let prompt = match (tokenizer, example.prompt_task()) {
        (Some(tokenizer), Some(task)) => Some(tokenizer.prompt(std::sync::Arc::new(task)).or_refused()?),
        _ => None,
    };
    if as_json {
        let tokens = prompt.as_ref().map(|p| p.tokens.len());
        let rendered = prompt.as_ref().map(|p| p.text.as_str());
        let value = json!({
            "place": place, "format": located.format, "kind": example.kind(), "note": located.note, "example": example.to_row(),
            "rendered": rendered, "prompt_tokens": tokens,
        });
        return Ok(value.to_string());
    }
    let mut text = format!("── {place}, {}, one of the {}", located.format, example.kind());
    if let Some(note) = located.note {
        text.push_str(&format!(" ({note})"));
    }
    if let Some(prompt) = &prompt {
        text.push_str(&format!("\nrendered, {} tokens:\n{}", prompt.tokens.len(), indented(&prompt.text)));
    }
    let Value::Object(mut columns) = example.to_row() else { return Ok(text) };
    let asked = columns.remove("prompt").filter(|_| prompt.is_none()).map(|value| ("prompt".to_owned(), value));
    for (name, value) in asked.into_iter().chain(columns) {
        text.push_str(&format!("\n{name}:\n{}", indented(&said(&value))));
    }
    Ok(harmless(&text))
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// A text as it is, a conversation turn by turn, anything else as JSON.
fn said(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(_) => match serde_json::from_value::<Vec<Message>>(value.clone()) {
            Ok(messages) => messages.iter().map(|m| format!("[{}] {}", role(m.role), m.content)).collect::<Vec<_>>().join("\n"),
            Err(_) => value.to_string(),
        },
        other => other.to_string(),
    }
}

fn role(speaker: Speaker) -> &'static str {
    match speaker {
        Speaker::System => "system",
        Speaker::User => "user",
        Speaker::Assistant => "assistant",
        Speaker::Tool => "tool",
    }
}

fn convert(args: &DataArgs, out: &Path) -> Result<Code, Exit> {
    if out.exists() {
        return Err(refused(format!("`{}` is there already; give another name, or remove it", out.display())));
    }
    let config = config(args)?;
    let disk = |e: std::io::Error| format!("`{}` cannot be written: {e}", out.display());
    let mut writer = Writer::create(out).map_err(disk).or_failed()?;
    let (mut rows, mut failed) = (0_u64, None);
    let seen = each_example(&args.file, &config, None, &mut |located| match writer.row(&written(&located.example)) {
        Ok(()) => {
            rows += 1;
            ControlFlow::Continue(())
        }
        Err(error) => {
            failed = Some(disk(error));
            ControlFlow::Break(())
        }
    });
    if let Some(message) = failed {
        return Err(message).or_failed();
    }
    let seen = seen.map_err(|errors| harmless(&joined(&errors))).or_refused()?;
    writer.finish().map_err(disk).or_failed()?;
    if !seen.rejected.is_empty() {
        write_rejects(&beside(&args.file), &seen.rejected)?;
    }
    let left: u64 = seen.counts.left_out.values().sum();
    session::say(&format!("{rows} rows written to {}, {left} left out, {} bad", out.display(), seen.rejected.len()));
    Ok(Code::Done)
}

/// A row of the published shape, with its id.
fn written(example: &Example) -> Value {
    let mut row = example.to_row();
    if let Value::Object(columns) = &mut row {
        columns.insert("id".into(), example.id().into());
    }
    row
}
