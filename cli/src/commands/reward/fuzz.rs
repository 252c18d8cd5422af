//! `collimate reward fuzz`: answers that no author thinks of, and what becomes of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use collimate_rewards::plugin::bare_rollout;
use collimate_types::{Prompt, Rollout, RolloutGroup, Seed, Task, Verdict};
use serde_json::{Value, json};

use super::one::{Opened, open};
use crate::args::OneReward;
use crate::exit::{Code, Exit, refused};
use crate::session::{harmless, print, say};

/// Bytes of the longest answer.
const HUGE: usize = 1 << 20;
/// Characters of an answer that a finding shows.
const SHOWN: usize = 60;

/// What was found with one answer.
struct Finding {
    kind: &'static str,
    answer: usize,
    detail: String,
}

/// Judges made-up answers. The code is 1 if the reward panics, dies, hangs, or leaves its range.
pub(super) fn fuzz(reward: &OneReward, answers: usize, (seed, truth): (u64, &str), as_json: bool) -> Result<Code, Exit> {
    if answers == 0 {
        return Err(refused("`--answers` is 1 or more"));
    }
    let truth = serde_json::from_str(truth).unwrap_or_else(|_| Value::from(truth));
    let opened = open(reward)?;
    let texts: Vec<String> = odd().into_iter().chain((0..).map(|n| mixed(Seed(seed).fork("answer", n)))).take(answers).collect();
    let (mut found, mut slowest, mut unscorable) = (Vec::new(), (0.0, 0), 0);
    for (n, text) in texts.iter().enumerate() {
        let start = Instant::now();
        let verdict = judged(&opened, text, &truth);
        let seconds = start.elapsed().as_secs_f64();
        if seconds > slowest.0 {
            slowest = (seconds, n);
        }
        unscorable += usize::from(matches!(verdict, Ok(Verdict::Unscorable { .. })));
        found.extend(wrong(&opened, verdict).map(|(kind, detail)| Finding { kind, answer: n, detail }));
    }
    report(&opened, &texts, &found, (slowest, unscorable), as_json)?;
    Ok(if found.is_empty() { Code::Done } else { Code::Failed })
}

/// One answer, alone: what it breaks is its own. A panic of a reward of this process is caught as a program's is.
fn judged(opened: &Opened, text: &str, truth: &Value) -> Result<Verdict, String> {
    let task = Task { id: "fuzz".into(), text: None, messages: vec![], truth: truth.clone(), reward: None };
    let prompt = Arc::new(Prompt { task: Arc::new(task), text: "Question".into(), tokens: vec![0] });
    let rollouts: Vec<Rollout> = vec![bare_rollout(text)];
    let group = RolloutGroup { prompt, rollouts };
    let verdicts = catch_unwind(AssertUnwindSafe(|| opened.reward.score_group(&group)));
    let verdicts = verdicts.map_err(|_| "it panicked in this process".to_owned())?.map_err(|e| e.to_string())?;
    verdicts.into_iter().next().ok_or_else(|| "there is no verdict".to_owned())
}

/// What is wrong with a verdict, if anything is. An answer that cannot be scored is the author's decision.
fn wrong(opened: &Opened, verdict: Result<Verdict, String>) -> Option<(&'static str, String)> {
    match verdict {
        Err(why) => Some(("error", why)),
        Ok(Verdict::InfraError { kind, detail, .. }) => Some((kind.name(), detail)),
        Ok(Verdict::Unscorable { .. }) => None,
        Ok(Verdict::Score(score)) => {
            let [low, high] = opened.hello.as_ref().and_then(|h| h.range)?;
            (!(low..=high).contains(&score.total)).then(|| ("range", format!("{} is not in [{low}, {high}]", score.total)))
        }
    }
}

fn report(
    opened: &Opened,
    texts: &[String],
    found: &[Finding],
    ((seconds, slowest), unscorable): ((f64, usize), usize),
    as_json: bool,
) -> Result<(), Exit> {
    if as_json {
        let finding = |f: &Finding| json!({ "kind": f.kind, "answer": f.answer, "bytes": texts[f.answer].len(), "detail": f.detail });
        let line = json!({
            "reward": opened.name, "answers": texts.len(), "unscorable": unscorable, "slowest_s": seconds, "slowest": slowest,
            "findings": found.iter().map(finding).collect::<Vec<_>>(), "good": found.is_empty(),
        });
        return print(&line.to_string());
    }
    for f in found {
        let text = &texts[f.answer];
        let head: String = text.chars().take(SHOWN).collect();
        let more = if head.len() < text.len() { "…" } else { "" };
        say(&format!("{}: {} (answer {}, {} bytes: {:?}{more})", f.kind, harmless(&f.detail), f.answer, text.len(), head));
    }
    print(&format!(
        "{}: {} answers, {} findings, {unscorable} not scored; the slowest took {:.3} s (answer {slowest}, {} bytes)",
        opened.name,
        texts.len(),
        found.len(),
        seconds,
        texts[slowest].len()
    ))
}

