//! Learning from given data: the contract, and what each kind of data gives a loss.

use serde_json::Value;
use tch::Tensor;

use crate::{AlgoState, Algorithm, AlgorithmError, Card, Denominators, Family, KnobError, Needs, RoleLoss, preference::Side, shape};

/// A kind of data that a loss learns from.
pub trait Data: std::fmt::Debug + 'static {
    /// What a micro-batch gives.
    type Leaves;
    /// What sums are divided by, counted over the whole batch of an update.
    type Denominators;
    /// Its family.
    const FAMILY: Family;
}

/// An algorithm that learns from given data of kind `D`: no answer is drawn, no reward is asked.
pub trait Objective<D: Data>: Send + std::fmt::Debug {
    /// Its card.
    fn card(&self) -> &'static Card;

    /// What must be computed for it. With [`Needs::whole_batch`] the loss is called once an update, with all leaves.
    fn needs(&self) -> Needs;

    /// This micro-batch's share of the loss.
    ///
    /// # Errors
    /// When a shape is wrong or a tensor is missing.
    fn loss(&self, state: &mut AlgoState, leaves: &D::Leaves, denominators: &D::Denominators) -> Result<RoleLoss, AlgorithmError>;

    /// The shared parts it is made of, with the knobs that it has.
    fn parts(&self) -> Vec<&'static str> {
        self.card().parts.to_vec()
    }
}

/// Pairs of answers to one prompt, one preferred.
#[derive(Debug, Clone, Copy)]
pub struct Pairs;

/// A micro-batch of pairs.
#[derive(Debug)]
pub struct PairLeaves {
    /// The preferred answers.
    pub chosen: Side,
    /// The others, in the same order.
    pub rejected: Side,
}

/// What losses of pairs are divided by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairDenominators {
    /// Pairs.
    pub pairs: f64,
    /// Trained tokens of the preferred answers, for a supervised term.
    pub chosen_tokens: f64,
}

impl Data for Pairs {
    type Leaves = PairLeaves;
    type Denominators = PairDenominators;
    const FAMILY: Family = Family::Pairs;
}

/// Single answers, each desirable or not.
#[derive(Debug, Clone, Copy)]
pub struct Labelled;

/// A micro-batch of labelled answers.
#[derive(Debug)]
pub struct LabelledLeaves {
    /// The answers.
    pub answers: Side,
    /// `[N]` 1 of a desirable answer, 0 of another.
    pub desirable: Tensor,
    /// Prompts with answers to other prompts of the batch, for the estimate of the KL; no gradient is taken of them.
    pub mismatched: Side,
}

/// How many rows a loss is divided by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowCount(
    /// Rows of the whole batch.
    pub f64,
);

impl Data for Labelled {
    type Leaves = LabelledLeaves;
    type Denominators = RowCount;
    const FAMILY: Family = Family::Labelled;
}

/// Answers to imitate.
#[derive(Debug, Clone, Copy)]
pub struct Demonstrations;

/// A micro-batch of answers to imitate.
#[derive(Debug)]
pub struct DemonstrationLeaves {
    /// `[B, T]` log-probabilities of the tokens. The gradient is taken with respect to this.
    pub logp: Tensor,
    /// `[B, T]` 1 where a token is to be learnt, 0 elsewhere (prompt, padding).
    pub trained: Tensor,
}

impl DemonstrationLeaves {
    /// Checks all shapes.
    ///
    /// # Errors
    /// When they differ.
    pub fn check(&self, site: &'static str) -> Result<(), AlgorithmError> {
        shape::bind(site, &[("logp", &self.logp, "BT"), ("trained", &self.trained, "BT")]).map(|_| ())
    }
}

impl Data for Demonstrations {
    type Leaves = DemonstrationLeaves;
    type Denominators = Denominators;
    const FAMILY: Family = Family::Demonstrations;
}

/// Scores of pairs of answers, one preferred: a reward model learns.
#[derive(Debug, Clone, Copy)]
pub struct Comparisons;

