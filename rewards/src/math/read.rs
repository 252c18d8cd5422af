//! From the text of an answer to what it says.
//!
//! ```text
//! answer    = choice | words | list
//! list      = statement { ("," | ";" | "and" | "or") statement }
//! statement = [label] side { ("=" | "≠" | "<" | "≤" | ">" | "≥" | "∈" | "≈") side }
//! ```

use super::extract::undelimited;
use super::lex::{MAX_BYTES, Unread, lex};
use super::parse::Parser;
use super::shape::{region, side};
use super::token::{Joint, Kind, Token};
use super::tree::{Answer, Expr, Quantity, Region, Relation};
use super::words;

/// The letters of a multiple choice.
const CHOICES: std::ops::RangeInclusive<char> = 'A'..='H';
/// The mark of a name that is a label in words, which says nothing about the value.
pub(crate) const LABEL: char = '"';

/// Reads an answer.
pub(crate) fn read(text: &str) -> Result<Answer, Unread> {
    if text.len() > MAX_BYTES {
        return Err(Unread);
    }
    let text = undelimited(text);
    let text = text.trim();
    if is_clock(text) {
        return Ok(Answer::Text(words::normalised(text)));
    }
    let tokens = lex(text).map_err(|unread| (unread, false));
    let read = tokens.and_then(|tokens| {
        let tokens = trimmed(&tokens);
        from_tokens(tokens, text).map_err(|unread| (unread, tokens.iter().any(|t| matches!(t.kind, Kind::Word(_)))))
    });
    read.or_else(|(unread, worded)| as_text(text, worded).ok_or(unread))
}

/// What is no mathematics, but is made of words: it is compared as such.
fn as_text(text: &str, worded: bool) -> Option<Answer> {
    let plain = words::normalised(text);
    let formula =
        ["\\text", "\\mbox"].iter().fold(text.to_owned(), |text, style| text.replace(style, "")).contains(['\\', '=', '^', '_', '<', '>']);
    let spelled = text.split(|c: char| !c.is_alphabetic()).any(|word| word.chars().count() > 1);
    (!formula && (worded || spelled) && !plain.is_empty()).then_some(Answer::Text(plain))
}

/// A time of day: `3:45`, `11:05 pm`. It is no ratio.
fn is_clock(text: &str) -> bool {
    let plain = words::normalised(text);
    let Some((hours, rest)) = plain.split_once(':') else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (minutes, half) = rest.split_once(' ').unwrap_or((rest, ""));
    hours.len() <= 2 && digits(hours) && minutes.len() == 2 && digits(minutes) && matches!(half, "" | "am" | "pm" | "a m" | "p m")
}

/// Without the marks around it: `**42**`, `42.`
fn trimmed(tokens: &[Token]) -> &[Token] {
    let mark = |t: &Token| matches!(t.kind, Kind::Sign('.' | ',' | ';' | '*' | ':' | '?' | '"'));
    let from = tokens.iter().take_while(|t| mark(t)).count();
    let to = tokens.iter().rev().take_while(|t| mark(t)).count();
    tokens.get(from..tokens.len().saturating_sub(to)).unwrap_or_default()
}

fn from_tokens(tokens: &[Token], text: &str) -> Result<Answer, Unread> {
    if let Some(found) = choice(tokens, text)? {
        return Ok(found);
    }
    if words::is_prose(tokens) {
        return Ok(prose(tokens, text));
    }
    // Letters alone, three or more: a name, a triangle or a word, and no product: `no` is not `on`.
    let letter = |(i, t): (usize, &Token)| matches!(&t.kind, Kind::Name(n) if n.len() == 1) && (i == 0 || !t.spaced);
    if tokens.len() >= 3 && tokens.iter().enumerate().all(letter) {
        return Ok(Answer::Text(words::normalised(text)));
    }
    let mut p = Parser::new(tokens);
    let found = list(&mut p)?;
    if p.peek().is_none() { Ok(found) } else { Err(Unread) }
}

/// Words: one text, a number that is spelled, or a list of texts.
fn prose(tokens: &[Token], text: &str) -> Answer {
    let plain = words::normalised(text);
    if let Some(n) = words::number(&plain) {
        return Answer::Value(Quantity { expr: Expr::integer(n), unit: None });
    }
    if matches!(plain.as_str(), "empty set" | "no solution" | "no solutions" | "no real solution" | "no real solutions") {
        return Answer::Set(Vec::new());
    }
    let breaks = |t: &Token| matches!(t.kind, Kind::Joint(_) | Kind::Sign(','));
    if !tokens.iter().any(breaks) {
        return Answer::Text(plain);
    }
    let word = |t: &Token| match &t.kind {
        Kind::Word(word) | Kind::Name(word) => word.clone(),
        _ => String::new(),
    };
    let parts = tokens.split(breaks).map(|part| words::normalised(&part.iter().map(word).collect::<Vec<_>>().join(" ")));
    Answer::List(parts.filter(|part| !part.is_empty()).map(Answer::Text).collect())
}

