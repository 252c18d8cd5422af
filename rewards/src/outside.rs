//! `[[reward]]` tables that name no built-in reward but a program (`plugin`), a service (`http`) or a reward model (`model`).

use std::path::Path;

use collimate_types::{Reward, RolloutGroup, ScoredGroup};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::http::{HTTP_CARD, HttpReward, HttpSettings};
use crate::plugin::{PLUGIN_CARD, PluginCommand, PluginReward, PluginSettings};
use crate::{MODEL_CARD, ModelSettings, RewardCard, RewardError, RewardSet, RewardSpec, knobs};

/// Groups that are judged at once where that helps, at least: enough to fill the batches, few enough that threads cost nothing.
const LANES: usize = 16;
/// And at most.
const MOST_LANES: usize = 256;

/// The keys of which a table of this kind has one.
const KINDS: [&str; 3] = ["plugin", "http", "model"];

/// What loads a reward model.
pub(crate) type Loads<'a> = &'a dyn Fn(ModelSettings) -> Result<Box<dyn Reward>, String>;

/// The name of a table that gives none: the program's, the host's or the directory's.
pub(crate) fn name(table: &Map<String, Value>) -> Option<String> {
    let (kind, value) = KINDS.into_iter().find_map(|kind| Some((kind, table.get(kind)?)))?;
    match kind {
        "plugin" => serde_json::from_value::<PluginCommand>(value.clone()).ok()?.name(),
        "http" => HttpSettings::name_of(value.as_str()?),
        _ => ModelSettings::name_of(value.as_str()?),
    }
}

/// Starts the program, sets the service up or loads the model, if the table names one.
pub(crate) fn build(spec: &RewardSpec, loads: Loads<'_>) -> Option<Result<Box<dyn Reward>, Vec<RewardError>>> {
    let outside = |why: String| vec![RewardError::Outside { reward: spec.label().to_owned(), why }];
    let boxed = |reward: Result<Box<dyn Reward>, String>| reward.map_err(outside);
    Some(match table(spec)? {
        Err(faults) => Err(faults),
        Ok(Table::Plugin(settings)) => boxed(PluginReward::start(settings).map(|r| Box::new(r) as _)),
        Ok(Table::Http(settings)) => boxed(HttpReward::new(settings).map(|r| Box::new(r) as _)),
        Ok(Table::Model(settings)) => boxed(settings.check().and_then(|()| loads(settings))),
    })
}

/// What is wrong with a table, as far as it can be told without starting a program or opening a file.
#[must_use]
pub fn check_spec(spec: &RewardSpec) -> Vec<RewardError> {
    let outside = |checked: Result<(), String>| checked.err().map(|why| RewardError::Outside { reward: spec.label().to_owned(), why });
    match table(spec) {
        None => RewardSet::build(std::slice::from_ref(spec)).err().unwrap_or_default(),
        Some(Err(faults)) => faults,
        Some(Ok(Table::Plugin(settings))) => outside(settings.check()).into_iter().collect(),
        Some(Ok(Table::Http(settings))) => outside(settings.check()).into_iter().collect(),
        Some(Ok(Table::Model(settings))) => outside(settings.check()).into_iter().collect(),
    }
}

/// How many groups are judged at once: many if a program or a service judges, since this process only waits for it; else one.
#[must_use]
pub fn lanes(specs: &[RewardSpec]) -> usize {
    let number =
        |spec: &RewardSpec, knob: &str, default: usize| spec.knobs.get(knob).and_then(Value::as_u64).map_or(default, |n| n as usize);
    let of = |spec: &RewardSpec| match (spec.knobs.contains_key("plugin"), spec.knobs.contains_key("http")) {
        (true, _) => LANES.max(4 * number(spec, "workers", PluginSettings::default().workers)),
        (_, true) => LANES.max(2 * number(spec, "concurrency", HttpSettings::default().concurrency)),
        _ => 1,
    };
    specs.iter().map(of).max().unwrap_or(1).min(MOST_LANES)
}

