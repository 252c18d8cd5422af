//! Questions that were answered several times: accuracy, pass@k, consensus@k and best-of-k.
//!
//! All three curves are expectations over the ways to pick k of a question's answers, not over one lucky pick: pass@k and best-of-k in closed
//! form, consensus@k by enumeration. The intervals draw questions anew, since the answers of one question are not independent.

mod best;
mod consensus;
mod pass;

use serde::{Deserialize, Serialize};

pub use best::best_of_k;
pub use consensus::{MAX_PICKS, consensus_at_k};
pub use pass::pass_at_k;

use crate::table::{Table, percent, percents, short};
use crate::{Bootstrap, EvalError, IntervalMethod, Proportion, Unit, ratio};

/// One answer to a question.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SampledAnswer {
    /// Whether it is right; none if it could not be judged. Such an answer takes part in nothing.
    pub correct: Option<bool>,
    /// What it says in short, for the vote: a number, a letter. None abstains.
    pub vote: Option<String>,
    /// What a selector thinks of it: a reward, a reward model's score.
    pub score: Option<f64>,
    /// How long it is.
    pub tokens: u64,
}

/// A mean over questions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean, 0 to 1.
    pub value: f64,
    /// The interval of it.
    pub interval: [f64; 2],
    /// How the interval was made.
    pub interval_method: IntervalMethod,
    /// How many questions have it.
    pub n: u64,
}

/// What k answers a question are worth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AtK {
    /// How many answers are picked.
    pub k: usize,
    /// At least one of them is right.
    pub pass: Estimate,
    /// Their majority is right; none if no answer has a vote.
    pub consensus: Option<Estimate>,
    /// The one with the highest score is right; none if the answers have no scores.
    pub best: Option<Estimate>,
}

/// How questions were answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampledResult {
    /// The mean share of right answers of a question.
    pub accuracy: f64,
    /// The interval of it.
    pub interval: [f64; 2],
    /// How the interval was made: Wilson's, where each question has one answer.
    pub interval_method: IntervalMethod,
    /// How many answers are right.
    pub correct: u64,
    /// How many answers were judged.
    pub n: u64,
    /// How many questions have a judged answer.
    pub questions: u64,
    /// How many answers could not be judged. They are part of nothing else.
    pub unscorable: u64,
    /// The mean score of the judged answers that have one.
    pub reward: Option<f64>,
    /// How long all answers are, in tokens.
    pub tokens: u64,
    /// The curves; empty if each question was answered once.
    pub at_k: Vec<AtK>,
}

impl SampledResult {
    /// Evaluates questions with their answers, at the given numbers of picks. A question with fewer than k judged answers is left out at k.
    ///
    /// # Errors
    /// If no answer was judged.
    pub fn of(questions: &[Vec<SampledAnswer>], at: &[usize], bootstrap: Bootstrap) -> Result<Self, EvalError> {
        let unscorable = questions.iter().flatten().filter(|a| a.correct.is_none()).count() as u64;
        let judged: Vec<Vec<&SampledAnswer>> =
            questions.iter().map(|q| q.iter().filter(|a| a.correct.is_some()).collect()).filter(|q: &Vec<_>| !q.is_empty()).collect();
        let counts: Vec<(u64, u64)> = judged.iter().map(|q| (right(q), q.len() as u64)).collect();
        let (correct, n) = counts.iter().fold((0, 0), |(c, n), q| (c + q.0, n + q.1));
        let shares: Vec<f64> = counts.iter().map(|(c, n)| *c as f64 / *n as f64).collect();
        let accuracy = estimate(&shares, bootstrap, n == judged.len() as u64).ok_or(EvalError::NothingJudged { unscorable })?;
        let scores: Vec<f64> = judged.iter().flatten().filter_map(|a| a.score).filter(|s| s.is_finite()).collect();
        let most = counts.iter().map(|(_, n)| *n).max().unwrap_or(0) as usize;
        let at = if most < 2 { &[] } else { at };
        Ok(Self {
            accuracy: accuracy.value,
            interval: accuracy.interval,
            interval_method: accuracy.interval_method,
            correct,
            n,
            questions: judged.len() as u64,
            unscorable,
            tokens: questions.iter().flatten().map(|a| a.tokens).sum(),
            reward: (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64),
            at_k: at.iter().filter_map(|k| at_k(&judged, *k, bootstrap)).collect(),
        })
    }

