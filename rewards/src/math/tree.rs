//! What an answer is, once it is read.

use num_rational::BigRational;

use super::unit::Unit;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    /// An exact number.
    Number(BigRational),
    /// π.
    Pi,
    /// e.
    Euler,
    /// i.
    Imaginary,
    /// ∞.
    Infinity,
    /// A variable.
    Symbol(String),
    /// a + b + …
    Sum(Vec<Expr>),
    /// a · b · …
    Product(Vec<Expr>),
    /// −a.
    Negative(Box<Expr>),
    /// a / b.
    Quotient(Box<Expr>, Box<Expr>),
    /// a^b.
    Power(Box<Expr>, Box<Expr>),
    /// The q-th root.
    Root(Box<Expr>, u32),
    /// A function of one argument.
    Apply(Function, Box<Expr>),
    /// Of n things, k.
    Choose(Box<Expr>, Box<Expr>),
    /// a ± b (`false`: a ∓ b).
    PlusMinus(Box<Expr>, bool, Box<Expr>),
}

/// A function of one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Function {
    Sin,
    Cos,
    Tan,
    Cot,
    Sec,
    Csc,
    Arcsin,
    Arccos,
    Arctan,
    Sinh,
    Cosh,
    Tanh,
    Exp,
    Ln,
    Absolute,
    Floor,
    Ceiling,
    Factorial,
}

impl Function {
    /// By its name in LaTeX, without the backslash, or in plain text.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "sin" => Self::Sin,
            "cos" => Self::Cos,
            "tan" | "tg" => Self::Tan,
            "cot" => Self::Cot,
            "sec" => Self::Sec,
            "csc" => Self::Csc,
            "arcsin" | "asin" => Self::Arcsin,
            "arccos" | "acos" => Self::Arccos,
            "arctan" | "atan" => Self::Arctan,
            "sinh" => Self::Sinh,
            "cosh" => Self::Cosh,
            "tanh" => Self::Tanh,
            "exp" => Self::Exp,
            "ln" => Self::Ln,
            _ => return None,
        })
    }

    /// What sin⁻¹ means: the inverse function, not 1/sin.
    pub(crate) fn inverse(self) -> Option<Self> {
        match self {
            Self::Sin => Some(Self::Arcsin),
            Self::Cos => Some(Self::Arccos),
            Self::Tan => Some(Self::Arctan),
            _ => None,
        }
    }

    /// Whether its argument is an angle, so that degrees mean π/180.
    pub(crate) fn takes_angle(self) -> bool {
        matches!(self, Self::Sin | Self::Cos | Self::Tan | Self::Cot | Self::Sec | Self::Csc)
    }
}

impl Expr {
    pub(crate) fn integer(n: i64) -> Self {
        Self::Number(BigRational::from_integer(n.into()))
    }

    /// The parts that stand directly in it.
    pub(crate) fn children(&self) -> Vec<&Self> {
        match self {
            Self::Number(_) | Self::Pi | Self::Euler | Self::Imaginary | Self::Infinity | Self::Symbol(_) => Vec::new(),
            Self::Sum(parts) | Self::Product(parts) => parts.iter().collect(),
            Self::Negative(a) | Self::Root(a, _) | Self::Apply(_, a) => vec![a],
            Self::Quotient(a, b) | Self::Power(a, b) | Self::Choose(a, b) | Self::PlusMinus(a, _, b) => vec![a, b],
        }
    }

    /// Whether a part of it, or it itself, is of a kind.
    pub(crate) fn any(&self, wanted: &dyn Fn(&Self) -> bool) -> bool {
        wanted(self) || self.children().into_iter().any(|part| part.any(wanted))
    }

    /// With every a ± b settled as a + b or a − b.
    pub(crate) fn settled(&self, plus: bool) -> Self {
        let inside = |part: &Self| Box::new(part.settled(plus));
        let all = |parts: &[Self]| parts.iter().map(|part| part.settled(plus)).collect();
        match self {
            Self::PlusMinus(a, upper, b) => {
                let b = if *upper == plus { *inside(b) } else { Self::Negative(inside(b)) };
                Self::Sum(vec![*inside(a), b])
            }
            Self::Sum(parts) => Self::Sum(all(parts)),
            Self::Product(parts) => Self::Product(all(parts)),
            Self::Negative(a) => Self::Negative(inside(a)),
            Self::Root(a, q) => Self::Root(inside(a), *q),
            Self::Apply(function, a) => Self::Apply(*function, inside(a)),
            Self::Quotient(a, b) => Self::Quotient(inside(a), inside(b)),
            Self::Power(a, b) => Self::Power(inside(a), inside(b)),
            Self::Choose(a, b) => Self::Choose(inside(a), inside(b)),
            leaf => leaf.clone(),
        }
    }
}

/// An expression with what it measures.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Quantity {
    pub(crate) expr: Expr,
    pub(crate) unit: Option<Unit>,
}

/// How two sides of a statement relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
    In,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// A number or an expression.
    Value(Quantity),
    /// (a, b, …) or ⟨a, b, …⟩: ordered. Of two parts in round brackets it may also be an open interval.
    Tuple(Vec<Answer>),
    /// [a, b]: a closed interval, or two things in order.
    Closed(Box<Expr>, Box<Expr>),
    /// a, b and c: in any order.
    List(Vec<Answer>),
    /// {a, b, …}.
    Set(Vec<Answer>),
    /// Intervals and what is made of them.
    Region(Region),
    /// Rows of entries.
    Matrix(Vec<Vec<Expr>>),
    /// name = answer.
    Named(String, Box<Answer>),
    /// a = b, where neither side is a name alone.
    Equation(Expr, Expr),
    /// What is positive, or (if not strict) not negative.
    Inequality(Expr, bool),
    /// a : b : …
    Ratio(Vec<Expr>),
    /// (B), or (B) and what stands behind it.
    Choice(char, Option<Box<Answer>>),
    /// Words.
    Text(String),
}

/// A set of real numbers, before it is worked out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Region {
    /// From one end to the other; whether each end belongs to it.
    Interval { low: Expr, high: Expr, with_low: bool, with_high: bool },
    /// Single numbers.
    Points(Vec<Expr>),
    /// Everything in one or the other.
    Union(Box<Region>, Box<Region>),
    /// Everything in both.
    Intersection(Box<Region>, Box<Region>),
    /// The first without the second.
    Without(Box<Region>, Box<Region>),
}

impl Region {
    /// All real numbers.
    pub(crate) fn line() -> Self {
        let low = Expr::Negative(Box::new(Expr::Infinity));
        Self::Interval { low, high: Expr::Infinity, with_low: false, with_high: false }
    }
}
