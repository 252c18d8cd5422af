//! What every test needs: the binary, a tiny model with a byte tokenizer, small recipes, and ways to look at a run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A run of the tiny model takes well under this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Built once for all tests: the folder of the tiny model.
static MODEL: OnceLock<TempDir> = OnceLock::new();

/// The binary under test: `COLLIMATE_BIN`, else the one that cargo built beside this test.
pub(crate) fn binary() -> PathBuf {
    let beside = || std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("collimate");
    let path = std::env::var_os("COLLIMATE_BIN").map_or_else(beside, PathBuf::from);
    assert!(path.is_file(), "there is no `{}`; `cargo build -p collimate-cli` builds it", path.display());
    path
}

/// The checkout that this test was built from.
pub(crate) fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Copies the tiny model's files into a folder, with the byte tokenizer beside them.
pub(crate) fn tiny_model_in(dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    let tiny = checkout().join("models/tests/data/tiny");
    for name in ["config.json", "generation_config.json", "model.safetensors"] {
        fs::copy(tiny.join(name), dir.join(name)).unwrap_or_else(|e| panic!("{}: {e}", tiny.join(name).display()));
    }
    for (name, bytes) in collimate_text::testing::byte_tokenizer().files() {
        fs::write(dir.join(name), bytes).unwrap();
    }
}

/// A folder for what all tests share. Statics are never dropped, so it lies in the target folder, and what test runs of more than an
/// hour ago left there is removed.
fn shared_dir() -> TempDir {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("whole-system");
    fs::create_dir_all(&root).unwrap();
    for entry in fs::read_dir(&root).unwrap().flatten() {
        let age = entry.metadata().and_then(|m| m.modified()).ok().and_then(|t| t.elapsed().ok());
        if age.is_some_and(|age| age > Duration::from_secs(3600)) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    tempfile::tempdir_in(root).unwrap()
}

/// The tiny model: two layers, random weights, one token a byte.
pub(crate) fn tiny_model() -> &'static Path {
    let build = || {
        let dir = shared_dir();
        tiny_model_in(dir.path());
        dir
    };
    MODEL.get_or_init(build).path()
}

/// A `collimate` command that cannot be changed by who runs the tests.
pub(crate) fn collimate<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(binary());
    command.args(args).stdin(Stdio::null()).env("NO_COLOR", "1").env_remove("RUST_BACKTRACE");
    command
}

/// What a finished command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
        let said = Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
        assert!(!said.err.contains("panicked at"), "a panic reached the user:\n{}", said.err);
        said
    }
}

impl Said {
    /// Asserts the exit code, showing what was said when it is another.
    #[track_caller]
    pub(crate) fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// Asserts that standard error holds each of the parts; white space and the frames of diagnostics do not count.
    #[track_caller]
    pub(crate) fn telling(self, parts: &[&str]) -> Self {
        let plain =
            |text: &str| text.split(|c: char| c.is_whitespace() || c == '│').filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ");
        let said = plain(&self.err);
        for part in parts {
            assert!(said.contains(&plain(part)), "`{part}` is not said:\n{}", self.err);
        }
        self
    }

    /// Standard output, a JSON value a line.
    #[track_caller]
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
    }
}

/// Runs a command to its end.
#[track_caller]
pub(crate) fn said(command: &mut Command) -> Said {
    command.output().unwrap().into()
}

/// Runs `collimate` to its end.
#[track_caller]
pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Said {
    said(&mut collimate(args))
}

/// A folder with a small recipe in it, and the runs made by it.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) dir: TempDir,
}

/// Six steps that give every step something to learn: a random model's answers differ in length long before one is right.
const RECIPE: &str = r#"[run]
seed = 1
steps = 6
threads = 1

[data]
format = "arithmetic"
heldout_rows = 8

[data.arithmetic]
operators = ["+"]
max = 9
examples = 1

[rollout]
prompts = 4
group = 4
slots = 16

