//! Tasks as prompts, and texts that come back.

use std::sync::Arc;

use collimate_text::{TextError, testing::byte_tokenizer};
use collimate_types::{Message, Prompt, Task};
use proptest::prelude::*;
use serde_json::Value;

fn prompt(text: Option<&str>, messages: Vec<Message>) -> Result<Prompt, TextError> {
    let task = Task { id: "q7".into(), text: text.map(str::to_owned), messages, truth: Value::Null, reward: None };
    byte_tokenizer().prompt(Arc::new(task))
}

#[test]
fn a_text_is_encoded_as_it_is_and_a_conversation_through_the_template() {
    let plain = prompt(Some("ab"), vec![]).unwrap();
    assert_eq!((plain.text.as_str(), plain.tokens.as_slice()), ("ab", [100, 101].as_slice()));
    let talk = prompt(None, vec![Message::user("hi")]).unwrap();
    assert_eq!(talk.text, "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
    assert_eq!(talk.tokens.iter().filter(|id| **id < 3).copied().collect::<Vec<_>>(), [1, 2, 1]);
}

#[test]
fn a_prompt_that_is_none_is_refused_by_name() {
    let refused = |result: Result<Prompt, TextError>, what: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains("q7") && error.contains(what), "{error}");
    };
    refused(prompt(Some(""), vec![]), "is empty");
    refused(prompt(None, vec![]), "is empty");
    refused(prompt(Some("a"), vec![Message::user("b")]), "both `text` and `messages`");
}

#[test]
fn the_byte_tokenizer_is_what_its_description_says() {
    let tokenizer = byte_tokenizer();
    assert_eq!(tokenizer.encode("<|unk|><|im_start|><|im_end|>").unwrap(), [0, 1, 2]);
    assert_eq!((tokenizer.bos(), tokenizer.eos(), tokenizer.pad(), tokenizer.vocab_size()), (Some(1), Some(2), Some(2), 259));
    for byte in 0..=255_u8 {
        assert_eq!(tokenizer.decode(&[3 + u32::from(byte)], false).unwrap(), String::from_utf8_lossy(&[byte]));
    }
    // Models pad their vocabularies: an id without a token writes nothing.
    assert_eq!(tokenizer.decode(&[100, 511, u32::MAX], false).unwrap(), "a");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn every_text_comes_back(text: String) {
        let tokenizer = byte_tokenizer();
        let ids = tokenizer.encode(&text).unwrap();
        prop_assert_eq!(tokenizer.decode(&ids, false).unwrap(), text);
    }
}
