//! The report: runs and evaluations as one HTML file that needs nothing else.
//!
//! ```text
//! Run{name, lines, samples, evaluations, config, facts} ── render ──► one HTML text
//! ```
//!
//! No network, no font, no library: charts are SVG that is readable without the script, which adds values under the pointer, smoothing and
//! the choice of a theme. What models wrote is text and stays text: it is escaped, and the page's own policy (`Content-Security-Policy`)
//! forbids every request and every script but the one whose hash it names.

mod axis;
mod chart;
mod evaluations;
mod html;
mod plot;
mod recipe;
mod rewards;
mod samples;
mod sections;
mod series;
mod stack;

use std::collections::BTreeMap;
use std::fmt::Write;

use collimate_types::Metrics;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Record;
use html::esc;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
/// SHA-256 of [`SCRIPT`] in base64: the page allows this script and no other.
const SCRIPT_HASH: &str = "SOtRhvn50XZcbU6924KEoDPxpT06IL78md8EkN3cN88=";

/// A run as the report shows it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Run {
    /// Its name.
    pub name: String,
    /// The resolved recipe, as TOML.
    pub config: String,
    /// The metrics: a step may have several lines, and all that is known of it counts.
    pub lines: Vec<(u64, Metrics)>,
    /// Samples of what was answered, in the order of their steps.
    pub samples: Vec<Sample>,
    /// Evaluations, each with its name.
    pub evaluations: Vec<(String, Record)>,
    /// What is known of how it was run: model, versions, threads, checkpoints.
    pub facts: Vec<(String, String)>,
    /// What could not be read, for the reader to know.
    pub notes: Vec<String>,
}

/// One sampled answer, as a line of `rollouts/step_N.jsonl` has it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Sample {
    /// The step.
    pub step: u64,
    /// The question's id.
    pub task: String,
    /// The prompt as the model saw it.
    pub prompt: String,
    /// The answer.
    pub answer: String,
    /// What is right.
    pub truth: Value,
    /// Why it ended.
    pub finish: Value,
    /// Its length in tokens.
    pub tokens: u64,
    /// The whole reward; none after a fault.
    pub reward: Option<f64>,
    /// The rewards by name.
    pub parts: Option<BTreeMap<String, f64>>,
    /// Why there is no reward.
    pub fault: Option<String>,
}

/// The page of some runs. `version` is the program's.
#[must_use]
pub fn render(runs: &[Run], version: &str) -> String {
    let title = match runs {
        [one] => one.name.clone(),
        runs => format!("{} runs", runs.len()),
    };
    let parts: [(&str, &str, String); 7] = [
        ("summary", "Summary", summary(runs)),
        ("evaluations", "Evaluations", evaluations::section(runs)),
        ("rewards-table", "Rewards by name", rewards::section(runs)),
        ("curves", "Curves", sections::section(runs)),
        ("time", "Time by phase", stack::section(runs)),
        ("samples", "Samples", samples::section(runs)),
        ("recipe", "Recipe and versions", recipe::section(runs)),
    ];
    let shown = || parts.iter().filter(|(_, _, body)| !body.is_empty());
    let nav: String = shown().map(|(id, name, _)| format!("<a href=\"#{id}\">{name}</a>")).collect();
    let body: String = shown().map(|(id, name, body)| format!("<section id=\"{id}\"><h2>{name}</h2>{body}</section>\n")).collect();
    let policy = format!("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{SCRIPT_HASH}'; img-src data:");
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title} · Collimate report</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>\n{STYLE}</style></head>\n<body>\n\
         <a class=\"skip\" href=\"#main\">Skip to the content</a>\n\
         <header><h1>{title}</h1><nav aria-label=\"Parts of the report\">{nav}</nav>{controls}{legend}</header>\n\
         <main id=\"main\">\n{body}</main>\n<footer>Made by collimate {version}.</footer>\n<script>{SCRIPT}</script>\n</body></html>\n",
        title = esc(&title),
        controls = controls(),
        legend = legend(runs),
        version = esc(version),
    )
}

/// What the script brings to life; hidden without it.
fn controls() -> &'static str {
    "<div class=\"controls\" hidden>\
     <label>Smoothing <input id=\"smooth\" type=\"range\" min=\"0\" max=\"98\" step=\"1\" value=\"60\"> <output id=\"smooth-value\">0.60</output></label>\
     <button id=\"theme\" type=\"button\">Theme: system</button></div>"
}

/// The colours of the runs; one run needs none.
fn legend(runs: &[Run]) -> String {
    if runs.len() < 2 {
        return String::new();
    }
    let mut out = String::from("<ul class=\"legend\" aria-label=\"Runs\">");
    for (at, run) in runs.iter().enumerate() {
        let _ = write!(out, "<li>{} {}</li>", html::swatch(at), esc(&run.name));
    }
    out + "</ul>"
}

/// How far each run came, and what could not be read of it.
fn summary(runs: &[Run]) -> String {
    let mut table = crate::Table::new("Runs", &["run", "steps", "reward, first to last", "tokens drawn", "hours", "faults"]);
    for run in runs.iter().filter(|r| !r.lines.is_empty()) {
        let last = |name: &str| series::of(run, name).last().map(|p| p.1);
        let reward = series::of(run, "reward");
        let ends = |p: &[(u64, f64)]| Some(format!("{} to {}", html::number(p.first()?.1), html::number(p.last()?.1)));
        let sum = |name: &str| series::of(run, name).iter().map(|p| p.1).sum::<f64>();
        let (hours, tokens) = (sum("time/step") / 3600.0, sum("num_tokens"));
        let steps = run.lines.iter().map(|l| l.0).max().map_or_else(|| "-".into(), |s| s.to_string());
        let or = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        table.row([
            run.name.clone(),
            steps,
            or(ends(&reward)),
            if tokens > 0.0 { format!("{tokens:.0}") } else { "-".into() },
            if hours > 0.0 { format!("{hours:.2}") } else { "-".into() },
            or(last("faults/total").map(html::number)),
        ]);
    }
    let mut out = if table.rows.is_empty() { String::new() } else { html::table(&table) };
    let notes: Vec<String> = runs.iter().flat_map(|r| r.notes.iter().map(|n| format!("<li>{}: {}</li>", esc(&r.name), esc(n)))).collect();
    if !notes.is_empty() {
        let _ = write!(out, "<p>Not shown:</p><ul class=\"notes\">{}</ul>", notes.concat());
    }
    out
}

#[cfg(test)]
mod tests;
