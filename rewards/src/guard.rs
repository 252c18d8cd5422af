//! Judging a group when the reward may panic: a panic is charged to the answer that caused it, and never becomes a score.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use collimate_types::{BoxError, InfraKind, Reward, RolloutGroup, Verdict};

/// One verdict per answer, in order, whatever the reward does.
///
/// After a panic every answer is judged alone to find the culprits, and the others are judged again as a group: a reward that compares
/// answers still compares them. If that panics too, the fault is the whole rest's.
pub(crate) fn judge(reward: &dyn Reward, group: &RolloutGroup) -> Vec<Verdict> {
    match guarded(|| reward.score_group(group)) {
        Ok(verdicts) => settled(verdicts, group.rollouts.len()),
        Err(detail) => after_panic(reward, group, &detail),
    }
}

fn after_panic(reward: &dyn Reward, group: &RolloutGroup, detail: &str) -> Vec<Verdict> {
    let alone = |answer| guarded(|| reward.score(&group.prompt, &answer)).err();
    let panics: Vec<Option<String>> = group.answers().map(alone).collect();
    let survivors = panics.iter().filter(|p| p.is_none()).count();
    let rollouts = group.rollouts.iter().zip(&panics).filter(|(_, p)| p.is_none()).map(|(r, _)| r.clone()).collect();
    let rest = RolloutGroup { prompt: group.prompt.clone(), rollouts };
    let judged = match guarded(|| reward.score_group(&rest)) {
        _ if survivors == 0 => Vec::new(),
        Ok(verdicts) => settled(verdicts, survivors),
        Err(detail) => vec![panicked(detail); survivors],
    };
    let mut judged = judged.into_iter();
    let take = |panic: Option<String>| match panic {
        Some(detail) => panicked(detail),
        None => judged.next().unwrap_or_else(|| panicked(detail.to_owned())),
    };
    panics.into_iter().map(take).collect()
}

/// What a reward returned, as exactly `n` verdicts.
fn settled(verdicts: Result<Vec<Verdict>, BoxError>, n: usize) -> Vec<Verdict> {
    match verdicts {
        Ok(verdicts) if verdicts.len() == n => verdicts,
        Ok(verdicts) => {
            let detail = format!("{} verdicts came back for {n} answers", verdicts.len());
            vec![Verdict::InfraError { kind: InfraKind::Transport, retryable: false, detail }; n]
        }
        Err(error) => vec![Verdict::Unscorable { reason: error.to_string() }; n],
    }
}

fn panicked(detail: String) -> Verdict {
    Verdict::InfraError { kind: InfraKind::Panic, retryable: false, detail }
}

/// Runs somebody else's code. The panic hook still prints where it panicked.
///
/// A reward is shared between threads, so whatever a panic leaves behind in it (a poisoned lock) is its own to handle.
fn guarded<T>(code: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|payload| message(payload.as_ref()))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}
