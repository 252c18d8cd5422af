//! The formats, one file each, and the configuration they share.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::fields::nearest;
use crate::{DataError, Format};

mod made;

/// One word per format, with its name in recipes: declares its file, lists it, and lays its knobs into [`DataConfig`].
macro_rules! roster {
    ($($module:ident $name:literal),+ $(,)?) => {
        $(pub mod $module;)+

        /// All formats, by name.
        pub static FORMATS: &[&dyn Format] = &[$(&$module::FORMAT),+];

        /// What a run reads: the section `[data]` of a recipe.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct DataConfig {
            /// The name of a format (`collimate formats` lists them), or `auto`: the first row of each file decides.
            pub format: String,
            /// What to learn from: a file, a folder, a pattern, a Hugging Face data-set folder, or `hub:OWNER/NAME`.
            pub train: Option<PathBuf>,
            /// What to be measured on. Without it, `heldout_rows` questions are kept back from `train`, chosen by a hash of the
            /// question, so that re-ordering the file changes nothing.
            pub heldout: Option<PathBuf>,
            /// How many questions are measured on. 0: all of `heldout`, or none if there is no such file.
            pub heldout_rows: usize,
            /// Whether every epoch runs in its own random order; otherwise in the order of the file.
            pub shuffle: bool,
            /// Several sources in fixed shares, in place of `train`.
            pub mixture: Vec<Source>,
            /// Rows of a block of the mixture; in each the shares are exact.
            pub block: u64,
            /// The format's names of columns to the file's: `question = "problem"`. The file's may be a path such as `meta.answer`.
            pub columns: BTreeMap<String, String>,
            /// The configuration of a data-set folder that has several.
            pub config: String,
            /// The part of a folder to learn from, where it is not the one called `train`.
            pub split: String,
            /// `strict`: a bad row refuses the data. `skip`: it is set aside with its reason, up to `max_bad_share`.
            pub bad_rows: String,
            /// The largest share of bad rows that `skip` sets aside.
            pub max_bad_share: f64,
            /// Examples with fewer characters (prompt and answers together) are left out.
            pub min_chars: usize,
            /// Examples with more characters are left out; 0 takes all.
            pub max_chars: usize,
            /// Examples whose prompt has more tokens are left out; 0 takes all.
            pub max_prompt_tokens: usize,
            /// Examples whose prompt and longest answer have more tokens are left out; 0 takes all.
            pub max_tokens: usize,
            /// `none`, `exact` (the same content comes once) or `near` (so does what is nearly the same).
            pub dedup: String,
            /// From which share of common word sequences two texts are nearly the same.
            pub near: f64,
            /// Evaluation sets: what shares a long word sequence with one of their prompts is left out of the training part. `heldout`
            /// stands for the held-out part.
            pub decontaminate: Vec<String>,
            /// How many words in a row must be common for that.
            pub decontaminate_words: usize,
            $(
                #[doc = concat!("The knobs of the format `", $name, "`.")]
                #[serde(rename = $name)]
                pub $module: $module::Knobs,
            )+
        }

        impl Default for DataConfig {
            fn default() -> Self {
                Self {
                    format: "auto".into(),
                    train: None,
                    heldout: None,
                    heldout_rows: 200,
                    shuffle: true,
                    mixture: Vec::new(),
                    block: 100,
                    columns: BTreeMap::new(),
                    config: String::new(),
                    split: String::new(),
                    bad_rows: "strict".into(),
                    max_bad_share: 0.01,
                    min_chars: 0,
                    max_chars: 0,
                    max_prompt_tokens: 0,
                    max_tokens: 0,
                    dedup: "none".into(),
                    near: 0.8,
                    decontaminate: Vec::new(),
                    decontaminate_words: 13,
                    $($module: $module::Knobs::default(),)+
                }
            }
        }
    };
}

