//! An OpenAI-compatible endpoint as the judge.

use std::io::Read;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use collimate_evals::JudgedPair;
use collimate_types::Speaker;
use crossbeam_channel::{RecvTimeoutError, unbounded};
use serde_json::{Map, Value, json};

use super::super::args::EvalWinrateArgs;
use super::super::progress::Progress;
use super::{Contest, Judge};
use crate::exit::{Code, Exit, refused};

/// How often a question is asked again after a fault of the wire or of the server.
const TRIES: u32 = 4;
/// The pause before the second try; it doubles.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest reply that is read.
const MAX_REPLY: u64 = 4 << 20;
/// Questions that may fail before the first good verdict: then the endpoint is taken for wrong.
const HOPELESS: usize = 8;
/// How often a signal is looked for.
const TICK: Duration = Duration::from_millis(100);

/// What the judge is told. The last line is read back.
const TASK: &str = "You compare two answers to the same request. Judge what each does for the person who asked: whether it is right, whether it helps, \
and whether it is harmless. A longer answer is not a better one, and the order in which the answers stand means nothing. First give your \
reasons in a few sentences. Then write one last line that is exactly `Verdict: 1`, `Verdict: 2` or `Verdict: tie`.";

/// Asks `URL/chat/completions`.
pub(super) struct Endpoint {
    agent: ureq::Agent,
    url: String,
    model: String,
    key: Option<String>,
    threads: usize,
}

/// Why a question has no verdict.
#[derive(Debug)]
enum Fault {
    /// Asking again may help.
    Passing(String),
    /// It will not.
    Lasting(String),
}

impl Endpoint {
    pub(super) fn open(url: &str, model: &str, args: &EvalWinrateArgs) -> Result<Self, Exit> {
        let secure = url.starts_with("https://");
        if !secure && !url.starts_with("http://") {
            return Err(refused(format!("`{url}` is no URL of an endpoint; it begins with http:// or https://")));
        }
        if secure && !cfg!(feature = "tls") {
            return Err(refused("this build speaks http alone; build with `--features tls` for https, or use a local endpoint"));
        }
        let key = match &args.judge_key {
            None => None,
            Some(name) => {
                Some(std::env::var(name).map_err(|_| refused(format!("the environment has no variable `{name}` with the judge's key")))?)
            }
        };
        let timeout = Duration::from_secs(args.judge_timeout_s.max(1));
        // A redirect would carry the key to another place.
        let config = ureq::Agent::config_builder().timeout_global(Some(timeout)).max_redirects(0).http_status_as_error(false).build();
        let url = format!("{}/chat/completions", url.trim_end_matches('/'));
        Ok(Self { agent: config.into(), url, model: model.to_owned(), key, threads: args.judge_threads.max(1) })
    }

    /// The probability that the first answer is better, with more tries where they may help.
    fn asked(&self, prompt: &str, first: &str, second: &str, stop: &AtomicBool) -> Result<f64, String> {
        let body = json!({
            "model": self.model, "temperature": 0, "max_tokens": 1024,
            "messages": [{ "role": "system", "content": TASK }, { "role": "user", "content": question(prompt, first, second) }],
        });
        let (mut pause, mut said) = (PAUSE, String::new());
        for _ in 0..TRIES {
            if stop.load(Ordering::Relaxed) {
                return Err("interrupted".into());
            }
            match self.once(&body) {
                Ok(verdict) => return Ok(verdict),
                Err(Fault::Lasting(reason)) => return Err(reason),
                Err(Fault::Passing(reason)) => said = reason,
            }
            std::thread::sleep(pause);
            pause *= 2;
        }
        Err(said)
    }

    fn once(&self, body: &Value) -> Result<f64, Fault> {
        let mut request = self.agent.post(&self.url).header("content-type", "application/json");
        if let Some(key) = &self.key {
            request = request.header("authorization", &format!("Bearer {key}"));
        }
        let mut response = request.send(body.to_string().as_bytes()).map_err(|e| Fault::Passing(e.to_string()))?;
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        response.body_mut().as_reader().take(MAX_REPLY).read_to_end(&mut bytes).map_err(|e| Fault::Passing(e.to_string()))?;
        let text: String = String::from_utf8_lossy(&bytes).into_owned();
        let shown = || text.chars().take(200).collect::<String>();
        match status {
            200 => {}
            408 | 429 | 500.. => return Err(Fault::Passing(format!("status {status}: {}", shown()))),
            _ => return Err(Fault::Lasting(format!("status {status}: {}", shown()))),
        }
        let reply: Value = serde_json::from_str(&text).map_err(|e| Fault::Lasting(format!("the reply is no JSON ({e}): {}", shown())))?;
        let said = reply["choices"][0]["message"]["content"]
            .as_str()
            .ok_or_else(|| Fault::Lasting(format!("the reply has no message: {}", shown())))?;
        verdict(said).ok_or_else(|| {
            Fault::Lasting(format!(
                "the judge gave no verdict: {}",
                said.chars().rev().take(100).collect::<String>().chars().rev().collect::<String>()
            ))
        })
    }
}

