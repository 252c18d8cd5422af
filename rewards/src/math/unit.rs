//! Units: what is measured, and how units of one kind convert.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Zero};

/// A unit: a product of base units, each with a power, and the factor to them. A word that is no unit counts as one of its own kind
/// (`5 apples`).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unit {
    /// Base units by name, with their powers; sorted.
    kinds: Vec<(String, i32)>,
    /// How many base units it is.
    pub(crate) factor: BigRational,
}

/// What a word behind a number means.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Meaning {
    /// A unit.
    Unit(Unit),
    /// A multiplier: million, dozen.
    Times(BigRational),
}

/// Words that change the number before them in a way that is not read here; what holds them is not a quantity.
const NO_UNITS: [&str; 33] = [
    "factorial",
    "squared",
    "cubed",
    "times",
    "plus",
    "minus",
    "over",
    "divided",
    "mod",
    "modulo",
    "base",
    "to",
    "or",
    "and",
    "not",
    "about",
    "approximately",
    "approx",
    "roughly",
    "nearly",
    "at",
    "most",
    "least",
    "more",
    "less",
    "than",
    "if",
    "when",
    "unless",
    "wrong",
    "false",
    "incorrect",
    "never",
];

/// (base unit, names, numerator, denominator of the factor).
const TABLE: &[(&str, &[&str], i64, i64)] = &[
    ("m", &["m", "meter", "meters", "metre", "metres"], 1, 1),
    ("m", &["cm", "centimeter", "centimeters", "centimetre", "centimetres"], 1, 100),
    ("m", &["mm", "millimeter", "millimeters", "millimetre", "millimetres"], 1, 1000),
    ("m", &["km", "kilometer", "kilometers", "kilometre", "kilometres"], 1000, 1),
    ("m", &["in", "inch", "inches"], 254, 10000),
    ("m", &["ft", "foot", "feet"], 3048, 10000),
    ("m", &["yd", "yard", "yards"], 9144, 10000),
    ("m", &["mi", "mile", "miles"], 1_609_344, 1000),
    ("g", &["g", "gram", "grams"], 1, 1),
    ("g", &["kg", "kilogram", "kilograms", "kilo", "kilos"], 1000, 1),
    ("g", &["mg", "milligram", "milligrams"], 1, 1000),
    ("lb", &["lb", "lbs", "pound", "pounds"], 1, 1),
    ("s", &["s", "sec", "secs", "second", "seconds"], 1, 1),
    ("s", &["min", "mins", "minute", "minutes"], 60, 1),
    ("s", &["h", "hr", "hrs", "hour", "hours"], 3600, 1),
    ("s", &["day", "days"], 86400, 1),
    ("s", &["week", "weeks"], 604_800, 1),
    ("year", &["year", "years", "yr", "yrs"], 1, 1),
    ("l", &["l", "liter", "liters", "litre", "litres"], 1, 1),
    ("l", &["ml", "milliliter", "milliliters", "millilitre", "millilitres"], 1, 1000),
    ("$", &["$", "dollar", "dollars", "usd"], 1, 1),
    ("$", &["cent", "cents", "¢"], 1, 100),
    ("€", &["€", "euro", "euros"], 1, 1),
    ("£", &["£"], 1, 1),
    ("¥", &["¥", "yen"], 1, 1),
    ("°", &["°", "degree", "degrees", "deg"], 1, 1),
    ("°C", &["celsius"], 1, 1),
    ("%", &["%", "percent", "percents", "pct"], 1, 1),
    ("rad", &["rad", "radian", "radians"], 1, 1),
    ("n", &["newton", "newtons"], 1, 1),
    ("j", &["joule", "joules"], 1, 1),
    ("hz", &["hz", "hertz"], 1, 1),
    ("unit", &["unit", "units"], 1, 1),
];

const MULTIPLIERS: [(&str, i64); 6] = [
    ("hundred", 100),
    ("thousand", 1000),
    ("million", 1_000_000),
    ("billion", 1_000_000_000),
    ("trillion", 1_000_000_000_000),
    ("dozen", 12),
];

impl Unit {
    /// The unit of a sign or of a word in the table.
    pub(crate) fn known(word: &str) -> Option<Self> {
        let word = word.to_lowercase();
        let (base, _, over, under) = TABLE.iter().find(|(_, names, ..)| names.contains(&word.as_str()))?;
        let factor = BigRational::new(BigInt::from(*over), BigInt::from(*under));
        Some(Self { kinds: vec![((*base).to_owned(), 1)], factor })
    }

