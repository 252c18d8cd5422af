//! Golden cases of a reward: what it must say of which answer, tried twice.

use std::sync::Arc;
use std::time::Instant;

use collimate_types::{Prompt, Reward, RolloutGroup, Task, Verdict};
use serde::Deserialize;
use serde_json::Value;

use crate::plugin::bare_rollout;

/// What a verdict must be.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    /// This total, to 1e-9.
    Score(f64),
    /// A fault of this name (`unscorable`, `panic`, `death`, `deadline`, `transport`).
    Fault(String),
    /// A score, whatever it is.
    Anything,
}

/// Answers to one prompt with what is wanted of each.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Its line in the file.
    pub line: usize,
    /// The answers.
    pub group: RolloutGroup,
    /// What is wanted, one for each answer.
    pub wanted: Vec<Wanted>,
}

/// A row: `answer` with `score` or `fault`, or `answers` with `scores`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(default)]
    prompt: String,
    #[serde(default)]
    truth: Value,
    answer: Option<String>,
    score: Option<f64>,
    fault: Option<String>,
    answers: Option<Vec<String>>,
    scores: Option<Vec<f64>>,
}

/// Reads cases, a JSON object a line.
///
/// # Errors
/// Every wrong line, as `line 3: …`.
pub fn read_cases(text: &str) -> Result<Vec<Case>, Vec<String>> {
    let rows = text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty());
    let read = rows.map(|(i, line)| {
        let row = serde_json::from_str(line).map_err(|e| e.to_string());
        row.and_then(|row| case(i + 1, row)).map_err(|e| format!("line {}: {e}", i + 1))
    });
    let (good, bad): (Vec<_>, Vec<_>) = read.partition(Result::is_ok);
    let bad: Vec<String> = bad.into_iter().filter_map(Result::err).collect();
    if bad.is_empty() { Ok(good.into_iter().filter_map(Result::ok).collect()) } else { Err(bad) }
}

fn case(line: usize, row: Row) -> Result<Case, String> {
    let (answers, wanted) = match (row.answer, row.answers) {
        (Some(answer), None) => {
            let wanted = match (row.score, row.fault) {
                (Some(score), None) => Wanted::Score(score),
                (None, Some(fault)) => Wanted::Fault(fault),
                (None, None) => Wanted::Anything,
                _ => return Err("`score` and `fault` cannot both be wanted".into()),
            };
            (vec![answer], vec![wanted])
        }
        (None, Some(answers)) => {
            let wanted = match row.scores {
                Some(scores) if scores.len() == answers.len() => scores.into_iter().map(Wanted::Score).collect(),
                Some(scores) => return Err(format!("{} `scores` for {} `answers`", scores.len(), answers.len())),
                None => vec![Wanted::Anything; answers.len()],
            };
            (answers, wanted)
        }
        _ => return Err("a case has one `answer`, or a list of `answers`".into()),
    };
    let task = Task { id: format!("line {line}"), text: Some(row.prompt.clone()), messages: Vec::new(), truth: row.truth, reward: None };
    let prompt = Prompt { task: Arc::new(task), tokens: row.prompt.bytes().map(u32::from).collect(), text: row.prompt };
    let rollouts = answers.iter().map(|a| bare_rollout(a)).collect();
    Ok(Case { line, group: RolloutGroup { prompt: Arc::new(prompt), rollouts }, wanted })
}

/// How the cases went.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trial {
    /// Answers that were judged.
    pub answers: usize,
    /// What was not as wanted, a line each.
    pub wrong: Vec<String>,
    /// Answers that got another verdict the second time, a line each.
    pub changing: Vec<String>,
    /// Seconds of each judged case, both times.
    pub seconds: Vec<f64>,
}

/// Judges every case twice.
#[must_use]
pub fn trial(reward: &dyn Reward, name: &str, cases: &[Case]) -> Trial {
    let mut trial = Trial::default();
    for case in cases {
        let mut judge = || {
            let start = Instant::now();
            let n = case.group.rollouts.len();
            let failed = |reason: String| vec![Verdict::Unscorable { reason }; n];
            let verdicts = reward.score_group(&case.group).unwrap_or_else(|e| failed(e.to_string()));
            trial.seconds.push(start.elapsed().as_secs_f64());
            if verdicts.len() == n { verdicts } else { failed(format!("{} verdicts for {n} answers", verdicts.len())) }
        };
        let (first, second) = (judge(), judge());
        for (i, (a, b)) in first.iter().zip(&second).enumerate() {
            trial.answers += 1;
            let answer: String = case.group.rollouts[i].text.chars().take(60).collect();
            if let Some(why) = misses(&case.wanted[i], a) {
                trial.wrong.push(format!("line {}: `{name}` {why} for {answer:?}", case.line));
            }
            let same = match (a, b) {
                (Verdict::Score(a), Verdict::Score(b)) => a == b,
                (a, b) => a.fault() == b.fault(),
            };
            if !same {
                let (a, b) = (shown(a), shown(b));
                trial.changing.push(format!("line {}: `{name}` gave {a}, then {b} for {answer:?}", case.line));
            }
        }
    }
    trial
}

fn shown(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Score(score) => score.total.to_string(),
        Verdict::Unscorable { reason } => format!("unscorable ({reason})"),
        Verdict::InfraError { kind, detail, .. } => format!("{} ({detail})", kind.name()),
    }
}

fn misses(wanted: &Wanted, verdict: &Verdict) -> Option<String> {
    let score = verdict.score().map(|s| s.total);
    let good = match wanted {
        Wanted::Score(wanted) => score.is_some_and(|s| (s - wanted).abs() <= 1e-9),
        Wanted::Fault(name) => verdict.fault() == Some(name),
        Wanted::Anything => score.is_some(),
    };
    let wanted = match wanted {
        Wanted::Score(score) => score.to_string(),
        Wanted::Fault(name) => name.clone(),
        Wanted::Anything => "a score".into(),
    };
    (!good).then(|| format!("gives {}, wanted is {wanted}", shown(verdict)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use collimate_types::Answer;

    #[test]
    fn cases_are_judged_and_what_misses_is_named() {
        let text = "{\"answer\": \"ab\", \"score\": 2}\n\n{\"answer\": \"abc\", \"score\": 2}\n{\"answers\": [\"a\", \"\"], \"scores\": [1, 0]}\n\
                    {\"answer\": \"nan\", \"fault\": \"unscorable\"}\n{\"answer\": \"nan\"}\n";
        let length = |_: &Prompt, a: &Answer<'_>| if a.text == "nan" { f64::NAN } else { a.text.len() as f64 };
        let trial = trial(&length, "length", &read_cases(text).unwrap());
        assert_eq!((trial.answers, trial.seconds.len(), trial.changing.len()), (6, 10, 0));
        assert_eq!(trial.wrong.len(), 2, "{:?}", trial.wrong);
        assert!(trial.wrong[0].starts_with("line 3: `length` gives 3, wanted is 2") && trial.wrong[1].starts_with("line 6:"));
    }

    #[test]
    fn every_wrong_line_is_told() {
        let text = "{\"answer\": 5}\n{}\n{\"answer\": \"a\", \"scroe\": 1}\n{\"answers\": [\"a\"], \"scores\": []}\n{\"answer\": \"a\", \"score\": 1, \"fault\": \"panic\"}\n{\"answer\": \"\"}";
        let told = read_cases(text).unwrap_err();
        assert_eq!(told.len(), 5, "{told:?}");
        assert!(told.iter().enumerate().all(|(i, t)| t.starts_with(&format!("line {}:", i + 1))));
    }
}
