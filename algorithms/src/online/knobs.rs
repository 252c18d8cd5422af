//! The knobs that online algorithms share, with what is said of them on cards, and which of them do not go together.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::KlTerm;
use crate::{
    Card, Knob, KnobError,
    clip::Clip,
    correction::{Correction, Weighing},
    credit::{RewardKl, Scale},
    kl::Estimator,
    kl_control::Controller,
    knobs::{positive, read, within},
    reduce::Aggregation,
};

/// Where a KL to the reference stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In the loss, with a gradient of its own.
    Loss,
    /// In the reward, as part of what credit is made of.
    Reward,
}

/// All shared knobs. A card lists those that its algorithm has; the others keep the values that the algorithm sets.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Knobs {
    /// ε below.
    pub epsilon_low: f64,
    /// ε above.
    pub epsilon_high: f64,
    /// δ, an upper bound of the ratio.
    pub delta: Option<f64>,
    /// c of the dual clip.
    pub dual_clip: Option<f64>,
    /// What centred rewards are divided by.
    pub scale_rewards: Scale,
    /// Weight of the KL to the reference.
    pub beta: f64,
    /// Where the KL stands.
    pub kl_in: Place,
    /// How the KL is told.
    pub kl_estimator: Estimator,
    /// Whether the estimate takes the importance ratio.
    pub kl_correction: bool,
    /// Whether the estimate has the gradient of k2.
    pub kl_straight_through: bool,
    /// The KL aimed at, in nats a completion.
    pub kl_target: Option<f64>,
    /// How slowly the weight moves.
    pub kl_horizon: f64,
    /// Weight of the entropy bonus.
    pub entropy: f64,
    /// What the loss is averaged over.
    pub aggregation: Aggregation,
    /// How a mismatch between sampler and learner is weighed.
    pub correction: Weighing,
    /// Lower end of the band.
    pub correction_low: Option<f64>,
    /// Cap, or upper end of the band.
    pub correction_high: Option<f64>,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            epsilon_low: 0.2,
            epsilon_high: 0.2,
            delta: None,
            dual_clip: None,
            scale_rewards: Scale::Group,
            beta: 0.0,
            kl_in: Place::Loss,
            kl_estimator: Estimator::K3,
            kl_correction: true,
            kl_straight_through: false,
            kl_target: None,
            kl_horizon: 10000.0,
            entropy: 0.0,
            aggregation: Aggregation::TokenMean,
            correction: Weighing::None,
            correction_low: None,
            correction_high: None,
        }
    }
}

/// The knobs of the clip, with their defaults.
#[must_use]
pub const fn clip(low: &'static str, high: &'static str) -> [Knob; 4] {
    [
        Knob { name: "epsilon_low", help: "How far the ratio may fall below 1 before the gradient stops.", default: low },
        Knob { name: "epsilon_high", help: "How far the ratio may rise above 1 before the gradient stops.", default: high },
        Knob { name: "delta", help: "Upper bound of the ratio for negative advantages too; null for none.", default: "null" },
        Knob { name: "dual_clip", help: "c: a negative advantage costs at most -c A; null for none.", default: "null" },
    ]
}

/// What centred rewards are divided by.
pub const SCALE: Knob =
    Knob { name: "scale_rewards", help: "What centred rewards are divided by: group, batch or none.", default: "\"group\"" };

/// The knobs of the KL, with their defaults.
#[must_use]
pub const fn kl(beta: &'static str, place: &'static str, estimator: &'static str) -> [Knob; 7] {
    [
        Knob { name: "beta", help: "Weight of the KL to the reference; 0 needs no reference.", default: beta },
        Knob { name: "kl_in", help: "Where the KL stands: loss or reward.", default: place },
        Knob {
            name: "kl_estimator",
            help: "How the KL is told: k1, k2, k3 or abs on the drawn tokens, or full over the vocabulary.",
            default: estimator,
        },
        Knob { name: "kl_correction", help: "Whether a KL estimate in the loss takes the importance ratio.", default: "true" },
        Knob {
            name: "kl_straight_through",
            help: "Whether a KL estimate in the loss has the gradient of k2, the true one on policy.",
            default: "false",
        },
        Knob {
            name: "kl_target",
            help: "KL of a completion, in nats, that the weight of a KL in the reward is moved towards; null keeps the weight.",
            default: "null",
        },
        Knob { name: "kl_horizon", help: "Completions over which the weight moves; more is slower.", default: "10000.0" },
    ]
}

