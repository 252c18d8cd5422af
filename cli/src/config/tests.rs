//! Broken recipes, each with what its message must say; and what a good one becomes.

use super::*;

fn text(toml: &str) -> Layer {
    Layer::Text { name: "recipe.toml".into(), text: toml.into() }
}

const GOOD: &str = "[run]\nname = \"x\"\n[model]\npath = \"m\"\n[data]\nformat = \"arithmetic\"\n[[reward]]\nname = \"numeric\"\n";

fn faults(toml: &str, sets: &[&str]) -> String {
    let layers: Vec<Layer> = std::iter::once(text(toml)).chain(sets.iter().map(|s| Layer::Set((*s).into()))).collect();
    load(&layers, Purpose::Train).unwrap_err().render(false)
}

fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in\n{message}");
    }
}

#[test]
fn a_good_recipe_is_read_and_survives_the_way_to_toml_and_back() {
    let loaded =
        load(&[text(GOOD), Layer::Set("learner.lr=3e-5".into()), Layer::Set("sampling.stop=[\"\\n\"]".into())], Purpose::Train).unwrap();
    let recipe = loaded.recipe.clone().resolve(4, None);
    assert_eq!((recipe.run.threads, recipe.rollout.slots, recipe.learner.lr), (4, 256, 3e-5));
    let again = load(&[text(&recipe.to_toml())], Purpose::Train).unwrap().recipe;
    assert_eq!(again, recipe);
    assert_eq!(loaded.origin("learner.lr"), "command line: learner.lr=3e-5");
    assert_eq!(loaded.origin("run.name"), "recipe.toml:2:8");
    assert_eq!(loaded.origin("run.seed"), "default");
}

#[test]
fn later_layers_win_and_lists_are_replaced_as_a_whole() {
    let later = text("[learner]\nlr = 2e-6\n[[reward]]\nname = \"length\"\nweight = 0.5\n");
    let recipe = load(&[text(GOOD), later], Purpose::Train).unwrap().recipe;
    assert_eq!((recipe.learner.lr, recipe.reward.len(), recipe.reward[0].name.as_str()), (2e-6, 1, "length"));
}

#[test]
fn a_word_for_the_reward_replaces_the_list() {
    let key = |set: &str| {
        let recipe = load(&[text(GOOD), Layer::Set(set.into())], Purpose::Train).unwrap().recipe;
        assert_eq!(recipe.reward.len(), 1);
        let spec = recipe.reward[0].clone();
        let outside = ["plugin", "http"].into_iter().find_map(|k| spec.knobs.get(k).map(|v| (k, v.as_str().unwrap().to_owned())));
        assert_eq!(load(&[text(&recipe.to_toml())], Purpose::Train).unwrap().recipe, recipe);
        (spec.name, outside)
    };
    assert_eq!(key("reward=./target/release/demo"), ("demo".into(), Some(("plugin", "./target/release/demo".into()))));
    assert_eq!(key("reward=http://v.local:80/x"), ("v.local".into(), Some(("http", "http://v.local:80/x".into()))));
    assert_eq!(key("reward=length"), ("length".into(), None));
    says(&faults(GOOD, &["reward=lenght"]), &["did you mean `length`?", "command line: reward=lenght"]);
    let table = "[[reward]]\nplugin = [\"python3\", \"x.py\"]\nwokers = 2\n";
    says(&faults(&GOOD.replace("[[reward]]\nname = \"numeric\"\n", table), &[]), &["did you mean `workers`?", "recipe.toml:9"]);
}

#[test]
fn unknown_keys_and_sections_name_the_nearest() {
    says(&faults(&GOOD.replace("[run]\n", "[run]\nsteppes = 3\n"), &[]), &["no key `steppes`", "did you mean `steps`?", "recipe.toml:2:1"]);
    says(&faults(&format!("{GOOD}[leaner]\nlr = 1\n"), &[]), &["no section `leaner`", "did you mean `learner`?", "recipe.toml:9"]);
    says(&faults(GOOD, &["rollout.promts=3"]), &["no key `promts`", "`prompts`", "command line: rollout.promts=3"]);
    says(&faults(&format!("{GOOD}[data.arithmetic]\nmaximum = 3\n"), &[]), &["no key `maximum`", "did you mean `max`?"]);
}