    /// The tables of the result.
    #[must_use]
    pub fn tables(&self) -> Vec<Table> {
        let mut table = Table::new("Accuracy on questions", &["", "value", "95% interval", "n"]);
        table.row(["accuracy".into(), percent(self.accuracy), percents(self.interval), self.questions.to_string()]);
        if self.n != self.questions {
            table.row(["right answers".into(), self.correct.to_string(), String::new(), self.n.to_string()]);
        }
        if let Some(reward) = self.reward {
            table.row(["mean reward".into(), short(reward)]);
        }
        if self.tokens > 0 {
            let answers = (self.n + self.unscorable).max(1);
            table.row(["mean length, in tokens".into(), short(self.tokens as f64 / answers as f64)]);
        }
        if self.unscorable > 0 {
            table.row(["not judged".into(), String::new(), String::new(), self.unscorable.to_string()]);
        }
        let mut curve = Table::new("By number of answers", &["k", "pass@k", "consensus@k", "best of k", "questions"]);
        for at in &self.at_k {
            let cell = |e: Option<Estimate>| e.map_or_else(|| "-".into(), |e| format!("{} [{}]", percent(e.value), percents(e.interval)));
            curve.row([at.k.to_string(), cell(Some(at.pass)), cell(at.consensus), cell(at.best), at.pass.n.to_string()]);
        }
        if curve.rows.is_empty() { vec![table] } else { vec![table, curve] }
    }
}

/// 1, 2, 4, … up to the number of answers, which is the last.
#[must_use]
pub fn powers_up_to(answers: usize) -> Vec<usize> {
    let mut at: Vec<usize> = std::iter::successors(Some(1), |k| Some(2 * k)).take_while(|k| *k < answers).collect();
    at.push(answers.max(1));
    at
}

fn right(answers: &[&SampledAnswer]) -> u64 {
    answers.iter().filter(|a| a.correct == Some(true)).count() as u64
}

fn at_k(questions: &[Vec<&SampledAnswer>], k: usize, bootstrap: Bootstrap) -> Option<AtK> {
    let enough: Vec<&Vec<&SampledAnswer>> = questions.iter().filter(|q| q.len() >= k && k > 0).collect();
    let bootstrap = Bootstrap { seed: bootstrap.seed.fork("at", k as u64), ..bootstrap };
    let pass: Vec<f64> = enough.iter().map(|q| pass_at_k(q.len() as u64, right(q), k as u64)).collect();
    let voted = enough.iter().any(|q| q.iter().any(|a| a.vote.is_some()));
    let votes = || -> Vec<f64> {
        let vote = |q: &&Vec<&SampledAnswer>| {
            let ballots: Vec<(Option<&str>, bool)> = q.iter().map(|a| (a.vote.as_deref(), a.correct == Some(true))).collect();
            consensus_at_k(&ballots, k, bootstrap.seed)
        };
        enough.iter().map(vote).collect()
    };
    let scored = |q: &&Vec<&SampledAnswer>| -> Option<f64> {
        let scored: Option<Vec<(f64, f64)>> =
            q.iter().map(|a| Some((a.score.filter(|s| s.is_finite())?, f64::from(u8::from(a.correct == Some(true)))))).collect();
        scored.map(|s| best_of_k(&s, k))
    };
    let best: Vec<f64> = enough.iter().filter_map(scored).collect();
    Some(AtK {
        k,
        pass: estimate(&pass, bootstrap, k == 1 && questions.iter().all(|q| q.len() == 1))?,
        consensus: if voted { estimate(&votes(), bootstrap, false) } else { None },
        best: estimate(&best, bootstrap, false),
    })
}

