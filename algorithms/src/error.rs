//! What an algorithm refuses.

/// Why a loss or a credit could not be computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AlgorithmError {
    /// A tensor has another shape than the letters say.
    #[error("{site}: {name} is {got:?}, wanted [{wanted}]")]
    Shape {
        /// Where.
        site: &'static str,
        /// Which tensor.
        name: &'static str,
        /// Its shape.
        got: Vec<i64>,
        /// The letters with their sizes.
        wanted: String,
    },
    /// A tensor that the algorithm said it needs is not there.
    #[error("{site}: {name} is needed and missing")]
    Missing {
        /// Where.
        site: &'static str,
        /// Which tensor.
        name: &'static str,
    },
    /// The groups do not fit together.
    #[error("{site}: {what}")]
    Groups {
        /// Where.
        site: &'static str,
        /// What does not fit.
        what: String,
    },
}

/// Why an algorithm could not be set up.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KnobError {
    /// There is no such algorithm.
    #[error("there is no algorithm `{name}`{}; there are {known}", hint(.nearest.as_deref()))]
    UnknownAlgorithm {
        /// What was asked for.
        name: String,
        /// The most similar name.
        nearest: Option<String>,
        /// All names.
        known: String,
    },
    /// The algorithm has no such knob.
    #[error("`{algorithm}` has no knob `{knob}`{}; it has {known}", hint(.nearest.as_deref()))]
    UnknownKnob {
        /// The algorithm.
        algorithm: &'static str,
        /// What was given.
        knob: String,
        /// The most similar knob.
        nearest: Option<String>,
        /// All knobs.
        known: String,
    },
    /// A knob has a value that means nothing.
    #[error("`{algorithm}`: `{knob}` {what}")]
    Value {
        /// The algorithm.
        algorithm: &'static str,
        /// The knob; empty if the value as a whole is not a table.
        knob: String,
        /// What is wrong, with what is allowed.
        what: String,
    },
    /// Two parts that make no sense together.
    #[error("`{algorithm}`: `{knob}` {what} does not go with {with}: {why}")]
    Clash {
        /// The algorithm.
        algorithm: &'static str,
        /// The knob that is to change.
        knob: &'static str,
        /// Its value.
        what: String,
        /// What it stands beside.
        with: String,
        /// Why not, and what to set instead.
        why: &'static str,
    },
    /// The algorithm learns from other data than the caller has.
    #[error("`{algorithm}` learns from {has}, not from {wanted}")]
    Family {
        /// The algorithm.
        algorithm: &'static str,
        /// What it learns from.
        has: &'static str,
        /// What was asked for.
        wanted: &'static str,
    },
}

impl KnobError {
    /// The knob, for finding its place in a recipe.
    #[must_use]
    pub fn knob(&self) -> Option<&str> {
        match self {
            Self::UnknownAlgorithm { .. } | Self::Family { .. } => None,
            Self::Clash { knob, .. } => Some(knob),
            Self::UnknownKnob { knob, .. } | Self::Value { knob, .. } => Some(knob),
        }
    }
}

fn hint(name: Option<&str>) -> String {
    name.map_or_else(String::new, |n| format!(" (did you mean `{n}`?)"))
}

/// The most similar of several words, if one is similar at all.
pub(crate) fn most_similar<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let rated = known.into_iter().map(|k| (strsim::jaro_winkler(word, k), k));
    rated.filter(|(s, _)| *s > 0.75).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, k)| k.to_owned())
}
