//! A line chart of one metric as SVG.

use std::fmt::Write;

use super::axis::padded;
use super::html::{class, esc, number};
use super::plot::{BOTTOM, Frame, HEIGHT, LEFT, RIGHT, TOP, WIDTH};
use super::series::{smooth, thin};

/// How strongly lines are smoothed before the reader chooses; the page's control begins with the same.
const SMOOTHING: f64 = 0.6;
/// Fewer points than this are drawn one by one, and not smoothed.
const FEW: usize = 12;

/// A line of a chart.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    /// The run it belongs to: decides the colour.
    pub(super) run: usize,
    /// The run's name.
    pub(super) name: String,
    /// The points by step.
    pub(super) points: Vec<(u64, f64)>,
    /// An interval around each point; empty if there is none.
    pub(super) intervals: Vec<[f64; 2]>,
}

/// A chart of one metric.
#[derive(Debug, Clone, Default)]
pub(super) struct Chart {
    /// The metric.
    pub(super) name: String,
    /// A line a run.
    pub(super) lines: Vec<Line>,
}

impl Chart {
    /// The chart as a figure; empty if there is no point.
    pub(super) fn svg(&self) -> String {
        let Some(frame) = self.frame() else { return String::new() };
        let ([x0, x1], [y0, y1]) = (frame.x, frame.y);
        let (name, says, right, bottom) = (esc(&self.name), esc(&self.says()), WIDTH - RIGHT, HEIGHT - BOTTOM);
        let mut out = format!(
            "<figure class=\"chart\"><figcaption>{name}</figcaption><div class=\"plot\"><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
             tabindex=\"0\" aria-label=\"{says}\" data-frame=\"{x0},{x1},{y0},{y1},{LEFT},{right},{TOP},{bottom}\">{}",
            frame.axes()
        );
        self.lines.iter().for_each(|line| draw(&mut out, frame, line));
        out + "<path class=\"rule\" d=\"\"/></svg><div class=\"tip\" hidden></div></div></figure>\n"
    }

    fn frame(&self) -> Option<Frame> {
        let lines = &self.lines;
        let steps = || lines.iter().flat_map(|l| &l.points).map(|p| p.0 as f64);
        let values = || lines.iter().flat_map(|l| l.points.iter().map(|p| p.1).chain(l.intervals.iter().flatten().copied()));
        steps().next()?;
        let span = [values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max)];
        Some(Frame::new([steps().fold(f64::MAX, f64::min), steps().fold(f64::MIN, f64::max)], padded(span)))
    }

    /// The chart in words.
    fn says(&self) -> String {
        let line = |l: &Line| {
            let (first, last) = (l.points.first()?, l.points.last()?);
            Some(format!("{} from {} at step {} to {} at step {}", l.name, number(first.1), first.0, number(last.1), last.0))
        };
        format!("{}: {}", self.name, self.lines.iter().filter_map(line).collect::<Vec<_>>().join("; "))
    }
}

/// The points faintly, their smoothed course over them, intervals as bars.
fn draw(out: &mut String, frame: Frame, line: &Line) {
    let thinned = thin(&line.points);
    let (class, few) = (class(line.run), thinned.len() < FEW);
    let data: Vec<String> = thinned.iter().map(|(x, y)| format!("{},{}", compact(*x), compact(*y))).collect();
    let (name, colour, few_mark) = (esc(&line.name), line.run % 6, u8::from(few));
    let _ =
        write!(out, "<g class=\"series\" data-name=\"{name}\" data-c=\"{colour}\" data-few=\"{few_mark}\" data-xy=\"{}\">", data.join(" "));
    for ((step, _), [low, high]) in line.points.iter().zip(&line.intervals) {
        let bar = [*low, *high].map(|v| (*step as f64, v));
        let _ = write!(out, "<path class=\"line bar {class}\" d=\"{}\"/>", frame.path(bar.into_iter()));
    }
    if few {
        let _ = write!(out, "<path class=\"line main {class}\" d=\"{}\"/>", frame.path(thinned.iter().copied()));
        for point in &thinned {
            let (x, y) = frame.place(*point);
            let _ = write!(out, "<circle class=\"dot {class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\"/>");
        }
    } else {
        let _ = write!(out, "<path class=\"line raw {class}\" d=\"{}\"/>", frame.path(thinned.iter().copied()));
        let _ = write!(out, "<path class=\"line main {class}\" d=\"{}\"/>", frame.path(smooth(&thinned, SMOOTHING).into_iter()));
    }
    out.push_str("</g>");
}

/// Six significant digits: enough for a chart, a third of the bytes.
fn compact(value: f64) -> String {
    let short = format!("{value:.5e}").parse::<f64>().unwrap_or(value);
    if short != 0.0 && !(1e-4..1e9).contains(&short.abs()) { format!("{short:e}") } else { short.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chart(points: Vec<(u64, f64)>) -> Chart {
        Chart { name: "a<b".into(), lines: vec![Line { name: "run \"1\"".into(), points, ..Line::default() }] }
    }

    #[test]
    fn a_chart_says_in_words_what_it_draws() {
        let svg = chart(vec![(1, 0.25), (9, 0.75)]).svg();
        assert!(svg.contains("aria-label=\"a&lt;b: run &quot;1&quot; from 0.25 at step 1 to 0.75 at step 9\""), "{svg}");
        assert!(svg.contains("data-xy=\"1,0.25 9,0.75\"") && svg.matches("<circle").count() == 2);
        assert_eq!(chart(vec![]).svg(), "");
    }

    #[test]
    fn numbers_are_short_and_near() {
        assert_eq!([0.123_456_789, 1e-12, 42.0, -1.5e12].map(compact), ["0.123457", "1e-12", "42", "-1.5e12"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_finite_numbers_give_a_drawing_of_numbers(values in proptest::collection::vec(-1e300..1e300_f64, 1..40)) {
            let svg = chart((0..).zip(values).collect()).svg();
            prop_assert!(!svg.contains("NaN") && !svg.contains("inf"));
        }
    }
}
