//! What was answered: early beside late, the best, the worst, and those without a reward.

use std::fmt::Write;

use super::html::{clip, details, esc, number};
use super::{Run, Sample};

/// Answers of a kind at most.
const MOST: usize = 6;
/// Characters of an answer or a prompt at most.
const LONGEST: usize = 4000;

/// The samples of each run.
pub(super) fn section(runs: &[Run]) -> String {
    let mut out = String::new();
    for run in runs.iter().filter(|r| !r.samples.is_empty()) {
        if runs.len() > 1 {
            let _ = write!(out, "<h3>{}</h3>", esc(&run.name));
        }
        let (first, last) = (run.samples.iter().map(|s| s.step).min(), run.samples.iter().map(|s| s.step).max());
        let of = |step: Option<u64>| varied(run.samples.iter().filter(|s| Some(s.step) == step));
        out.push_str("<div class=\"columns\">");
        out.push_str(&column(&format!("Early: step {}", first.unwrap_or(0)), &of(first)));
        if last > first {
            out.push_str(&column(&format!("Late: step {}", last.unwrap_or(0)), &of(last)));
        }
        out.push_str("</div>");
        let mut by_reward: Vec<(&Sample, f64)> = run.samples.iter().filter_map(|s| Some((s, s.reward?))).collect();
        by_reward.sort_by(|a, b| b.1.total_cmp(&a.1));
        let some = |list: Vec<&Sample>| list.into_iter().map(card).collect::<String>();
        if by_reward.len() > 1 {
            out.push_str(&details("The best answers", &some(by_reward.iter().take(MOST).map(|s| s.0).collect())));
            out.push_str(&details("The worst answers", &some(by_reward.iter().rev().take(MOST).map(|s| s.0).collect())));
        }
        let faults: Vec<&Sample> = run.samples.iter().filter(|s| s.fault.is_some()).take(MOST).collect();
        if !faults.is_empty() {
            out.push_str(&details("Answers without a reward", &some(faults)));
        }
    }
    out
}

/// The first answer to each question, then the second ones: a group's answers to one question are alike.
fn varied<'a>(samples: impl Iterator<Item = &'a Sample>) -> Vec<&'a Sample> {
    let mut seen = std::collections::HashMap::<&str, usize>::new();
    let mut ranked: Vec<(usize, &Sample)> = samples
        .map(|s| {
            let count = seen.entry(s.task.as_str()).or_default();
            *count += 1;
            (*count, s)
        })
        .collect();
    ranked.sort_by_key(|r| r.0);
    ranked.into_iter().map(|r| r.1).take(MOST).collect()
}

fn column(title: &str, samples: &[&Sample]) -> String {
    format!("<div><h4>{}</h4>{}</div>", esc(title), samples.iter().map(|s| card(s)).collect::<String>())
}

fn card(sample: &Sample) -> String {
    let mut out = String::from("<article class=\"sample\"><ul class=\"facts\">");
    let mut fact = |name: &str, value: &str| {
        let _ = write!(out, "<li>{} <b>{}</b></li>", esc(name), esc(value));
    };
    match (sample.reward, &sample.fault) {
        (Some(reward), _) => fact("reward", &number(reward)),
        (None, Some(reason)) => fact("no reward:", reason),
        (None, None) => fact("no reward", ""),
    }
    for (name, value) in sample.parts.iter().flatten().filter(|_| sample.parts.as_ref().is_some_and(|p| p.len() > 1)) {
        fact(name, &number(*value));
    }
    fact("step", &sample.step.to_string());
    fact("tokens", &sample.tokens.to_string());
    fact("ended by", &plain(&sample.finish));
    if !sample.truth.is_null() {
        fact("truth", &plain(sample.truth.get("answer").unwrap_or(&sample.truth)));
    }
    out.push_str("</ul>");
    if !sample.prompt.is_empty() {
        out.push_str(&details("Prompt", &format!("<pre>{}</pre>", clip(&sample.prompt, LONGEST))));
    }
    out + &format!("<pre>{}</pre></article>", clip(&sample.answer, LONGEST))
}

/// A JSON value as people read it: texts without quotes.
fn plain(value: &serde_json::Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(step: u64, reward: Option<f64>, answer: &str) -> Sample {
        Sample { step, reward, answer: answer.into(), fault: reward.is_none().then(|| "panicked".into()), ..Sample::default() }
    }

    #[test]
    fn early_stands_beside_late_and_hostile_answers_stay_text() {
        let samples = vec![sample(1, Some(0.0), "<img src=x onerror=alert(1)>"), sample(9, Some(1.0), "late"), sample(9, None, "lost")];
        let out = section(&[Run { samples, ..Run::default() }]);
        assert!(out.contains("Early: step 1") && out.contains("Late: step 9") && !out.contains("<img"));
        assert!(out.contains("Answers without a reward") && out.contains("no reward: <b>panicked</b>"));
        let best = out.find("The best answers").unwrap();
        assert!(out[best..].find("late").unwrap() < out[best..].find("&lt;img").unwrap());
    }

    #[test]
    fn a_huge_answer_does_not_make_a_huge_page() {
        let huge = "x".repeat(3_000_000);
        let out = section(&[Run { samples: vec![sample(1, Some(0.0), &huge)], ..Run::default() }]);
        assert!(out.len() < 3 * LONGEST && out.contains("2996000 more characters"));
    }
}
