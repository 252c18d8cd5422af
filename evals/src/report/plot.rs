//! The frame of a drawing: from numbers to places, and the labels along its edges.

use std::fmt::Write;

use super::axis::{label, ticks};

/// The drawing's own units; the page scales it.
pub(super) const WIDTH: f64 = 360.0;
pub(super) const HEIGHT: f64 = 200.0;
/// Room for the labels.
pub(super) const LEFT: f64 = 50.0;
pub(super) const RIGHT: f64 = 10.0;
pub(super) const TOP: f64 = 10.0;
pub(super) const BOTTOM: f64 = 24.0;

/// What part of the numbers is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    /// The steps at the left and right edge, which differ.
    pub(super) x: [f64; 2],
    /// The values at the lower and upper edge, which differ.
    pub(super) y: [f64; 2],
}

impl Frame {
    /// A frame; a single step gets room on both sides.
    pub(super) fn new([first, last]: [f64; 2], y: [f64; 2]) -> Self {
        Self { x: if first < last { [first, last] } else { [first - 1.0, last + 1.0] }, y }
    }

    pub(super) fn place(&self, (step, value): (f64, f64)) -> (f64, f64) {
        // Halved first: the difference of two large values may not be finite.
        let part = |v: f64, [low, high]: [f64; 2]| (v / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
        (LEFT + part(step, self.x) * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - part(value, self.y) * (HEIGHT - TOP - BOTTOM))
    }

    /// A line through points.
    pub(super) fn path(&self, points: impl Iterator<Item = (f64, f64)>) -> String {
        let mut out = String::new();
        for point in points {
            let (x, y) = self.place(point);
            let _ = write!(out, "{}{x:.1} {y:.1}", if out.is_empty() { "M" } else { "L" });
        }
        out
    }

    /// Lines across and labels: round values at the left, round steps below.
    pub(super) fn axes(&self) -> String {
        let mut out = String::new();
        for value in ticks(self.y[0], self.y[1], 4) {
            let (_, y) = self.place((self.x[0], value));
            let (right, at, base) = (WIDTH - RIGHT, LEFT - 5.0, y + 3.5);
            let _ = write!(out, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>");
            let _ = write!(out, "<text class=\"tick\" x=\"{at}\" y=\"{base:.1}\" text-anchor=\"end\">{}</text>", label(value));
        }
        for step in ticks(self.x[0], self.x[1], 5).into_iter().filter(|s| s.fract() == 0.0) {
            let (x, _) = self.place((step, self.y[0]));
            let _ = write!(out, "<text class=\"tick\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>", HEIGHT - 8.0, label(step));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_inside_the_frame_and_the_first_is_at_its_left() {
        let frame = Frame::new([10.0, 20.0], [-3.0, 5.0]);
        assert_eq!(frame.place((10.0, -3.0)), (LEFT, HEIGHT - BOTTOM));
        assert_eq!(frame.place((20.0, 5.0)), (WIDTH - RIGHT, TOP));
        let (x, _) = Frame::new([7.0, 7.0], [0.0, 1.0]).place((7.0, 0.0));
        assert_eq!(x, LEFT + 0.5 * (WIDTH - LEFT - RIGHT), "one step stands in the middle");
    }
}
