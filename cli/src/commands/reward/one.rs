//! One reward outside of a recipe, from the words of a command line.

use std::path::Path;

use collimate_reward_sdk::wire::Hello;
use collimate_rewards::plugin::PluginReward;
use collimate_rewards::{Case, RewardError, RewardSet, RewardSpec, plugin_settings, read_cases};
use collimate_types::{Answer, BoxError, Prompt, Reward, RolloutGroup, Verdict};

use crate::args::OneReward;
use crate::config::reward_key;
use crate::exit::{Exit, OrExit, refused};

/// A reward that is ready, and what is known of it.
pub(super) struct Opened {
    pub(super) name: String,
    pub(super) spec: RewardSpec,
    pub(super) reward: Box<dyn Reward>,
    /// What a plugin says of itself.
    pub(super) hello: Option<Hello>,
}

/// A set of rewards as one.
struct Whole(RewardSet);

impl Reward for Whole {
    fn score(&self, _: &Prompt, _: &Answer<'_>) -> Result<Verdict, BoxError> {
        Err("it judges whole groups".into())
    }

    fn score_group(&self, group: &RolloutGroup) -> Result<Vec<Verdict>, BoxError> {
        Ok(self.0.score(group.clone()).verdicts)
    }
}

/// Starts the program, sets the service up, or takes the built-in reward.
pub(super) fn open(args: &OneReward) -> Result<Opened, Exit> {
    let spec = spec(args)?;
    let told = |errors: Vec<RewardError>| refused(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    let name = spec.label().to_owned();
    if let Some(settings) = plugin_settings(&spec) {
        let plugin = PluginReward::start(settings.map_err(told)?).map_err(|why| refused(format!("reward `{name}`: {why}")))?;
        let hello = plugin.hello().cloned();
        return Ok(Opened { name, spec, reward: Box::new(plugin), hello });
    }
    let set = RewardSet::build(std::slice::from_ref(&spec)).map_err(told)?;
    Ok(Opened { name, spec, reward: Box::new(Whole(set)), hello: None })
}

fn spec(args: &OneReward) -> Result<RewardSpec, Exit> {
    let key = reward_key(&args.word);
    let word = match key {
        // A program with arguments stands in quotes; a path with a blank in it is a path if there is such a file.
        "plugin" if args.word.contains(' ') && !Path::new(&args.word).exists() => args.word.split_whitespace().collect(),
        _ => vec![args.word.as_str()],
    };
    let mut table = toml::Table::new();
    table.insert(key.into(), if word.len() > 1 { toml::Value::from(word) } else { toml::Value::from(word[0]) });
    for set in &args.set {
        let Some((path, value)) = set.split_once('=') else { return Err(refused(format!("`--set {set}` is not `KEY=VALUE`"))) };
        put(&mut table, path.trim(), value).map_err(|why| refused(format!("`--set {set}`: {why}")))?;
    }
    let json = serde_json::to_value(table).or_refused()?;
    serde_json::from_value(json).or_refused()
}

/// Puts a value at a dotted path; what is not TOML is a text.
fn put(table: &mut toml::Table, path: &str, value: &str) -> Result<(), String> {
    let read = toml::from_str::<toml::Table>(&format!("value = {value}")).ok().and_then(|mut t| t.remove("value"));
    let value = read.unwrap_or_else(|| value.into());
    match path.split_once('.') {
        None => {
            table.insert(path.to_owned(), value);
            Ok(())
        }
        Some((first, rest)) => {
            let inner = table.entry(first.to_owned()).or_insert_with(|| toml::Table::new().into());
            let inner = inner.as_table_mut().ok_or_else(|| format!("`{first}` has no keys"))?;
            let text = value.to_string();
            put(inner, rest, &text)
        }
    }
}

/// The cases of a file.
pub(super) fn cases(file: &Path) -> Result<Vec<Case>, Exit> {
    let text = std::fs::read_to_string(file).map_err(|e| refused(format!("`{}` cannot be read: {e}", file.display())))?;
    let cases = read_cases(&text).map_err(|lines| {
        let told: Vec<String> = lines.iter().map(|l| format!("{}: {l}", file.display())).collect();
        refused(told.join("\n"))
    })?;
    if cases.is_empty() { Err(refused(format!("`{}` has no case", file.display()))) } else { Ok(cases) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(word: &str, set: &[&str]) -> RewardSpec {
        spec(&OneReward { word: word.into(), set: set.iter().map(|s| (*s).to_owned()).collect() }).unwrap()
    }

    #[test]
    fn words_become_the_table_of_a_recipe() {
        let plugin = read("./demo", &["config.word=please", "config.deep.n=3", "deadline_s=2"]);
        assert_eq!((plugin.name.as_str(), &plugin.knobs["plugin"]), ("demo", &"./demo".into()));
        assert_eq!(plugin.knobs["config"], serde_json::json!({"word": "please", "deep": {"n": 3}}));
        assert_eq!(plugin.knobs["deadline_s"], 2);
        assert_eq!(read("python3 rewards/x.py", &[]).knobs["plugin"], serde_json::json!(["python3", "rewards/x.py"]));
        assert_eq!(read("length", &["unit=characters"]).knobs["unit"], "characters");
        assert_eq!(read("http://v:1/", &[]).name, "v");
    }
}
