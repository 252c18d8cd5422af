//! A subset of JSON Schema (draft 2020-12): what answers in JSON are held to. What is not in the subset is refused by name, never passed
//! over, so that a schema is never weaker than it looks.

use std::collections::{BTreeMap, BTreeSet};

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};

/// How deep a schema may nest.
const MAX_DEPTH: usize = 32;
/// The largest compiled pattern, in bytes.
const MAX_PATTERN: usize = 1 << 20;

/// Keywords that say nothing about an instance.
const ANNOTATIONS: [&str; 10] =
    ["title", "description", "default", "examples", "$schema", "$id", "$comment", "deprecated", "readOnly", "writeOnly"];

/// A schema, ready to check.
#[derive(Debug)]
pub(crate) enum Schema {
    /// `true` or `false`.
    Always(bool),
    /// All of these must hold.
    All(Vec<Rule>),
}

#[derive(Debug)]
pub(crate) enum Rule {
    Type(Vec<String>),
    OneOf(Vec<Value>),
    Number { least: Option<f64>, most: Option<f64>, above: Option<f64>, below: Option<f64> },
    Length(Limits),
    Pattern(Regex),
    Size(Limits),
    Distinct,
    Items { first: Vec<Schema>, rest: Option<Box<Schema>> },
    Properties(Limits),
    Fields { known: BTreeMap<String, Schema>, required: Vec<String>, rest: Option<Box<Schema>> },
    Every(Vec<Schema>),
    Any(Vec<Schema>),
    ExactlyOne(Vec<Schema>),
    Not(Box<Schema>),
}

/// The least and the most of something that is counted.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    least: usize,
    most: Option<usize>,
}

impl Limits {
    fn hold(&self, n: usize) -> bool {
        n >= self.least && self.most.is_none_or(|most| n <= most)
    }
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    /// The first keyword that is not of the subset or has a value that means nothing, with its place.
    pub(crate) fn read(value: &Value) -> Result<Self, String> {
        read(value, "#", 0)
    }

    /// Whether a value fits.
    pub(crate) fn fits(&self, value: &Value) -> bool {
        match self {
            Self::Always(verdict) => *verdict,
            Self::All(rules) => rules.iter().all(|rule| rule.holds(value)),
        }
    }
}

fn read(value: &Value, place: &str, depth: usize) -> Result<Schema, String> {
    if depth > MAX_DEPTH {
        return Err(format!("{place}: deeper than {MAX_DEPTH} levels"));
    }
    let map = match value {
        Value::Bool(verdict) => return Ok(Schema::Always(*verdict)),
        Value::Object(map) => map,
        other => return Err(format!("{place}: a schema is an object, true or false, not {other}")),
    };
    let mut reader = Reader { map, place, depth, used: BTreeSet::new() };
    let rules = reader.rules()?;
    match map.keys().find(|key| !reader.used.contains(key.as_str()) && !ANNOTATIONS.contains(&key.as_str())) {
        Some(key) => Err(format!("{place}/{key}: this keyword is not supported (collimate rewards json lists those that are)")),
        None => Ok(Schema::All(rules)),
    }
}

struct Reader<'a> {
    map: &'a Map<String, Value>,
    place: &'a str,
    depth: usize,
    used: BTreeSet<&'static str>,
}

