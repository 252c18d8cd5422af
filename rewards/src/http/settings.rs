//! The keys of a `[[reward]]` table that names an HTTP verifier.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::within::possible;
use crate::{KnobCard, RewardCard};

/// How an HTTP verifier is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpSettings {
    /// Its address, `http://…`.
    pub http: String,
    /// Its settings, sent with every request.
    pub config: Map<String, Value>,
    /// Seconds that one request may take, from connecting to the last byte.
    pub deadline_s: f64,
    /// Seconds until a connection must stand.
    pub connect_s: f64,
    /// Further tries after a failed request.
    pub retries: u32,
    /// Requests at once.
    pub concurrency: usize,
    /// Answers of one request at most.
    pub batch: usize,
    /// Failed requests in a row (tries included) after which it is left alone for `cool_s`.
    pub breaker: u32,
    /// Seconds for which it is left alone.
    pub cool_s: f64,
    /// Hosts (`name:port`) that it may redirect to; elsewhere a redirect is a fault.
    pub redirects: Vec<String>,
    /// The least and the greatest score.
    pub range: Option<[f64; 2]>,
    /// A file that keeps scores by the hash of what was asked; only for verifiers that always give the same score.
    pub cache: Option<PathBuf>,
    /// The environment variable with a token for `Authorization: Bearer`.
    pub token_env: Option<String>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            http: String::new(),
            config: Map::new(),
            deadline_s: 10.0,
            connect_s: 2.0,
            retries: 2,
            concurrency: 8,
            batch: 64,
            breaker: 5,
            cool_s: 30.0,
            redirects: Vec::new(),
            range: None,
            cache: None,
            token_env: None,
        }
    }
}

/// What the keys mean.
pub static HTTP_CARD: RewardCard = RewardCard {
    name: "http",
    claim: "A service judges the answers over HTTP (docs/rewards.md).",
    knobs: &[
        KnobCard { name: "http", help: "Its address, `http://…`.", default: "\"\"" },
        KnobCard { name: "config", help: "Its settings, sent with every request.", default: "{}" },
        KnobCard { name: "deadline_s", help: "Seconds that one request may take, from connecting to the last byte.", default: "10.0" },
        KnobCard { name: "connect_s", help: "Seconds until a connection must stand.", default: "2.0" },
        KnobCard { name: "retries", help: "Further tries after a failed request.", default: "2" },
        KnobCard { name: "concurrency", help: "Requests at once.", default: "8" },
        KnobCard { name: "batch", help: "Answers of one request at most.", default: "64" },
        KnobCard {
            name: "breaker",
            help: "Failed requests in a row (tries included) after which it is left alone for `cool_s`.",
            default: "5",
        },
        KnobCard { name: "cool_s", help: "Seconds for which it is left alone.", default: "30.0" },
        KnobCard {
            name: "redirects",
            help: "Hosts (`name:port`) that it may redirect to; elsewhere a redirect is a fault.",
            default: "[]",
        },
        KnobCard { name: "range", help: "The least and the greatest score.", default: "null" },
        KnobCard {
            name: "cache",
            help: "A file that keeps scores by the hash of what was asked; only for verifiers that always give the same score.",
            default: "null",
        },
        KnobCard { name: "token_env", help: "The environment variable with a token for `Authorization: Bearer`.", default: "null" },
    ],
    // Whoever runs the judge knows its cases; `collimate reward test` takes them from a file.
    cases: &[],
};

impl HttpSettings {
    /// Refuses what means nothing.
    ///
    /// # Errors
    /// The first fault, with what is possible.
    pub fn check(&self) -> Result<(), String> {
        let uri: ureq::http::Uri = self.http.parse().map_err(|e| format!("`http` = {:?} is no address: {e}", self.http))?;
        if uri.scheme_str() != Some("http") || uri.host().is_none_or(str::is_empty) {
            return Err(format!(
                "`http` = {:?} is not possible: only `http://host…` is spoken; put a proxy on this machine before a verifier with TLS",
                self.http
            ));
        }
        for (name, value) in [("concurrency", self.concurrency), ("batch", self.batch), ("breaker", self.breaker as usize)] {
            if value == 0 {
                return Err(format!("`{name}` = 0 is not possible: 1 or more"));
            }
        }
        for (name, value) in [("deadline_s", self.deadline_s), ("connect_s", self.connect_s), ("cool_s", self.cool_s)] {
            if !(0.01..=1e6).contains(&value) {
                return Err(format!("`{name}` = {value} is not possible: 0.01 to 1000000 seconds"));
            }
        }
        if self.range.is_some_and(|r| !possible(r)) {
            return Err(format!("`range` = {:?} holds nothing", self.range));
        }
        Ok(())
    }

    /// What a recipe calls it if it gives no name.
    #[must_use]
    pub fn name_of(address: &str) -> Option<String> {
        address.parse::<ureq::http::Uri>().ok()?.host().map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_card_lists_the_keys() {
        let listed = HTTP_CARD.knobs.iter().map(|k| (k.name.to_owned(), serde_json::from_str(k.default).unwrap()));
        assert_eq!(serde_json::to_value(HttpSettings::default()).unwrap(), Value::Object(listed.collect()));
    }

    #[test]
    fn what_means_nothing_is_refused_by_name() {
        let of = |http: &str| HttpSettings { http: http.into(), ..HttpSettings::default() };
        assert_eq!(of("http://127.0.0.1:8000/score").check(), Ok(()));
        for bad in ["", "ftp://x", "https://x/score", "/score", "http://"] {
            assert!(of(bad).check().unwrap_err().contains("`http`"), "{bad}");
        }
        let good = of("http://x");
        assert!(HttpSettings { batch: 0, ..good.clone() }.check().unwrap_err().contains("`batch`"));
        assert!(HttpSettings { range: Some([1.0, 0.0]), ..good.clone() }.check().unwrap_err().contains("`range`"));
        assert!(HttpSettings { cool_s: f64::INFINITY, ..good }.check().unwrap_err().contains("`cool_s`"));
    }
}