/// The same tables; a program without a `log` gets one in this folder.
#[must_use]
pub fn with_logs(specs: &[RewardSpec], folder: &Path) -> Vec<RewardSpec> {
    let logged = |spec: &RewardSpec| {
        let mut spec = spec.clone();
        if spec.knobs.contains_key("plugin") && !spec.knobs.contains_key("log") {
            let file: String = spec.label().chars().map(|c| if c.is_alphanumeric() || c == '-' || c == '_' { c } else { '-' }).collect();
            let path = folder.join(format!("reward-{file}.log"));
            spec.knobs.insert("log".into(), path.to_string_lossy().into());
        }
        spec
    };
    specs.iter().map(logged).collect()
}

/// The settings of a table that names a program.
///
/// # Errors
/// Every key that does not exist or has an impossible value.
#[must_use]
pub fn plugin_settings(spec: &RewardSpec) -> Option<Result<PluginSettings, Vec<RewardError>>> {
    match table(spec)? {
        Ok(Table::Plugin(settings)) => Some(Ok(settings)),
        Ok(Table::Http(_) | Table::Model(_)) => None,
        Err(faults) => Some(Err(faults)),
    }
}

enum Table {
    Plugin(PluginSettings),
    Http(HttpSettings),
    Model(ModelSettings),
}

fn table(spec: &RewardSpec) -> Option<Result<Table, Vec<RewardError>>> {
    let kinds: Vec<&str> = KINDS.into_iter().filter(|kind| spec.knobs.contains_key(*kind)).collect();
    Some(match kinds.as_slice() {
        [] => return None,
        ["plugin"] => read(&PLUGIN_CARD, spec).map(Table::Plugin),
        ["http"] => read(&HTTP_CARD, spec).map(Table::Http),
        [_] => read(&MODEL_CARD, spec).map(Table::Model),
        [first, second, ..] => {
            let why = format!("it has both `{first}` and `{second}`: a reward is one of them");
            Err(vec![RewardError::Outside { reward: spec.label().to_owned(), why }])
        }
    })
}

fn read<S: DeserializeOwned>(card: &RewardCard, spec: &RewardSpec) -> Result<S, Vec<RewardError>> {
    knobs::read(card, &spec.knobs)
}

