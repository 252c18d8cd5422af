//! Round numbers along an axis.

/// Round values that cover a range: `count` of them or a few less, 1, 2 or 5 times a power of ten apart.
pub(super) fn ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let span = high - low;
    if !(span > 0.0 && span.is_finite()) {
        return vec![low];
    }
    let rough = span / count.max(1) as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|f| f * power).find(|s| *s >= rough * 0.999).unwrap_or(10.0 * power);
    let first = (low / step).ceil();
    // At most as many as the smallest step allows; a step that rounding lost ends the list.
    (0..=2 * count)
        .map(|i| (first + i as f64) * step)
        .take_while(|v| *v <= high + 1e-9 * span)
        .map(|v| if v.abs() < 1e-9 * span { 0.0 } else { v })
        .collect()
}

/// A range with some air above and below; one without width gets some.
pub(super) fn padded([low, high]: [f64; 2]) -> [f64; 2] {
    let span = high - low;
    let air = if span > 0.0 {
        0.06 * span
    } else if low == 0.0 {
        0.5
    } else {
        0.1 * low.abs()
    };
    [low - air, high + air]
}

/// A tick as a label: as many digits as tell it from its neighbours.
pub(super) fn label(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e5).contains(&value.abs()) {
        return format!("{value:.1e}").replace(".0e", "e");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ticks_are_the_numbers_a_person_would_write() {
        let text = |low, high| ticks(low, high, 5).into_iter().map(label).collect::<Vec<_>>().join(" ");
        assert_eq!(text(0.0, 1.0), "0 0.2 0.4 0.6 0.8 1");
        assert_eq!(text(-0.13, 0.42), "0 0.2 0.4");
        assert_eq!(text(0.0, 130_000.0), "0 50000 1e5");
        assert_eq!(text(1e-6, 3e-6), "1e-6 1.5e-6 2e-6 2.5e-6 3e-6");
        assert_eq!(text(3.0, 3.0), "3");
    }

    proptest! {
        #[test]
        fn any_range_has_few_ticks_inside_it(low in -1e12..1e12_f64, span in 1e-9..1e12_f64, count in 1_usize..8) {
            let all = ticks(low, low + span, count);
            prop_assert!(all.len() <= 2 * count + 1);
            prop_assert!(all.iter().all(|v| *v >= low - 1e-6 * (span + low.abs()) && *v <= low + span + 1e-6 * (span + low.abs())));
        }
    }
}
