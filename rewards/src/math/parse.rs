//! Expressions, by recursive descent.
//!
//! ```text
//! sum     = ["+" | "−" | "±"] product { ("+" | "−" | "±" | "∓") product }
//! product = power { ("·" | "/") signed power | power }          side by side is a product; 1/2x is (1/2)·x
//! power   = primary { "!" } [ "^" exponent ]
//! ```

mod call;

use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::lex::Unread;
use super::token::{Command, Kind, Token};
use super::tree::{Expr, Function};
use super::unit::Unit;

/// How deep expressions may nest.
const MAX_DEPTH: usize = 40;
/// How many layers may be wrapped around what has been read.
const MAX_WRAPPED: usize = 100;

/// Reads tokens from left to right.
pub(crate) struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
    /// How often something was wrapped around what had been read: `a/b/c` nests to the left.
    wrapped: usize,
    /// Whether a `|` closes an absolute value.
    in_bars: bool,
    /// Whether `°` means π/180: inside the argument of sin and the like.
    in_angle: bool,
    /// The currency sign that was met.
    pub(crate) currency: Option<Unit>,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(tokens: &'a [Token]) -> Self {
        Self { tokens, at: 0, depth: 0, wrapped: 0, in_bars: false, in_angle: false, currency: None }
    }

    pub(crate) fn peek(&self) -> Option<&'a Kind> {
        self.tokens.get(self.at).map(|t| &t.kind)
    }

    pub(crate) fn ahead(&self, n: usize) -> Option<&'a Token> {
        self.tokens.get(self.at + n)
    }

    pub(crate) fn advance(&mut self) {
        self.at += 1;
    }

    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn rewind(&mut self, at: usize) {
        self.at = at;
    }

    pub(crate) fn is_sign(&self, wanted: char) -> bool {
        matches!(self.peek(), Some(Kind::Sign(c)) if *c == wanted)
    }

    /// Takes a sign if it stands here.
    pub(crate) fn take(&mut self, wanted: char) -> bool {
        let here = self.is_sign(wanted);
        self.at += usize::from(here);
        here
    }

    pub(crate) fn need(&mut self, wanted: char) -> Result<(), Unread> {
        if self.take(wanted) { Ok(()) } else { Err(Unread) }
    }

    /// Runs a rule one level deeper.
    pub(crate) fn deeper<T>(&mut self, rule: impl FnOnce(&mut Self) -> Result<T, Unread>) -> Result<T, Unread> {
        if self.depth >= MAX_DEPTH {
            return Err(Unread);
        }
        self.depth += 1;
        let found = rule(self);
        self.depth -= 1;
        found
    }

    /// Counts a layer around what has been read.
    pub(crate) fn wrap(&mut self) -> Result<(), Unread> {
        self.wrapped += 1;
        if self.wrapped > MAX_WRAPPED { Err(Unread) } else { Ok(()) }
    }

    /// Runs a rule where bars and degrees mean what they mean inside brackets.
    fn bracketed<T>(&mut self, in_bars: bool, rule: impl FnOnce(&mut Self) -> Result<T, Unread>) -> Result<T, Unread> {
        let before = std::mem::replace(&mut self.in_bars, in_bars);
        let found = self.deeper(rule);
        self.in_bars = before;
        found
    }

    pub(crate) fn sum(&mut self) -> Result<Expr, Unread> {
        let mut total = self.signed(Self::product)?;
        loop {
            let Some(Kind::Sign(sign @ ('+' | '-' | '±' | '∓'))) = self.peek() else { return Ok(total) };
            self.advance();
            let next = self.product()?;
            let next = match sign {
                '+' => next,
                '-' => Expr::Negative(Box::new(next)),
                _ => {
                    self.wrap()?;
                    total = Expr::PlusMinus(Box::new(total), *sign == '±', Box::new(next));
                    continue;
                }
            };
            match &mut total {
                Expr::Sum(parts) => parts.push(next),
                _ => total = Expr::Sum(vec![total, next]),
            }
        }
    }

    /// What stands behind any number of signs.
    fn signed(&mut self, rule: impl FnOnce(&mut Self) -> Result<Expr, Unread>) -> Result<Expr, Unread> {
        let Some(Kind::Sign(sign @ ('+' | '-' | '±' | '∓'))) = self.peek() else { return rule(self) };
        self.advance();
        let inner = self.deeper(|p| p.signed(rule))?;
        Ok(match sign {
            '+' => inner,
            '-' => Expr::Negative(Box::new(inner)),
            _ => Expr::PlusMinus(Box::new(Expr::integer(0)), *sign == '±', Box::new(inner)),
        })
    }

    fn product(&mut self) -> Result<Expr, Unread> {
        let mut total = self.power()?;
        loop {
            match self.peek() {
                Some(Kind::Sign('*')) if !self.unit_follows() => {
                    self.advance();
                    let next = self.signed(Self::power)?;
                    total = times(total, next);
                }
                Some(Kind::Sign('/')) if !self.unit_follows() => {
                    self.advance();
                    self.wrap()?;
                    let under = self.signed(Self::power)?;
                    total = Expr::Quotient(Box::new(total), Box::new(under));
                }
                Some(Kind::Number(..)) if matches!(self.tokens[self.at - 1].kind, Kind::Number(..)) => {
                    total = self.plain_fraction(&total)?;
                }
                _ if self.starts_factor() => {
                    let at = self.at;
                    let next = self.power()?;
                    total = self.beside(total, next, at)?;
                }
                _ => return Ok(total),
            }
        }
    }

    /// Whether behind the operator comes a unit (`km/h`), which is none of the expression.
    fn unit_follows(&self) -> bool {
        matches!(self.ahead(1).map(|t| &t.kind), Some(Kind::Word(_)))
    }

    fn starts_factor(&self) -> bool {
        match self.peek() {
            Some(Kind::Number(..) | Kind::Name(_) | Kind::Function(_)) => true,
            Some(Kind::Command(command)) => *command != Command::Reals,
            Some(Kind::Sign('(' | '{' | 'π' | '⌊' | '⌈')) => true,
            Some(Kind::Sign('|')) => !self.in_bars,
            _ => false,
        }
    }

    /// Two factors side by side. A whole number before a proper fraction is a mixed number.
    fn beside(&self, left: Expr, right: Expr, at: usize) -> Result<Expr, Unread> {
        let number = |at: usize| matches!(self.tokens.get(at).map(|t| &t.kind), Some(Kind::Number(..)));
        let fraction = matches!(self.tokens.get(at).map(|t| &t.kind), Some(Kind::Command(Command::Fraction)));
        if fraction && number(at - 1) {
            return match (&left, &right) {
                (Expr::Number(whole), Expr::Quotient(a, b)) => mixed_number(whole, a, b).ok_or(Unread),
                _ => Ok(times(left, right)),
            };
        }
        // A number behind a factor (`x2`) is a slip of the pen.
        if number(at) && !matches!(self.tokens.get(at - 1).map(|t| &t.kind), Some(Kind::Sign(_))) {
            return Err(Unread);
        }
        Ok(times(left, right))
    }

    /// `2 1/3` behind its whole number.
    fn plain_fraction(&mut self, whole: &Expr) -> Result<Expr, Unread> {
        let kinds = [0, 1, 2, 3].map(|n| self.ahead(n).map(|t| &t.kind));
        let [Some(Kind::Number(a, Some(_))), Some(Kind::Sign('/')), Some(Kind::Number(b, Some(_))), next] = kinds else {
            return Err(Unread);
        };
        if matches!(next, Some(Kind::Sign('^' | '!'))) {
            return Err(Unread);
        }
        let Expr::Number(whole) = whole else { return Err(Unread) };
        self.at += 3;
        mixed_number(whole, &Expr::Number(a.clone()), &Expr::Number(b.clone())).ok_or(Unread)
    }

    fn power(&mut self) -> Result<Expr, Unread> {
        let mut base = self.primary()?;
        loop {
            if matches!(self.peek(), Some(Kind::Sign('!' | '%' | '°'))) {
                self.wrap()?;
            }
            match self.peek() {
                Some(Kind::Sign('!')) => {
                    self.advance();
                    base = Expr::Apply(Function::Factorial, Box::new(base));
                }
                Some(Kind::Sign('%')) if self.goes_on(1) => {
                    self.advance();
                    base = Expr::Quotient(Box::new(base), Box::new(Expr::integer(100)));
                }
                Some(Kind::Sign('°')) if self.in_angle => {
                    self.advance();
                    base = degrees(base);
                }
                Some(Kind::Sign('^')) if self.raised_degree() > 0 => {
                    if !self.in_angle {
                        return Ok(base);
                    }
                    self.at += self.raised_degree();
                    base = degrees(base);
                }
                Some(Kind::Sign('^')) => {
                    self.advance();
                    let exponent = self.deeper(Self::exponent)?;
                    return Ok(Expr::Power(Box::new(base), Box::new(exponent)));
                }
                _ => return Ok(base),
            }
        }
    }

    /// Whether the expression goes on behind the next `n` tokens, so that a percent sign there is no unit.
    fn goes_on(&self, n: usize) -> bool {
        matches!(self.ahead(n).map(|t| &t.kind), Some(Kind::Sign('*' | '+' | '/') | Kind::Number(..) | Kind::Name(_)))
    }

    /// How many tokens `^°` or `^{°}` takes; 0 if it does not stand here.
    pub(crate) fn raised_degree(&self) -> usize {
        let sign = |n: usize, wanted: char| matches!(self.ahead(n).map(|t| &t.kind), Some(Kind::Sign(c)) if *c == wanted);
        match () {
            () if sign(0, '^') && sign(1, '°') => 2,
            () if sign(0, '^') && sign(1, '{') && sign(2, '°') && sign(3, '}') => 4,
            () => 0,
        }
    }

    fn exponent(&mut self) -> Result<Expr, Unread> {
        if self.take('-') {
            return Ok(Expr::Negative(Box::new(self.deeper(Self::exponent)?)));
        }
        self.take('+');
        let base = self.bracketed(false, Self::primary)?;
        if self.take('^') {
            let exponent = self.deeper(Self::exponent)?;
            return Ok(Expr::Power(Box::new(base), Box::new(exponent)));
        }
        Ok(base)
    }

    fn primary(&mut self) -> Result<Expr, Unread> {
        let kind = self.peek().ok_or(Unread)?;
        self.advance();
        match kind {
            Kind::Number(value, digits) => self.number(value, digits.as_deref()),
            Kind::Name(name) => self.name(name),
            Kind::Function(function) => self.deeper(|p| p.function(*function)),
            Kind::Command(command) => self.deeper(|p| p.command(*command)),
            Kind::Sign('π') => Ok(Expr::Pi),
            Kind::Sign('∞') => Ok(Expr::Infinity),
            Kind::Sign('(') => self.closed_by(')'),
            Kind::Sign('[') => self.closed_by(']'),
            Kind::Sign('{') => self.closed_by('}'),
            Kind::Sign('⌊') => Ok(Expr::Apply(Function::Floor, Box::new(self.closed_by('⌋')?))),
            Kind::Sign('⌈') => Ok(Expr::Apply(Function::Ceiling, Box::new(self.closed_by('⌉')?))),
            Kind::Sign('|') => {
                let inner = self.bracketed(true, Self::sum)?;
                self.need('|')?;
                Ok(Expr::Apply(Function::Absolute, Box::new(inner)))
            }
            Kind::Sign(c @ ('$' | '€' | '£' | '¥')) if self.currency.is_none() => {
                self.currency = Unit::known(&c.to_string());
                self.deeper(|p| p.signed(Self::primary))
            }
            _ => Err(Unread),
        }
    }

    fn closed_by(&mut self, close: char) -> Result<Expr, Unread> {
        let inner = self.bracketed(false, Self::sum)?;
        self.need(close)?;
        Ok(inner)
    }

    /// A number, or digits in the base that stands below them.
    fn number(&mut self, value: &BigRational, digits: Option<&str>) -> Result<Expr, Unread> {
        if !self.take('_') {
            return Ok(Expr::Number(value.clone()));
        }
        let base = self.group_or_number()?.to_u32().filter(|base| (2..=36).contains(base)).ok_or(Unread)?;
        let value = num_bigint::BigInt::parse_bytes(digits.ok_or(Unread)?.as_bytes(), base).ok_or(Unread)?;
        Ok(Expr::Number(BigRational::from_integer(value)))
    }

    fn group_or_number(&mut self) -> Result<BigRational, Unread> {
        let braced = self.take('{');
        let Some(Kind::Number(value, Some(_))) = self.peek() else { return Err(Unread) };
        self.advance();
        if braced {
            self.need('}')?;
        }
        Ok(value.clone())
    }

    fn name(&mut self, name: &str) -> Result<Expr, Unread> {
        let name = self.subscripted(name)?;
        match name.as_str() {
            "e" => return Ok(Expr::Euler),
            "i" => return Ok(Expr::Imaginary),
            _ => {}
        }
        // `f(x)` on its own is the value of a function nobody knows.
        if matches!(name.as_str(), "f" | "g" | "h") && (self.is_sign('(') || self.is_sign('′')) || self.is_sign('′') {
            return Err(Unread);
        }
        Ok(Expr::Symbol(name))
    }

    /// A name with what stands below it.
    pub(crate) fn subscripted(&mut self, name: &str) -> Result<String, Unread> {
        if !self.take('_') {
            return Ok(name.to_owned());
        }
        let braced = self.take('{');
        let mut below = String::new();
        loop {
            match self.peek() {
                Some(Kind::Number(value, _)) => below.push_str(&value.to_string()),
                Some(Kind::Name(name) | Kind::Word(name)) => below.push_str(name),
                Some(Kind::Sign(c @ (',' | '+' | '-'))) if braced => below.push(*c),
                _ => return Err(Unread),
            }
            self.advance();
            if !braced || self.take('}') {
                return Ok(format!("{name}_{below}"));
            }
        }
    }
}

fn times(left: Expr, right: Expr) -> Expr {
    match left {
        Expr::Product(mut parts) => {
            parts.push(right);
            Expr::Product(parts)
        }
        left => Expr::Product(vec![left, right]),
    }
}

fn degrees(value: Expr) -> Expr {
    Expr::Quotient(Box::new(times(value, Expr::Pi)), Box::new(Expr::integer(180)))
}

/// whole + a/b, of a whole number and a proper fraction of whole numbers.
fn mixed_number(whole: &BigRational, a: &Expr, b: &Expr) -> Option<Expr> {
    let (Expr::Number(a), Expr::Number(b)) = (a, b) else { return None };
    let proper = whole.is_integer() && a.is_integer() && b.is_integer() && a.is_positive() && a < b && !b.is_zero();
    let proper = proper && !whole.is_negative() && *b > BigRational::one();
    proper.then(|| Expr::Number(whole + a / b))
}
