//! One request: its limits, and what may go wrong.

use std::time::Duration;

use collimate_types::InfraKind;
use ureq::http::Uri;
use ureq::{Agent, Error};

use super::HttpSettings;

/// Bytes of an answer at most.
const CAP: u64 = 64 << 20;
/// Redirects that are followed at most, where they are allowed at all.
const HOPS: usize = 3;

/// A failed request.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) kind: InfraKind,
    pub(super) detail: String,
    /// Whether another try may go better.
    pub(super) again: bool,
}

impl Fault {
    pub(super) fn transport(detail: impl Into<String>, again: bool) -> Self {
        Self { kind: InfraKind::Transport, detail: detail.into(), again }
    }
}

/// Sends requests.
#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
    address: Uri,
    redirects: Vec<String>,
    token: Option<String>,
}

impl Client {
    pub(super) fn new(settings: &HttpSettings) -> Result<Self, String> {
        let token = match &settings.token_env {
            Some(name) => Some(std::env::var(name).map_err(|e| format!("the environment variable `{name}` of `token_env`: {e}"))?),
            None => None,
        };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_global(Some(Duration::from_secs_f64(settings.deadline_s)))
            .timeout_connect(Some(Duration::from_secs_f64(settings.connect_s)))
            .max_idle_connections_per_host(settings.concurrency)
            .build();
        let address = settings.http.parse().map_err(|e| format!("`http`: {e}"))?;
        Ok(Self { agent: config.into(), address, redirects: settings.redirects.clone(), token })
    }

    /// Posts a JSON body and returns the answer's body.
    pub(super) fn post(&self, body: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut address = self.address.clone();
        for _ in 0..=HOPS {
            let mut request = self.agent.post(&address).content_type("application/json");
            // The token is for the verifier alone, not for whoever it sends us to.
            if let Some(token) = self.token.as_ref().filter(|_| address.authority() == self.address.authority()) {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            let mut response = request.send(body).map_err(fault)?;
            let status = response.status().as_u16();
            match status {
                200..=299 => return response.body_mut().with_config().limit(CAP).read_to_vec().map_err(fault),
                300..=399 => {
                    let target = response.headers().get("location").and_then(|l| l.to_str().ok()).unwrap_or_default().to_owned();
                    address = self.allowed(&address, &target)?;
                }
                _ => {
                    let text = response.body_mut().with_config().limit(1 << 12).read_to_string().unwrap_or_default();
                    let shown: String = text.chars().take(200).collect();
                    return Err(Fault::transport(format!("HTTP {status}: {shown}"), status >= 500 || status == 429 || status == 408));
                }
            }
        }
        Err(Fault::transport(format!("it redirects more than {HOPS} times"), false))
    }

    /// Where a redirect leads, if the recipe allows that host.
    fn allowed(&self, from: &Uri, target: &str) -> Result<Uri, Fault> {
        let absolute = if target.starts_with('/') && !target.starts_with("//") {
            format!("http://{}{target}", from.authority().map_or("", |a| a.as_str()))
        } else {
            target.to_owned()
        };
        let uri: Option<Uri> = absolute.parse().ok();
        let good = |uri: &Uri| {
            let authority = uri.authority().map_or("", |a| a.as_str());
            uri.scheme_str() == Some("http") && self.redirects.iter().any(|r| r == authority)
        };
        uri.filter(good).ok_or_else(|| {
            Fault::transport(format!("it redirects to `{target}`, which is not followed (`redirects` lists the hosts that are)"), false)
        })
    }
}

fn fault(error: Error) -> Fault {
    match error {
        Error::Timeout(which) => Fault { kind: InfraKind::Deadline, detail: format!("no answer in time ({which})"), again: true },
        error => Fault::transport(error.to_string(), true),
    }
}
