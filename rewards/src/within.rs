//! The range that a reward from outside declares.

use collimate_types::Verdict;

/// Whether a declared range holds any number.
pub(crate) fn possible([low, high]: [f64; 2]) -> bool {
    low <= high
}

/// A score outside of the declared range is not taken.
pub(crate) fn within(verdict: Verdict, range: Option<[f64; 2]>) -> Verdict {
    let (Some([low, high]), Some(total)) = (range, verdict.score().map(|s| s.total)) else { return verdict };
    if (low..=high).contains(&total) {
        return verdict;
    }
    Verdict::Unscorable { reason: format!("the score {total} is outside of the declared range {low} to {high}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_outside_of_its_range_is_none() {
        for (total, fault) in [(0.0, None), (1.0, None), (1.0000001, Some("unscorable")), (-0.1, Some("unscorable"))] {
            assert_eq!(within(Verdict::score_of(total), Some([0.0, 1.0])).fault(), fault, "{total}");
            assert_eq!(within(Verdict::score_of(total), None).fault(), None);
        }
    }
}
