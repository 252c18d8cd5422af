//! An evaluation as it is kept: what was measured, on what, and what came of it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::table::Table;
use crate::{PerplexityResult, PreferenceResult, SampledResult, WinRateResult};

/// A model or a file, with the hash that tells it from another one of the same name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Source {
    /// Where it is.
    pub path: String,
    /// The BLAKE3 of its content; empty if it has none (an endpoint).
    pub hash: String,
}

/// What came of an evaluation.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// Answers to questions.
    Task(SampledResult),
    /// Scores of pairs.
    Preference(PreferenceResult),
    /// Two models before a judge.
    WinRate(WinRateResult),
    /// Texts.
    Perplexity(PerplexityResult),
}

impl Outcome {
    /// Its name on the command line.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Task(_) => "task",
            Self::Preference(_) => "preference",
            Self::WinRate(_) => "winrate",
            Self::Perplexity(_) => "perplexity",
        }
    }

    /// The number that stands for it, its interval, and how many items it is of.
    #[must_use]
    pub fn headline(&self) -> (&'static str, f64, Option<[f64; 2]>, u64) {
        match self {
            Self::Task(r) => ("accuracy", r.accuracy, Some(r.interval), r.questions),
            Self::Preference(r) => ("preference accuracy", r.accuracy, Some(r.interval), r.n),
            Self::WinRate(r) => ("win rate", r.win_rate, Some(r.interval), r.n),
            Self::Perplexity(r) => ("perplexity", r.perplexity, r.interval, r.n),
        }
    }

    /// Its tables.
    #[must_use]
    pub fn tables(&self) -> Vec<Table> {
        match self {
            Self::Task(r) => r.tables(),
            Self::Preference(r) => r.tables(),
            Self::WinRate(r) => r.tables(),
            Self::Perplexity(r) => r.tables(),
        }
    }

    fn to_value(&self) -> Result<Value, serde_json::Error> {
        match self {
            Self::Task(r) => serde_json::to_value(r),
            Self::Preference(r) => serde_json::to_value(r),
            Self::WinRate(r) => serde_json::to_value(r),
            Self::Perplexity(r) => serde_json::to_value(r),
        }
    }
}

/// A JSON that is no evaluation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A number has no JSON form, or a field is missing or of another kind.
    #[error("the evaluation cannot be read or written: {0}")]
    Json(#[from] serde_json::Error),
    /// An evaluation of a newer version.
    #[error("`{name}` is no evaluation that this version knows (task, preference, winrate, perplexity)")]
    Unknown {
        /// The name in the file.
        name: String,
    },
}

/// An evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// What was measured.
    pub model: Source,
    /// What it was compared with: a reference model, the other model of a win rate.
    pub against: Option<Source>,
    /// On what.
    pub data: Source,
    /// The format of the data.
    pub format: String,
    /// How: scorer, sampling, judge, seed.
    pub settings: Map<String, Value>,
    /// How long it took.
    pub seconds: f64,
    /// The version of the program.
    pub version: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// The fields around a result, as they stand in the JSON.
#[derive(Serialize, Deserialize)]
struct Around {
    eval: String,
    model: String,
    model_hash: String,
    #[serde(default)]
    against: Option<Source>,
    data: String,
    data_hash: String,
    format: String,
    settings: Map<String, Value>,
    seconds: f64,
    version: String,
}

impl Record {
    /// One flat object: the fields of the result beside what was measured.
    ///
    /// # Errors
    /// If the result has no JSON form.
    pub fn to_json(&self) -> Result<Value, RecordError> {
        let around = Around {
            eval: self.outcome.name().to_owned(),
            model: self.model.path.clone(),
            model_hash: self.model.hash.clone(),
            against: self.against.clone(),
            data: self.data.path.clone(),
            data_hash: self.data.hash.clone(),
            format: self.format.clone(),
            settings: self.settings.clone(),
            seconds: self.seconds,
            version: self.version.clone(),
        };
        let (mut all, result) = (serde_json::to_value(around)?, self.outcome.to_value()?);
        if let (Value::Object(all), Value::Object(result)) = (&mut all, result) {
            all.extend(result);
        }
        Ok(all)
    }

