//! Functions and the commands of LaTeX that take arguments.

use num_traits::ToPrimitive;

use super::{Parser, degrees};
use crate::math::lex::Unread;
use crate::math::points::BASE;
use crate::math::token::{Command, Kind};
use crate::math::tree::{Expr, Function};

impl Parser<'_> {
    pub(super) fn function(&mut self, function: Function) -> Result<Expr, Unread> {
        let raised = if self.take('^') { Some(self.exponent()?) } else { None };
        let (function, raised) = match raised {
            Some(Expr::Negative(one)) if *one == Expr::integer(1) => (function.inverse().ok_or(Unread)?, None),
            other => (function, other),
        };
        let before = std::mem::replace(&mut self.in_angle, function.takes_angle());
        let argument = self.argument();
        self.in_angle = before;
        let applied = Expr::Apply(function, Box::new(argument?));
        Ok(match raised {
            Some(exponent) => Expr::Power(Box::new(applied), Box::new(exponent)),
            None => applied,
        })
    }

    /// The argument of a function: what stands in brackets, or the factors that follow up to the next function or bracket.
    fn argument(&mut self) -> Result<Expr, Unread> {
        if matches!(self.peek(), Some(Kind::Sign('(' | '{' | '[' | '|'))) {
            let mut inner = self.primary()?;
            if self.in_angle && self.raised_degree() > 0 {
                self.at += self.raised_degree();
                inner = degrees(inner);
            }
            return Ok(inner);
        }
        let mut total = self.signed(Self::power)?;
        while matches!(
            self.peek(),
            Some(Kind::Number(..) | Kind::Name(_) | Kind::Sign('π') | Kind::Command(Command::Fraction | Command::Root))
        ) {
            let at = self.at;
            let next = self.power()?;
            total = self.beside(total, next, at)?;
        }
        Ok(total)
    }

    pub(super) fn command(&mut self, command: Command) -> Result<Expr, Unread> {
        match command {
            Command::Fraction => {
                let (over, under) = self.two_groups()?;
                Ok(Expr::Quotient(Box::new(over), Box::new(under)))
            }
            Command::Binomial => {
                let (n, k) = self.two_groups()?;
                Ok(Expr::Choose(Box::new(n), Box::new(k)))
            }
            Command::Root => self.root(),
            Command::Log => self.log(),
            Command::Reals => Err(Unread),
        }
    }

    fn root(&mut self) -> Result<Expr, Unread> {
        let mut index = 2;
        if self.take('[') {
            let Some(Kind::Number(value, Some(_))) = self.peek() else { return Err(Unread) };
            index = value.to_u32().filter(|q| (2..=64).contains(q)).ok_or(Unread)?;
            self.advance();
            self.need(']')?;
        }
        let of = self.primary()?;
        Ok(Expr::Root(Box::new(of), index))
    }

    /// A logarithm. Without a base the base is left open: ln x divided by the logarithm of an unknown base, so that every law of logarithms
    /// holds and nothing else.
    fn log(&mut self) -> Result<Expr, Unread> {
        let base = if self.take('_') { Some(self.exponent()?) } else { None };
        let raised = if self.take('^') { Some(self.exponent()?) } else { None };
        let argument = self.argument()?;
        let ln = |of: Expr| Box::new(Expr::Apply(Function::Ln, Box::new(of)));
        let base = base.unwrap_or_else(|| Expr::Symbol(BASE.to_owned()));
        let log = Expr::Quotient(ln(argument), ln(base));
        Ok(match raised {
            Some(exponent) => Expr::Power(Box::new(log), Box::new(exponent)),
            None => log,
        })
    }

    /// The two arguments of a command. `\frac12` has two of one digit each.
    fn two_groups(&mut self) -> Result<(Expr, Expr), Unread> {
        if let Some(Kind::Number(_, Some(digits))) = self.peek()
            && let [a @ b'0'..=b'9', b @ b'0'..=b'9'] = digits.as_bytes()
        {
            self.advance();
            let digit = |d: &u8| Expr::integer(i64::from(d - b'0'));
            // `\frac12 3` is a product, but `\frac1` and `23` may have been meant.
            return if matches!(self.peek(), Some(Kind::Number(..))) { Err(Unread) } else { Ok((digit(a), digit(b))) };
        }
        Ok((self.group()?, self.group()?))
    }

    /// An argument of a command: a group, one digit, or one name.
    fn group(&mut self) -> Result<Expr, Unread> {
        match self.peek() {
            Some(Kind::Number(_, Some(digits))) if digits.len() > 1 => Err(Unread),
            Some(Kind::Sign('{' | 'π') | Kind::Number(_, Some(_)) | Kind::Name(_) | Kind::Command(_)) => self.primary(),
            _ => Err(Unread),
        }
    }
}