/// The entropy bonus.
pub const ENTROPY: Knob = Knob { name: "entropy", help: "Weight of the entropy bonus.", default: "0.0" };

/// What the loss is averaged over, with its default.
#[must_use]
pub const fn aggregation(default: &'static str) -> Knob {
    Knob {
        name: "aggregation",
        help: "What the loss is averaged over: token_mean, token_sum, sequence_mean_token_mean, sequence_mean_token_sum or fixed_length.",
        default,
    }
}

/// The knobs of the correction for a mismatch between sampler and learner.
pub const CORRECTION: [Knob; 3] = [
    Knob {
        name: "correction",
        help: "How a mismatch between sampler and learner is weighed: none, tis_token, tis_sequence, icepop or sequence_mask.",
        default: "\"none\"",
    },
    Knob { name: "correction_low", help: "Lower end of the band of icepop (0.5 if null) or sequence_mask (0 if null).", default: "null" },
    Knob {
        name: "correction_high",
        help: "Cap of tis (2 if null), upper end of the band of icepop (5 if null) or sequence_mask (3 if null).",
        default: "null",
    },
];

impl Knobs {
    /// Reads the shared knobs of a table over an algorithm's defaults, and checks each and all together.
    ///
    /// # Errors
    /// When a knob is unknown, out of range, or does not go with another.
    pub fn read(card: &'static Card, given: &Value, defaults: &Self) -> Result<Self, KnobError> {
        let knobs: Self = read(card, given, defaults)?;
        within(card, "epsilon_low", knobs.epsilon_low, (0.0, 1.0))?;
        within(card, "epsilon_high", knobs.epsilon_high, (0.0, f64::INFINITY))?;
        within(card, "beta", knobs.beta, (0.0, f64::INFINITY))?;
        within(card, "entropy", knobs.entropy, (f64::MIN, f64::MAX))?;
        positive(card, "kl_horizon", knobs.kl_horizon)?;
        positive(card, "kl_target", knobs.kl_target.unwrap_or(1.0))?;
        knobs.check_clip(card)?;
        knobs.check_kl(card)?;
        knobs.check_correction(card)?;
        Ok(knobs)
    }

    /// The clip.
    #[must_use]
    pub fn clip(&self) -> Clip {
        Clip { low: self.epsilon_low, high: self.epsilon_high, delta: self.delta, dual: self.dual_clip }
    }

    /// The KL in the loss; its weight is 0 where it stands in the reward.
    #[must_use]
    pub fn kl_term(&self) -> KlTerm {
        let beta = if self.kl_in == Place::Loss { self.beta } else { 0.0 };
        KlTerm { beta, estimator: self.kl_estimator, corrected: self.kl_correction, straight_through: self.kl_straight_through }
    }

    /// The KL in the reward, if it stands there.
    #[must_use]
    pub fn reward_kl(&self) -> Option<RewardKl> {
        let controller = self.kl_target.map(|target| Controller { target, horizon: self.kl_horizon });
        (self.beta > 0.0 && self.kl_in == Place::Reward).then_some(RewardKl { beta: self.beta, estimator: self.kl_estimator, controller })
    }

    /// The correction.
    #[must_use]
    pub fn correction(&self) -> Correction {
        let (low, high) = match self.correction {
            Weighing::None => return Correction::NONE,
            Weighing::TisToken | Weighing::TisSequence => (0.0, 2.0),
            Weighing::Icepop => (0.5, 5.0),
            Weighing::SequenceMask => (0.0, 3.0),
        };
        let (low, high) = (self.correction_low.unwrap_or(low), self.correction_high.unwrap_or(high));
        Correction { weighing: self.correction, low, high }
    }

