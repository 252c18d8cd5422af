//! The content of each kind of example: what its hash is made of, and its texts.

use collimate_types::{Demonstration, Message, PreferencePair, RatedAnswer, Reply, SteppedAnswer, Task};

use crate::digest::{Feed, feed_bytes, feed_value};
use crate::example::{Content, Visit};

impl Content for Task {
    fn prompt(&self) -> (Option<&str>, &[Message]) {
        (self.text.as_deref(), &self.messages)
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn feed(&self, hash: &mut dyn Feed) {
        feed_value(hash, &self.truth);
        feed_bytes(hash, b'r', self.reward.as_deref().unwrap_or_default().as_bytes());
    }

    fn answers(&self, _visit: &mut Visit<'_>) {}
}

impl Content for PreferencePair {
    fn prompt(&self) -> (Option<&str>, &[Message]) {
        (self.text.as_deref(), &self.messages)
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn feed(&self, hash: &mut dyn Feed) {
        feed_reply(hash, b'+', &self.chosen);
        feed_reply(hash, b'-', &self.rejected);
        feed_bytes(hash, b'l', &self.label.to_le_bytes());
    }

    fn answers(&self, visit: &mut Visit<'_>) {
        show(&self.chosen, visit);
        show(&self.rejected, visit);
    }
}

impl Content for Demonstration {
    fn prompt(&self) -> (Option<&str>, &[Message]) {
        (self.text.as_deref(), &self.messages)
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn feed(&self, hash: &mut dyn Feed) {
        feed_reply(hash, if self.every_turn { b'*' } else { b'=' }, &self.answer);
    }

    fn answers(&self, visit: &mut Visit<'_>) {
        show(&self.answer, visit);
    }
}

impl Content for RatedAnswer {
    fn prompt(&self) -> (Option<&str>, &[Message]) {
        (self.text.as_deref(), &self.messages)
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn feed(&self, hash: &mut dyn Feed) {
        feed_reply(hash, if self.good { b'g' } else { b'x' }, &self.answer);
    }

    fn answers(&self, visit: &mut Visit<'_>) {
        show(&self.answer, visit);
    }
}

impl Content for SteppedAnswer {
    fn prompt(&self) -> (Option<&str>, &[Message]) {
        (self.text.as_deref(), &self.messages)
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn feed(&self, hash: &mut dyn Feed) {
        for (step, right) in &self.steps {
            feed_bytes(hash, if *right { b'g' } else { b'x' }, step.as_bytes());
        }
    }

    fn answers(&self, visit: &mut Visit<'_>) {
        self.steps.iter().for_each(|(step, _)| visit(step));
    }
}

fn feed_reply(hash: &mut dyn Feed, tag: u8, reply: &Reply) {
    match reply {
        Reply::Text(text) => feed_bytes(hash, tag, text.as_bytes()),
        Reply::Turns(turns) => {
            feed_bytes(hash, tag, &(turns.len() as u64).to_le_bytes());
            crate::digest::feed_messages(hash, turns);
        }
    }
}

fn show(reply: &Reply, visit: &mut Visit<'_>) {
    match reply {
        Reply::Text(text) => visit(text),
        Reply::Turns(turns) => turns.iter().for_each(|m| visit(&m.content)),
    }
}