#[test]
fn wrong_types_say_what_is_wanted() {
    says(&faults(GOOD, &["run.steps=\"ten\""]), &["the text \"ten\"", "a whole number", "run.steps"]);
    says(&faults(GOOD, &["run.steps=-1"]), &["a whole number"]);
    says(&faults(GOOD, &["learner.lr=true"]), &["a number"]);
    says(&faults(GOOD, &["log.tensorboard=1"]), &["true or false"]);
    says(&faults(GOOD, &["learner.betas=[0.9]"]), &["a list of 2 numbers"]);
    says(&faults(&format!("{GOOD}[data.arithmetic]\nmax = \"big\"\n"), &[]), &["data.arithmetic.max", "recipe.toml:10:7"]);
    says(&faults("run = 3\n", &[]), &["the number 3, not a table", "[run]"]);
}

#[test]
fn values_out_of_range_say_what_is_possible() {
    says(&faults(GOOD, &["sampling.temperature=0"]), &["more than 0"]);
    says(&faults(GOOD, &["sampling.top_p=1.5"]), &["more than 0 and at most 1"]);
    says(&faults(GOOD, &["run.steps=0"]), &["1 or more"]);
    says(&faults(GOOD, &["learner.schedule=cosin"]), &["did you mean \"cosine\"?"]);
    says(&faults(GOOD, &["learner.lr=inf"]), &["a number"]);
}

#[test]
fn missing_keys_say_how_to_give_them() {
    says(&faults("[[reward]]\nname = \"numeric\"\n", &[]), &["`run.name`", "`model.path`", "run.name=…", "data.train=FILE"]);
    let evaluation =
        load(&[text("[model]\npath = \"m\"\n[data]\nformat = \"arithmetic\"\n[[reward]]\nname = \"numeric\"\n")], Purpose::Evaluate);
    assert!(evaluation.is_ok());
}

#[test]
fn every_rule_is_held() {
    says(&faults(GOOD, &["sampling.min_new_tokens=300"]), &["more than sampling.max_new_tokens = 256"]);
    says(&faults(GOOD, &["sampling.top_k=5"]), &["a law that a filter has cut", "top_k = 0"]);
    says(&faults(GOOD, &["rollout.group=1"]), &["`grpo` compares the answers", "`reinforce`"]);
    says(&faults(GOOD, &["learner.minibatches=33"]), &["33 parts of 32 groups"]);
    says(&faults(GOOD, &["run.name=../x"]), &["no name for a directory"]);
    says(&faults(&GOOD.replace("[[reward]]\nname = \"numeric\"\n", ""), &[]), &["nothing judges the answers", "[[reward]]"]);
    says(&faults(&GOOD.replace("arithmetic", "gsm8k"), &[]), &["no file to learn from"]);
    says(&faults(GOOD, &["reward.0.weight=0"]), &["every weight is 0"]);
    says(&faults(GOOD, &["lora.rank=4", "lora.targets=[]"]), &["no projection to adapt", "lora.rank = 0"]);
    says(&faults(GOOD, &["lora.rank=4", "algorithm.beta=0.1", "algorithm.kl_estimator=full"]), &["a reference that adapters do not have"]);
    assert_eq!(rules::RULES.len(), 10, "a new rule gets its line above");
    for alone in ["reinforce", "reinforce_pp"] {
        let layers = [text(GOOD), Layer::Set("rollout.group=1".into()), Layer::Set(format!("algorithm.name={alone}"))];
        assert!(load(&layers, Purpose::Train).is_ok(), "{alone}");
    }
}

#[test]
fn all_faults_come_in_one_pass_and_as_json() {
    let layers = [text("[run]\nnmae = \"x\"\nsteps = 0\n[modle]\npath = \"m\"\n"), Layer::Set("learner.lr=fast".into())];
    let found = load(&layers, Purpose::Train).unwrap_err();
    assert_eq!(found.len(), 8, "the four below, and what is missing because of them: {}", found.render(false));
    let json = found.to_json();
    assert_eq!((json[2]["key"].as_str(), json[2]["line"].as_u64()), (Some("run.nmae"), Some(2)));
    assert!(json.as_array().unwrap().iter().all(|p| p["message"].is_string()));
}

#[test]
fn a_wrong_value_hides_neither_missing_keys_nor_rules_nor_what_the_parts_refuse() {
    let toml = "[run]\nsteps = \"six\"\n[sampling]\nmin_new_tokens = 9\nmax_new_tokens = 3\n[data]\nformat = \"arithmetic\"\n\
                [[reward]]\nname = \"numeric\"\nextrct = 1\n";
    let found = load(&[text(toml)], Purpose::Train).unwrap_err();
    let mut keys: Vec<_> = found.keys().collect();
    keys.sort_unstable();
    assert_eq!(keys, ["model.path", "reward.0.extrct", "run.name", "run.steps", "sampling.min_new_tokens"], "{}", found.render(false));
}