/// `(B)`, `B.`, `Option B`, `(B) 42`.
fn choice(tokens: &[Token], text: &str) -> Result<Option<Answer>, Unread> {
    let letter = |at: usize| match tokens.get(at).map(|t| &t.kind) {
        Some(Kind::Name(name)) => name.chars().next().filter(|c| name.len() == 1 && CHOICES.contains(c)),
        _ => None,
    };
    let sign = |at: usize, signs: &str| matches!(tokens.get(at).map(|t| &t.kind), Some(Kind::Sign(c)) if signs.contains(*c));
    let (letter, rest) = match (letter(0), letter(1), tokens.first().map(|t| &t.kind)) {
        (Some(letter), ..) if sign(1, ").:") => (letter, 2),
        (None, Some(letter), Some(Kind::Sign('('))) if sign(2, ")") => (letter, 3),
        (None, Some(letter), Some(Kind::Word(word))) if matches!(word.to_lowercase().as_str(), "option" | "choice" | "answer") => {
            (letter, 2)
        }
        _ => return Ok(None),
    };
    let Some(next) = tokens.get(rest) else { return Ok(Some(Answer::Choice(letter, None))) };
    let operator = matches!(next.kind, Kind::Sign(c) if !matches!(c, '(' | '[' | '⦃' | '$' | '{' | 'π' | '∞' | '∅'));
    if !next.spaced || operator {
        return Ok(None);
    }
    let tail = text.split_once([')', '.', ':']).map_or("", |(_, tail)| tail);
    let inner = from_tokens(&tokens[rest..], tail)?;
    Ok(Some(Answer::Choice(letter, Some(Box::new(inner)))))
}

fn list(p: &mut Parser<'_>) -> Result<Answer, Unread> {
    let mut parts = vec![statement(p)?];
    let mut joints = Vec::new();
    while let Some(kind) = p.peek() {
        let mut joint = match kind {
            Kind::Sign(',' | ';' | '⏎') => None,
            Kind::Joint(joint) => Some(*joint),
            _ => return Err(Unread),
        };
        p.advance();
        p.wrap()?;
        if let (None, Some(Kind::Joint(more))) = (joint, p.peek()) {
            joint = Some(*more);
            p.advance();
        }
        joints.push(joint);
        parts.push(statement(p)?);
    }
    if parts.len() == 1 {
        return parts.pop().ok_or(Unread);
    }
    if let Some(excluded) = excluded(&parts) {
        return Ok(excluded);
    }
    if let Some(joined) = joined(&parts, &joints) {
        return Ok(joined);
    }
    Ok(Answer::List(parts.into_iter().flat_map(flat).collect()))
}

/// `x ≠ 0, 1`: what x is not.
fn excluded(parts: &[Answer]) -> Option<Answer> {
    let [Answer::Named(name, first), rest @ ..] = parts else { return None };
    let Answer::Region(Region::Without(line, points)) = &**first else { return None };
    let Region::Points(points) = &**points else { return None };
    let value = |part: &Answer| match part {
        Answer::Value(Quantity { expr, unit: None }) => Some(expr.clone()),
        _ => None,
    };
    let mut points = points.clone();
    points.extend(rest.iter().map(value).collect::<Option<Vec<_>>>()?);
    let region = Region::Without(line.clone(), Box::new(Region::Points(points)));
    Some(Answer::Named(name.clone(), Box::new(Answer::Region(region))))
}

/// Conditions on one variable, joined by `or` (a union) or `and` (an intersection).
fn joined(parts: &[Answer], joints: &[Option<Joint>]) -> Option<Answer> {
    let condition = |part: &Answer| match part {
        Answer::Named(name, inner) if matches!(**inner, Answer::Region(_)) => Some((name.clone(), region((**inner).clone())?)),
        Answer::Region(inner) => Some((String::new(), inner.clone())),
        _ => None,
    };
    let conditions: Vec<(String, Region)> = parts.iter().map(condition).collect::<Option<_>>()?;
    let name = conditions[0].0.clone();
    let first = joints[0].filter(|joint| joints.iter().all(|j| *j == Some(*joint)))?;
    if conditions.iter().any(|(other, _)| *other != name) || (name.is_empty() && first == Joint::And) {
        return None;
    }
    let join = |a: Region, b: Region| match first {
        Joint::Or => Region::Union(Box::new(a), Box::new(b)),
        Joint::And => Region::Intersection(Box::new(a), Box::new(b)),
    };
    let total = conditions.into_iter().map(|(_, region)| region).reduce(join)?;
    let total = Answer::Region(total);
    Some(if name.is_empty() { total } else { Answer::Named(name, Box::new(total)) })
}

