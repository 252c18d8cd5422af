//! Rewards that are programs of their own: started several times, fed over sockets, killed when they hang, started again when they die.
//!
//! ```text
//! score_group ── Call ──► Queue ──► Keeper (a thread a copy) ── Worker (process, socket) ──► verdicts ──► Call
//! ```
//!
//! A fault never becomes a score. A copy that dies or hangs is killed with everything it has started, and its unanswered work goes back
//! into the queue. After a death nobody knows which answer it was, so the unanswered ones of that batch are judged alone from then on; an
//! answer is charged with a death when two copies in a row died while it was all they had. After a missed deadline it is the first unanswered one; it
//! is tried alone once more, and a second miss is final. When copies die again and again without judging anything, the plugin is given up.

mod call;
mod command;
mod keeper;
mod log;
mod queue;
mod settings;
mod worker;

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;

use collimate_reward_sdk::wire::Hello;
use collimate_types::{Answer, BoxError, Finish, Prompt, Reward, Rollout, RolloutGroup, Verdict};

pub use command::PluginCommand;
pub use settings::{PLUGIN_CARD, PluginSettings};

use call::{Call, Form};
use keeper::Keeper;
use log::Log;
use queue::Queue;

/// How a plugin fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PluginCounts {
    /// Answers, or groups, that were judged, faults of their own included.
    pub judged: u64,
    /// Copies that were started.
    pub started: u64,
    /// Copies that died by themselves.
    pub died: u64,
    /// Copies that were killed because they missed a deadline.
    pub late: u64,
}

/// A running plugin.
pub struct PluginReward {
    /// Set once all copies have been started.
    hello: Option<Hello>,
    form: Form,
    queue: Arc<Queue>,
    log: Arc<Log>,
    keepers: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for PluginReward {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PluginReward").field("hello", &self.hello).field("keepers", &self.keepers.len()).finish_non_exhaustive()
    }
}

impl PluginReward {
    /// Starts all copies and waits until each has taken its settings.
    ///
    /// # Errors
    /// Why the program cannot be started, or what it says against its settings.
    pub fn start(settings: PluginSettings) -> Result<Self, String> {
        settings.check()?;
        let settings = Arc::new(settings);
        let (queue, log) = (Arc::new(Queue::default()), Arc::new(Log::new(settings.log.clone(), settings.log_kb << 10)));
        let (sender, receiver) = channel();
        let mut starting = Self { hello: None, form: Form::default(), queue, log, keepers: Vec::new() };
        for index in 0..settings.workers {
            let keeper = Keeper::new(settings.clone(), starting.queue.clone(), starting.log.clone());
            let sender = sender.clone();
            // The thread lives as long as the plugin: the kernel kills a copy when the thread that started it ends.
            let thread = std::thread::Builder::new().name(format!("reward-{index}"));
            let keeper = thread.spawn(move || keeper.keep(&sender)).map_err(|e| format!("a thread cannot be started: {e}"))?;
            starting.keepers.push(keeper);
        }
        drop(sender);
        for greeting in receiver.iter().take(settings.workers) {
            let (hello, form) = greeting?;
            starting.form = form;
            starting.hello = Some(hello);
        }
        Ok(starting)
    }

    /// What it says of itself.
    #[must_use]
    pub fn hello(&self) -> Option<&Hello> {
        self.hello.as_ref()
    }

    /// How it has fared so far.
    #[must_use]
    pub fn counts(&self) -> PluginCounts {
        self.queue.counts()
    }

    /// The process ids of the copies that run now; for tests and tools.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        self.queue.processes()
    }

    fn judge(&self, prompt: &Prompt, answers: &[Answer<'_>]) -> Vec<Verdict> {
        if answers.is_empty() {
            return Vec::new();
        }
        self.log.open();
        let call = Arc::new(Call::new(self.form, prompt, answers));
        self.queue.submit(&call);
        call.wait()
    }
}

impl Reward for PluginReward {
    fn score(&self, prompt: &Prompt, answer: &Answer<'_>) -> Result<Verdict, BoxError> {
        self.judge(prompt, std::slice::from_ref(answer)).pop().ok_or_else(|| "no verdict".into())
    }

    fn score_group(&self, group: &RolloutGroup) -> Result<Vec<Verdict>, BoxError> {
        Ok(self.judge(&group.prompt, &group.answers().collect::<Vec<_>>()))
    }
}

impl Drop for PluginReward {
    fn drop(&mut self) {
        self.queue.quit();
        for keeper in self.keepers.drain(..) {
            let _ = keeper.join();
        }
    }
}

/// The batches that answers are sent in, as bytes on the socket: for a benchmark that compares the host with a bare socket.
#[must_use]
pub fn frames_of(groups: &[RolloutGroup], batch: usize) -> Vec<Vec<u8>> {
    let form = Form { json: false, whole_groups: false };
    let calls = groups.iter().map(|g| Arc::new(Call::new(form, &g.prompt, &g.answers().collect::<Vec<_>>())));
    let items: Vec<_> = calls.flat_map(|call| Call::items(&call)).collect();
    let frame = |items: &[queue::Item]| {
        let mut out = Vec::new();
        call::put_batch(&mut out, form, items.iter(), &mut 0);
        out
    };
    items.chunks(batch.max(1)).map(frame).collect()
}

/// An answer with nothing but a text, for tools that have no more.
#[must_use]
pub fn bare_rollout(text: &str) -> Rollout {
    let tokens = text.bytes().map(u32::from).collect();
    Rollout { tokens, text: text.to_owned(), logp: vec![], logp_behaviour: None, trained: vec![], finish: Finish::Eos, versions: (0, 0) }
}