/// A micro-batch of scored pairs. All tensors are `[N]`.
#[derive(Debug)]
pub struct ComparisonLeaves {
    /// Scores of the preferred answers. The gradient is taken with respect to this.
    pub chosen: Tensor,
    /// Scores of the others. The gradient is taken with respect to this.
    pub rejected: Tensor,
    /// How much better the preferred answer is at least, if the data say.
    pub margin: Option<Tensor>,
    /// The share of judges who preferred it, in 0 to 1, if the data say; 0.5 is a tie. Without it, 1.
    pub preferred: Option<Tensor>,
}

impl ComparisonLeaves {
    /// Checks all shapes.
    ///
    /// # Errors
    /// When they differ.
    pub fn check(&self, site: &'static str) -> Result<(), AlgorithmError> {
        let mut all = vec![("chosen", &self.chosen, "N"), ("rejected", &self.rejected, "N")];
        all.extend(self.margin.as_ref().map(|t| ("margin", t, "N")));
        all.extend(self.preferred.as_ref().map(|t| ("preferred", t, "N")));
        shape::bind(site, &all).map(|_| ())
    }
}

impl Data for Comparisons {
    type Leaves = ComparisonLeaves;
    type Denominators = RowCount;
    const FAMILY: Family = Family::Comparisons;
}

/// An algorithm of any family, set up.
#[derive(Debug)]
pub enum Method {
    /// Learns from answers it draws.
    Online(Box<dyn Algorithm>),
    /// Learns from pairs of answers.
    Pairs(Box<dyn Objective<Pairs>>),
    /// Learns from labelled answers.
    Labelled(Box<dyn Objective<Labelled>>),
    /// Learns from answers to imitate.
    Demonstrations(Box<dyn Objective<Demonstrations>>),
    /// A reward model that learns from comparisons.
    Comparisons(Box<dyn Objective<Comparisons>>),
}

impl Method {
    /// Its card.
    #[must_use]
    pub fn card(&self) -> &'static Card {
        match self {
            Self::Online(a) => a.card(),
            Self::Pairs(a) => a.card(),
            Self::Labelled(a) => a.card(),
            Self::Demonstrations(a) => a.card(),
            Self::Comparisons(a) => a.card(),
        }
    }

    /// What must be computed for it.
    #[must_use]
    pub fn needs(&self) -> Needs {
        match self {
            Self::Online(a) => a.needs(),
            Self::Pairs(a) => a.needs(),
            Self::Labelled(a) => a.needs(),
            Self::Demonstrations(a) => a.needs(),
            Self::Comparisons(a) => a.needs(),
        }
    }

    /// The shared parts it is made of, with the knobs that it has.
    #[must_use]
    pub fn parts(&self) -> Vec<&'static str> {
        match self {
            Self::Online(a) => a.parts(),
            Self::Pairs(a) => a.parts(),
            Self::Labelled(a) => a.parts(),
            Self::Demonstrations(a) => a.parts(),
            Self::Comparisons(a) => a.parts(),
        }
    }

    /// The algorithm, if it is an online one.
    ///
    /// # Errors
    /// When it learns from other data.
    pub fn online(self) -> Result<Box<dyn Algorithm>, KnobError> {
        let (algorithm, has) = (self.card().name, self.card().family.data());
        match self {
            Self::Online(a) => Ok(a),
            _ => Err(KnobError::Family { algorithm, has, wanted: Family::Online.data() }),
        }
    }
}

macro_rules! into_method {
    ($($variant:ident: $built:ty),+ $(,)?) => {
        $(impl From<Box<$built>> for Method {
            fn from(built: Box<$built>) -> Self {
                Self::$variant(built)
            }
        })+
    };
}

into_method! {
    Online: dyn Algorithm,
    Pairs: dyn Objective<Pairs>,
    Labelled: dyn Objective<Labelled>,
    Demonstrations: dyn Objective<Demonstrations>,
    Comparisons: dyn Objective<Comparisons>,
}

/// Sets an algorithm of any family up.
pub type Build = fn(&Value) -> Result<Method, KnobError>;
