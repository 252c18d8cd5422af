//! The weight of a KL in the reward, moved so that the KL stays near a target (Ziegler et al. 2019, arXiv:1909.08593, section 2.2).

/// A proportional controller.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Controller {
    /// The KL of a completion that is aimed at, in nats.
    pub target: f64,
    /// Completions over which an error of 100 % doubles or halves the weight, roughly.
    pub horizon: f64,
}

impl Controller {
    /// The next weight: `β·(1 + clip(KL/target − 1, −0.2, 0.2)·rows/horizon)`.
    ///
    /// `kl` is the mean over the completions of a batch, in nats; `rows` is their number.
    #[must_use]
    pub fn next(&self, beta: f64, kl: f64, rows: f64) -> f64 {
        beta * (1.0 + (kl / self.target - 1.0).clamp(-0.2, 0.2) * rows / self.horizon)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weight_rises_above_the_target_and_falls_below_it_and_an_error_is_clipped() {
        let control = Controller { target: 6.0, horizon: 1000.0 };
        assert!((control.next(0.2, 6.6, 100.0) - 0.2 * 1.01).abs() < 1e-15);
        assert!((control.next(0.2, 60.0, 100.0) - 0.2 * 1.02).abs() < 1e-15);
        assert!((control.next(0.2, 0.0, 100.0) - 0.2 * 0.98).abs() < 1e-15);
        assert_eq!(control.next(0.2, 6.0, 100.0), 0.2);
    }
}
