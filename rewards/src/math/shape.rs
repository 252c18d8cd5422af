//! What stands on one side of a statement: quantities, tuples, sets, intervals and what is made of them, matrices, ratios.

use num_rational::BigRational;
use num_traits::{One, ToPrimitive};

use super::lex::Unread;
use super::parse::Parser;
use super::read::{flat, statement};
use super::token::{Command, Kind};
use super::tree::{Answer, Expr, Quantity, Region};
use super::unit::{self, Meaning, Unit};

/// One side: shapes joined by ∪, ∩ and ∖, or numbers joined by `:`.
pub(crate) fn side(p: &mut Parser<'_>) -> Result<Answer, Unread> {
    let first = atom(p)?;
    if p.is_sign(':') {
        return ratio(p, first);
    }
    let mut total = first;
    loop {
        let Some(Kind::Sign(sign @ ('∪' | '∩' | '∖'))) = p.peek() else { return Ok(total) };
        p.advance();
        p.wrap()?;
        let (a, b) = (region(total).ok_or(Unread)?, region(atom(p)?).ok_or(Unread)?);
        let (a, b) = (Box::new(a), Box::new(b));
        total = Answer::Region(match sign {
            '∪' => Region::Union(a, b),
            '∩' => Region::Intersection(a, b),
            _ => Region::Without(a, b),
        });
    }
}

fn ratio(p: &mut Parser<'_>, first: Answer) -> Result<Answer, Unread> {
    let mut parts = vec![bare(first).ok_or(Unread)?];
    while p.take(':') {
        parts.push(p.sum()?);
    }
    Ok(Answer::Ratio(parts))
}

/// The expression of a value without a unit.
fn bare(answer: Answer) -> Option<Expr> {
    match answer {
        Answer::Value(Quantity { expr, unit: None }) => Some(expr),
        _ => None,
    }
}

/// An answer as a set of real numbers, if it can be one.
pub(crate) fn region(answer: Answer) -> Option<Region> {
    match answer {
        Answer::Region(region) => Some(region),
        Answer::Closed(low, high) => Some(Region::Interval { low: *low, high: *high, with_low: true, with_high: true }),
        Answer::Set(parts) => parts.into_iter().map(bare).collect::<Option<_>>().map(Region::Points),
        Answer::Tuple(parts) => {
            let ends: Vec<Expr> = parts.into_iter().map(bare).collect::<Option<_>>()?;
            let [low, high] = <[Expr; 2]>::try_from(ends).ok()?;
            Some(Region::Interval { low, high, with_low: false, with_high: false })
        }
        _ => None,
    }
}

fn atom(p: &mut Parser<'_>) -> Result<Answer, Unread> {
    match p.peek() {
        Some(Kind::Sign('∅')) => {
            p.advance();
            Ok(Answer::Set(Vec::new()))
        }
        Some(Kind::Command(Command::Reals)) => {
            p.advance();
            Ok(Answer::Region(Region::line()))
        }
        Some(Kind::Begin) => p.deeper(matrix),
        Some(Kind::Sign('(' | '[')) if matches!(p.ahead(1).map(|t| &t.kind), Some(Kind::Begin)) => p.deeper(|p| {
            p.advance();
            let found = matrix(p)?;
            if p.take(')') || p.take(']') { Ok(found) } else { Err(Unread) }
        }),
        Some(Kind::Sign('⦃')) => p.deeper(|p| set(p, '⦄')),
        Some(Kind::Sign('⟨')) => p.deeper(|p| {
            p.advance();
            let parts = items(p)?;
            p.need('⟩')?;
            Ok(Answer::Tuple(parts))
        }),
        Some(Kind::Sign('{')) if holds_comma(p) => p.deeper(|p| set(p, '}')),
        Some(Kind::Sign(open @ ('(' | '[' | ']'))) if holds_comma(p) => p.deeper(|p| {
            p.advance();
            group(p, *open)
        }),
        _ => p.deeper(quantity),
    }
}

