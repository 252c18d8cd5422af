//! Rewards that are services: a batch of answers is posted as JSON, verdicts come back.
//!
//! ```text
//! POST {"collimate_reward":1,"config":{},"items":[{"id":0,"task":…,"prompt":…,"messages":[],"truth":…,"answer":{…}}]}
//! 200  {"verdicts":[{"id":0,"score":1.0,"parts":{"a":1.0}},{"id":1,"unscorable":"why"},{"id":2,"error":"why"}]}
//! ```
//!
//! Items and verdicts are those of the JSON-lines protocol. Every request has a deadline; a failed one is tried again a few times, after a
//! wait that grows and is jittered; a verifier that keeps failing is left alone for a while. Whatever goes wrong is an error of the
//! machinery and never a score.

mod cache;
mod client;
mod gate;
mod settings;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use collimate_reward_sdk::wire::PROTOCOL;
use collimate_reward_sdk::wire::json::{self, Reply};
use collimate_types::{Answer, BoxError, InfraKind, Prompt, Reward, RolloutGroup, Seed, Verdict};
use serde::Deserialize;
use serde_json::Value;

pub use settings::{HTTP_CARD, HttpSettings};

use crate::within::within;
use cache::Cache;
use client::{Client, Fault};
use gate::Gate;

/// The first wait before a further try; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// An HTTP verifier.
#[derive(Debug)]
pub struct HttpReward {
    settings: HttpSettings,
    client: Client,
    gate: Gate,
    cache: Option<Cache>,
    config: Vec<u8>,
    waits: AtomicU64,
}

#[derive(Deserialize)]
struct Answered {
    verdicts: Vec<Reply>,
}

impl HttpReward {
    /// Sets it up; nothing is asked yet.
    ///
    /// # Errors
    /// What of the settings is not possible; a cache that cannot be opened.
    pub fn new(settings: HttpSettings) -> Result<Self, String> {
        settings.check()?;
        let cache = settings.cache.as_deref().map(Cache::open).transpose()?;
        let gate = Gate::new(settings.concurrency, settings.breaker, Duration::from_secs_f64(settings.cool_s));
        let config = Value::Object(settings.config.clone()).to_string().into_bytes();
        Ok(Self { client: Client::new(&settings)?, gate, cache, config, settings, waits: AtomicU64::new(0) })
    }