/// Judges groups, up to `lanes` at once, each in a thread of its own; the result has their order. For rewards outside this process, which
/// work while we wait. One lane is this thread.
#[must_use]
pub fn score_all(rewards: &RewardSet, groups: Vec<RolloutGroup>, lanes: usize) -> Vec<ScoredGroup> {
    let lanes = lanes.min(groups.len());
    if lanes <= 1 {
        return groups.into_iter().map(|g| rewards.score(g)).collect();
    }
    let waiting = std::sync::Mutex::new(groups.into_iter().enumerate());
    let next = || waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
    let lane = || std::iter::from_fn(next).map(|(i, group)| (i, rewards.score(group))).collect::<Vec<_>>();
    let mut scored: Vec<(usize, ScoredGroup)> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..lanes).filter_map(|_| std::thread::Builder::new().spawn_scoped(scope, lane).ok()).collect();
        let mut mine = lane();
        mine.extend(others.into_iter().filter_map(|l| l.join().ok()).flatten());
        mine
    });
    scored.sort_by_key(|(i, _)| *i);
    scored.into_iter().map(|(_, group)| group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::set::testing::group;
    use collimate_types::{Answer, Prompt};
    use serde_json::json;

    fn spec(value: Value) -> RewardSpec {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_table_without_a_name_has_the_programs_or_the_hosts() {
        let name = |value| spec(value).name;
        assert_eq!(name(json!({"plugin": "./target/release/demo"})), "demo");
        assert_eq!(name(json!({"plugin": "./demo", "name": "mine"})), "mine");
        assert_eq!(name(json!({"model": "runs/hh-rm/"})), "hh-rm");
        assert_eq!(name(json!({"http": "http://verifier.local:80/score"})), "verifier.local");
    }

    #[test]
    fn what_is_wrong_with_a_table_is_told_without_starting_anything() {
        let told = |value| check_spec(&spec(value)).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(told(json!({"plugin": "./not-built-yet", "deadline_s": 3})), [""; 0]);
        let cases = [
            (json!({"plugin": "./x", "wokers": 2}), "did you mean `workers`?"),
            (json!({"plugin": "./x", "workers": "two"}), "`workers` = \"two\""),
            (json!({"plugin": "./x", "workers": 0}), "`workers` = 0 is not possible"),
            (json!({"plugin": "./x", "http": "http://y"}), "both `plugin` and `http`"),
            (json!({"model": "runs/rm", "http": "http://y"}), "both `http` and `model`"),
            (json!({"model": "runs/rm", "micro_tokens": 0}), "`micro_tokens` = 0 is not possible"),
            (json!({"model": "runs/rm", "micro_token": 8}), "did you mean `micro_tokens`?"),
            (json!({"http": "https://x"}), "only `http://"),
            (json!({"name": "numerc"}), "did you mean `numeric`?"),
        ];
        for (value, wanted) in cases {
            let said = told(value);
            assert!(said.len() == 1 && said[0].contains(wanted), "{said:?}");
        }
    }

    #[test]
    fn a_program_that_is_not_there_is_refused_with_the_mend() {
        let refused = RewardSet::build(&[spec(json!({"plugin": "./no/such/program"}))]).unwrap_err();
        let text = refused[0].to_string();
        assert!(text.contains("reward `program`: `./no/such/program` cannot be started") && text.contains("build it"), "{text}");
    }

    #[test]
    fn a_reward_model_is_loaded_by_whoever_builds_the_set_and_composes_like_any_reward() {
        let specs = [
            spec(json!({"model": "runs/rm", "label": "kind", "weight": 2.0, "normalise": "group"})),
            spec(json!({"name": "length", "role": "gate", "at_least": -3.0})),
        ];
        let none = RewardSet::build(&specs).unwrap_err()[0].to_string();
        assert!(none.contains("reward `kind`") && none.contains("no model"), "{none}");
        let loads = |settings: ModelSettings| -> Result<Box<dyn Reward>, String> {
            assert_eq!((settings.model.to_str(), settings.micro_tokens), (Some("runs/rm"), 4096));
            Ok(Box::new(|_: &Prompt, a: &Answer<'_>| if a.text == "?" { f64::NAN } else { a.text.len() as f64 }))
        };
        let set = RewardSet::build_with(&specs, &loads).unwrap();
        let scored = set.score(group(Value::Null, None, &["a", "bbb", "?"]));
        let totals: Vec<_> = scored.verdicts.iter().map(|v| v.score().map(|s| (s.total * 1e3).round() / 1e3)).collect();
        // Normalised over the answers that have a score, twice that is added; a fault stays one.
        assert_eq!(totals, [Some(-1.414), Some(1.414), None]);
        assert_eq!(scored.verdicts[1].score().unwrap().parts["kind"], 3.0);
    }

    #[test]
    fn groups_judged_at_once_keep_their_order() {
        let length = |_: &Prompt, a: &Answer<'_>| a.text.len() as f64;
        let set = RewardSet::of("length", length);
        let groups: Vec<_> = (0..200).map(|i| group(Value::Null, None, &["x".repeat(i).as_str(), "y"])).collect();
        let one = score_all(&set, groups.clone(), 1);
        assert_eq!(score_all(&set, groups.clone(), 16), one);
        assert_eq!(score_all(&set, groups, 1000), one);
        assert_eq!(score_all(&set, Vec::new(), 4), []);
    }
}
