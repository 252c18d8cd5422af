//! The kinds of given data: how their rows become tokens, which model learns them, what their held-out score is.

use std::sync::Arc;

use collimate_algorithms::{Comparisons, Demonstrations, Labelled, Pairs};
use collimate_datasets::Item;
use collimate_learners::{GivenRow, Lesson, Preferred};
use collimate_models::{Fresh, Model, ScalarHead};
use collimate_types::{Demonstration, Metrics, PreferencePair, RatedAnswer, Seed};

use super::pad_of;
use super::rows::{RowError, Rows, other};
use crate::exit::{Exit, OrExit};
use crate::session::{self, Opened};

/// A kind of given data.
pub(crate) trait Kind: Lesson {
    /// What the data set gives.
    type Item: Item;

    /// The name of an example.
    fn id(item: &Self::Item) -> &str;

    /// Row `n` of a list as tokens.
    ///
    /// # Errors
    /// When it cannot be rendered.
    fn row(rows: &Rows<'_>, items: &[Arc<Self::Item>], n: usize) -> Result<GivenRow<Self::Label>, RowError>;

    /// The model with the head that learns it.
    ///
    /// # Errors
    /// With code 3 when the model is refused.
    fn load(opened: &Opened, seed: Seed) -> Result<Model<Self::Head>, Exit>;

    /// The held-out score, higher is better, from what was measured (without the prefix `eval/`).
    fn score(measured: &Metrics) -> Option<f64>;

    /// What more is told of held-out rows.
    fn tell(_measured: &mut Metrics) {}
}

fn minus_loss(measured: &Metrics) -> Option<f64> {
    measured.get("loss").map(|l| -l)
}

impl Kind for Demonstrations {
    type Item = Demonstration;

    fn id(item: &Demonstration) -> &str {
        &item.id
    }

    fn row(rows: &Rows<'_>, items: &[Arc<Demonstration>], n: usize) -> Result<GivenRow, RowError> {
        let (prompt, answer) = rows.demonstrated(&items[n])?;
        Ok(GivenRow { prompt, answers: vec![answer], label: () })
    }

    fn load(opened: &Opened, _: Seed) -> Result<Model, Exit> {
        session::load(&opened.source)
    }

    fn score(measured: &Metrics) -> Option<f64> {
        minus_loss(measured)
    }

    fn tell(measured: &mut Metrics) {
        if let Some(nll) = measured.get("nll_loss") {
            measured.set("perplexity", nll.exp());
        }
    }
}

impl Kind for Pairs {
    type Item = PreferencePair;

    fn id(item: &PreferencePair) -> &str {
        &item.id
    }

    fn row(rows: &Rows<'_>, items: &[Arc<PreferencePair>], n: usize) -> Result<GivenRow, RowError> {
        let pair = &items[n];
        let (prompt, answers) = rows.answered((pair.text.as_deref(), &pair.messages), &[&pair.chosen, &pair.rejected])?;
        Ok(GivenRow { prompt, answers, label: () })
    }

    fn load(opened: &Opened, _: Seed) -> Result<Model, Exit> {
        session::load(&opened.source)
    }

    fn score(measured: &Metrics) -> Option<f64> {
        measured.get("rewards/accuracies")
    }
}

impl Kind for Labelled {
    type Item = RatedAnswer;

    fn id(item: &RatedAnswer) -> &str {
        &item.id
    }

    /// The second answer is the next row's with another prompt, as in TRL: it estimates how far the policy has moved.
    fn row(rows: &Rows<'_>, items: &[Arc<RatedAnswer>], n: usize) -> Result<GivenRow<bool>, RowError> {
        let same = |a: &RatedAnswer, b: &RatedAnswer| a.text == b.text && a.messages == b.messages;
        let answered = |r: &RatedAnswer| rows.answered((r.text.as_deref(), &r.messages), &[&r.answer]);
        let (prompt, mut answers) = answered(&items[n])?;
        answers.extend(answered(&items[other(items, n, same)])?.1);
        let room = rows.max_length.saturating_sub(prompt.len());
        for answer in &mut answers {
            answer.tokens.truncate(room);
            answer.trained.truncate(room);
        }
        Ok(GivenRow { prompt, answers, label: items[n].good })
    }

    fn load(opened: &Opened, _: Seed) -> Result<Model, Exit> {
        session::load(&opened.source)
    }

    fn score(measured: &Metrics) -> Option<f64> {
        minus_loss(measured)
    }
}

impl Kind for Comparisons {
    type Item = PreferencePair;

    fn id(item: &PreferencePair) -> &str {
        &item.id
    }

    fn row(rows: &Rows<'_>, items: &[Arc<PreferencePair>], n: usize) -> Result<GivenRow<Preferred>, RowError> {
        let pair = &items[n];
        let (prompt, answers) = rows.answered((pair.text.as_deref(), &pair.messages), &[&pair.chosen, &pair.rejected])?;
        Ok(GivenRow { prompt, answers, label: Preferred { share: pair.label, margin: pair.margin } })
    }

    /// A model without a scalar head gets a fresh one, from the run's seed.
    fn load(opened: &Opened, seed: Seed) -> Result<Model<ScalarHead>, Exit> {
        let fresh = Fresh::Normal(seed.fork("head", 0));
        let mut model = opened.source.load_scores(tch::Kind::Float, Some(fresh)).or_model()?;
        if let Some(pad) = pad_of(&opened.tokenizer) {
            model.name_pad(pad);
        }
        Ok(model)
    }

    fn score(measured: &Metrics) -> Option<f64> {
        measured.get("rewards/accuracies")
    }
}