    /// Reads what [`Record::to_json`] wrote. Fields that this version does not know are passed over.
    ///
    /// # Errors
    /// If it is no evaluation.
    pub fn from_json(json: Value) -> Result<Self, RecordError> {
        let around: Around = serde_json::from_value(json.clone())?;
        let outcome = match around.eval.as_str() {
            "task" => Outcome::Task(serde_json::from_value(json)?),
            "preference" => Outcome::Preference(serde_json::from_value(json)?),
            "winrate" => Outcome::WinRate(serde_json::from_value(json)?),
            "perplexity" => Outcome::Perplexity(serde_json::from_value(json)?),
            name => return Err(RecordError::Unknown { name: name.to_owned() }),
        };
        Ok(Self {
            model: Source { path: around.model, hash: around.model_hash },
            against: around.against,
            data: Source { path: around.data, hash: around.data_hash },
            format: around.format,
            settings: around.settings,
            seconds: around.seconds,
            version: around.version,
            outcome,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{Bootstrap, JudgedPair, Preference, SampledAnswer, ScoredPair, ScoredText};

    pub(crate) fn record(outcome: Outcome) -> Record {
        Record {
            model: Source { path: "models/a".into(), hash: "11".repeat(32) },
            against: None,
            data: Source { path: "data.jsonl".into(), hash: "22".repeat(32) },
            format: "hh-rlhf".into(),
            settings: Map::new(),
            seconds: 1.5,
            version: "0.1.0".into(),
            outcome,
        }
    }

    pub(crate) fn outcomes() -> Vec<Outcome> {
        let pairs: Vec<ScoredPair> = (0..20)
            .map(|i| ScoredPair { chosen: f64::from(i % 3), label: 1.0, chosen_tokens: 40, rejected: 0.5, ..ScoredPair::default() })
            .collect();
        let answers = vec![vec![SampledAnswer { correct: Some(true), vote: None, score: Some(1.0), tokens: 3 }; 4]; 5];
        let judged = [JudgedPair { a_first: Some(1.0), b_first: Some(0.5), a_length: 3.0, b_length: 4.0 }; 6];
        vec![
            Outcome::Task(SampledResult::of(&answers, &[1, 4], Bootstrap::default()).unwrap()),
            Outcome::Preference(Preference::default().evaluate(&pairs).unwrap()),
            Outcome::WinRate(WinRateResult::of(&judged, Bootstrap::default()).unwrap()),
            Outcome::Perplexity(PerplexityResult::of(&[ScoredText { nats: 4.0, tokens: 2, bytes: 9 }], Bootstrap::default()).unwrap()),
        ]
    }

    #[test]
    fn every_evaluation_reads_back_and_its_headline_stands_at_the_top() {
        for outcome in outcomes() {
            let record = record(outcome);
            let json = record.to_json().unwrap();
            assert_eq!(Record::from_json(json.clone()).unwrap(), record);
            assert_eq!(json["eval"], record.outcome.name());
            assert!(["accuracy", "win_rate", "perplexity"].iter().any(|k| json[k].is_f64()), "{json}");
            assert!(record.outcome.tables().iter().all(|t| !t.rows.is_empty()), "{}", record.outcome.name());
        }
    }

    #[test]
    fn a_json_of_something_else_is_refused_with_its_name() {
        let mut json = record(outcomes().remove(0)).to_json().unwrap();
        json["eval"] = "elo".into();
        assert!(Record::from_json(json.clone()).unwrap_err().to_string().contains("`elo`"));
        json["eval"] = "perplexity".into();
        assert!(matches!(Record::from_json(json), Err(RecordError::Json(_))));
    }
}