/// The parts of a list inside a list: `x = ±2, 3` has three.
pub(crate) fn flat(part: Answer) -> Vec<Answer> {
    match part {
        Answer::List(parts) => parts,
        Answer::Named(name, inner) => match *inner {
            Answer::List(parts) => parts.into_iter().map(|part| Answer::Named(name.clone(), Box::new(part))).collect(),
            inner => vec![Answer::Named(name, Box::new(inner))],
        },
        part => vec![part],
    }
}

/// A statement: a value, an equation, a condition.
pub(crate) fn statement(p: &mut Parser<'_>) -> Result<Answer, Unread> {
    p.deeper(|p| {
        if let Some(name) = label(p) {
            let inner = statement(p)?;
            return Ok(named(name, inner));
        }
        let (mut sides, mut relations) = (vec![side(p)?], Vec::new());
        loop {
            if p.take('≈') {
                let about = side(p)?;
                // `x ≈ 3` says what x is; `√2 ≈ 1.4` has said it before.
                if sides.len() == 1 && name_of(&sides[0]).is_some() {
                    relations.push(Relation::Equal);
                    sides.push(about);
                }
                continue;
            }
            let Some(relation) = relation(p) else { break };
            relations.push(relation);
            sides.push(side(p)?);
        }
        match &relations[..] {
            [] => sides.pop().ok_or(Unread),
            relations if relations.iter().all(|r| *r == Relation::Equal) => equation(sides),
            relations => condition(&sides, relations),
        }
    })
}

fn relation(p: &mut Parser<'_>) -> Option<Relation> {
    let Some(Kind::Sign(sign)) = p.peek() else { return None };
    let relation = match sign {
        '=' => Relation::Equal,
        '≠' => Relation::NotEqual,
        '<' => Relation::Less,
        '≤' => Relation::AtMost,
        '>' => Relation::Greater,
        '≥' => Relation::AtLeast,
        '∈' => Relation::In,
        _ => return None,
    };
    p.advance();
    Some(relation)
}

/// `Area =`, `the total is`, `f(x) =`: a label in words, or the name of a function.
fn label(p: &mut Parser<'_>) -> Option<String> {
    let kind = |n: usize| p.ahead(n).map(|t| &t.kind);
    let sign = |n: usize, wanted: char| matches!(kind(n), Some(Kind::Sign(c)) if *c == wanted);
    let primes = (1..4).take_while(|n| sign(*n, '′')).count();
    if let (Some(Kind::Name(name)), Some(Kind::Name(_) | Kind::Number(..))) = (kind(0), kind(primes + 2))
        && "fghpqFGHPQ".contains(name.as_str())
        && sign(primes + 1, '(')
        && sign(primes + 3, ')')
        && sign(primes + 4, '=')
    {
        (0..primes + 5).for_each(|_| p.advance());
        return Some(format!("{name}{}", "′".repeat(primes)));
    }
    let mut n = 0;
    while let Some(Kind::Word(word)) = kind(n) {
        if word == "is" && n > 0 {
            break;
        }
        n += 1;
    }
    let is = matches!(kind(n), Some(Kind::Word(_)));
    if n == 0 || n > 12 || !(is || sign(n, '=') || sign(n, ':')) {
        return None;
    }
    let label: Vec<&str> = (0..n).filter_map(|n| if let Some(Kind::Word(word)) = kind(n) { Some(word.as_str()) } else { None }).collect();
    let label = format!("{LABEL}{}", words::normalised(&label.join(" ")));
    (0..=n).for_each(|_| p.advance());
    Some(label)
}

fn named(name: String, inner: Answer) -> Answer {
    match inner {
        Answer::List(parts) => Answer::List(parts.into_iter().map(|part| Answer::Named(name.clone(), Box::new(part))).collect()),
        inner => Answer::Named(name, Box::new(inner)),
    }
}

/// The variable that a side is.
fn name_of(side: &Answer) -> Option<String> {
    match side {
        Answer::Value(Quantity { expr: Expr::Symbol(name), unit: None }) => Some(name.clone()),
        _ => None,
    }
}

fn has_symbols(expr: &Expr) -> bool {
    expr.any(&|part| matches!(part, Expr::Symbol(_)))
}