/// Answers that have broken judges before.
fn odd() -> Vec<String> {
    let mut all: Vec<String> = [
        "",
        " ",
        "\n\n\n",
        "\0",
        "\u{1b}[2J\u{1b}]0;title\u{7}",
        "\u{202e}24\u{202c}",
        "e\u{301}\u{301}\u{301}\u{301}\u{301}",
        "👩‍👩‍👧‍👦🏳️‍🌈",
        "٤٢",
        "４２",
        "\u{feff}42",
        "NaN",
        "inf",
        "-0",
        "1e999",
        "1/0",
        "\\boxed{",
        "\\boxed{\\boxed{\\boxed{42}}}",
        "\\frac{1}{0}",
        "{\"answer\": {\"answer\": ",
        "<answer></answer><answer>42",
        "```python\nwhile True: pass\n```",
        "'; DROP TABLE t; --",
        "%s%n%x",
        "../../etc/passwd",
        "$(reboot)",
    ]
    .map(str::to_owned)
    .to_vec();
    let long = |unit: &str| unit.repeat(HUGE / unit.len());
    all.extend(["a", "9", "(", "\\boxed{", "[", "a\u{301}", "\n", "((a+)+)+ ", "42, "].map(long));
    all.push(format!("1{}", "0".repeat(100_000)));
    all.push("\\sqrt{".repeat(10_000) + "2" + &"}".repeat(10_000));
    all
}

/// Pieces of what judges look for, put together by chance.
fn mixed(seed: Seed) -> String {
    const PIECES: [&str; 24] = [
        "42",
        "-",
        "1/3",
        "0.1",
        "\\frac{1}{2}",
        "\\boxed{",
        "}",
        "{",
        "####",
        "<answer>",
        "</answer>",
        "the answer is ",
        "\n",
        " ",
        ",",
        "e9",
        "π",
        "\u{200b}",
        "\"",
        "\\",
        "```",
        "$",
        "x^2",
        "\u{10ffff}",
    ];
    let count = seed.bits(0) % 40;
    (1..=count).map(|n| PIECES[(seed.bits(n) % PIECES.len() as u64) as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built_in(word: &str) -> Opened {
        open(&OneReward { word: word.into(), set: vec![] }).unwrap()
    }

    #[test]
    fn odd_answers_are_empty_huge_and_foreign_and_chance_repeats_itself() {
        let odd = odd();
        assert!(odd.iter().any(String::is_empty) && odd.iter().any(|t| t.len() > HUGE / 2) && odd.iter().any(|t| !t.is_ascii()));
        assert_eq!(mixed(Seed(3)), mixed(Seed(3)));
        assert_ne!(mixed(Seed(3)), mixed(Seed(4)));
    }

    #[test]
    fn a_panic_and_a_score_out_of_range_are_findings_and_an_answer_that_cannot_be_judged_is_none() {
        struct Bad;
        impl collimate_types::Reward for Bad {
            #[expect(clippy::panic, reason = "what is looked for")]
            fn score(&self, _: &Prompt, a: &collimate_types::Answer<'_>) -> Result<Verdict, collimate_types::BoxError> {
                match a.text {
                    "panic" => panic!("now"),
                    "error" => Err("no".into()),
                    "high" => Ok(Verdict::score_of(7.0)),
                    "none" => Ok(Verdict::Unscorable { reason: "so".into() }),
                    _ => Ok(Verdict::score_of(0.5)),
                }
            }
        }
        let hello = collimate_reward_sdk::wire::Hello {
            collimate_reward: 1,
            name: "bad".into(),
            version: String::new(),
            range: Some([0.0, 1.0]),
            deterministic: true,
            whole_groups: false,
            schema: None,
        };
        let opened = Opened { reward: Box::new(Bad), hello: Some(hello), ..built_in("length") };
        let kind = |text: &str| wrong(&opened, judged(&opened, text, &Value::Null)).map(|(kind, _)| kind);
        assert_eq!((kind("good"), kind("none"), kind("error")), (None, None, None));
        assert_eq!((kind("high"), kind("panic")), (Some("range"), Some("error")));
    }
}
