//! The real tokenizer, rebuilt from its GGUF file, against what transformers gives (`tests/data/smollm2.json` names the versions).

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Instant;

use collimate_text::{StreamDecoder, Tokenizer};
use collimate_types::{Message, TokenId};
use collimate_weights::gguf::Gguf;
use proptest::prelude::*;
use serde_json::Value;

#[expect(clippy::print_stdout, reason = "a skipped test says why")]
static REAL: LazyLock<Option<Tokenizer>> = LazyLock::new(|| {
    let given = std::env::var_os("COLLIMATE_TEST_MODEL").map(PathBuf::from);
    let path = given.or_else(|| {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".cache")))?;
        Some(cache.join("collimate/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf"))
    })?;
    if !path.exists() {
        println!("skipped: {} is not there; `cargo xtask setup` fetches it, or COLLIMATE_TEST_MODEL names it", path.display());
        return None;
    }
    Some(Tokenizer::from_gguf(&Gguf::open(&path).unwrap()).unwrap())
});

pub(crate) fn real() -> Option<&'static Tokenizer> {
    REAL.as_ref()
}

fn golden() -> Value {
    serde_json::from_str(include_str!("../data/smollm2.json")).unwrap()
}

fn ids(value: &Value) -> Vec<TokenId> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as TokenId).collect()
}

#[test]
fn every_text_has_transformers_ids_and_comes_back() {
    let Some(tokenizer) = real() else { return };
    let golden = golden();
    let cases = golden["encode"].as_array().unwrap();
    assert_eq!(cases.len(), 15);
    for case in cases {
        let text = case["text"].as_str().unwrap();
        assert_eq!(tokenizer.encode(text).unwrap(), ids(&case["ids"]), "{text:?}");
        assert_eq!(tokenizer.encode_with(text, true).unwrap(), ids(&case["ids"]), "{text:?}");
        assert_eq!(tokenizer.decode(&ids(&case["ids"]), false).unwrap(), case["decoded"].as_str().unwrap());
    }
}

#[test]
fn every_conversation_is_rendered_as_transformers_does() {
    let Some(tokenizer) = real() else { return };
    for case in golden()["chat"].as_array().unwrap() {
        let messages: Vec<Message> = serde_json::from_value(case["messages"].clone()).unwrap();
        let text = tokenizer.render_chat(&messages, true).unwrap();
        assert_eq!(text, case["text"].as_str().unwrap());
        assert_eq!(tokenizer.encode(&text).unwrap(), ids(&case["ids"]));
    }
}

#[test]
fn the_special_tokens_are_the_models() {
    let Some(tokenizer) = real() else { return };
    assert_eq!((tokenizer.bos(), tokenizer.eos(), tokenizer.pad(), tokenizer.eos_ids()), (Some(1), Some(2), Some(2), [2].as_slice()));
    assert_eq!(tokenizer.vocab_size(), 49_152);
    assert!((0..17).all(|id| tokenizer.is_special(id)) && !tokenizer.is_special(17) && !tokenizer.is_special(49_152));
    assert_eq!(tokenizer.decode(&[1, 4093, 2], true).unwrap(), "user");
}

#[test]
fn a_long_text_of_one_kind_is_encoded_in_seconds_and_comes_back() {
    let Some(tokenizer) = real() else { return };
    for unit in [" ", "a", "1", "é", "\n\n", "word 12 ", "🙂", " \t"] {
        let text = unit.repeat((1 << 18) / unit.len());
        let start = Instant::now();
        let ids = tokenizer.encode(&text).unwrap();
        let seconds = start.elapsed().as_secs_f64();
        assert_eq!(tokenizer.decode(&ids, false).unwrap(), text);
        assert!(seconds < 10.0, "{seconds} s for {unit:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn every_text_comes_back_at_once_and_token_by_token(text in prop_oneof![any::<String>(), "[ a-z0-9'\n\té日🙂]{0,40}"]) {
        let Some(tokenizer) = real() else { return Ok(()) };
        let ids = tokenizer.encode(&text).unwrap();
        prop_assert_eq!(&tokenizer.decode(&ids, false).unwrap(), &text);
        let mut decoder = StreamDecoder::with_special(tokenizer, false);
        let streamed: String = ids.iter().map(|id| decoder.push(*id).unwrap().unwrap_or_default()).collect();
        prop_assert_eq!(streamed, text);
    }
}