    /// A unit of its own kind.
    pub(crate) fn label(kind: &str) -> Self {
        Self { kinds: vec![(kind.to_owned(), 1)], factor: BigRational::one() }
    }

    /// Whether it is the percent sign.
    pub(crate) fn is_percent(&self) -> bool {
        self.is("%")
    }

    /// Whether it is a sign or a name of nothing but this base unit.
    fn is(&self, base: &str) -> bool {
        matches!(&self.kinds[..], [(kind, 1)] if kind == base) && self.factor.is_one()
    }

    /// The unit to a power.
    pub(crate) fn to_power(&self, power: i32) -> Self {
        let kinds = self.kinds.iter().map(|(kind, n)| (kind.clone(), n * power)).collect();
        Self { kinds, factor: num_traits::Pow::pow(&self.factor, power) }
    }

    /// The product of two units.
    pub(crate) fn times(mut self, other: Self) -> Self {
        for (kind, power) in other.kinds {
            match self.kinds.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, sum)) => *sum += power,
                None => self.kinds.push((kind, power)),
            }
        }
        self.kinds.retain(|(_, power)| !power.is_zero());
        self.kinds.sort();
        self.factor *= other.factor;
        self
    }

    /// Whether two units measure the same kind of thing.
    pub(crate) fn same_kind(&self, other: &Self) -> bool {
        self.kinds == other.kinds
    }
}

/// What words behind a number mean: `cm`, `square cm`, `miles per hour`, `million dollars`, `red apples`. `None` if they are not a unit.
pub(crate) fn meaning(words: &[&str]) -> Option<Vec<Meaning>> {
    let (mut found, mut labels) = (Vec::new(), Vec::new());
    let (mut power, mut inverse) = (1, false);
    for word in words {
        let word = word.to_lowercase();
        if NO_UNITS.contains(&word.as_str()) {
            return None;
        }
        if let Some((_, times)) = MULTIPLIERS.iter().find(|(name, _)| word.strip_suffix('s').unwrap_or(&word) == *name) {
            found.push(Meaning::Times(BigRational::from_integer((*times).into())));
            continue;
        }
        match word.as_str() {
            "square" | "sq" => power = 2,
            "cubic" | "cu" => power = 3,
            "per" => inverse = true,
            "a" | "an" | "the" | "of" | "in" | "long" | "total" if Unit::known(&word).is_none() || word == "in" && !labels.is_empty() => {}
            _ => match Unit::known(&word) {
                Some(unit) => {
                    found.push(Meaning::Unit(unit.to_power(if inverse { -power } else { power })));
                    (power, inverse) = (1, false);
                }
                None => labels.push(singular(&word)),
            },
        }
    }
    if !labels.is_empty() {
        found.push(Meaning::Unit(Unit::label(&labels.join(" "))));
    }
    (power == 1 && !inverse && !found.is_empty()).then_some(found)
}

/// A word without the s of the plural.
fn singular(word: &str) -> String {
    let long = word.len() > 3 && !word.ends_with("ss");
    if long { word.strip_suffix('s').unwrap_or(word).to_owned() } else { word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(words: &[&str]) -> Unit {
        let units = meaning(words).unwrap().into_iter().map(|m| match m {
            Meaning::Unit(unit) => unit,
            Meaning::Times(times) => panic!("{times}"),
        });
        units.reduce(Unit::times).unwrap()
    }

    #[test]
    fn units_of_one_kind_convert_and_others_do_not() {
        let (cm, m) = (unit(&["cm"]), unit(&["meters"]));
        assert!(cm.same_kind(&m) && cm.factor * BigRational::from_integer(100.into()) == m.factor);
        assert_eq!(unit(&["square", "meters"]), m.to_power(2));
        assert_eq!(unit(&["miles", "per", "hour"]), unit(&["mi"]).times(unit(&["h"]).to_power(-1)));
        assert!(!m.same_kind(&unit(&["kg"])) && !unit(&["apples"]).same_kind(&unit(&["oranges"])));
        assert!(unit(&["red", "apples"]).same_kind(&unit(&["red", "apple"])));
    }

    #[test]
    fn words_that_change_the_number_are_no_units() {
        assert_eq!(meaning(&["squared"]), None);
        assert_eq!(meaning(&["per"]), None);
        assert!(matches!(meaning(&["million"]).as_deref(), Some([Meaning::Times(_)])));
    }
}
