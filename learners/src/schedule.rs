//! Learning-rate schedules with warm-up.

use serde::{Deserialize, Serialize};

/// The shape of the rate after warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Stays at the peak.
    Constant,
    /// A straight line to the floor.
    Linear,
    /// Half a cosine to the floor (Loshchilov and Hutter 2017, arXiv:1608.03983).
    Cosine,
    /// Warm-up, stable, decay (Hu et al. 2024, arXiv:2404.06395): stays at the peak, then a straight line to the floor.
    Wsd,
}

/// A learning rate as a function of the update.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Its shape.
    pub shape: Shape,
    /// The peak.
    pub lr: f64,
    /// Updates over which the rate rises in a straight line to the peak.
    pub warmup: u64,
    /// Updates of the whole run.
    pub total: u64,
    /// The floor as a share of the peak.
    pub min_ratio: f64,
    /// The share of the run that decays (wsd only).
    pub decay_share: f64,
}

impl Schedule {
    /// The rate of update `n`, counted from 0. The first update of a warm-up of w has 1/w of the peak; the last update of the run has not
    /// quite reached the floor, as in the field's schedulers.
    #[must_use]
    pub fn at(&self, n: u64) -> f64 {
        if n < self.warmup {
            return self.lr * (n + 1) as f64 / self.warmup as f64;
        }
        let rest = self.total.saturating_sub(self.warmup).max(1) as f64;
        let gone = ((n - self.warmup) as f64 / rest).min(1.0);
        let share = match self.shape {
            Shape::Constant => 1.0,
            Shape::Linear => 1.0 - gone,
            Shape::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * gone).cos()),
            Shape::Wsd => ((1.0 - gone) / self.decay_share.max(f64::MIN_POSITIVE)).min(1.0),
        };
        self.lr * (self.min_ratio + (1.0 - self.min_ratio) * share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(shape: Shape) -> Schedule {
        Schedule { shape, lr: 1.0, warmup: 4, total: 24, min_ratio: 0.1, decay_share: 0.25 }
    }

    #[test]
    fn warm_up_rises_in_a_straight_line() {
        let rates: Vec<f64> = (0..5).map(|n| schedule(Shape::Linear).at(n)).collect();
        assert_eq!(rates, [0.25, 0.5, 0.75, 1.0, 1.0]);
    }

    #[test]
    fn every_shape_passes_its_known_points() {
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} against {b}");
        close(schedule(Shape::Constant).at(23), 1.0);
        close(schedule(Shape::Linear).at(14), 0.55);
        close(schedule(Shape::Cosine).at(14), 0.55);
        close(schedule(Shape::Cosine).at(9), 0.1 + 0.9 * 0.5 * (1.0 + 0.5_f64.sqrt()));
        close(schedule(Shape::Wsd).at(18), 1.0);
        close(schedule(Shape::Wsd).at(19), 1.0);
        close(schedule(Shape::Wsd).at(20), 0.1 + 0.9 * 0.8);
        for shape in [Shape::Linear, Shape::Cosine, Shape::Wsd] {
            close(schedule(shape).at(1000), 0.1);
        }
    }
}
