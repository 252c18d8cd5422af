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
    let recipe = loaded.recipe.clone().resolve(4);
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
    assert_eq!(rules::RULES.len(), 7, "a new rule gets its line above");
    assert!(
        load(&[text(GOOD), Layer::Set("rollout.group=1".into()), Layer::Set("algorithm.name=reinforce".into())], Purpose::Train).is_ok()
    );
}

#[test]
fn all_faults_come_in_one_pass_and_as_json() {
    let layers = [text("[run]\nnmae = \"x\"\nsteps = 0\n[modle]\npath = \"m\"\n"), Layer::Set("learner.lr=fast".into())];
    let found = load(&layers, Purpose::Train).unwrap_err();
    assert_eq!(found.len(), 4, "{}", found.render(false));
    let json = found.to_json();
    assert_eq!((json[1]["file"].as_str(), json[1]["line"].as_u64()), (Some("recipe.toml"), Some(2)));
    assert!(json.as_array().unwrap().iter().all(|p| p["message"].is_string()));
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