[sampling]
max_new_tokens = 6
stop = ["\n"]
check_every = 2

[algorithm]
name = "grpo"

[[reward]]
name = "length"
unit = "characters"
scale = 10

[[reward]]
name = "numeric"
weight = 0.5

[learner]
lr = 1e-3
minibatches = 2
micro_tokens = 512

[eval]
every = 1
rows = 4

[checkpoint]
every = 1
keep = 100
"#;

impl Bench {
    pub(crate) fn new() -> Self {
        Self::within(tempfile::tempdir().unwrap())
    }

    /// For a static, which lives as long as the test run.
    pub(crate) fn shared() -> Self {
        Self::within(shared_dir())
    }

    fn within(dir: TempDir) -> Self {
        let bench = Self { dir };
        bench.write("recipe.toml", RECIPE);
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file and gives its path as text.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Changes a text of the recipe that stands there once.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.path("recipe.toml")).unwrap();
        assert_eq!(text.matches(from).count(), 1, "`{from}` stands in the recipe once");
        self.write("recipe.toml", text.replace(from, to));
    }

    /// The folder of a run.
    pub(crate) fn run_dir(&self, name: &str) -> PathBuf {
        self.path("runs").join(name)
    }

    /// The words that stand for the recipe and a run's name.
    pub(crate) fn words(&self, name: &str, more: &[&str]) -> Vec<String> {
        let recipe = self.path("recipe.toml").to_str().unwrap().to_owned();
        let set = [
            format!("run.name={name}"),
            format!("run.dir={}", self.path("runs").display()),
            format!("model.path={}", tiny_model().display()),
        ];
        std::iter::once(recipe).chain(set).chain(more.iter().map(|w| (*w).to_owned())).collect()
    }

    /// `collimate train` of the recipe under a name.
    pub(crate) fn train(&self, name: &str, more: &[&str]) -> Command {
        let words = self.words(name, more);
        collimate(std::iter::once("train".to_owned()).chain(words))
    }

    /// Trains to the end.
    #[track_caller]
    pub(crate) fn trained(&self, name: &str, more: &[&str]) -> Said {
        said(&mut self.train(name, more)).with_code(0)
    }

    pub(crate) fn checkpoint(&self, name: &str, step: u64) -> PathBuf {
        self.run_dir(name).join("checkpoints").join(format!("step-{step}"))
    }
}

/// The weights, moments and generator of a checkpoint.
pub(crate) fn state(checkpoint: &Path) -> BTreeMap<&'static str, Vec<u8>> {
    let read = |name| fs::read(checkpoint.join(name)).unwrap_or_else(|e| panic!("{}: {e}", checkpoint.join(name).display()));
    ["model.safetensors", "trainer/optimizer.safetensors", "trainer/rng.bin"].into_iter().map(|name| (name, read(name))).collect()
}

/// Asserts that two checkpoints hold the same bytes.
#[track_caller]
pub(crate) fn assert_same_state(a: &Path, b: &Path) {
    let (left, right) = (state(a), state(b));
    for (name, bytes) in &left {
        assert!(*bytes == right[name], "{name} of {} and {} differ", a.display(), b.display());
    }
}

/// The lines of a run's metrics without what only measures the machine.
pub(crate) fn metrics(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let plain = |line: &str| {
        let Value::Object(mut map) = serde_json::from_str(line).unwrap() else { panic!("not an object: {line}") };
        map.retain(|key, _| !key.starts_with("time/") && !key.starts_with("perf/"));
        Value::Object(map)
    };
    text.lines().map(plain).collect()
}

/// Waits until something is so; panics with the name of what did not come.
#[track_caller]
pub(crate) fn wait_until(what: &str, child: &mut Child, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < PATIENCE, "{what} did not come in {PATIENCE:?}");
        assert!(child.try_wait().unwrap().is_none(), "the process ended before {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}
