//! The table of fields: one row a key, and the macro that declares a section and its rows together.
//!
//! Unknown-key detection, type and range checks, `config explain`, the schema, the commented defaults and the rules of resume are all read
//! from these rows, so that a key is described in one place.

use std::fmt;

use super::limit::Limit;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// A whole number, 0 or more.
    Count,
    /// A finite number.
    Number,
    /// So many finite numbers.
    Numbers(usize),
    /// A text.
    Text,
    /// A list of texts.
    Texts,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// Whatever the reader of the key accepts.
    Free,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => write!(f, "true or false"),
            Self::Count => write!(f, "a whole number"),
            Self::Number => write!(f, "a number"),
            Self::Numbers(n) => write!(f, "a list of {n} numbers"),
            Self::Text => write!(f, "a text in quotes"),
            Self::Texts => write!(f, "a list of texts"),
            Self::Choice(names) => write!(f, "one of {}", quoted(names)),
            Self::Free => write!(f, "any value"),
        }
    }
}

/// Names as a reader sees them: `"a", "b"`.
pub(super) fn quoted<S: AsRef<str>>(names: &[S]) -> String {
    names.iter().map(|n| format!("{:?}", n.as_ref())).collect::<Vec<_>>().join(", ")
}

/// What a change of the key means for a run that goes on from a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnResume {
    /// Allowed; the run is the one that the new value would have given from its start.
    Free,
    /// Allowed, but the run is no longer bit for bit one that was never interrupted.
    Inexact,
    /// Refused: it would be another run (start one with `--fork`).
    Refused,
}

/// Which uses of a recipe cannot do without the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needed {
    /// None: it has a default.
    Never,
    /// Training.
    ToTrain,
    /// Training and evaluation.
    Always,
}

/// Everything about a key but its name, type and help.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    /// Who needs it.
    pub needed: Needed,
    /// Which values are possible.
    pub limit: Limit,
    /// What the default stands for where it is a question to the machine (`0 = all cores`).
    pub auto: Option<&'static str>,
    /// What a change means on resume.
    pub resume: OnResume,
}

impl Mark {
    /// A key with a default; any value of its type; a change on resume is refused.
    pub const OPTIONAL: Self = Self { needed: Needed::Never, limit: Limit::Any, auto: None, resume: OnResume::Refused };
    /// A key that training needs.
    pub const TO_TRAIN: Self = Self { needed: Needed::ToTrain, ..Self::OPTIONAL };
    /// A key that training and evaluation need.
    pub const ALWAYS: Self = Self { needed: Needed::Always, ..Self::OPTIONAL };

    /// With these values.
    #[must_use]
    pub const fn limit(self, limit: Limit) -> Self {
        Self { limit, ..self }
    }

    /// With a default that the machine settles.
    #[must_use]
    pub const fn auto(self, meaning: &'static str) -> Self {
        Self { auto: Some(meaning), ..self }
    }

    /// Free to change on resume.
    #[must_use]
    pub const fn free(self) -> Self {
        Self { resume: OnResume::Free, ..self }
    }

    /// Free to change on resume, at the price of bitwise equality.
    #[must_use]
    pub const fn inexact(self) -> Self {
        Self { resume: OnResume::Inexact, ..self }
    }
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// The key inside its section.
    pub name: &'static str,
    /// What it means, as `config explain` prints it.
    pub help: &'static str,
    /// Its type.
    pub kind: Kind,
    /// The rest.
    pub mark: Mark,
}

/// A table of keys of the recipe.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Its dotted path, such as `eval.sampling`.
    pub path: &'static str,
    /// What it is about.
    pub help: &'static str,
    /// Its keys, in the order in which they are written.
    pub fields: &'static [Field],
    /// Whether further keys are handed on, unread, to the part that is named in it (the knobs of an algorithm or a reward).
    pub open: bool,
    /// Whether it is a list of tables (`[[reward]]`).
    pub repeated: bool,
}

/// Tells the [`Kind`] of a Rust type that a field has.
pub(super) trait TomlType {
    /// The kind.
    const KIND: Kind;
}

macro_rules! toml_types {
    ($($ty:ty => $kind:expr),* $(,)?) => { $(impl TomlType for $ty { const KIND: Kind = $kind; })* };
}

toml_types! {
    bool => Kind::Flag, u32 => Kind::Count, u64 => Kind::Count, usize => Kind::Count, f64 => Kind::Number,
    [f64; 2] => Kind::Numbers(2), String => Kind::Text, std::path::PathBuf => Kind::Text, Vec<String> => Kind::Texts,
}

impl<T: TomlType> TomlType for Option<T> {
    const KIND: Kind = T::KIND;
}

/// Declares a section of the recipe: the struct, its defaults and its rows of the table, from one list.
///
/// Each entry is a doc comment (which is the help text), the field, its default and its [`Mark`].
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $name:ident = $path:literal {
            $( $(#[doc = $help:literal])+ $field:ident : $ty:ty = $default:expr, $mark:expr; )*
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $( $(#[doc = $help])+ #[serde(skip_serializing_if = "crate::config::field::Absent::absent")] pub $field: $ty, )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        impl $name {
            /// The section's part of the table.
            pub const SECTION: crate::config::field::Section = crate::config::field::Section {
                path: $path,
                help: concat!($($about, "\n"),+),
                fields: &[ $( crate::config::field::Field {
                    name: stringify!($field),
                    help: concat!($($help, "\n"),+),
                    kind: <$ty as crate::config::field::TomlType>::KIND,
                    mark: $mark,
                } ),* ],
                open: false,
                repeated: false,
            };
        }
    };
}

/// Whether a value is left out of a written recipe: only an option that is `None` is.
pub(super) trait Absent {
    /// Whether it is left out.
    fn absent(&self) -> bool {
        false
    }
}

macro_rules! never_absent {
    ($($ty:ty),* $(,)?) => { $(impl Absent for $ty {})* };
}

never_absent!(bool, u32, u64, usize, f64, [f64; 2], String, std::path::PathBuf, Vec<String>);

impl<T> Absent for Option<T> {
    fn absent(&self) -> bool {
        self.is_none()
    }
}

pub(super) use section;
