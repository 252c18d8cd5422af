//! Which checkpoints may go.

/// A good checkpoint: its step, and whether its run called it the best so far.
pub(crate) type Good = (u64, bool);

/// The step that is the best of the run: the last one that was called best.
pub(crate) fn best_step(good: impl IntoIterator<Item = Good>) -> Option<u64> {
    good.into_iter().filter(|(_, best)| *best).map(|(step, _)| step).max()
}

/// The steps to remove so that the last `keep` (at least one) and the best stay.
///
/// `good` lists only checkpoints whose manifest and sizes are right: a damaged one neither counts as kept nor is removed, so the only
/// good one always stays.
pub(crate) fn to_remove(good: &[Good], keep: usize) -> Vec<u64> {
    let mut steps: Vec<u64> = good.iter().map(|(step, _)| *step).collect();
    steps.sort_unstable();
    let best = best_step(good.iter().copied());
    steps.truncate(steps.len().saturating_sub(keep.max(1)));
    steps.retain(|step| Some(*step) != best);
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_and_the_best_stay() {
        let good = [(10, true), (20, true), (30, false), (40, false), (50, false)];
        assert_eq!(to_remove(&good, 2), [10, 30]);
        assert_eq!(to_remove(&good, 5), [] as [u64; 0]);
        assert_eq!(best_step(good), Some(20));
    }

    #[test]
    fn the_only_good_one_stays_whatever_is_asked() {
        assert_eq!(to_remove(&[(10, false)], 0), [] as [u64; 0]);
        assert_eq!(to_remove(&[], 0), [] as [u64; 0]);
        assert_eq!(to_remove(&[(20, false), (10, false)], 0), [10]);
    }
}
