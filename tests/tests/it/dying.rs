//! A reward that dies at calls that a file names, whichever copy makes them, and otherwise scores the length of an answer.
//!
//! It is this test program itself, started again at the test below: so it is always there and always fresh.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use collimate_reward_sdk::serde::Deserialize;
use collimate_reward_sdk::wire::PROTOCOL_VARIABLE;
use collimate_reward_sdk::{Answer, BoxError, JsonSchema, Plugin, Prompt, Reward, Verdict};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, crate = "collimate_reward_sdk::serde")]
#[schemars(crate = "collimate_reward_sdk::schemars")]
struct Config {
    /// The file that counts the calls of all copies.
    calls: PathBuf,
    /// The file that notes each death.
    deaths: PathBuf,
    /// The calls at which the copy that makes them dies, counted from 1.
    die_at: BTreeSet<u64>,
}

impl Config {
    /// The number of this call.
    fn call(&self) -> Result<u64, BoxError> {
        let mut file = File::options().create(true).truncate(false).read(true).write(true).open(&self.calls)?;
        file.lock()?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let call = text.trim().parse::<u64>().unwrap_or(0) + 1;
        file.seek(SeekFrom::Start(0))?;
        write!(file, "{call}")?;
        Ok(call)
    }
}

impl Reward for Config {
    fn score(&self, _: &Prompt, answer: &Answer<'_>) -> Result<Verdict, BoxError> {
        let call = self.call()?;
        if self.die_at.contains(&call) {
            writeln!(File::options().create(true).append(true).open(&self.deaths)?, "{call}")?;
            std::process::abort();
        }
        Ok(Verdict::score_of(-(answer.text.chars().count() as f64) / 10.0))
    }
}

/// The words that start it.
pub(crate) fn command() -> Vec<String> {
    let program = std::env::current_exe().unwrap().to_string_lossy().into_owned();
    [program.as_str(), "dying::a_plugin_that_dies", "--exact", "--ignored", "--nocapture", "--test-threads=1"].map(str::to_owned).into()
}

#[test]
#[ignore = "other tests start it as a plugin"]
fn a_plugin_that_dies() {
    if std::env::var_os(PROTOCOL_VARIABLE).is_some() {
        let _ = collimate_reward_sdk::serve(Plugin::with(|config: Config| Ok(config)).range(-10.0..=0.0).named("dying", "1.0"));
        std::process::exit(0);
    }
}
