//! Tokenizers rebuilt from GGUF metadata.

use std::collections::BTreeMap;
use std::sync::Arc;

use collimate_text::{TextError, Tokenizer};
use collimate_types::{Message, Task};
use collimate_weights::gguf::{Array, Gguf, Value, write};

type Metadata = BTreeMap<String, Value>;

/// Ids: the tokens below, then the merges' results.
const TOKENS: [&str; 14] = ["<s>", "</s>", "<eot>", "<x>", "[PAD4]", "1", "2", "3", "4", "Ġ", "é", "'", "S", "Ã"];
const TYPES: [i32; 14] = [3, 3, 3, 4, 5, 1, 1, 1, 1, 1, 1, 1, 1, 1];
const MERGES: [&str; 4] = ["1 2", "12 3", "123 4", "' S"];

fn metadata(pre: &str) -> Metadata {
    let text = |t: &str| Value::Str(t.to_owned());
    let merged = MERGES.iter().map(|m| m.replace(' ', ""));
    let tokens = TOKENS.iter().map(|t| (*t).to_owned()).chain(merged).collect();
    let types = TYPES.into_iter().chain([1; MERGES.len()]).collect();
    let entries = [
        ("tokenizer.ggml.model", text("gpt2")),
        ("tokenizer.ggml.pre", text(pre)),
        ("tokenizer.ggml.tokens", Value::Array(Array::Str(tokens))),
        ("tokenizer.ggml.token_type", Value::Array(Array::I32(types))),
        ("tokenizer.ggml.merges", Value::Array(Array::Str(MERGES.iter().collect()))),
        ("tokenizer.ggml.bos_token_id", Value::U32(0)),
        ("tokenizer.ggml.eos_token_id", Value::U32(1)),
    ];
    entries.map(|(key, value)| (key.to_owned(), value)).into()
}

fn load(metadata: &Metadata) -> Result<Tokenizer, TextError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.gguf");
    write(&mut std::fs::File::create(&path).unwrap(), metadata, &[], &mut |_, _| Ok(())).unwrap();
    Tokenizer::from_gguf(&Gguf::open(&path).unwrap())
}

fn with(key: &str, value: Value) -> Metadata {
    let mut metadata = metadata("gpt-2");
    metadata.insert(format!("tokenizer.ggml.{key}"), value);
    metadata
}

#[test]
fn each_cut_keeps_digits_and_contractions_as_published() {
    let digits = |pre| load(&metadata(pre)).unwrap().encode("1234'S").unwrap();
    let (one, thousand) = ([5, 6, 7, 8], 16);
    assert_eq!(digits("gpt-2"), [thousand, 11, 12]);
    assert_eq!(digits("default"), [thousand, 11, 12]);
    assert_eq!(digits("smollm"), [one.as_slice(), &[11, 12]].concat());
    assert_eq!(digits("llama-bpe"), [15, 8, 17]);
    assert_eq!(digits("qwen2"), [one.as_slice(), &[17]].concat());
}

#[test]
fn qwen_composes_characters_and_llama_begins_with_its_token() {
    // "é" as two code points is one after NFC: bytes c3 a9, written `Ã©`, of which only `Ã` is a token here.
    let encoded = |pre: &str, text: &str, add| load(&metadata(pre)).unwrap().encode_with(text, add).unwrap();
    assert_eq!(encoded("qwen2", "e\u{301}", false), [13]);
    assert!(encoded("gpt-2", "e\u{301}", false).is_empty());
    assert_eq!(encoded("llama-bpe", "1", true), [0, 5]);
    assert_eq!(encoded("llama-bpe", "1", false), [5]);
    assert_eq!(encoded("qwen2", "1", true), [5]);
    let said = load(&with("add_bos_token", Value::Bool(true))).unwrap();
    assert_eq!(said.encode_with("1", true).unwrap(), [0, 5]);
    let end = load(&with("add_eos_token", Value::Bool(true))).unwrap();
    assert_eq!(end.encode_with("1", true).unwrap(), [5, 1]);
}

#[test]
fn a_plain_prompt_begins_as_the_model_wants_and_a_rendered_one_as_the_template_says() {
    let mut llama = metadata("llama-bpe");
    llama.insert("tokenizer.chat_template".into(), Value::Str("<s>{{ messages[0].content }}".into()));
    let tokenizer = load(&llama).unwrap();
    let tokens = |text: Option<&str>, messages| {
        let task = Task { id: "1".into(), text: text.map(str::to_owned), messages, truth: serde_json::Value::Null, reward: None };
        tokenizer.prompt(Arc::new(task)).unwrap().tokens
    };
    assert_eq!(tokens(Some("1"), vec![]), [0, 5]);
    assert_eq!(tokens(None, vec![Message::user("1")]), [0, 5]);
}

#[test]
fn token_types_tell_special_from_added_and_unused() {
    let tokenizer = load(&with("eot_token_id", Value::U32(2))).unwrap();
    assert_eq!(tokenizer.eos_ids(), [1, 2]);
    assert_eq!(tokenizer.encode("1<x><s>").unwrap(), [5, 3, 0]);
    assert_eq!((tokenizer.is_special(0), tokenizer.is_special(3)), (true, false));
    assert_eq!(tokenizer.decode(&[3, 0, 4, 5], true).unwrap(), "<x>1");
    assert_eq!(tokenizer.vocab_size(), TOKENS.len() + MERGES.len());
}

#[test]
fn what_cannot_be_rebuilt_is_refused_by_name() {
    let refused = |metadata: &Metadata, what: &str| {
        let error = load(metadata).unwrap_err().to_string();
        assert!(error.contains("m.gguf: metadata `tokenizer.") && error.contains(what), "{error}");
    };
    let text = |t: &str| Value::Str(t.to_owned());
    refused(&metadata("deepseek-coder"), "is `deepseek-coder`, which cannot be rebuilt (default, gpt-2, smollm, llama-bpe, qwen2 can)");
    refused(&with("model", text("llama")), "only byte-level BPE");
    refused(&with("token_type", Value::Array(Array::I32(vec![1; 3]))), "has 3 entries for 18 tokens");
    refused(&with("eos_token_id", Value::U32(18)), "is not a token id below 18");
    refused(&with("merges", Value::Array(Array::Str(["1 2", "34"].iter().collect()))), "entry 1, `34`, is not a pair");
    refused(&with("tokens", Value::Array(Array::Str(["a"; 18].iter().collect()))), "holds `a` twice, as 0 and 1");
    let mut none = metadata("gpt-2");
    none.remove("tokenizer.ggml.pre");
    refused(&none, "is missing");
    let mut template = metadata("gpt-2");
    template.insert("tokenizer.chat_template".into(), text("{% if %}"));
    refused(&template, "`tokenizer.chat_template`:1:7");
}
