//! One actor: down, starting, or up with a version.

use collimate_types::{BatchId, WeightsVersion};

use super::{ActorId, MemberView, Millis, PoolCommand};

/// Where an actor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Not there; to be started at this time.
    Down { start_at: Millis },
    /// Started and not yet connected; late after this time.
    Starting { until: Millis },
    /// Connected.
    Up,
}

#[derive(Debug, Clone)]
pub(super) struct Member {
    who: ActorId,
    place: Place,
    /// The version it runs.
    version: Option<WeightsVersion>,
    /// What it was offered and has not taken yet, and when it is late.
    offered: Option<(WeightsVersion, Millis)>,
    /// Failures since it last finished a part.
    failures: u32,
}

impl Member {
    pub(super) fn new(actor: u32) -> Self {
        let who = ActorId { actor, incarnation: 0 };
        Self { who, place: Place::Down { start_at: 0 }, version: None, offered: None, failures: 0 }
    }

    pub(super) fn who(&self) -> ActorId {
        self.who
    }

    pub(super) fn place(&self) -> Place {
        self.place
    }

    pub(super) fn version(&self) -> Option<WeightsVersion> {
        self.version
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether a process of this start exists as far as is known.
    pub(super) fn runs(&self) -> bool {
        !matches!(self.place, Place::Down { .. })
    }

    /// Whether it may be given work.
    pub(super) fn is_free(&self) -> bool {
        self.place == Place::Up && self.offered.is_none()
    }

    /// The next start, if its time has come.
    pub(super) fn start(&mut self, now: Millis, until: Millis) -> Option<ActorId> {
        let Place::Down { start_at } = self.place else { return None };
        if start_at > now {
            return None;
        }
        self.who.incarnation += 1;
        self.place = Place::Starting { until };
        Some(self.who)
    }

    pub(super) fn joined(&mut self, version: WeightsVersion, until: Millis) -> Option<PoolCommand> {
        if !matches!(self.place, Place::Starting { .. }) {
            return None; // It said so before.
        }
        self.place = Place::Up;
        self.offer(version, until)
    }

    /// Offers it weights, if it is there to take them.
    pub(super) fn offer(&mut self, version: WeightsVersion, until: Millis) -> Option<PoolCommand> {
        if self.place != Place::Up {
            return None; // It gets them when it joins.
        }
        self.offered = Some((version, until));
        Some(PoolCommand::Offer { who: self.who, version })
    }

    /// Takes note of the weights it runs; an older version than it has is an echo.
    pub(super) fn adopted(&mut self, version: WeightsVersion) {
        self.version = self.version.max(Some(version));
        self.offered = self.offered.filter(|(offered, _)| *offered > version);
    }

    pub(super) fn works(&mut self) {
        self.failures = 0;
    }

    pub(super) fn lost(&mut self, start_at: Millis) {
        self.failures += 1;
        self.place = Place::Down { start_at };
        (self.version, self.offered) = (None, None);
    }

    /// Why it is late, if it is.
    pub(super) fn late(&self, now: Millis) -> Option<(ActorId, String)> {
        let (at, what) = self.deadline()?;
        (self.runs() && at <= now).then(|| (self.who, format!("was late: the run waited for {what}")))
    }

    /// What is waited for from it, and until when.
    pub(super) fn deadline(&self) -> Option<(Millis, String)> {
        match self.place {
            Place::Down { start_at } => Some((start_at, format!("the time to start actor {}", self.who.actor))),
            Place::Starting { until } => Some((until, format!("{} to connect", self.who))),
            Place::Up => self.offered.map(|(version, until)| (until, format!("{} to take weights of version {version}", self.who))),
        }
    }

    pub(super) fn view(&self, work: Option<(BatchId, u32)>) -> MemberView {
        let place = match self.place {
            Place::Down { .. } => "down",
            Place::Starting { .. } => "starting",
            Place::Up if self.offered.is_some() => "adopting",
            Place::Up if work.is_some() => "generating",
            Place::Up => "idle",
        };
        MemberView { who: self.who, place, version: self.version, restarts: self.who.incarnation.saturating_sub(1), work }
    }
}