impl Judge for Endpoint {
    fn settings(&self) -> Map<String, Value> {
        Map::from_iter([("judge".to_owned(), json!(self.url)), ("judge_model".to_owned(), json!(self.model))])
    }

    fn judge(&self, contests: &[Contest<'_>], progress: &mut Progress) -> Result<Vec<JudgedPair>, Exit> {
        let prompts: Vec<String> = contests.iter().map(prompt_of).collect();
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let (sender, receiver) = unbounded();
        // Question 2i asks contest i with A first, 2i + 1 with B first.
        let work = || {
            while let Some((at, contest)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|n| Some((n, contests.get(n / 2)?))) {
                let (first, second) = if at % 2 == 0 { (contest.a, contest.b) } else { (contest.b, contest.a) };
                let answer = self.asked(&prompts[at / 2], &first.text, &second.text, &stop);
                if stop.load(Ordering::Relaxed) || sender.send((at, answer)).is_err() {
                    return;
                }
            }
        };
        std::thread::scope(|scope| {
            (0..self.threads.min(2 * contests.len())).for_each(|_| _ = scope.spawn(work));
            let collected = collect(&receiver, contests.len(), progress);
            // An error or a signal ends the others at their next question.
            stop.store(true, Ordering::Relaxed);
            collected
        })
    }
}

type Answer = (usize, Result<f64, String>);

fn collect(receiver: &crossbeam_channel::Receiver<Answer>, contests: usize, progress: &mut Progress) -> Result<Vec<JudgedPair>, Exit> {
    let mut judged = vec![JudgedPair::default(); contests];
    let (mut done, mut good, mut faults) = (0, 0, 0_usize);
    let mut first_fault = None;
    while done < 2 * contests {
        match receiver.recv_timeout(TICK) {
            Ok((at, Ok(first_better))) => {
                done += 1;
                good += 1;
                let pair = &mut judged[at / 2];
                if at % 2 == 0 { pair.a_first = Some(first_better) } else { pair.b_first = Some(1.0 - first_better) }
            }
            Ok((_, Err(reason))) => {
                done += 1;
                faults += 1;
                let reason = first_fault.get_or_insert(reason);
                if good == 0 && faults >= HOPELESS.min(2 * contests) {
                    return Err(Exit { code: Code::Failed, message: Some(format!("the judge gives no verdicts: {reason}")) });
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        progress.at(done / 2)?;
    }
    if let Some(reason) = first_fault {
        crate::session::say(&format!(
            "{faults} of {} questions have no verdict; the first: {}",
            2 * contests,
            crate::session::harmless(&reason)
        ));
    }
    Ok(judged)
}

/// The conversation as text.
fn prompt_of(contest: &Contest<'_>) -> String {
    let turn = |m: &collimate_types::Message| {
        let who = match m.role {
            Speaker::System => "System",
            Speaker::User => "Person",
            Speaker::Assistant => "Assistant",
            Speaker::Tool => "Tool",
        };
        format!("{who}: {}", m.content)
    };
    contest.task.text.clone().unwrap_or_else(|| contest.task.messages.iter().map(turn).collect::<Vec<_>>().join("\n\n"))
}

fn question(prompt: &str, first: &str, second: &str) -> String {
    format!("<request>\n{prompt}\n</request>\n\n<answer number=\"1\">\n{first}\n</answer>\n\n<answer number=\"2\">\n{second}\n</answer>")
}

/// What the last line that begins with `Verdict:` says of the first answer. An answer that quotes such a line cannot speak for the judge: only
/// what the judge wrote is read, and its last such line counts.
fn verdict(said: &str) -> Option<f64> {
    let line = said
        .lines()
        .rev()
        .map(|l| l.trim().trim_matches(['*', '`', ' ']).to_lowercase())
        .find_map(|l| l.strip_prefix("verdict:").map(str::to_owned))?;
    match line.trim().trim_matches(['*', '`', '.', '[', ']', ' ']) {
        "1" => Some(1.0),
        "2" => Some(0.0),
        "tie" => Some(0.5),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