impl<'a> Reader<'a> {
    fn rules(&mut self) -> Result<Vec<Rule>, String> {
        let mut rules = Vec::new();
        rules.extend(self.types()?.map(Rule::Type));
        rules.extend(self.values("enum")?.map(Rule::OneOf));
        rules.extend(self.get("const").map(|value| Rule::OneOf(vec![value.clone()])));
        let [least, most] = [self.number("minimum")?, self.number("maximum")?];
        let [above, below] = [self.number("exclusiveMinimum")?, self.number("exclusiveMaximum")?];
        rules.push(Rule::Number { least, most, above, below });
        rules.push(Rule::Length(self.limits("minLength", "maxLength")?));
        rules.push(Rule::Size(self.limits("minItems", "maxItems")?));
        rules.push(Rule::Properties(self.limits("minProperties", "maxProperties")?));
        rules.extend(self.pattern()?.map(Rule::Pattern));
        match self.get("uniqueItems") {
            None | Some(Value::Bool(false)) => {}
            Some(Value::Bool(true)) => rules.push(Rule::Distinct),
            Some(other) => return Err(self.wrong("uniqueItems", other, "true or false")),
        }
        let first = self.schemas("prefixItems")?.unwrap_or_default();
        rules.push(Rule::Items { first, rest: self.schema("items")?.map(Box::new) });
        rules.push(self.fields()?);
        rules.extend(self.schemas("allOf")?.map(Rule::Every));
        rules.extend(self.schemas("anyOf")?.map(Rule::Any));
        rules.extend(self.schemas("oneOf")?.map(Rule::ExactlyOne));
        rules.extend(self.schema("not")?.map(|schema| Rule::Not(Box::new(schema))));
        Ok(rules)
    }

    fn get(&mut self, key: &'static str) -> Option<&'a Value> {
        self.used.insert(key);
        self.map.get(key)
    }

    fn wrong(&self, key: &str, value: &Value, wanted: &str) -> String {
        format!("{}/{key}: {value} is not {wanted}", self.place)
    }

    fn types(&mut self) -> Result<Option<Vec<String>>, String> {
        const TYPES: [&str; 7] = ["null", "boolean", "object", "array", "number", "string", "integer"];
        let Some(value) = self.get("type") else { return Ok(None) };
        let one = |value: &Value| value.as_str().filter(|name| TYPES.contains(name)).map(str::to_owned);
        let types: Option<Vec<String>> = match value {
            Value::Array(values) => values.iter().map(one).collect(),
            value => one(value).map(|name| vec![name]),
        };
        types.map(Some).ok_or_else(|| self.wrong("type", value, "one of null, boolean, object, array, number, string, integer"))
    }

    fn values(&mut self, key: &'static str) -> Result<Option<Vec<Value>>, String> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Array(values)) => Ok(Some(values.clone())),
            Some(other) => Err(self.wrong(key, other, "a list")),
        }
    }

    fn number(&mut self, key: &'static str) -> Result<Option<f64>, String> {
        let Some(value) = self.get(key) else { return Ok(None) };
        value.as_f64().map(Some).ok_or_else(|| self.wrong(key, value, "a number"))
    }

    fn limits(&mut self, least: &'static str, most: &'static str) -> Result<Limits, String> {
        let mut count = |key: &'static str| {
            let Some(value) = self.get(key) else { return Ok(None) };
            let count = value.as_u64().and_then(|n| usize::try_from(n).ok());
            count.map(Some).ok_or_else(|| self.wrong(key, value, "a whole number from 0 up"))
        };
        Ok(Limits { least: count(least)?.unwrap_or(0), most: count(most)? })
    }

    fn pattern(&mut self) -> Result<Option<Regex>, String> {
        let Some(value) = self.get("pattern") else { return Ok(None) };
        let text = value.as_str().ok_or_else(|| self.wrong("pattern", value, "a text"))?;
        let built = RegexBuilder::new(text).size_limit(MAX_PATTERN).dfa_size_limit(2 * MAX_PATTERN).nest_limit(100).build();
        built.map(Some).map_err(|error| format!("{}/pattern: {error}", self.place))
    }

    fn schema(&mut self, key: &'static str) -> Result<Option<Schema>, String> {
        let Some(value) = self.get(key) else { return Ok(None) };
        read(value, &format!("{}/{key}", self.place), self.depth + 1).map(Some)
    }

    fn schemas(&mut self, key: &'static str) -> Result<Option<Vec<Schema>>, String> {
        let Some(values) = self.values(key)? else { return Ok(None) };
        let one = |(i, value): (usize, &Value)| read(value, &format!("{}/{key}/{i}", self.place), self.depth + 1);
        values.iter().enumerate().map(one).collect::<Result<_, _>>().map(Some)
    }

    fn fields(&mut self) -> Result<Rule, String> {
        let known = match self.get("properties") {
            None => BTreeMap::new(),
            Some(Value::Object(map)) => {
                let one = |(name, value): (&String, &Value)| {
                    let place = format!("{}/properties/{name}", self.place);
                    Ok((name.clone(), read(value, &place, self.depth + 1)?))
                };
                map.iter().map(one).collect::<Result<_, String>>()?
            }
            Some(other) => return Err(self.wrong("properties", other, "an object")),
        };
        let required = self.values("required")?.unwrap_or_default();
        let names: Option<Vec<String>> = required.iter().map(|name| name.as_str().map(str::to_owned)).collect();
        let required = names.ok_or_else(|| self.wrong("required", &Value::Array(required), "a list of names"))?;
        Ok(Rule::Fields { known, required, rest: self.schema("additionalProperties")?.map(Box::new) })
    }
}