#[test]
fn a_rule_is_silent_while_one_of_its_keys_is_wrong() {
    let found = load(&[text(GOOD), Layer::Set("rollout.prompts=x".into()), Layer::Set("learner.minibatches=33".into())], Purpose::Train);
    assert_eq!(found.unwrap_err().keys().collect::<Vec<_>>(), ["rollout.prompts"]);
    let layers = [text(GOOD), text("[algorithm]\nname = 5\n"), Layer::Set("rollout.group=1".into())];
    assert_eq!(load(&layers, Purpose::Train).unwrap_err().keys().collect::<Vec<_>>(), ["algorithm.name"]);
}

#[test]
fn what_the_parser_guessed_on_a_bad_line_is_not_judged() {
    let found = load(&[text(&format!("{GOOD}[learner]\nlr =\n[rollout]\ngruop = 3\n"))], Purpose::Train).unwrap_err();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["rollout.gruop"]);
    assert_eq!(found.len(), 2, "{}", found.render(false));
    // A layer that could not be read whole may hold what seems to be missing.
    let found = load(&[text("[run]\nname = \"x\nsteps = 3\n")], Purpose::Train).unwrap_err();
    assert!(found.keys().all(|k| k != "run.name" && k != "model.path"), "{}", found.render(false));
}

#[test]
fn a_fault_is_told_once() {
    let only = |toml: &str, keys: &[&str]| {
        let found = load(&[text(toml)], Purpose::Train).unwrap_err();
        assert_eq!(found.keys().collect::<Vec<_>>(), keys, "{}", found.render(false));
    };
    only(&GOOD.replace("name = \"x\"", "name = 5"), &["run.name"]);
    let list = "reward = [1, 2, { name = \"lenght\" }]\n[run]";
    let toml = GOOD.replace("[[reward]]\nname = \"numeric\"\n", "").replace("[run]", list);
    only(&toml, &["reward.0", "reward.1", "reward.0.name"]);
    only("[run]\nname = \"x\"\nsteps =\n", &[]);
}

#[test]
fn a_key_in_the_wrong_section_finds_its_own() {
    says(&faults(GOOD, &["sampling.lr=1"]), &["no key `lr`", "did you mean `learner.lr`?"]);
}

#[test]
fn what_only_the_reader_refuses_is_blamed_on_its_own_value() {
    let found = faults(&format!("{GOOD}[rollout]\nrefills = 99999999999\n"), &[]);
    says(&found, &["`rollout.refills`", "recipe.toml:10:11", "99999999999", "1 error"]);
    let found = faults(&GOOD.replace("name = \"numeric\"", "weight = 2"), &[]);
    says(&found, &["`reward.0`", "needs a `name`", "recipe.toml:7:1", "1 error"]);
    let two = format!("{GOOD}[[reward]]\nweight = 2\n[[reward]]\nname = \"lenght\"\n");
    says(&faults(&two, &[]), &["needs a `name`", "recipe.toml:9:1", "no reward is called `lenght`", "recipe.toml:12:8", "2 errors"]);
}

#[test]
fn rewards_and_formats_refuse_their_knobs_where_they_stand() {
    let reward = |more: &str| faults(&format!("{GOOD}{more}\n"), &[]);
    says(&reward("extrct = \"last\""), &["`reward.0.extrct`", "recipe.toml:9:10", "did you mean `extract`?", "1 error"]);
    says(&reward("extract = \"first\""), &["recipe.toml:9:11", "is not possible"]);
    says(&reward("[[reward]]\nname = \"numeric\"\n"), &["recipe.toml:9:1", "two rewards are labelled `numeric`"]);
    says(&reward("[[reward]]\nname = \"lenght\"\n"), &["recipe.toml:10:8", "did you mean `length`?"]);
    says(&reward("role = \"door\""), &["recipe.toml:9:8", "is not one of", "\"gate\"", "1 error"]);
    says(&reward("at_least = 0.5"), &["recipe.toml:9:12", "only a reward with role", "1 error"]);
    says(
        &reward("[[reward]]\nname = \"tags\"\nrole = \"gate\"\nnormalise = \"group\"\n"),
        &["recipe.toml:12:13", "a gate or a factor", "1 error"],
    );
    says(&faults(GOOD, &["data.arithmetic.max=-1"]), &["command line: data.arithmetic.max=-1", "`data.arithmetic.max` = -1"]);
    says(&faults(GOOD, &["data.format=arithmetics"]), &["no format is called `arithmetics`", "did you mean `arithmetic`?"]);
    // Being shown needs nothing: a run of another version is still shown.
    assert!(load(&[text(GOOD), Layer::Set("reward.0.extrct=1".into())], Purpose::Show).is_ok());
}

