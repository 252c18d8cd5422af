//! Hugging Face directories: what is read, what is refused, and that what is written is read back as the same tokenizer.

use std::path::Path;

use collimate_text::{TextError, Tokenizer, testing::byte_tokenizer};
use collimate_types::Message;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::real::real;

fn write(tokenizer: &Tokenizer) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in tokenizer.files() {
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    dir
}

/// Changes a JSON file, or makes it.
fn edit(dir: &Path, name: &str, change: impl FnOnce(&mut Value)) {
    let path = dir.join(name);
    let mut value = std::fs::read(&path).map_or_else(|_| json!({}), |bytes| serde_json::from_slice(&bytes).unwrap());
    change(&mut value);
    std::fs::write(path, format!("{value:#}")).unwrap();
}

fn refusal(dir: &Path) -> String {
    Tokenizer::from_dir(dir).unwrap_err().to_string()
}

#[test]
fn a_tokenizer_written_to_a_directory_is_the_same_one() {
    for tokenizer in [Some(&byte_tokenizer()), real()].into_iter().flatten() {
        let dir = write(tokenizer);
        let again = Tokenizer::from_dir(dir.path()).unwrap();
        let text = "a  12 <|im_start|>é\n\n";
        assert_eq!(again.encode(text).unwrap(), tokenizer.encode(text).unwrap());
        let roles = |t: &Tokenizer| (t.bos(), t.eos(), t.pad(), t.eos_ids().to_vec(), t.vocab_size());
        assert_eq!(roles(&again), roles(tokenizer));
        let talk = [Message::user("hi")];
        assert_eq!(again.render_chat(&talk, true).unwrap(), tokenizer.render_chat(&talk, true).unwrap());
        assert_eq!(again.files(), tokenizer.files());
    }
}

#[test]
fn what_a_configuration_holds_besides_is_kept() {
    let dir = write(&byte_tokenizer());
    edit(dir.path(), "tokenizer_config.json", |c| {
        c["padding_side"] = json!("left");
        c["tokenizer_class"] = json!("GPT2Tokenizer");
        c["eos_token"] = json!({ "__type": "AddedToken", "content": "<|im_end|>", "lstrip": false });
    });
    let tokenizer = Tokenizer::from_dir(dir.path()).unwrap();
    assert_eq!(tokenizer.eos(), Some(2));
    let files = tokenizer.files();
    let config: Value = serde_json::from_slice(&files.iter().find(|(name, _)| name == "tokenizer_config.json").unwrap().1).unwrap();
    assert_eq!((&config["padding_side"], &config["tokenizer_class"]), (&json!("left"), &json!("PreTrainedTokenizerFast")));
    assert_eq!(config["eos_token"]["content"], "<|im_end|>");
}

#[test]
fn every_end_of_a_sequence_is_known_the_tokenizers_own_first() {
    let dir = write(&byte_tokenizer());
    edit(dir.path(), "config.json", |c| c["eos_token_id"] = json!(7));
    assert_eq!(Tokenizer::from_dir(dir.path()).unwrap().eos_ids(), [2, 7]);
    edit(dir.path(), "generation_config.json", |c| c["eos_token_id"] = json!([0, 2, 1]));
    assert_eq!(Tokenizer::from_dir(dir.path()).unwrap().eos_ids(), [2, 0, 1]);
    edit(dir.path(), "generation_config.json", |c| c["eos_token_id"] = json!("two"));
    let error = refusal(dir.path());
    assert!(error.contains("generation_config.json:2:") && error.contains("expected a token id or a list of them"), "{error}");
}

#[test]
fn a_template_stands_in_its_own_file_or_in_the_configuration() {
    let dir = write(&byte_tokenizer());
    let talk = [Message::user("hi")];
    let rendered = || Tokenizer::from_dir(dir.path()).unwrap().render_chat(&talk, false).unwrap();
    std::fs::write(dir.path().join("chat_template.jinja"), "file").unwrap();
    edit(dir.path(), "tokenizer_config.json", |c| c["chat_template"] = json!("inline"));
    assert_eq!(rendered(), "file");
    std::fs::remove_file(dir.path().join("chat_template.jinja")).unwrap();
    assert_eq!(rendered(), "inline");
    let list = json!([{ "name": "tool_use", "template": "tools" }, { "name": "default", "template": "named" }]);
    edit(dir.path(), "tokenizer_config.json", |c| c["chat_template"] = list);
    assert_eq!(rendered(), "named");
    edit(dir.path(), "tokenizer_config.json", |c| drop(c.as_object_mut().unwrap().remove("chat_template")));
    let tokenizer = Tokenizer::from_dir(dir.path()).unwrap();
    assert!(!tokenizer.has_chat_template());
    let error = tokenizer.render_chat(&talk, true).unwrap_err();
    assert!(matches!(error, TextError::NoTemplate) && error.to_string().contains("chat_template.jinja"), "{error}");
}