/// Whether the bracket that opens here holds a comma of its own.
fn holds_comma(p: &Parser<'_>) -> bool {
    let mut depth = 1_usize;
    for n in 1.. {
        match p.ahead(n).map(|t| &t.kind) {
            Some(Kind::Sign('(' | '[' | '{' | '⦃' | '⟨')) => depth += 1,
            Some(Kind::Sign(')' | ']' | '}' | '⦄' | '⟩')) => depth -= 1,
            Some(Kind::Sign(',' | ';')) if depth == 1 => return true,
            Some(_) => {}
            None => return false,
        }
        if depth == 0 {
            return false;
        }
    }
    false
}

/// Statements between commas.
fn items(p: &mut Parser<'_>) -> Result<Vec<Answer>, Unread> {
    let mut parts = flat(statement(p)?);
    while p.take(',') || p.take(';') {
        parts.append(&mut flat(statement(p)?));
    }
    Ok(parts)
}

/// What stands in round or square brackets, behind the first of them.
fn group(p: &mut Parser<'_>, open: char) -> Result<Answer, Unread> {
    let parts = items(p)?;
    let Some(Kind::Sign(close @ (')' | ']' | '['))) = p.peek() else { return Err(Unread) };
    p.advance();
    if (open, *close) == ('(', ')') {
        return Ok(Answer::Tuple(parts));
    }
    if parts.len() != 2 {
        return if (open, *close) == ('[', ']') { Ok(Answer::Tuple(parts)) } else { Err(Unread) };
    }
    let (with_low, with_high) = (open == '[', *close == ']');
    let ends: Option<Vec<Expr>> = parts.iter().cloned().map(bare).collect();
    match ends.map(<[Expr; 2]>::try_from) {
        Some(Ok([low, high])) if with_low && with_high => Ok(Answer::Closed(Box::new(low), Box::new(high))),
        Some(Ok([low, high])) => Ok(Answer::Region(Region::Interval { low, high, with_low, with_high })),
        _ if with_low && with_high => Ok(Answer::Tuple(parts)),
        _ => Err(Unread),
    }
}

/// { a, b, … } or { x : x > 3 }.
fn set(p: &mut Parser<'_>, close: char) -> Result<Answer, Unread> {
    p.advance();
    if p.take(close) {
        return Ok(Answer::Set(Vec::new()));
    }
    if let Some(condition) = builder(p) {
        p.rewind(condition);
        let found = match statement(p)? {
            Answer::Named(_, inner) => region(*inner).map(Answer::Region).ok_or(Unread)?,
            _ => return Err(Unread),
        };
        p.need(close)?;
        return Ok(found);
    }
    let parts = items(p)?;
    p.need(close)?;
    Ok(Answer::Set(parts))
}

/// Where the condition of `x | …`, `x : …` or `x ∈ ℝ | …` starts.
fn builder(p: &Parser<'_>) -> Option<usize> {
    let kind = |n: usize| p.ahead(n).map(|t| &t.kind);
    let bar = |n: usize| matches!(kind(n), Some(Kind::Sign('|' | ':')));
    if !matches!(kind(0), Some(Kind::Name(_))) {
        return None;
    }
    let of_reals = matches!((kind(1), kind(2)), (Some(Kind::Sign('∈')), Some(Kind::Command(Command::Reals))));
    match () {
        () if bar(1) => Some(p.position() + 2),
        () if of_reals && bar(3) => Some(p.position() + 4),
        () => None,
    }
}

fn matrix(p: &mut Parser<'_>) -> Result<Answer, Unread> {
    p.advance();
    let mut rows = vec![Vec::new()];
    loop {
        let entry = p.sum()?;
        if let Some(row) = rows.last_mut() {
            row.push(entry);
        }
        if p.take('&') {
            continue;
        }
        if p.take('⏎') && p.peek() != Some(&Kind::End) {
            rows.push(Vec::new());
            continue;
        }
        if p.peek() != Some(&Kind::End) {
            return Err(Unread);
        }
        p.advance();
        let width = rows[0].len();
        return if rows.iter().all(|row| row.len() == width) { Ok(Answer::Matrix(rows)) } else { Err(Unread) };
    }
}