/// The mean of one number a question. `shares` says that the numbers are 0 and 1: their interval is then Wilson's.
fn estimate(values: &[f64], bootstrap: Bootstrap, shares: bool) -> Option<Estimate> {
    let units: Vec<Unit> = values.iter().map(|v| Unit::of(*v)).collect();
    let value = ratio(&units)?;
    let n = values.len() as u64;
    let wilson = || Proportion::new((value * n as f64).round() as u64, n).ok().map(|p| (p.interval(), IntervalMethod::Wilson));
    let resampled = if shares { None } else { bootstrap.of_ratio(&units).filter(|[low, high]| low < high) };
    let (interval, interval_method) = resampled.map(|i| (i, IntervalMethod::Bca)).or_else(wilson)?;
    Some(Estimate { value, interval, interval_method, n })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(correct: bool, vote: &str, score: f64) -> SampledAnswer {
        SampledAnswer { correct: Some(correct), vote: Some(vote.into()), score: Some(score), tokens: 2 }
    }

    fn question(rights: usize) -> Vec<SampledAnswer> {
        (0..4).map(|i| if i < rights { answer(true, "7", 1.0) } else { answer(false, ["1", "2", "3", "4"][i], 0.1 * i as f64) }).collect()
    }

    #[test]
    fn one_answer_a_question_is_a_share_with_wilsons_interval() {
        let questions: Vec<Vec<SampledAnswer>> = (0..200).map(|i| vec![answer(i < 75, "x", 0.0)]).collect();
        let result = SampledResult::of(&questions, &[1, 2], Bootstrap::default()).unwrap();
        let share = Proportion::new(75, 200).unwrap();
        assert_eq!((result.accuracy, result.interval, result.interval_method), (share.share(), share.interval(), IntervalMethod::Wilson));
        assert_eq!((result.correct, result.n, result.questions, result.at_k.len()), (75, 200, 200, 0));
    }

    #[test]
    fn the_curves_rise_as_they_must_and_meet_at_one() {
        let questions: Vec<Vec<SampledAnswer>> = (0..50).map(|i| question(i % 5)).collect();
        let result = SampledResult::of(&questions, &powers_up_to(4), Bootstrap::default()).unwrap();
        assert_eq!(result.at_k.iter().map(|a| a.k).collect::<Vec<_>>(), [1, 2, 4]);
        let first = result.at_k[0];
        let at_one = [first.pass.value, first.consensus.unwrap().value, first.best.unwrap().value];
        assert!(at_one.iter().all(|v| (v - result.accuracy).abs() < 1e-12), "{at_one:?}");
        assert!(result.at_k.windows(2).all(|w| w[0].pass.value < w[1].pass.value));
        assert!((result.at_k[2].pass.value - 0.8).abs() < 1e-12, "one of five questions has no right answer");
        assert!(result.at_k[2].consensus.unwrap().value > result.accuracy, "wrong answers differ, right ones agree");
        assert!((result.at_k[2].best.unwrap().value - 0.8).abs() < 1e-12, "the selector knows the right ones");
    }

    #[test]
    fn what_was_not_judged_is_part_of_nothing() {
        let mut questions = vec![question(2), question(2)];
        questions[1][3].correct = None;
        questions.push(vec![SampledAnswer::default()]);
        let result = SampledResult::of(&questions, &[4], Bootstrap::default()).unwrap();
        assert_eq!((result.unscorable, result.n, result.questions, result.at_k[0].pass.n), (2, 7, 2, 1));
        let nothing = SampledResult::of(&questions[2..], &[1], Bootstrap::default());
        assert_eq!(nothing, Err(EvalError::NothingJudged { unscorable: 1 }));
    }

    #[test]
    fn answers_of_one_question_do_not_count_as_independent() {
        let questions: Vec<Vec<SampledAnswer>> = (0..100).map(|i| question(if i % 2 == 0 { 4 } else { 0 })).collect();
        let result = SampledResult::of(&questions, &[], Bootstrap::default()).unwrap();
        let pretended = Proportion::new(200, 400).unwrap().interval();
        let width = |[low, high]: [f64; 2]| high - low;
        assert!(width(result.interval) > 1.8 * width(pretended), "{:?} {pretended:?}", result.interval);
    }
}
