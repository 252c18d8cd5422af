//! The standard normal law.

/// Φ(x), the share of the law below `x`. Exact to a few units in the last place, also far out in the lower tail.
pub(crate) fn cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x / std::f64::consts::SQRT_2)
}

/// Φ⁻¹(p) for 0 < p < 1, by bisection: it is asked a few times an interval, so that its speed is nothing and its simplicity much.
pub(crate) fn quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-40.0_f64, 40.0_f64);
    // 80 / 2^64 is below the spacing of the numbers near 1.
    for _ in 0..64 {
        let middle = 0.5 * (low + high);
        if cdf(middle) < p { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Z_95;

    #[test]
    fn quantiles_and_shares_are_those_of_the_tables() {
        assert!((quantile(0.975) - Z_95).abs() < 1e-12);
        assert!((quantile(0.5)).abs() < 1e-12);
        // Abramowitz and Stegun 1964, table 26.1.
        for (x, share) in [(1.0, 0.841_344_746_068_543), (2.0, 0.977_249_868_051_821), (3.0, 0.998_650_101_968_370)] {
            assert!((cdf(x) - share).abs() < 1e-14 && (cdf(-x) - (1.0 - share)).abs() < 1e-14, "{x}");
            assert!((quantile(share) - x).abs() < 1e-12, "{x}");
        }
    }
}