    fn judge(&self, prompt: &Prompt, answers: &[Answer<'_>]) -> Vec<Verdict> {
        let mut shared = Vec::new();
        json::put_prompt(&mut shared, prompt);
        let encoded: Vec<Vec<u8>> = answers.iter().map(one).collect();
        let key = |answer: &[u8]| Cache::key(&[self.settings.http.as_bytes(), &self.config, &shared, answer]);
        let keys: Vec<Option<String>> = encoded.iter().map(|a| self.cache.as_ref().map(|_| key(a))).collect();
        let known = |key: &Option<String>| self.cache.as_ref().zip(key.as_ref()).and_then(|(c, k)| c.get(k));
        let mut verdicts: Vec<Option<Verdict>> = keys.iter().map(known).collect();
        let open: Vec<usize> = (0..answers.len()).filter(|i| verdicts[*i].is_none()).collect();
        for chunk in open.chunks(self.settings.batch) {
            let asked: Vec<&[u8]> = chunk.iter().map(|i| encoded[*i].as_slice()).collect();
            for (i, verdict) in chunk.iter().zip(self.ask(&shared, &asked)) {
                if let (Some(cache), Some(key)) = (&self.cache, &keys[*i]) {
                    cache.put(key.clone(), &verdict);
                }
                verdicts[*i] = Some(verdict);
            }
        }
        let lost = || error(&Fault::transport("no verdict came", true));
        verdicts.into_iter().map(|v| v.unwrap_or_else(lost)).collect()
    }

    /// The verdicts of answers to one prompt, after as many tries as are allowed.
    fn ask(&self, prompt: &[u8], answers: &[&[u8]]) -> Vec<Verdict> {
        let mut body = format!("{{\"collimate_reward\":{PROTOCOL},\"config\":").into_bytes();
        body.extend_from_slice(&self.config);
        body.extend_from_slice(b",\"items\":[");
        for (id, answer) in answers.iter().enumerate() {
            if id > 0 {
                body.push(b',');
            }
            json::put_item(&mut body, id as u64, prompt, &[*answer], false);
        }
        body.extend_from_slice(b"]}");
        let mut tries = 0;
        loop {
            let fault = match self.attempt(&body, answers.len()) {
                Ok(verdicts) => return verdicts,
                Err(fault) => fault,
            };
            if !fault.again || tries >= self.settings.retries {
                let detail = format!("{}, after {} tries: {}", self.settings.http, tries + 1, fault.detail);
                return vec![error(&Fault { detail, ..fault }); answers.len()];
            }
            std::thread::sleep(self.wait(tries));
            tries += 1;
        }
    }

    fn attempt(&self, body: &[u8], wanted: usize) -> Result<Vec<Verdict>, Fault> {
        let Some(_pass) = self.gate.enter() else {
            let detail = format!("it failed {} times in a row and is left alone for {} s", self.settings.breaker, self.settings.cool_s);
            return Err(Fault::transport(detail, false));
        };
        let result = self.client.post(body).and_then(|bytes| self.read(&bytes, wanted));
        match &result {
            Ok(_) => self.gate.worked(),
            Err(_) => self.gate.failed(),
        }
        result
    }

    fn read(&self, bytes: &[u8], wanted: usize) -> Result<Vec<Verdict>, Fault> {
        let answered: Answered = serde_json::from_slice(bytes).map_err(|e| {
            let shown: String = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
            Fault::transport(format!("the answer cannot be read ({e}): {shown}"), true)
        })?;
        let mut verdicts: Vec<Option<Verdict>> = vec![None; wanted];
        for reply in answered.verdicts {
            let place = reply.id.and_then(|id| usize::try_from(id).ok()).and_then(|id| verdicts.get_mut(id));
            let Some(place) = place.filter(|p| p.is_none()) else {
                return Err(Fault::transport("a verdict has no id, one that was not asked for, or one that came before", true));
            };
            let mut list = reply.verdicts().map_err(|e| Fault::transport(e.to_string(), true))?;
            *place = list.pop().filter(|_| list.is_empty()).map(|v| within(v, self.settings.range));
        }
        let missing = || error(&Fault::transport("the answer has no verdict for this item", true));
        Ok(verdicts.into_iter().map(|v| v.unwrap_or_else(missing)).collect())
    }

    /// Half to all of a time that doubles with every try, so that many that failed together do not come back together.
    fn wait(&self, tries: u32) -> Duration {
        let place = Seed(u64::from(std::process::id())).fork("jitter", self.waits.fetch_add(1, Ordering::Relaxed));
        FIRST_WAIT * 2_u32.pow(tries.min(6)) / 1000 * (500 + (place.0 % 501) as u32)
    }
}

fn one(answer: &Answer<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    json::put_answer(&mut bytes, answer);
    bytes
}

fn error(fault: &Fault) -> Verdict {
    let kind = match fault.kind {
        InfraKind::Deadline => InfraKind::Deadline,
        _ => InfraKind::Transport,
    };
    Verdict::InfraError { kind, retryable: fault.again, detail: fault.detail.clone() }
}

impl Reward for HttpReward {
    fn score(&self, prompt: &Prompt, answer: &Answer<'_>) -> Result<Verdict, BoxError> {
        self.judge(prompt, std::slice::from_ref(answer)).pop().ok_or_else(|| "no verdict".into())
    }

    fn score_group(&self, group: &RolloutGroup) -> Result<Vec<Verdict>, BoxError> {
        Ok(self.judge(&group.prompt, &group.answers().collect::<Vec<_>>()))
    }
}