/// a = b = … : what a name is, an equation, or a value that was worked out step by step.
fn equation(mut sides: Vec<Answer>) -> Result<Answer, Unread> {
    let last = sides.pop().ok_or(Unread)?;
    let first = sides.swap_remove(0);
    let number = |side: &Answer| matches!(side, Answer::Value(q) if !has_symbols(&q.expr));
    // `a + b = 3 + 4 = 7` is 7.
    if name_of(&first).is_none() && !sides.is_empty() && number(&last) && sides.iter().all(number) {
        return Ok(last);
    }
    if let Some(name) = name_of(&first) {
        return Ok(named(name, last));
    }
    if let Some(name) = name_of(&last) {
        return Ok(named(name, first));
    }
    let names = |parts: &[Answer]| parts.iter().all(|part| name_of(part).is_some());
    match (first, last) {
        (Answer::Value(a), Answer::Value(b)) if !has_symbols(&a.expr) && !has_symbols(&b.expr) => Ok(Answer::Value(b)),
        (Answer::Value(Quantity { expr: a, unit: None }), Answer::Value(Quantity { expr: b, unit: None })) => Ok(Answer::Equation(a, b)),
        (Answer::Tuple(parts), last @ Answer::Tuple(_)) if names(&parts) => Ok(last),
        _ => Err(Unread),
    }
}

/// Conditions on one variable, as the set of its values.
fn condition(sides: &[Answer], relations: &[Relation]) -> Result<Answer, Unread> {
    let bound = |side: &Answer| match side {
        Answer::Value(Quantity { expr, unit: None }) => Ok(expr.clone()),
        _ => Err(Unread),
    };
    let (name, region) = match (sides, relations) {
        ([a, b], [Relation::In]) => {
            let name = name_of(a).ok_or(Unread)?;
            return Ok(Answer::Named(name, Box::new(b.clone())));
        }
        ([a, b], [Relation::NotEqual]) => {
            let (name, other) = name_of(a).map(|name| (name, b)).or_else(|| name_of(b).map(|name| (name, a))).ok_or(Unread)?;
            (name, Region::Without(Box::new(Region::line()), Box::new(Region::Points(vec![bound(other)?]))))
        }
        ([a, b], [relation]) => match (name_of(a), name_of(b)) {
            (Some(name), _) if !mentions(b, &name) => (name, half_line(*relation, bound(b)?)?),
            (None, Some(name)) if !mentions(a, &name) => (name, half_line(turned(*relation), bound(a)?)?),
            _ => return inequality(*relation, bound(a)?, bound(b)?),
        },
        ([a, x, b], [first, second]) => {
            let low = half_line(turned(*first), bound(a)?)?;
            (name_of(x).ok_or(Unread)?, between(&low, &half_line(*second, bound(b)?)?)?)
        }
        _ => return Err(Unread),
    };
    Ok(Answer::Named(name, Box::new(Answer::Region(region))))
}

fn mentions(side: &Answer, name: &str) -> bool {
    matches!(side, Answer::Value(q) if q.expr.any(&|part| matches!(part, Expr::Symbol(other) if other == name)))
}

/// An inequality that no name stands alone in.
fn inequality(relation: Relation, a: Expr, b: Expr) -> Result<Answer, Unread> {
    let (above, below) = match relation {
        Relation::Greater | Relation::AtLeast => (a, b),
        Relation::Less | Relation::AtMost => (b, a),
        Relation::Equal | Relation::NotEqual | Relation::In => return Err(Unread),
    };
    let strict = matches!(relation, Relation::Greater | Relation::Less);
    Ok(Answer::Inequality(Expr::Sum(vec![above, Expr::Negative(Box::new(below))]), strict))
}

fn turned(relation: Relation) -> Relation {
    match relation {
        Relation::Less => Relation::Greater,
        Relation::AtMost => Relation::AtLeast,
        Relation::Greater => Relation::Less,
        Relation::AtLeast => Relation::AtMost,
        other => other,
    }
}

fn half_line(relation: Relation, bound: Expr) -> Result<Region, Unread> {
    let below = Expr::Negative(Box::new(Expr::Infinity));
    let interval = |low, high, with_low, with_high| Region::Interval { low, high, with_low, with_high };
    Ok(match relation {
        Relation::Less => interval(below, bound, false, false),
        Relation::AtMost => interval(below, bound, false, true),
        Relation::Greater => interval(bound, Expr::Infinity, false, false),
        Relation::AtLeast => interval(bound, Expr::Infinity, true, false),
        Relation::Equal | Relation::NotEqual | Relation::In => return Err(Unread),
    })
}

/// What lies in a half line upwards and in one downwards, in either order.
fn between(a: &Region, b: &Region) -> Result<Region, Unread> {
    let (Region::Interval { low, with_low, high: Expr::Infinity, .. }, Region::Interval { high, with_high, .. }) = (a, b) else {
        return match b {
            Region::Interval { high: Expr::Infinity, .. } if a != b => between(b, a),
            _ => Err(Unread),
        };
    };
    if *high == Expr::Infinity {
        return Err(Unread);
    }
    Ok(Region::Interval { low: low.clone(), high: high.clone(), with_low: *with_low, with_high: *with_high })
}
