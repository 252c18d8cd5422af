//! `collimate ckpt`: list, verify, export.

use std::path::Path;

use collimate_store::{MANIFEST, checkpoints, verify};
use serde_json::json;

use crate::args::Ckpt;
use crate::exit::{Code, Exit, OrExit};
use crate::run::{export, export_adapter};
use crate::session;

/// Looks at checkpoints.
pub(crate) fn ckpt(args: &Ckpt) -> Result<Code, Exit> {
    match args {
        Ckpt::Ls { run, json } => list(run, *json),
        Ckpt::Verify { path, json } => verify_all(path, *json),
        Ckpt::Export { source, dir, merge } => {
            session::start_libtorch(0);
            let opened = session::open_model(source)?;
            if let Some(adapter) = opened.source.adapter().filter(|_| !merge) {
                export_adapter(adapter, &opened.source.path, &opened.tokenizer, dir)?;
            } else if opened.source.has_scores() {
                // A reward model keeps its head.
                let model = opened.source.load_scores(tch::Kind::Float, None).or_model()?;
                export(&model, &opened.tokenizer, dir)?;
            } else {
                export(&session::load(&opened.source)?, &opened.tokenizer, dir)?;
            }
            Ok(Code::Done)
        }
    }
}

fn list(run: &Path, as_json: bool) -> Result<Code, Exit> {
    let found = checkpoints(run).or_model()?;
    for info in &found {
        let (score, bytes) = match &info.manifest {
            Ok(m) => (m.meta.score, m.total_bytes()),
            Err(_) => (None, 0),
        };
        let fault = info.manifest.as_ref().err().map(ToString::to_string);
        if as_json {
            let line = json!({ "step": info.step, "path": info.dir, "best": info.best, "score": score, "bytes": bytes, "fault": fault });
            session::print(&line.to_string())?;
            continue;
        }
        let score = score.map_or_else(|| "-".to_owned(), |s| format!("{:.1}%", 100.0 * s));
        let mark = if info.best { "best" } else { "" };
        let fault = fault.map(|f| format!("  DAMAGED: {f}")).unwrap_or_default();
        session::print(&format!(
            "{:>8}  {:>8}  {:>7.1} MB  {mark:<4}  {}{fault}",
            info.step,
            score,
            bytes as f64 / 1e6,
            info.dir.display()
        ))?;
    }
    if found.is_empty() {
        session::say(&format!("`{}` has no checkpoint", run.display()));
    }
    Ok(Code::Done)
}

fn verify_all(path: &Path, as_json: bool) -> Result<Code, Exit> {
    let dirs = if path.join(MANIFEST).exists() {
        vec![path.to_owned()]
    } else if path.join("checkpoints").is_dir() {
        checkpoints(path).or_model()?.into_iter().map(|c| c.dir).collect()
    } else {
        Vec::new()
    };
    if dirs.is_empty() {
        let message = format!("`{}` is neither a checkpoint nor a run with checkpoints", path.display());
        return Err(Exit { code: Code::Model, message: Some(message) });
    }
    let mut good = true;
    for dir in dirs {
        let report = match verify(&dir) {
            Ok(report) => report,
            Err(error) => {
                good = false;
                session::print(&if as_json {
                    json!({ "path": dir, "good": false, "error": error.to_string() }).to_string()
                } else {
                    format!("BAD  {}: {error}", dir.display())
                })?;
                continue;
            }
        };
        good &= report.is_good();
        if as_json {
            let damage: Vec<String> = report.damage().map(ToString::to_string).collect();
            session::print(&json!({ "path": dir, "good": report.is_good(), "damage": damage }).to_string())?;
            continue;
        }
        session::print(&format!("{}  {}", if report.is_good() { "ok " } else { "BAD" }, dir.display()))?;
        for file in report.damage() {
            session::print(&format!("     {file}"))?;
        }
    }
    Ok(if good { Code::Done } else { Code::Model })
}