    fn check_clip(&self, card: &'static Card) -> Result<(), KnobError> {
        let clash = |knob, value: f64, with: &str, why| {
            Err(KnobError::Clash { algorithm: card.name, knob, what: format!("= {value}"), with: with.to_owned(), why })
        };
        let epsilon = format!("`epsilon_high` = {}", self.epsilon_high);
        for (knob, bound) in [("delta", self.delta), ("dual_clip", self.dual_clip)] {
            let Some(bound) = bound else { continue };
            within(card, knob, bound, (1.0, f64::INFINITY))?;
            if bound <= 1.0 + self.epsilon_high && knob == "delta" {
                return clash(knob, bound, &epsilon, "the bound lies inside the clip and would never bite; set it above 1 + epsilon_high");
            }
        }
        match (self.delta, self.dual_clip) {
            (Some(_), Some(c)) => clash("dual_clip", c, "`delta`", "both bound the loss of negative advantages; set one of them"),
            _ => Ok(()),
        }
    }

    fn check_kl(&self, card: &'static Card) -> Result<(), KnobError> {
        let clash =
            |knob, what: String, with: &str, why| Err(KnobError::Clash { algorithm: card.name, knob, what, with: with.to_owned(), why });
        let (name, reward) = (self.kl_estimator.name(), "`kl_in` = reward");
        if let Some(target) = self.kl_target {
            let what = format!("= {target}");
            if self.kl_in == Place::Loss {
                let why = "the controller measures the KL where it is charged; set kl_in = \"reward\", or fix the weight";
                return clash("kl_target", what, "`kl_in` = loss", why);
            }
            if self.beta == 0.0 {
                return clash("kl_target", what, "`beta` = 0", "the controller multiplies the weight, and 0 stays 0; set beta above 0");
            }
        }
        if self.kl_straight_through && self.kl_in == Place::Reward {
            return clash("kl_straight_through", "= true".into(), reward, "a reward carries no gradient; set it false");
        }
        if self.kl_straight_through && self.kl_estimator == Estimator::Full {
            let why = "the divergence over the vocabulary has its true gradient already; set it false";
            return clash("kl_straight_through", "= true".into(), name, why);
        }
        if self.kl_straight_through && self.kl_correction {
            let why = "each makes the gradient true, and together they count it twice; set kl_correction = false";
            return clash("kl_straight_through", "= true".into(), "`kl_correction` = true", why);
        }
        if self.kl_estimator == Estimator::Full && self.kl_in == Place::Reward {
            let why = "a reward is charged by drawn token; choose k1, k2, k3 or abs";
            return clash("kl_estimator", "= full".into(), reward, why);
        }
        if self.kl_estimator == Estimator::K1 && self.kl_in == Place::Loss && !self.kl_correction && !self.kl_straight_through {
            let why = "the gradient of k1 alone has mean 0, so nothing would hold the policy; set kl_correction or kl_straight_through";
            return clash("kl_estimator", "= k1".into(), "`kl_in` = loss", why);
        }
        Ok(())
    }

    fn check_correction(&self, card: &'static Card) -> Result<(), KnobError> {
        let none = self.correction == Weighing::None;
        let capped = matches!(self.correction, Weighing::TisToken | Weighing::TisSequence);
        let clash = |knob, value: f64, with: &str, why| {
            Err(KnobError::Clash { algorithm: card.name, knob, what: format!("= {value}"), with: with.to_owned(), why })
        };
        if let Some(low) = self.correction_low {
            within(card, "correction_low", low, (0.0, 1.0))?;
            if none {
                return clash("correction_low", low, "`correction` = none", "nothing is corrected; choose a correction");
            }
            if capped {
                return clash("correction_low", low, "a truncated ratio", "truncation has a cap alone; choose icepop or sequence_mask");
            }
        }
        if let Some(high) = self.correction_high {
            within(card, "correction_high", high, (1.0, f64::INFINITY))?;
            if none {
                return clash("correction_high", high, "`correction` = none", "nothing is corrected; choose a correction");
            }
        }
        Ok(())
    }
}