#[test]
fn bytes_that_are_not_utf8_are_located() {
    let file = std::env::temp_dir().join(format!("collimate-recipe-{}.toml", std::process::id()));
    std::fs::write(&file, b"[run]\nname = \"\xff\"\n").unwrap();
    let found = load(&[Layer::File(file.clone())], Purpose::Train).unwrap_err().render(false);
    std::fs::remove_file(&file).unwrap();
    says(&found, &[":2:9", "byte 14 is not UTF-8"]);
}

#[test]
fn a_list_is_changed_by_number_and_only_where_it_is() {
    let loaded = load(&[text(GOOD), Layer::Set("reward.0.weight=2".into())], Purpose::Train).unwrap();
    assert_eq!((loaded.recipe.reward[0].weight, loaded.origin("reward.0.name").as_str()), (2.0, "recipe.toml:8:8"));
    says(&faults(GOOD, &["reward.4.weight=2"]), &["`reward` has no entries", "counted from 0", "1 error"]);
}

#[test]
fn no_damage_to_a_recipe_makes_a_panic() {
    let more = "[sampling]\nstop = [\"é\", \"\\n\"]\n[learner]\nbetas = [0.9, 0.95]\n[data.arithmetic]\nmax = 9\n";
    let whole = format!("{GOOD}label = \"a\"\n{more}");
    let judge = |bytes: &[u8]| {
        let toml = String::from_utf8_lossy(bytes);
        if let Err(found) = load(&[text(&toml)], Purpose::Train) {
            assert!(!found.is_empty() && !found.render(false).is_empty() && found.to_json().is_array());
        }
    };
    for at in 0..whole.len() {
        judge(&whole.as_bytes()[..at]);
        for byte in *b"\"[]=.\n5x\xff" {
            let mut damaged = whole.clone().into_bytes();
            damaged[at] = byte;
            judge(&damaged);
        }
    }
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let found = load(&[Layer::File("no/such.toml".into())], Purpose::Train).unwrap_err().render(false);
    says(&found, &["no/such.toml", "cannot be read"]);
    let found = faults("[run\nname = 1", &[]);
    says(&found, &["not TOML", "recipe.toml:1"]);
}

#[test]
fn a_change_on_resume_is_judged_by_its_key() {
    let recipe = |sets: &[&str]| {
        let layers: Vec<Layer> = std::iter::once(text(GOOD)).chain(sets.iter().map(|s| Layer::Set((*s).into()))).collect();
        load(&layers, Purpose::Train).unwrap().recipe
    };
    let changes = diff(&recipe(&[]), &recipe(&["run.steps=200", "learner.lr=1e-4", "run.threads=1", "algorithm.beta=0.1"]));
    let judged: Vec<_> = changes.iter().map(|c| (c.key.as_str(), c.resume)).collect();
    let wanted = [
        ("algorithm.beta", OnResume::Refused),
        ("learner.lr", OnResume::Refused),
        ("run.steps", OnResume::Free),
        ("run.threads", OnResume::Inexact),
    ];
    assert_eq!(judged, wanted);
    let steps = diff(&recipe(&["learner.schedule=cosine"]), &recipe(&["learner.schedule=cosine", "run.steps=200"]));
    assert_eq!(steps.iter().map(|c| c.resume).collect::<Vec<_>>(), [OnResume::Inexact], "the rate looks at the run's end");
}

#[test]
fn every_key_is_explained_and_in_the_schema() {
    let loaded = load(&[text(GOOD)], Purpose::Train).unwrap();
    let text = explain("learner.micro_tokens", Some(&loaded)).unwrap();
    says(&text, &["default: 0 (4096)", "here: 0 (default)", "not bit for bit"]);
    assert!(explain("learner.lrr", None).unwrap_err().render(false).contains("`learner.lr`"));
    let schema = schema();
    assert_eq!(schema["properties"]["learner"]["properties"]["schedule"]["enum"][2], "cosine");
    // Every key of the recipe has its row: the tree of defaults and the table agree.
    let tree = serde_json::to_value(Recipe::default()).unwrap();
    for (section, keys) in tree.as_object().unwrap() {
        for key in keys.as_object().into_iter().flatten().map(|(k, _)| k) {
            assert!(schema["properties"][section]["properties"][key].is_object(), "{section}.{key}");
        }
    }
}
