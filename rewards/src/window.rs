//! When rewards fail too often for a run to go on.

use std::collections::VecDeque;

use collimate_types::Verdict;
use serde::{Deserialize, Serialize};

/// How many verdicts the window holds.
const LENGTH: usize = 200;

/// The share of infrastructure errors among the last 200 verdicts. It is part of a checkpoint.
///
/// The share is taken of the whole window from the first verdict on, so that one early error is 1 in 200 and not everything. Only errors
/// of the machinery count; an answer that cannot be judged is its author's affair.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<bool>", into = "Vec<bool>")]
pub struct FaultWindow {
    /// Oldest first: whether the verdict was an infrastructure error.
    recent: VecDeque<bool>,
}

impl FaultWindow {
    /// Takes verdicts in.
    pub fn record<'a>(&mut self, verdicts: impl IntoIterator<Item = &'a Verdict>) {
        for verdict in verdicts {
            if self.recent.len() == LENGTH {
                self.recent.pop_front();
            }
            self.recent.push_back(matches!(verdict, Verdict::InfraError { .. }));
        }
    }

    /// The share of infrastructure errors, 0 to 1.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.recent.iter().filter(|fault| **fault).count() as f64 / LENGTH as f64
    }

    /// Whether the share is above the allowed one.
    #[must_use]
    pub fn exceeded(&self, max_share: f64) -> bool {
        self.share() > max_share
    }
}

impl From<Vec<bool>> for FaultWindow {
    fn from(mut recent: Vec<bool>) -> Self {
        recent.drain(..recent.len().saturating_sub(LENGTH));
        Self { recent: recent.into() }
    }
}

impl From<FaultWindow> for Vec<bool> {
    fn from(window: FaultWindow) -> Self {
        window.recent.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use collimate_types::InfraKind;

    #[test]
    fn only_the_last_two_hundred_verdicts_and_only_infrastructure_errors_count() {
        let fault = Verdict::InfraError { kind: InfraKind::Death, retryable: true, detail: String::new() };
        let fine = Verdict::score_of(1.0);
        let mut window = FaultWindow::default();
        window.record([&fault]);
        assert!(!window.exceeded(0.1), "one early error is not everything");
        window.record(vec![&fault; 20]);
        assert!(window.exceeded(0.1) && !window.exceeded(0.105));
        window.record(vec![&Verdict::Unscorable { reason: String::new() }; 179]);
        assert_eq!(window.share(), 21.0 / 200.0);
        window.record(vec![&fine; 21]);
        assert_eq!(window.share(), 0.0);
    }

    #[test]
    fn a_resumed_window_goes_on_as_it_was() {
        let fault = Verdict::InfraError { kind: InfraKind::Panic, retryable: false, detail: String::new() };
        let mut window = FaultWindow::default();
        window.record(vec![&fault; 150]);
        window.record(vec![&Verdict::score_of(0.0); 120]);
        let mut resumed: FaultWindow = serde_json::from_str(&serde_json::to_string(&window).unwrap()).unwrap();
        assert_eq!(resumed, window);
        for w in [&mut window, &mut resumed] {
            w.record([&fault]);
        }
        assert_eq!(resumed, window);
        let long: FaultWindow = serde_json::from_str(&format!("[{}false]", "true,".repeat(500))).unwrap();
        assert_eq!(long.share(), 199.0 / 200.0);
    }
}
