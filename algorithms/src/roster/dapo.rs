//! DAPO (Yu et al. 2025, arXiv:2503.14476): clip-higher, every token counts the same, groups without spread are drawn anew, and long
//! completions are charged softly.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Algorithm, Card, Family, Knob, KnobError,
    credit::{Centred, Overlong},
    knobs::{positive, read, within},
    online::{self, Knobs, Online, Parts},
    ratio::Level,
};

pub(super) static CARD: Card = Card {
    name: "dapo",
    family: Family::Online,
    claim: "GRPO with a higher upper clip, one mean over all tokens of the batch, and groups without spread drawn anew.",
    paper: "Yu et al. 2025, DAPO, arXiv:2503.14476, eq. 8 to 13",
    equation: "r' = r - penalty clip((len - (limit - buffer)) / buffer, 0, 1)\n\
               A[p,g] = (r'[p,g] - mean_h r'[p,h]) / (std_h r'[p,h] + 1e-4)\n\
               L = 1/tokens sum_bt [ -min(rho A, clip(rho, 1-e_low, 1+e_high) A) + beta k3 ]",
    parts: &["credit::Overlong", "credit::centre", "ratio::token", "clip::surrogate", "kl::k3", "reduce::token_mean"],
    knobs: &[
        &online::clip("0.2", "0.28"),
        &[online::SCALE],
        &[
            Knob { name: "dynamic_sampling", help: "Whether groups without spread are dropped and others drawn.", default: "true" },
            Knob { name: "overlong_limit", help: "Tokens at which the whole overlong penalty is due; null for none.", default: "null" },
            Knob { name: "overlong_buffer", help: "Tokens below the limit over which the penalty grows.", default: "0" },
            Knob { name: "overlong_penalty", help: "The whole overlong penalty.", default: "1.0" },
        ],
        &online::kl("0.0", "\"loss\"", "\"k3\""),
        &[online::ENTROPY],
        &online::CORRECTION,
    ],
};

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    dynamic_sampling: bool,
    overlong_limit: Option<u32>,
    overlong_buffer: u32,
    overlong_penalty: f64,
}

const OWN: Own = Own { dynamic_sampling: true, overlong_limit: None, overlong_buffer: 0, overlong_penalty: 1.0 };

impl Own {
    fn overlong(&self) -> Result<Option<Overlong>, KnobError> {
        let Some(limit) = self.overlong_limit else {
            let buffer = self.overlong_buffer;
            return match buffer {
                0 => Ok(None),
                _ => Err(KnobError::Clash {
                    algorithm: CARD.name,
                    knob: "overlong_buffer",
                    what: format!("= {buffer}"),
                    with: "`overlong_limit` = null".to_owned(),
                    why: "there is no limit that the buffer lies below; set overlong_limit",
                }),
            };
        };
        positive(&CARD, "overlong_penalty", self.overlong_penalty)?;
        within(&CARD, "overlong_buffer", f64::from(self.overlong_buffer), (1.0, f64::from(limit)))?;
        Ok(Some(Overlong { limit: f64::from(limit), buffer: f64::from(self.overlong_buffer), penalty: self.overlong_penalty }))
    }
}

pub(super) fn build(given: &Value) -> Result<Box<dyn Algorithm>, KnobError> {
    let knobs = Knobs::read(&CARD, given, &Knobs { epsilon_high: 0.28, ..Knobs::default() })?;
    let own = read(&CARD, given, &OWN)?;
    let parts = Parts { credit: Box::new(Centred(knobs.scale_rewards)), ratio: Level::Token, gate: Box::new(knobs.clip()) };
    Ok(Box::new(Online::new(&CARD, &knobs, parts)?.with_overlong(own.overlong()?).with_spread(own.dynamic_sampling)))
}

#[cfg(test)]
mod tests {
    use crate::golden::policy_loss;
    use serde_json::json;

    /// TRL's `dapo` divides by all tokens of the batch, its `bnpo` by those of the micro-batch; with one micro-batch both are this loss.
    #[test]
    fn losses_and_gradients_equal_trls() {
        for family in ["dapo", "bnpo"] {
            let case = |knobs: serde_json::Value, ending: &str| policy_loss("dapo", knobs, &format!("{family}_{ending}"));
            case(json!({"epsilon_high": 0.2}), "beta0");
            case(json!({"epsilon_high": 0.2, "beta": 0.04}), "beta0.04");
            case(json!({"epsilon_high": 0.2, "beta": 0.04, "kl_correction": false}), "beta0.04_plain_k3");
            case(json!({}), "clip_higher");
            case(json!({"epsilon_high": 0.2, "delta": 1.5}), "delta1.5");
        }
    }

    #[test]
    fn values_and_gradients_equal_the_script() {
        crate::independent::online("dapo");
    }

    #[test]
    fn an_overlong_buffer_without_a_limit_or_wider_than_it_is_refused() {
        let refusal = |knobs| crate::build("dapo", &knobs).unwrap_err().to_string();
        assert!(refusal(json!({"overlong_buffer": 5})).contains("set overlong_limit"));
        assert!(refusal(json!({"overlong_buffer": 9, "overlong_limit": 8})).contains("lies in 1 to 8"));
    }
}