/// An expression and its unit; a ± b is both of its values.
fn quantity(p: &mut Parser<'_>) -> Result<Answer, Unread> {
    p.currency = None;
    let expr = p.sum()?;
    let (times, mut unit) = units(p)?;
    if let Some(currency) = p.currency.take() {
        unit = Some(match unit {
            // `$5 dollars` says it twice.
            Some(unit) if unit == currency => unit,
            Some(unit) => currency.times(unit),
            None => currency,
        });
    }
    let expr = if times.is_one() { expr } else { Expr::Product(vec![expr, Expr::Number(times)]) };
    if expr.any(&|part| matches!(part, Expr::PlusMinus(..))) {
        let both = [true, false].map(|plus| Answer::Value(Quantity { expr: expr.settled(plus), unit: unit.clone() }));
        return Ok(Answer::List(both.into()));
    }
    Ok(Answer::Value(Quantity { expr, unit }))
}

/// The multipliers and the unit behind an expression.
fn units(p: &mut Parser<'_>) -> Result<(BigRational, Option<Unit>), Unread> {
    let (mut times, mut unit) = (BigRational::one(), None::<Unit>);
    let mut add = |next: Unit| {
        unit = Some(match unit.take() {
            Some(unit) => unit.times(next),
            None => next,
        });
    };
    loop {
        let joined = matches!(p.peek(), Some(Kind::Sign('/' | '*')));
        let inverse = p.is_sign('/');
        let at = usize::from(joined);
        match p.ahead(at).map(|t| &t.kind) {
            Some(Kind::Word(_)) => {
                (0..at).for_each(|_| p.advance());
                for meaning in words(p, inverse)? {
                    match meaning {
                        Meaning::Unit(next) => add(next),
                        Meaning::Times(n) => times *= n,
                    }
                }
            }
            _ if joined => return Err(Unread),
            _ => match sign(p)? {
                Some(next) => add(next),
                None => return Ok((times, unit)),
            },
        }
    }
}

/// A unit that is a sign: %, ¢, °, °C.
fn sign(p: &mut Parser<'_>) -> Result<Option<Unit>, Unread> {
    let raised = p.raised_degree();
    match p.peek() {
        Some(Kind::Sign(c @ ('%' | '¢' | '$' | '€' | '£' | '¥'))) => {
            p.advance();
            Ok(Unit::known(&c.to_string()))
        }
        Some(Kind::Sign('°')) => {
            p.advance();
            scale(p)
        }
        _ if raised > 0 => {
            (0..raised).for_each(|_| p.advance());
            scale(p)
        }
        _ => Ok(None),
    }
}

/// Degrees, of an angle or of a temperature.
fn scale(p: &mut Parser<'_>) -> Result<Option<Unit>, Unread> {
    match p.peek() {
        Some(Kind::Name(name)) if name == "C" || name == "F" => {
            let unit = Unit::label(&format!("°{name}"));
            p.advance();
            Ok(Some(unit))
        }
        _ => Ok(Unit::known("°")),
    }
}

/// Words that stand together, and the power behind the last of them.
fn words(p: &mut Parser<'_>, inverse: bool) -> Result<Vec<Meaning>, Unread> {
    let mut words: Vec<&str> = Vec::new();
    while let Some(Kind::Word(word)) = p.peek() {
        words.push(word);
        p.advance();
    }
    let mut found = unit::meaning(&words).ok_or(Unread)?;
    let power = if p.is_sign('^') && p.raised_degree() == 0 { Some(power(p)?) } else { None };
    if let Some(Meaning::Unit(unit)) = found.last_mut() {
        *unit = unit.to_power(power.unwrap_or(1) * if inverse { -1 } else { 1 });
    } else if power.is_some() || inverse {
        return Err(Unread);
    }
    Ok(found)
}

fn power(p: &mut Parser<'_>) -> Result<i32, Unread> {
    p.need('^')?;
    let braced = p.take('{');
    let negative = p.take('-');
    let Some(Kind::Number(value, _)) = p.peek() else { return Err(Unread) };
    let power = value.to_i32().filter(|n| value.is_integer() && (1..=9).contains(n)).ok_or(Unread)?;
    p.advance();
    if braced {
        p.need('}')?;
    }
    Ok(if negative { -power } else { power })
}
