//! A plugin that does, at a word in the answer, everything a plugin must not do. Other answers score their length over 100.
//!
//! It is this test program itself, started again at one of the two tests below: so it is always there and always fresh.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use collimate_reward_sdk::serde::Deserialize;
use collimate_reward_sdk::wire::PROTOCOL_VARIABLE;
use collimate_reward_sdk::{Answer, BoxError, JsonSchema, Plugin, Prompt, Reward, RolloutGroup, Verdict};
use rustix::process::{Signal, getpid, kill_process};

/// The words that start it.
pub(crate) fn command(rank: bool) -> Vec<String> {
    let entry = if rank { "faulty::a_plugin_that_ranks" } else { "faulty::a_plugin_that_scores" };
    let program = std::env::current_exe().unwrap().to_string_lossy().into_owned();
    [program.as_str(), entry, "--exact", "--ignored", "--nocapture", "--test-threads=1"].map(str::to_owned).into()
}

/// Serves, if the trainer started this program.
fn serve(plugin: Plugin) {
    if std::env::var_os(PROTOCOL_VARIABLE).is_some() {
        let _ = collimate_reward_sdk::serve(plugin.range(0.0..=1.0).named("faulty", "1.0"));
        std::process::exit(0);
    }
}

#[test]
#[ignore = "other tests start it as a plugin"]
fn a_plugin_that_scores() {
    serve(Plugin::with(|config: Config| Ok(Faulty(config))));
}

#[test]
#[ignore = "other tests start it as a plugin"]
fn a_plugin_that_ranks() {
    serve(Plugin::with(|config: Config| Ok(Faulty(config))).whole_groups());
}

#[derive(Deserialize, JsonSchema, Default)]
#[serde(default, deny_unknown_fields, crate = "collimate_reward_sdk::serde")]
#[schemars(crate = "collimate_reward_sdk::schemars")]
struct Config {
    /// A folder for what must outlive the process.
    dir: PathBuf,
}

struct Faulty(Config);

impl Faulty {
    /// Whether this is the first time that this happens.
    fn first(&self, name: &str) -> bool {
        std::fs::File::options().write(true).create_new(true).open(self.0.dir.join(name)).is_ok()
    }

    fn number(&self, text: &str) -> f64 {
        match text {
            "panic" => panic!("no such thing"),
            "hang" => loop {
                std::thread::sleep(Duration::from_secs(1));
            },
            "spin" => loop {
                std::hint::spin_loop();
            },
            "hang once" if self.first("hung") => std::thread::sleep(Duration::from_secs(60)),
            "exit" => std::process::exit(3),
            "abort" => std::process::abort(),
            "overflow" => return deep(1) as f64,
            // The standard library's handler lets the first one pass.
            "segfault" => loop {
                let _ = kill_process(getpid(), Signal::SEGV);
            },
            "die twice" if self.first("died") || self.first("died again") => std::process::abort(),
            "die once" if self.first("died") => std::process::abort(),
            "nan" => return f64::NAN,
            "inf" => return f64::INFINITY,
            "high" => return 7.0,
            "leak" => std::mem::forget(vec![1_u8; 10 << 20]),
            "orphan" => {
                #[expect(clippy::zombie_processes, reason = "that is what it is for")]
                let child = std::process::Command::new("sleep").arg("300").spawn().unwrap();
                let mut file = std::fs::File::options().create(true).append(true).open(self.0.dir.join("orphans")).unwrap();
                // In one call, or the lines of two copies mix.
                file.write_all(format!("{}\n", child.id()).as_bytes()).unwrap();
            }
            "noise" => {
                let line = vec![b'x'; 1 << 20];
                for _ in 0..1024 {
                    std::io::stdout().write_all(&line).unwrap();
                }
            }
            "clock" => {
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
                return f64::from(now.subsec_nanos()) / 1e9;
            }
            "slow" => std::thread::sleep(Duration::from_millis(300)),
            _ => {}
        }
        text.len() as f64 / 100.0
    }
}

#[expect(unconditional_recursion, reason = "that is what it is for")]
fn deep(n: u64) -> u64 {
    std::hint::black_box([n; 64])[0] + deep(n + 1)
}

impl Reward for Faulty {
    fn score(&self, prompt: &Prompt, answer: &Answer<'_>) -> Result<Verdict, BoxError> {
        if answer.text == "refuse" {
            return Err(format!("task {} cannot be judged", prompt.task.id).into());
        }
        let parts = BTreeMap::from([("tokens".to_owned(), answer.tokens.len() as f64)]);
        Ok(Verdict::with_parts(self.number(answer.text), parts))
    }

    fn score_group(&self, group: &RolloutGroup) -> Result<Vec<Verdict>, BoxError> {
        let rank = |a: Answer<'_>| group.answers().filter(|b| b.text.len() < a.text.len()).count() as f64;
        Ok(group.answers().map(|a| Verdict::score_of(rank(a) / 100.0 + 0.0 * self.number(a.text))).collect())
    }
}