#[test]
fn tokens_that_only_the_configuration_names_are_added() {
    let dir = write(&byte_tokenizer());
    edit(dir.path(), "tokenizer_config.json", |c| {
        c["added_tokens_decoder"] =
            json!({ "259": { "content": "<tool>", "special": false }, "2": { "content": "<|im_end|>", "special": true } });
        c["additional_special_tokens"] = json!(["<tool>", "!"]);
    });
    let tokenizer = Tokenizer::from_dir(dir.path()).unwrap();
    assert_eq!(tokenizer.encode("a<tool>b!").unwrap(), [100, 259, 101, 36]);
    assert_eq!(tokenizer.vocab_size(), 260);
    assert_eq!(tokenizer.decode(&[100, 259, 36], true).unwrap(), "a");
    assert_eq!(Tokenizer::from_dir(write(&tokenizer).path()).unwrap().files(), tokenizer.files());
    edit(dir.path(), "tokenizer_config.json", |c| c["added_tokens_decoder"] = json!({ "300": { "content": "<tool>" } }));
    assert!(refusal(dir.path()).contains("has id Some(259) where `tokenizer_config.json` says 300"), "{}", refusal(dir.path()));
}

#[test]
fn an_added_token_with_a_space_is_written_as_it_stands() {
    let dir = write(&byte_tokenizer());
    // `é` alone would be a byte of the alphabet; the space is not in it, so the token as a whole stands for itself.
    edit(dir.path(), "tokenizer_config.json", |c| c["added_tokens_decoder"] = json!({ "259": { "content": "é two" } }));
    let tokenizer = Tokenizer::from_dir(dir.path()).unwrap();
    assert_eq!(tokenizer.encode("aé two").unwrap(), [100, 259]);
    assert_eq!(tokenizer.decode(&[100, 259], false).unwrap(), "aé two");
}

#[test]
fn a_prompt_is_neither_cut_nor_padded() {
    let dir = write(&byte_tokenizer());
    edit(dir.path(), "tokenizer.json", |t| {
        t["truncation"] = json!({ "max_length": 2, "strategy": "LongestFirst", "stride": 0, "direction": "Right" });
        let fixed = json!({ "Fixed": 16 });
        t["padding"] =
            json!({ "strategy": fixed, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 2, "pad_type_id": 0, "pad_token": "x" });
    });
    assert_eq!(Tokenizer::from_dir(dir.path()).unwrap().encode("abcd").unwrap().len(), 4);
}

#[test]
fn malformed_files_are_refused_with_their_place() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    let refused = |place: &str, what: &str| {
        let error = refusal(dir.path());
        assert!(error.contains(place) && error.contains(what), "{error}");
    };
    refused("tokenizer.json: is missing", "save_pretrained");
    file("tokenizer.json", "{\n  \"version\": \"1.0\",\n  oops\n}");
    refused("tokenizer.json:3:3: key must be a string", "restore");
    file("tokenizer.json", "{}");
    refused("tokenizer.json:1:2", "Model");
    file("tokenizer.json", "{\"version\": \"1.0\", \"model\": {\"type\": \"BPE\", \"vocab\": {}, \"merges\": [[\"a\", \"b\"]]}}");
    refused("tokenizer.json:1:", "");
    // The library slices the second half of a merge by the length of the prefix, and panics.
    let model =
        "{\"type\": \"BPE\", \"continuing_subword_prefix\": \"####\", \"vocab\": {\"a\": 0, \"b\": 1}, \"merges\": [[\"a\", \"b\"]]}";
    file("tokenizer.json", &format!("{{\"version\": \"1.0\", \"model\": {model}}}"));
    refused("tokenizer.json: the tokenizers library cannot read it", "restore");
    for (name, bytes) in byte_tokenizer().files() {
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    file("chat_template.jinja", "a\n{% for %}");
    refused("chat_template.jinja:2:8", "unexpected");
    std::fs::remove_file(dir.path().join("chat_template.jinja")).unwrap();
    file("tokenizer_config.json", "{\n \"pad_token\": 5\n}");
    refused("tokenizer_config.json:2:", "expected a token, which is a text or an object with `content`");
    file("tokenizer_config.json", "{\"pad_token\": \"<none>\"}");
    refused("`pad_token` is `<none>`, which the vocabulary does not hold", "tokenizer_config.json");
    file("tokenizer_config.json", "{\"chat_template\": \"{{\"}");
    refused("tokenizer_config.json: `chat_template`:1:", "mend the template");
}

#[test]
fn no_byte_of_a_file_can_make_it_panic() {
    let dir = write(&byte_tokenizer());
    let sound = std::fs::read(dir.path().join("tokenizer.json")).unwrap();
    let mut refusals = 0;
    for at in (0..sound.len()).step_by(sound.len() / 200) {
        for with in [b'"', b'9', b'[', b'-', b'}', 0xff] {
            let mut broken = sound.clone();
            broken[at] = with;
            std::fs::write(dir.path().join("tokenizer.json"), broken).unwrap();
            // Some changes leave a sound tokenizer, which must then work.
            match Tokenizer::from_dir(dir.path()) {
                Err(_) => refusals += 1,
                Ok(tokenizer) => drop(tokenizer.encode("ab é").and_then(|ids| tokenizer.decode(&ids, true))),
            }
        }
    }
    assert!(refusals > 500, "{refusals}");
}
