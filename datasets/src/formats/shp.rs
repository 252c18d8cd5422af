//! The Stanford Human Preferences data set (Ethayarajh et al. 2022, arXiv:2110.08420): two comments under one post of Reddit, of which the
//! better voted one is preferred although it had no more time to be seen.

use collimate_types::{Message, PreferencePair, Reply};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::fields::{bad, integer, number, text};
use crate::{DataConfig, DataError, Fault, FieldCard, Format, FormatCard, KnobCard, Reading, Row};

/// The knobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Knobs {
    /// Pairs whose scores differ by less than this factor are left out; 1 takes all. Published recipes take 2.
    pub min_score_ratio: f64,
    /// The most pairs of one post, the first ones; 0 takes all. Published recipes take 5.
    pub pairs_per_post: u32,
    /// Whether pairs whose preferred comment had more time to be seen are left out; the data set promises that there are none.
    pub check_seconds: bool,
}

impl Default for Knobs {
    fn default() -> Self {
        Self { min_score_ratio: 1.0, pairs_per_post: 0, check_seconds: true }
    }
}

/// The format.
#[derive(Debug, Clone, Copy)]
pub struct Shp;

/// The one instance.
pub static FORMAT: Shp = Shp;

static CARD: FormatCard = FormatCard {
    name: "shp",
    claim: "Stanford Human Preferences: two comments on one post; `labels` 1 prefers A. The subset is the domain, the margin the ratio of the scores.",
    fields: &[
        FieldCard { name: "post_id", kind: "string", help: "The post; with both comments it names the row." },
        FieldCard { name: "domain", kind: "string", help: "The forum and the part of the data, as `askculinary_train`." },
        FieldCard { name: "history", kind: "string", help: "The post; it becomes one message of the user." },
        FieldCard { name: "c_root_id_A", kind: "string", help: "The first comment's id." },
        FieldCard { name: "c_root_id_B", kind: "string", help: "The second comment's id." },
        FieldCard { name: "human_ref_A", kind: "string", help: "The first comment." },
        FieldCard { name: "human_ref_B", kind: "string", help: "The second comment." },
        FieldCard { name: "labels", kind: "0 or 1", help: "1 if the first comment is preferred." },
        FieldCard { name: "score_A", kind: "whole number", help: "Votes of the first comment." },
        FieldCard { name: "score_B", kind: "whole number", help: "Votes of the second comment." },
        FieldCard { name: "score_ratio", kind: "number", help: "The preferred comment's votes over the other's." },
        FieldCard { name: "seconds_difference", kind: "number", help: "How much later the preferred comment was written, 0 or more." },
        FieldCard { name: "upvote_ratio", kind: "number, optional", help: "Not read." },
        FieldCard { name: "created_at_utc_A", kind: "whole number, optional", help: "Not read, and so is its twin." },
    ],
    knobs: &[
        KnobCard { name: "min_score_ratio", help: "Pairs whose scores differ by less than this factor are left out.", default: "1.0" },
        KnobCard { name: "pairs_per_post", help: "The most pairs of one post, the first ones; 0 takes all.", default: "0" },
        KnobCard {
            name: "check_seconds",
            help: "Whether pairs whose preferred comment had more time to be seen are left out.",
            default: "true",
        },
    ],
    sample: r#"{"post_id": "p1", "domain": "askculinary_train", "upvote_ratio": 0.97, "history": "How do I keep rice from sticking?", "c_root_id_A": "c1", "c_root_id_B": "c2", "created_at_utc_A": 1600000000, "created_at_utc_B": 1600000900, "score_A": 4, "score_B": 12, "human_ref_A": "Use more water.", "human_ref_B": "Rinse it first, then let it rest.", "labels": 0, "seconds_difference": 900.0, "score_ratio": 3.0}"#,
};

/// Pairs that a knob leaves out.
pub(crate) const LOW_RATIO: &str = "score_ratio below data.shp.min_score_ratio";
const MORE_TIME: &str = "the preferred comment was written earlier (seconds_difference below 0)";

