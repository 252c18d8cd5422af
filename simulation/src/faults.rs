//! What goes wrong, and when.

use crate::dice::Dice;

/// What goes wrong at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An actor's process is killed.
    Kill {
        /// Which actor.
        actor: u32,
    },
    /// All actors' processes are killed at once.
    KillAll,
    /// An actor's process stands still for so long (milliseconds); it may be killed for it before it goes on.
    Freeze {
        /// Which actor.
        actor: u32,
        /// How long.
        for_ms: u64,
    },
    /// What an actor says and is told is late for a while.
    Delay {
        /// Which actor.
        actor: u32,
        /// By how much.
        by_ms: u64,
        /// For how long.
        for_ms: u64,
    },
    /// Something that an actor said is said once more, whatever has become of it.
    Echo {
        /// Which actor.
        actor: u32,
    },
    /// The next start of an actor fails.
    BadStart {
        /// Which actor.
        actor: u32,
    },
    /// The launcher is killed: all processes end, the disk has all that was written.
    Die,
    /// The power goes: all processes end, the disk has what was synced and of the rest what the dice say.
    PowerLoss,
    /// The next save ends in the middle: the launcher dies at one of the disk's calls, with or without the power.
    DieInSave {
        /// At which share of the calls of a save, in thousandths.
        at: u64,
        /// Whether the power goes too.
        power: bool,
    },
    /// The disk refuses one call, or all calls for a while.
    Disk {
        /// The system's number of the error.
        errno: i32,
        /// After so many calls.
        after: usize,
        /// For how long; 0 = one call.
        for_ms: u64,
    },
    /// Somebody asks for a checkpoint.
    AskSave,
    /// Somebody asks for the end, and resumes later.
    AskStop,
}

impl Fault {
    /// A fault of any kind.
    pub(crate) fn draw(dice: &mut Dice, actors: u32) -> Self {
        let actor = dice.below(u64::from(actors)) as u32;
        match dice.below(14) {
            0..=2 => Self::Kill { actor },
            3 => Self::KillAll,
            4 | 5 => Self::Freeze { actor, for_ms: dice.between(1, 8_000) },
            6 => Self::Delay { actor, by_ms: dice.between(1, 4_000), for_ms: dice.between(100, 5_000) },
            7 => Self::Echo { actor },
            8 => Self::BadStart { actor },
            9 => Self::Die,
            10 => Self::PowerLoss,
            11 => Self::DieInSave { at: dice.below(1000), power: dice.once_in(2) },
            12 => {
                let errno = [5, 28, 30, 122][dice.below(4) as usize];
                let for_ms = if dice.once_in(2) { 0 } else { dice.between(100, 6_000) };
                Self::Disk { errno, after: dice.below(80) as usize, for_ms }
            }
            _ => {
                if dice.once_in(2) {
                    Self::AskSave
                } else {
                    Self::AskStop
                }
            }
        }
    }
}
