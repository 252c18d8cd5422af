//! What the JSON files beside `tokenizer.json` may hold. Only what is used is named; the rest passes unread.

use std::collections::BTreeMap;
use std::fmt::{self, Formatter};

use collimate_types::TokenId;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tokenizers::AddedToken;

/// `tokenizer_config.json` and `special_tokens_map.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Names {
    pub(super) bos_token: Option<Token>,
    pub(super) eos_token: Option<Token>,
    pub(super) pad_token: Option<Token>,
    pub(super) unk_token: Option<Token>,
    pub(super) additional_special_tokens: Option<Extra>,
    pub(super) extra_special_tokens: Option<Extra>,
    pub(super) added_tokens_decoder: Option<BTreeMap<TokenId, Added>>,
    pub(super) chat_template: Option<Templates>,
}

/// A token: a text, or an object that holds it. Read by hand, because an untagged enum loses the place of a fault.
#[derive(Debug)]
pub(super) struct Token(pub(super) String);

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Token;

            fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
                f.write_str("a token, which is a text or an object with `content`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Token, E> {
                Ok(Token(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Token, A::Error> {
                Added::deserialize(MapAccessDeserializer::new(map)).map(|added| Token(added.content))
            }
        }

        from.deserialize_any(Read)
    }
}

/// Further special tokens: a list, or named ones.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "special tokens are a list of tokens, or an object of named ones")]
pub(super) enum Extra {
    List(Vec<Token>),
    Named(BTreeMap<String, Token>),
}

impl Extra {
    pub(super) fn texts(self) -> Vec<String> {
        match self {
            Self::List(list) => list.into_iter().map(|token| token.0).collect(),
            Self::Named(named) => named.into_values().map(|token| token.0).collect(),
        }
    }
}

/// An added token as `added_tokens_decoder` describes it.
#[derive(Debug, Deserialize)]
pub(super) struct Added {
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    normalized: bool,
    #[serde(default)]
    special: bool,
}

impl From<Added> for AddedToken {
    fn from(added: Added) -> Self {
        let Added { content, single_word, lstrip, rstrip, normalized, special } = added;
        Self { content, single_word, lstrip, rstrip, normalized, special }
    }
}

/// A chat template, or several by name.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a chat template is a text, or a list of objects with `name` and `template`")]
pub(super) enum Templates {
    One(String),
    Named(Vec<Named>),
}

/// One of several chat templates.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) template: String,
}

/// `generation_config.json` and `config.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Generation {
    pub(super) eos_token_id: Option<Ends>,
}

/// The ids that end a sequence: one, or a list.
#[derive(Debug, Default)]
pub(super) struct Ends(pub(super) Vec<TokenId>);

impl<'de> Deserialize<'de> for Ends {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Ends;

            fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
                f.write_str("a token id or a list of them")
            }

            fn visit_u64<E: Error>(self, id: u64) -> Result<Ends, E> {
                TokenId::deserialize(id.into_deserializer()).map(|id| Ends(vec![id]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Ends, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(Ends)
            }
        }

        from.deserialize_any(Read)
    }
}
