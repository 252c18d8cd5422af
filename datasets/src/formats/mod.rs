//! The formats, one file each, and the configuration they share.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::fields::nearest;
use crate::{DataError, Format};

/// One word per format: declares its file, lists it, and lays its knobs into [`DataConfig`].
macro_rules! roster {
    ($($name:ident),+ $(,)?) => {
        $(pub mod $name;)+

        /// All formats, by name.
        pub static FORMATS: &[&dyn Format] = &[$(&$name::FORMAT),+];

        /// What a run reads: the section `[data]` of a recipe.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct DataConfig {
            /// The name of a format (`collimate formats` lists them), or `auto`: the first row decides.
            pub format: String,
            /// The file to learn from.
            pub train: Option<PathBuf>,
            /// The file to be measured on. Without one, `heldout_rows` questions are kept back from `train`, chosen by a hash of the
            /// question, so that re-ordering the file changes nothing.
            pub heldout: Option<PathBuf>,
            /// How many questions are measured on. 0: the whole `heldout` file, or none if there is no such file.
            pub heldout_rows: usize,
            /// Whether every epoch runs in its own random order; otherwise in the order of the file.
            pub shuffle: bool,
            $(
                #[doc = concat!("The knobs of the format `", stringify!($name), "`.")]
                pub $name: $name::Knobs,
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
                    $($name: $name::Knobs::default(),)+
                }
            }
        }
    };
}

roster! { arithmetic, gsm8k, prompts }

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
            if !format.generates() {
                let names: Vec<_> = FORMATS.iter().filter(|f| f.sniff(&json)).map(|f| f.card().name).collect();
                assert_eq!(names, [card.name]);
            }
            assert!(card.fields.iter().any(|f| json.contains_key(f.name)));
            let row = Row { json, file: Path::new("sample").into(), line: 1 };
            let task = format.read(&row, &DataConfig::default()).unwrap();
            assert_ne!(task.text.is_some(), !task.messages.is_empty(), "exactly one of text and messages");
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
