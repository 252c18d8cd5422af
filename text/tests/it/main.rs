//! The real tokenizer against transformers' ids, and round trips through files.

use std::path::PathBuf;
use std::sync::Arc;

use collimate_text::{Tokenizer, testing::byte_tokenizer};
use collimate_types::{Message, Task, TokenId};
use collimate_weights::gguf::Gguf;
use serde_json::Value;

fn real() -> Option<Tokenizer> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".cache")))?;
    let path = cache.join("collimate/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
    if !path.exists() {
        println!("skipped: {} is not there; `cargo xtask setup` fetches it", path.display());
        return None;
    }
    Some(Tokenizer::from_gguf(&Gguf::open(&path).unwrap()).unwrap())
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
    for case in golden()["encode"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        assert_eq!(tokenizer.encode(text).unwrap(), ids(&case["ids"]), "{text:?}");
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
fn a_tokenizer_written_to_a_directory_is_the_same_one() {
    for tokenizer in [Some(byte_tokenizer()), real()].into_iter().flatten() {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in tokenizer.files() {
            std::fs::write(dir.path().join(name), bytes).unwrap();
        }
        let again = Tokenizer::from_dir(dir.path()).unwrap();
        let text = "a  12 <|im_start|>é\n\n";
        assert_eq!(again.encode(text).unwrap(), tokenizer.encode(text).unwrap());
        assert_eq!(again.eos_ids(), tokenizer.eos_ids());
        assert_eq!(again.files(), tokenizer.files());
    }
}

#[test]
fn bytes_come_back_whatever_they_are() {
    let tokenizer = byte_tokenizer();
    for text in ["", " ", "\n\t\u{0}", "日本語🙂", "a<|im_end|>b", "  12+3"] {
        let ids = tokenizer.encode(text).unwrap();
        assert_eq!(tokenizer.decode(&ids, false).unwrap(), text);
    }
    assert_eq!(tokenizer.encode("<|im_end|>").unwrap(), [2]);
}

#[test]
fn malformed_files_are_refused_with_their_place() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("tokenizer.json"), "{\n  \"version\": \"1.0\",\n  oops\n}").unwrap();
    let error = Tokenizer::from_dir(dir.path()).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json") && error.contains("line 3 column"), "{error}");
    std::fs::write(dir.path().join("tokenizer.json"), "{}").unwrap();
    assert!(Tokenizer::from_dir(dir.path()).unwrap_err().to_string().contains("tokenizer.json"));
}

#[test]
fn an_empty_prompt_is_refused_by_name() {
    let task = Task { id: "q7".into(), text: Some(String::new()), messages: vec![], truth: Value::Null, reward: None };
    assert!(byte_tokenizer().prompt(Arc::new(task)).unwrap_err().to_string().contains("q7"));
}