impl Rule {
    fn holds(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Type(types), value) => types.iter().any(|name| is_of(name, value)),
            (Self::OneOf(values), value) => values.iter().any(|wanted| same(wanted, value)),
            (Self::Number { least, most, above, below }, Value::Number(number)) => number.as_f64().is_some_and(|x| {
                least.is_none_or(|y| x >= y) && most.is_none_or(|y| x <= y) && above.is_none_or(|y| x > y) && below.is_none_or(|y| x < y)
            }),
            (Self::Length(limits), Value::String(text)) => limits.hold(text.chars().count()),
            (Self::Pattern(pattern), Value::String(text)) => pattern.is_match(text),
            (Self::Size(limits), Value::Array(items)) => limits.hold(items.len()),
            (Self::Distinct, Value::Array(items)) => items.iter().map(canonical).collect::<BTreeSet<_>>().len() == items.len(),
            (Self::Items { first, rest }, Value::Array(items)) => {
                let tail = items.iter().skip(first.len());
                items.iter().zip(first).all(|(item, schema)| schema.fits(item))
                    && rest.as_ref().is_none_or(|rest| tail.into_iter().all(|item| rest.fits(item)))
            }
            (Self::Properties(limits), Value::Object(map)) => limits.hold(map.len()),
            (Self::Fields { known, required, rest }, Value::Object(map)) => {
                let fits = |(name, value): (&String, &Value)| match known.get(name) {
                    Some(schema) => schema.fits(value),
                    None => rest.as_ref().is_none_or(|rest| rest.fits(value)),
                };
                required.iter().all(|name| map.contains_key(name)) && map.iter().all(fits)
            }
            (Self::Every(schemas), value) => schemas.iter().all(|schema| schema.fits(value)),
            (Self::Any(schemas), value) => schemas.iter().any(|schema| schema.fits(value)),
            (Self::ExactlyOne(schemas), value) => schemas.iter().filter(|schema| schema.fits(value)).count() == 1,
            (Self::Not(schema), value) => !schema.fits(value),
            // A rule about another type says nothing.
            _ => true,
        }
    }
}

fn is_of(name: &str, value: &Value) -> bool {
    match (name, value) {
        ("null", Value::Null) | ("boolean", Value::Bool(_)) | ("object", Value::Object(_)) | ("array", Value::Array(_)) => true,
        ("number", Value::Number(_)) | ("string", Value::String(_)) => true,
        ("integer", Value::Number(number)) => number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|x| x.fract() == 0.0),
        _ => false,
    }
}

/// Equality of JSON Schema: 1 and 1.0 are one number.
fn same(a: &Value, b: &Value) -> bool {
    canonical(a) == canonical(b)
}