impl Format for Shp {
    fn card(&self) -> &'static FormatCard {
        &CARD
    }

    fn sniff(&self, row: &Map<String, Value>) -> bool {
        ["history", "human_ref_A", "human_ref_B"].iter().all(|column| row.contains_key(*column))
    }

    fn read(&self, row: &Row, config: &DataConfig) -> Result<Reading, Fault> {
        let (row, knobs) = (&row.json, &config.shp);
        let label = integer(row, "labels")?;
        if !(0..=1).contains(&label) {
            return Err(bad("labels", format!("is {label}"), "give 1 if the first comment is preferred, else 0"));
        }
        let (asked, a, b) = (text(row, "history")?, text(row, "human_ref_A")?, text(row, "human_ref_B")?);
        let (score_a, score_b) = (integer(row, "score_A")?, integer(row, "score_B")?);
        let (ratio, seconds) = (number(row, "score_ratio")?, number(row, "seconds_difference")?);
        let domain = text(row, "domain")?;
        let id = format!("{}/{}/{}", text(row, "post_id")?, text(row, "c_root_id_A")?, text(row, "c_root_id_B")?);
        let first = label == 1;
        if (first && score_a < score_b) || (!first && score_b < score_a) {
            let why = format!("is {label}, but the scores are {score_a} and {score_b}");
            return Err(bad("labels", why, "the comment with more votes is the preferred one"));
        }
        if ratio < knobs.min_score_ratio {
            return Ok(Reading::left_out(LOW_RATIO));
        }
        if knobs.check_seconds && seconds < 0.0 {
            return Ok(Reading::left_out(MORE_TIME));
        }
        let (chosen, rejected) = if first { (a, b) } else { (b, a) };
        let pair = PreferencePair {
            id,
            text: None,
            messages: vec![Message::user(asked)],
            chosen: Reply::turn(chosen),
            rejected: Reply::turn(rejected),
            label: 1.0,
            margin: Some(ratio),
            subset: domain
                .rsplit_once('_')
                .filter(|(_, part)| ["train", "validation", "test"].contains(part))
                .map_or(domain, |(d, _)| d)
                .to_owned(),
        };
        Ok(Reading::from(pair).preferring(first))
    }

    fn cap(&self, row: &Row, config: &DataConfig) -> Option<(String, u32)> {
        let most = config.shp.pairs_per_post;
        (most > 0).then(|| (row.json.get("post_id").and_then(Value::as_str).unwrap_or_default().to_owned(), most))
    }

    fn check(&self, config: &DataConfig) -> Vec<DataError> {
        let ratio = config.shp.min_score_ratio;
        let good = ratio.is_finite() && ratio >= 1.0;
        let wanted = "a number of at least 1".into();
        if good { Vec::new() } else { vec![DataError::Setting { key: "shp.min_score_ratio".into(), value: ratio.to_string(), wanted }] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Example;
    use serde_json::json;

    fn read(changes: Value, knobs: Knobs) -> Result<Reading, Fault> {
        let mut json: Map<String, Value> = serde_json::from_str(CARD.sample).unwrap();
        let Value::Object(changes) = changes else { panic!("not an object") };
        json.extend(changes);
        let config = DataConfig { shp: knobs, ..DataConfig::default() };
        Shp.read(&Row { json, file: std::path::Path::new("x").into(), line: 1 }, &config)
    }

    fn pair(changes: Value) -> PreferencePair {
        match read(changes, Knobs::default()).unwrap().example {
            Some(Example::Pair(pair)) => pair,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_label_decides_which_comment_is_preferred() {
        let b = pair(json!({}));
        assert_eq!((b.chosen.said().as_str(), b.rejected.said().as_str()), ("Rinse it first, then let it rest.", "Use more water."));
        assert_eq!((b.id.as_str(), b.subset.as_str(), b.margin, b.label), ("p1/c1/c2", "askculinary", Some(3.0), 1.0));
        let a = pair(json!({"labels": 1, "score_A": 36}));
        assert_eq!(a.chosen.said(), "Use more water.");
        assert_eq!(pair(json!({"labels": "0", "score_ratio": "3.0"})), b, "CSV has texts");
    }

    #[test]
    fn filters_leave_out_by_name_and_labels_are_checked_against_the_votes() {
        let left = |changes, knobs| read(changes, knobs).unwrap();
        let strict = Knobs { min_score_ratio: 4.0, ..Knobs::default() };
        assert_eq!(left(json!({}), strict), Reading::left_out(LOW_RATIO));
        assert_eq!(left(json!({"seconds_difference": -1}), Knobs::default()), Reading::left_out(MORE_TIME));
        assert!(left(json!({"seconds_difference": -1}), Knobs { check_seconds: false, ..Knobs::default() }).example.is_some());
        let shown = |changes| read(changes, Knobs::default()).unwrap_err().to_string();
        assert_eq!(shown(json!({"labels": 1})), "`labels` is 1, but the scores are 4 and 12");
        assert_eq!(shown(json!({"labels": 2})), "`labels` is 2");
        assert!(shown(json!({"human_ref_A": ""})).contains("`human_ref_A` is empty"));
    }
}
