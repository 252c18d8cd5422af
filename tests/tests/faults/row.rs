//! A row of the table: its name, its claim, what it does, and the line it prints.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::json;

/// The words of the command line.
pub(crate) struct Args {
    pub(crate) json: bool,
    pub(crate) seed: u64,
    pub(crate) rows: Vec<String>,
}

impl Args {
    pub(crate) fn read(words: impl Iterator<Item = String>) -> Option<Self> {
        let mut args = Self { json: false, seed: 20_260_101, rows: Vec::new() };
        let mut words = words;
        while let Some(word) = words.next() {
            match word.as_str() {
                "--json" => args.json = true,
                "--seed" => args.seed = words.next()?.parse().ok()?,
                _ if word.starts_with('-') => return None,
                _ => args.rows.push(word),
            }
        }
        Some(args)
    }

    /// Numbers that look random and are the same for the same seed and row (splitmix64).
    pub(crate) fn dice(&self, row: &str) -> Dice {
        Dice(row.bytes().fold(self.seed, |state, byte| state.wrapping_mul(31).wrapping_add(u64::from(byte))))
    }
}

pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end.max(1)
    }
}

/// What was injected and what became of it.
#[derive(Debug, Default)]
pub(crate) struct Count {
    pub(crate) injected: u64,
    pub(crate) survived: u64,
    pub(crate) lost: u64,
    pub(crate) first_loss: Option<String>,
}

/// How a row ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Ran(Count),
    /// It cannot be done here, and why.
    Cannot(String),
    /// The row itself broke.
    Broke(String),
}

impl Outcome {
    pub(crate) fn is_good(&self) -> bool {
        match self {
            Self::Ran(count) => count.lost == 0 && count.injected > 0,
            Self::Cannot(_) => true,
            Self::Broke(_) => false,
        }
    }
}

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) run: fn(&Args) -> Outcome,
}

impl Row {
    /// Runs the row; a panic in it is its failure and nobody else's.
    pub(crate) fn go(&self, args: &Args) -> Outcome {
        catch_unwind(AssertUnwindSafe(|| (self.run)(args))).unwrap_or_else(|panic| Outcome::Broke(text_of(&panic)))
    }

    /// The line of the row.
    pub(crate) fn line(&self, outcome: &Outcome, seconds: f64, as_json: bool) -> String {
        let none = Count::default();
        let (count, note) = match outcome {
            Outcome::Ran(count) => (count, count.first_loss.clone()),
            Outcome::Cannot(why) => (&none, Some(why.clone())),
            Outcome::Broke(why) => (&none, Some(format!("the row broke: {why}"))),
        };
        let seconds = (seconds * 100.0).round() / 100.0;
        if as_json {
            let mut line = json!({
                "name": self.name, "injected": count.injected, "survived": count.survived, "lost": count.lost, "seconds": seconds,
                "what": self.what,
            });
            let key = if matches!(outcome, Outcome::Cannot(_)) { "skipped" } else { "failure" };
            if let Some(note) = note {
                line[key] = note.into();
            }
            return line.to_string();
        }
        let head = format!("{:<3} {:<72}", self.name, self.what);
        match outcome {
            Outcome::Cannot(why) => format!("{head} skipped: {why}"),
            _ => {
                let note = note.map(|n| format!("  {n}")).unwrap_or_default();
                format!("{head} {:>5} injected, {:>5} survived, {} lost, {seconds:.1} s{note}", count.injected, count.survived, count.lost)
            }
        }
    }
}

/// What a panic said.
pub(crate) fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}

/// Whether something holds, its panics being the reason if it does not.
pub(crate) fn holds<T>(what: impl FnOnce() -> T) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(what)).map(drop).map_err(|panic| text_of(&*panic))
}