/// A text that equal values share.
fn canonical(value: &Value) -> String {
    match value {
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (None, Some(x)) if x.fract() == 0.0 && x.abs() < 9e15 => format!("{x:.0}"),
            _ => number.to_string(),
        },
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Object(map) => {
            let sorted: BTreeMap<&String, &Value> = map.iter().collect();
            let field = |(name, value): (&&String, &&Value)| format!("{}:{}", Value::String((*name).clone()), canonical(value));
            format!("{{{}}}", sorted.iter().map(field).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(schema: &Value, good: &[Value], bad: &[Value]) {
        let schema = Schema::read(schema).unwrap();
        good.iter().for_each(|value| assert!(schema.fits(value), "{value} was refused by {schema:?}"));
        bad.iter().for_each(|value| assert!(!schema.fits(value), "{value} was taken by {schema:?}"));
    }

    #[test]
    fn every_keyword_does_what_the_standard_says() {
        check(&json!({"type": "integer"}), &[json!(1), json!(1.0), json!(-3)], &[json!(1.5), json!("1"), json!(null)]);
        check(&json!({"type": ["string", "null"]}), &[json!(""), json!(null)], &[json!(0), json!([])]);
        check(&json!({"enum": [1, "a", [1.0]]}), &[json!(1.0), json!("a"), json!([1])], &[json!(2), json!("b"), json!([])]);
        check(&json!({"const": {"a": 1, "b": 2}}), &[json!({"b": 2, "a": 1})], &[json!({"a": 1})]);
        check(&json!({"minimum": 1, "exclusiveMaximum": 3}), &[json!(1), json!(2.9), json!("x")], &[json!(0.9), json!(3)]);
        check(&json!({"exclusiveMinimum": 1, "maximum": 3}), &[json!(3), json!(1.1)], &[json!(1), json!(3.1)]);
        check(&json!({"minLength": 2, "maxLength": 3}), &[json!("äö"), json!("abc"), json!(5)], &[json!("ä"), json!("abcd")]);
        check(&json!({"pattern": "^a+$"}), &[json!("aa"), json!(1)], &[json!("ab"), json!("")]);
        check(
            &json!({"minItems": 1, "maxItems": 2, "uniqueItems": true}),
            &[json!([1]), json!([1, 2])],
            &[json!([]), json!([1, 1.0]), json!([1, 2, 3])],
        );
        check(
            &json!({"prefixItems": [{"type": "string"}], "items": {"type": "number"}}),
            &[json!([]), json!(["a", 1])],
            &[json!([1]), json!(["a", "b"])],
        );
        check(&json!({"minProperties": 1, "maxProperties": 1}), &[json!({"a": 1})], &[json!({}), json!({"a": 1, "b": 1})]);
        let object = json!({"properties": {"a": {"type": "number"}}, "required": ["a"], "additionalProperties": {"type": "string"}});
        check(&object, &[json!({"a": 1}), json!({"a": 1, "b": "x"}), json!([])], &[json!({}), json!({"a": "x"}), json!({"a": 1, "b": 2})]);
        check(&json!({"additionalProperties": false}), &[json!({})], &[json!({"a": 1})]);
        check(&json!({"allOf": [{"minimum": 1}, {"maximum": 2}]}), &[json!(1)], &[json!(0), json!(3)]);
        check(&json!({"anyOf": [{"type": "null"}, {"minimum": 5, "type": "number"}]}), &[json!(null), json!(5)], &[json!(4)]);
        check(&json!({"oneOf": [{"minimum": 1}, {"maximum": 2}]}), &[json!(0), json!(3)], &[json!(1)]);
        check(&json!({"not": {"type": "null"}}), &[json!(0)], &[json!(null)]);
        check(&json!(true), &[json!(0)], &[]);
        check(&json!(false), &[], &[json!(0)]);
    }

    #[test]
    fn what_is_not_of_the_subset_is_refused_with_its_place() {
        let cases = [
            (json!({"properties": {"a": {"$ref": "#/b"}}}), "#/properties/a/$ref"),
            (json!({"anyOf": [{}, {"multipleOf": 2}]}), "#/anyOf/1/multipleOf"),
            (json!({"type": "text"}), "#/type"),
            (json!({"minLength": -1}), "#/minLength"),
            (json!({"pattern": "("}), "#/pattern"),
            (json!({"required": [1]}), "#/required"),
            (json!([]), "#: a schema is"),
        ];
        for (schema, wanted) in cases {
            let error = Schema::read(&schema).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
        let deep = (0..40).fold(json!({}), |inner, _| json!({"not": inner}));
        assert!(Schema::read(&deep).is_err());
        assert!(Schema::read(&json!({"title": "x", "$schema": "y", "description": "z"})).is_ok());
    }
}