/// A source of a mixture: `[[data.mixture]]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Source {
    /// What to read, as `data.train`; not given for a format that makes its rows.
    pub path: Option<PathBuf>,
    /// Its share, in proportion to the others'.
    pub weight: f64,
    /// Its format; `data.format` where it is empty.
    pub format: String,
    /// Its columns; `data.columns` where it is empty.
    pub columns: BTreeMap<String, String>,
    /// The configuration of its data-set folder; `data.config` where it is empty.
    pub config: String,
    /// The part of its folder; `data.split` where it is empty.
    pub split: String,
}

roster! {
    arithmetic "arithmetic",
    charcount "charcount",
    countdown "countdown",
    gsm8k "gsm8k",
    hh_red_team "hh-red-team",
    hh_rlhf "hh-rlhf",
    language_modeling "language-modeling",
    math "math",
    preference "preference",
    prompt_completion "prompt-completion",
    prompts "prompts",
    shp "shp",
    stepwise_supervision "stepwise-supervision",
    summarize_from_feedback "summarize-from-feedback",
    text "text",
    ultrafeedback "ultrafeedback",
    unpaired_preference "unpaired-preference",
    verl "verl",
    webgpt "webgpt",
}

/// The format of a name.
///
/// # Errors
/// If there is none; the error has the nearest name.
pub fn format_named(name: &str) -> Result<&'static dyn Format, DataError> {
    FORMATS.iter().copied().find(|f| f.card().name == name).ok_or_else(|| {
        let names = || FORMATS.iter().map(|f| f.card().name);
        let known = names().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
        DataError::UnknownFormat { name: name.to_owned(), nearest: nearest(name, names()).map(str::to_owned), known }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Row;
    use std::path::Path;

    #[test]
    fn every_format_is_presentable() {
        for format in FORMATS {
            let card = format.card();
            assert!(card.claim.ends_with('.') && !card.fields.is_empty(), "{}", card.name);
            assert!(card.fields.iter().all(|f| f.help.ends_with('.') && !f.kind.is_empty()), "{}", card.name);
            assert!(format.check(&DataConfig::default()).is_empty(), "{}: its defaults are refused", card.name);
            assert_eq!(format_named(card.name).unwrap().card(), card);
        }
    }

    #[test]
    fn every_sample_is_recognised_by_its_own_format_alone_and_can_be_read() {
        for format in FORMATS {
            let card = format.card();
            let json = serde_json::from_str(card.sample).unwrap();
            if format.reads() {
                let names: Vec<_> = FORMATS.iter().filter(|f| f.sniff(&json)).map(|f| f.card().name).collect();
                assert_eq!(names, [card.name]);
            }
            assert!(card.fields.iter().any(|f| json.contains_key(f.name)));
            let row = Row { json, file: Path::new("sample").into(), line: 1 };
            let example = format.read(&row, &DataConfig::default()).unwrap().named().example.unwrap();
            let (text, messages) = example.content().prompt();
            assert_ne!(text.is_some(), !messages.is_empty(), "exactly one of text and messages");
            assert!(!example.content().id().is_empty(), "{}", card.name);
        }
    }

    #[test]
    fn cards_and_knobs_tell_the_same_story() {
        let config = serde_json::to_value(DataConfig::default()).unwrap();
        for format in FORMATS {
            let card = format.card();
            let knobs = config[card.name].as_object().unwrap();
            assert_eq!(knobs.len(), card.knobs.len(), "{}", card.name);
            for knob in card.knobs {
                let default: serde_json::Value = serde_json::from_str(knob.default).unwrap();
                assert_eq!(knobs.get(knob.name), Some(&default), "{}.{}", card.name, knob.name);
                assert!(knob.help.ends_with('.'), "{}.{}", card.name, knob.name);
            }
        }
    }

    #[test]
    fn an_unknown_name_gets_the_nearest() {
        let error = format_named("gsm8").unwrap_err().to_string();
        assert!(error.contains("did you mean `gsm8k`?") && error.contains("`prompts`"), "{error}");
    }

    #[test]
    fn unknown_keys_are_refused_at_both_levels() {
        assert!(serde_json::from_str::<DataConfig>(r#"{"trian": "x"}"#).is_err());
        assert!(serde_json::from_str::<DataConfig>(r#"{"arithmetic": {"maximum": 3}}"#).is_err());
    }
}
