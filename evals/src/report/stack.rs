//! Where the time of a step goes: phases as areas, one upon another.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::html::{self, esc};
use super::plot::{Frame, HEIGHT, WIDTH};
use super::{Run, series};
use crate::Table;

/// Columns of the drawing at most.
const COLUMNS: usize = 120;
/// Colours of areas.
const COLOURS: usize = 8;

/// Seconds of a phase at each column.
struct Phase {
    name: String,
    seconds: Vec<f64>,
    mean: f64,
}

/// A chart a run, and one table.
pub(super) fn section(runs: &[Run]) -> String {
    let mut charts = String::new();
    let mut table = Table::new("Seconds a step, mean over the run", &["run", "phase", "seconds", "share"]);
    for run in runs {
        let Some((steps, phases)) = phases(run) else { continue };
        let whole: f64 = phases.iter().map(|p| p.mean).sum();
        charts.push_str(&chart(&run.name, &steps, &phases));
        for phase in &phases {
            let share = format!("{:.1}%", 100.0 * phase.mean / whole);
            table.row([run.name.clone(), phase.name.clone(), format!("{:.3}", phase.mean), share]);
        }
    }
    if charts.is_empty() { charts } else { format!("<div class=\"charts\">{charts}</div>{}", html::table(&table)) }
}

/// The largest phase first; `other` is what of a step no phase booked.
fn phases(run: &Run) -> Option<(Vec<f64>, Vec<Phase>)> {
    let whole = series::of(run, "time/step");
    if whole.is_empty() {
        return None;
    }
    let columns = whole.len().min(COLUMNS);
    let part = |i: usize| i * whole.len() / columns..(i + 1) * whole.len() / columns;
    let mean = |i: usize, value: &dyn Fn(usize) -> f64| part(i).map(value).sum::<f64>() / part(i).len() as f64;
    let mut rest: Vec<f64> = whole.iter().map(|p| p.1).collect();
    let mut phases: Vec<(String, Vec<f64>)> = Vec::new();
    for name in series::names(std::slice::from_ref(run)) {
        let Some(phase) = name.strip_prefix("time/").filter(|p| *p != "step") else { continue };
        let known: BTreeMap<u64, f64> = series::of(run, &name).into_iter().collect();
        let seconds: Vec<f64> = whole.iter().map(|(step, _)| known.get(step).map_or(0.0, |s| s.max(0.0))).collect();
        rest.iter_mut().zip(&seconds).for_each(|(r, s)| *r -= s);
        phases.push((phase.to_owned(), seconds));
    }
    phases.push(("other".to_owned(), rest.into_iter().map(|r| r.max(0.0)).collect()));
    let phase = |(name, all): (String, Vec<f64>)| {
        let seconds = (0..columns).map(|i| mean(i, &|at| all[at])).collect();
        Phase { name, mean: all.iter().sum::<f64>() / all.len() as f64, seconds }
    };
    let mut phases: Vec<Phase> = phases.into_iter().map(phase).filter(|p| p.mean > 0.0).collect();
    phases.sort_by(|a, b| b.mean.total_cmp(&a.mean));
    let steps = (0..columns).map(|i| mean(i, &|at| whole[at].0 as f64)).collect();
    (!phases.is_empty()).then_some((steps, phases))
}

fn chart(run: &str, steps: &[f64], phases: &[Phase]) -> String {
    let total = |i: usize| phases.iter().map(|p| p.seconds[i]).sum::<f64>();
    let high = 1.05 * (0..steps.len()).map(total).fold(f64::MIN_POSITIVE, f64::max);
    let frame = Frame::new([steps[0], steps[steps.len() - 1]], [0.0, high]);
    // A run of one step is a block as wide as the frame.
    let (steps, at): (Vec<f64>, Vec<usize>) =
        if steps.len() == 1 { (frame.x.to_vec(), vec![0, 0]) } else { (steps.to_vec(), (0..steps.len()).collect()) };
    let says: Vec<String> = phases.iter().map(|p| format!("{} {:.2} s", p.name, p.mean)).collect();
    let (name, says) = (esc(run), esc(&says.join(", ")));
    let mut out = format!(
        "<figure class=\"chart\"><figcaption>{name}: seconds a step</figcaption>\
         <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{name}: {says}\">"
    );
    let mut below = vec![0.0; at.len()];
    for (colour, phase) in phases.iter().enumerate() {
        let above: Vec<f64> = below.iter().zip(&at).map(|(b, i)| b + phase.seconds[*i]).collect();
        let up = steps.iter().copied().zip(above.iter().copied());
        let down = steps.iter().copied().zip(below.iter().copied()).rev();
        let _ = write!(out, "<path class=\"area a{}\" d=\"{}Z\"/>", colour % COLOURS, frame.path(up.chain(down)));
        below = above;
    }
    let _ = write!(out, "{}</svg><ul class=\"legend\">", frame.axes());
    for (colour, phase) in phases.iter().enumerate() {
        let _ = write!(out, "<li><span class=\"block a{}\"></span> {}</li>", colour % COLOURS, esc(&phase.name));
    }
    out + "</ul></figure>\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use collimate_types::Metrics;

    #[test]
    fn phases_add_up_to_the_step_and_the_rest_is_called_other() {
        let times = [("time/step", 10.0), ("time/update", 6.0), ("time/generate", 3.0)];
        let line = |step| (step, Metrics(times.map(|(n, v)| (n.to_owned(), v)).into()));
        let run = Run { name: "r".into(), lines: (1..=500).map(line).collect(), ..Run::default() };
        let (steps, phases) = phases(&run).unwrap();
        assert_eq!(steps.len(), COLUMNS);
        let means: Vec<(&str, f64)> = phases.iter().map(|p| (p.name.as_str(), p.mean)).collect();
        assert_eq!(means, [("update", 6.0), ("generate", 3.0), ("other", 1.0)]);
        let out = section(&[run]);
        assert!(out.contains("<td>60.0%</td>") && out.matches("class=\"area").count() == 3);
        assert_eq!(section(&[Run::default()]), "");
    }
}
