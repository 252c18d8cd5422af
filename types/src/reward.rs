//! The contract of a reward.

use crate::{BoxError, Finish, Prompt, RolloutGroup, TokenId, Verdict};

/// A completion as a reward sees it: a view, so that nothing is copied.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The answer as text, without special tokens and without the stop text.
    pub text: &'a str,
    /// The tokens as drawn.
    pub tokens: &'a [TokenId],
    /// Why it ended.
    pub finish: &'a Finish,
}

/// Judges answers.
///
/// A closure `Fn(&Prompt, &Answer) -> f64` is a reward. `Err` means: this answer cannot be judged (it becomes
/// [`Verdict::Unscorable`]); it never becomes a score. A panic is caught by the host and counted.
///
/// ```
/// use collimate_types::{Answer, Prompt, Reward};
/// let brevity = |_: &Prompt, a: &Answer<'_>| -(a.text.len() as f64);
/// fn is_a_reward(_: &dyn Reward) {}
/// is_a_reward(&brevity);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a reward",
    note = "a reward is a closure `Fn(&Prompt, &Answer) -> f64`, or a type that implements `Reward::score`"
)]
pub trait Reward: Send + Sync {
    /// Judges one answer.
    ///
    /// # Errors
    /// When this answer cannot be judged.
    fn score(&self, prompt: &Prompt, answer: &Answer<'_>) -> Result<Verdict, BoxError>;

    /// Judges a whole group; override it to compare answers with each other. Returns one verdict per answer, in order.
    ///
    /// # Errors
    /// When the group as a whole cannot be judged.
    fn score_group(&self, group: &RolloutGroup) -> Result<Vec<Verdict>, BoxError> {
        let one = |answer| match self.score(&group.prompt, &answer) {
            Ok(verdict) => verdict,
            Err(error) => Verdict::Unscorable { reason: error.to_string() },
        };
        Ok(group.answers().map(one).collect())
    }
}

impl<F> Reward for F
where
    F: Fn(&Prompt, &Answer<'_>) -> f64 + Send + Sync,
{
    fn score(&self, prompt: &Prompt, answer: &Answer<'_>) -> Result<Verdict, BoxError> {
        Ok(Verdict::score_of(self(prompt, answer)))
    }
}
