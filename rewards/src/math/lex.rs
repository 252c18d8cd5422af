//! From text to tokens: the subset of LaTeX in which answers are written, and plain text.
//!
//! What is not known is refused rather than skipped: an answer that was half read could agree by accident.

use num_rational::BigRational;

use super::numeral;
use super::token::{self, Command, Kind, Token};
use super::tree::Function;
use super::words;

/// The longest answer that is read, in bytes.
pub(crate) const MAX_BYTES: usize = 4000;
/// How deep `\text{\text{…}}` may nest.
const MAX_DEPTH: usize = 8;

/// The text is no answer that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unread;

/// Reads a text of at most [`MAX_BYTES`] as tokens.
pub(crate) fn lex(text: &str) -> Result<Vec<Token>, Unread> {
    let chars: Vec<char> = text.chars().collect();
    let mut lexer = Lexer { chars: &chars, at: 0, tokens: Vec::new(), spaced: false, brackets: 0, prose: false };
    lexer.run(0)?;
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    chars: &'a [char],
    at: usize,
    tokens: Vec<Token>,
    spaced: bool,
    /// How many brackets are open: inside them a comma always separates.
    brackets: usize,
    /// Whether letters make words: inside `\text{}`.
    prose: bool,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn push(&mut self, kind: Kind) {
        match kind {
            Kind::Sign('(' | '[' | '⦃' | '⟨') => self.brackets += 1,
            Kind::Sign(')' | ']' | '⦄' | '⟩') => self.brackets = self.brackets.saturating_sub(1),
            _ => {}
        }
        self.tokens.push(Token { kind, spaced: std::mem::take(&mut self.spaced) });
    }

    fn run(&mut self, depth: usize) -> Result<(), Unread> {
        if depth > MAX_DEPTH {
            return Err(Unread);
        }
        while let Some(&c) = self.chars.get(self.at) {
            match c {
                _ if c.is_whitespace() || matches!(c, '~' | '\u{200b}' | '\u{2061}') => self.skip(1),
                '0'..='9' => self.number()?,
                '.' if self.peek(1).is_ascii_digit() && !self.after_term() => self.number()?,
                '.' if self.peek(1) == '.' => {
                    self.at += self.chars[self.at..].iter().take_while(|c| **c == '.').count();
                    self.push(Kind::Sign('…'));
                }
                '\\' => self.backslash(depth)?,
                _ if c.is_ascii_alphabetic() => self.letters(),
                '*' if self.peek(1) == '*'
                    && (self.peek(2).is_ascii_alphanumeric() || matches!(self.peek(2), '(' | '-'))
                    && self.after_term() =>
                {
                    self.at += 2;
                    self.push(Kind::Sign('^'));
                }
                '<' | '>' | '!' if self.peek(1) == '=' => {
                    self.at += 2;
                    self.push(Kind::Sign(match c {
                        '<' => '≤',
                        '>' => '≥',
                        _ => '≠',
                    }));
                }
                _ if superscript(c).is_some() => self.superscripts()?,
                _ if vulgar(c).is_some() => self.vulgar(c),
                _ if c.is_alphabetic() && token::character(c).is_none() => self.foreign_word(),
                _ => {
                    let kind = token::character(c).ok_or(Unread)?;
                    self.at += 1;
                    self.push(kind);
                }
            }
        }
        Ok(())
    }

    fn skip(&mut self, n: usize) {
        self.at += n;
        self.spaced = true;
    }

    /// Whether something stands directly before, so that a point or two stars belong to it.
    fn after_term(&self) -> bool {
        let closing = |kind: &Kind| matches!(kind, Kind::Number(..) | Kind::Name(_) | Kind::Sign(')' | '}' | ']' | 'π'));
        !self.spaced && self.tokens.last().is_some_and(|t| closing(&t.kind))
    }

    fn number(&mut self) -> Result<(), Unread> {
        let found = numeral::read(self.chars, self.at, self.brackets > 0).ok_or(Unread)?;
        self.at = found.end;
        self.push(Kind::Number(found.value, found.digits));
        Ok(())
    }

    /// Letters of ASCII: a function, a word, a unit, or variables side by side.
    fn letters(&mut self) {
        let run: String = self.chars[self.at..].iter().take_while(|c| c.is_ascii_alphabetic()).collect();
        let after_number = matches!(self.tokens.last(), Some(Token { kind: Kind::Number(..), .. }));
        let raised = matches!(self.peek(run.len()), '^' | '_');
        if self.is_cross(&run) {
            self.at += 1;
            return self.push(Kind::Sign('*'));
        }
        self.at += run.len();
        if let Some(kind) = words::keyword(&run) {
            return self.push(kind);
        }
        if self.prose && after_number {
            return self.push(Kind::Word(run));
        }
        if self.prose {
            return self.push(if run.len() == 1 && run.as_bytes()[0].is_ascii_uppercase() { Kind::Name(run) } else { Kind::Word(run) });
        }
        if words::is_word(&run, after_number, raised) {
            return self.push(Kind::Word(run));
        }
        let mut rest = run.as_str();
        if let Some((kind, after)) = words::function_before(rest) {
            self.push(kind);
            rest = after;
        }
        for letter in rest.chars() {
            self.push(Kind::Name(letter.to_string()));
        }
    }

    /// `1.5 x 10^3`: the letter is a cross.
    fn is_cross(&self, run: &str) -> bool {
        let number = matches!(self.tokens.last(), Some(Token { kind: Kind::Number(..), .. }));
        let rest: String = self.chars[self.at..].iter().skip(1).filter(|c| !c.is_whitespace()).take(3).collect();
        matches!(run, "x" | "X") && number && (rest.starts_with("10^") || rest.starts_with("10*"))
    }

    fn foreign_word(&mut self) {
        let letter = |c: &&char| c.is_alphabetic() && token::character(**c).is_none();
        let word: String = self.chars[self.at..].iter().take_while(letter).collect();
        self.at += word.chars().count();
        self.push(Kind::Word(word));
    }

    fn superscripts(&mut self) -> Result<(), Unread> {
        let signs: String = self.chars[self.at..].iter().map_while(|c| superscript(*c)).collect();
        self.at += signs.chars().count();
        let chars: Vec<char> = signs.chars().collect();
        self.push(Kind::Sign('^'));
        self.push(Kind::Sign('{'));
        let mut inner = Lexer { chars: &chars, at: 0, tokens: Vec::new(), spaced: false, brackets: 1, prose: false };
        inner.run(MAX_DEPTH)?;
        self.tokens.append(&mut inner.tokens);
        self.push(Kind::Sign('}'));
        Ok(())
    }

    /// ½ behind a whole number makes a mixed number, so it is written as a fraction of two groups.
    fn vulgar(&mut self, c: char) {
        let Some((over, under)) = vulgar(c) else { return };
        self.at += 1;
        self.push(Kind::Command(Command::Fraction));
        for digits in [over, under] {
            let value = BigRational::from_integer(digits.into());
            self.push(Kind::Sign('{'));
            self.push(Kind::Number(value, Some(digits.to_string())));
            self.push(Kind::Sign('}'));
        }
    }

    fn backslash(&mut self, depth: usize) -> Result<(), Unread> {
        let next = self.peek(1);
        if next.is_ascii_alphabetic() {
            return self.named_command(depth);
        }
        self.at += 2;
        match next {
            ',' | ';' | ':' | '!' | '>' | ' ' | '\n' | '(' | ')' | '[' | ']' | '/' => self.spaced = true,
            '{' => self.push(Kind::Sign('⦃')),
            '}' => self.push(Kind::Sign('⦄')),
            '$' | '%' | '&' => self.push(Kind::Sign(next)),
            '\\' => self.push(Kind::Sign('⏎')),
            _ => return Err(Unread),
        }
        Ok(())
    }

    fn named_command(&mut self, depth: usize) -> Result<(), Unread> {
        let name: String = self.chars[self.at + 1..].iter().take_while(|c| c.is_ascii_alphabetic()).collect();
        self.at += 1 + name.len();
        match name.as_str() {
            "text" | "textbf" | "textit" | "textrm" | "textsf" | "texttt" | "textnormal" | "mbox" | "mathrm" | "mathsf"
            | "operatorname" | "hbox" | "emph" => self.prose(depth),
            "begin" | "end" => self.environment(name == "begin"),
            "hspace" | "vspace" | "phantom" | "hphantom" => self.group().map(|_| self.spaced = true),
            "mathbb" => {
                let content = self.group()?;
                let kind = if content == ['R'] { Kind::Command(Command::Reals) } else { Kind::Name(format!("bb {}", string(&content))) };
                self.push(kind);
                Ok(())
            }
            "vec" | "hat" | "bar" | "tilde" | "overline" | "overrightarrow" | "widehat" | "mathbf" | "boldsymbol" | "mathcal" | "dot" => {
                self.accent(&name, depth)
            }
            _ => {
                match token::command(&name).ok_or(Unread)? {
                    Some(kind) => self.push(kind),
                    None => self.spaced = true,
                }
                Ok(())
            }
        }
    }

    /// An accent over letters is a name of its own; bold type is an accent over the letters of base vectors alone.
    fn accent(&mut self, name: &str, depth: usize) -> Result<(), Unread> {
        let content = self.group()?;
        let bold = matches!(name, "mathbf" | "boldsymbol");
        if bold && !matches!(content[..], ['i' | 'j' | 'k']) {
            return self.inside(&content, self.prose, depth);
        }
        if content.is_empty() || content.len() > 8 || !content.iter().all(|c| c.is_ascii_alphabetic() || *c == '\\') {
            return Err(Unread);
        }
        let name = if bold || name == "hat" { "vec" } else { name };
        self.push(Kind::Name(format!("{name} {}", string(&content))));
        Ok(())
    }

    fn prose(&mut self, depth: usize) -> Result<(), Unread> {
        let content = self.group()?;
        match content[..] {
            [c @ ('e' | 'i')] => self.push(Kind::Name(c.to_string())),
            _ => {
                // White space at the edges of a text separates it from what stands beside it.
                self.spaced |= content.first().is_some_and(|c| c.is_whitespace());
                self.inside(&content, true, depth)?;
                self.spaced |= content.last().is_some_and(|c| c.is_whitespace());
            }
        }
        Ok(())
    }

    fn inside(&mut self, content: &[char], prose: bool, depth: usize) -> Result<(), Unread> {
        let tokens = std::mem::take(&mut self.tokens);
        let before = tokens.len();
        let mut inner = Lexer { chars: content, at: 0, tokens, spaced: self.spaced, brackets: self.brackets, prose };
        inner.run(depth + 1)?;
        self.spaced = inner.spaced && inner.tokens.len() == before;
        self.brackets = inner.brackets;
        self.tokens = inner.tokens;
        Ok(())
    }

    fn environment(&mut self, begin: bool) -> Result<(), Unread> {
        let name = string(&self.group()?);
        // Statements below each other: the ends of the rows are enough.
        if matches!(name.trim_end_matches('*'), "cases" | "aligned" | "align" | "gathered") {
            self.spaced = true;
            return Ok(());
        }
        if !matches!(name.trim_end_matches('*'), "pmatrix" | "bmatrix" | "matrix" | "Bmatrix" | "array" | "smallmatrix") {
            return Err(Unread);
        }
        if begin && name == "array" {
            self.group()?;
        }
        self.push(if begin { Kind::Begin } else { Kind::End });
        Ok(())
    }

    /// The content of the group that follows, without its braces; or the one character that stands for it.
    fn group(&mut self) -> Result<Vec<char>, Unread> {
        while self.peek(0).is_whitespace() {
            self.at += 1;
        }
        if self.peek(0) != '{' {
            let one = *self.chars.get(self.at).filter(|c| c.is_alphanumeric()).ok_or(Unread)?;
            self.at += 1;
            return Ok(vec![one]);
        }
        let from = self.at + 1;
        let mut depth = 0_usize;
        let mut at = self.at;
        while let Some(&c) = self.chars.get(at) {
            match c {
                '\\' => at += 1,
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                self.at = at + 1;
                return Ok(self.chars[from..at].to_vec());
            }
            at += 1;
        }
        Err(Unread)
    }
}

fn string(chars: &[char]) -> String {
    chars.iter().collect::<String>().trim().to_owned()
}

fn superscript(c: char) -> Option<char> {
    Some(match c {
        '⁰' => '0',
        '¹' => '1',
        '²' => '2',
        '³' => '3',
        '⁴' => '4',
        '⁵' => '5',
        '⁶' => '6',
        '⁷' => '7',
        '⁸' => '8',
        '⁹' => '9',
        '⁻' => '-',
        '⁺' => '+',
        'ⁿ' => 'n',
        'ˣ' => 'x',
        _ => return None,
    })
}

fn vulgar(c: char) -> Option<(u8, u8)> {
    Some(match c {
        '½' => (1, 2),
        '⅓' => (1, 3),
        '⅔' => (2, 3),
        '¼' => (1, 4),
        '¾' => (3, 4),
        '⅕' => (1, 5),
        '⅛' => (1, 8),
        _ => return None,
    })
}

/// A function by its word in plain text.
pub(crate) fn plain_function(word: &str) -> Option<Kind> {
    Some(match word {
        "sqrt" => Kind::Command(Command::Root),
        "log" => Kind::Command(Command::Log),
        "abs" => Kind::Function(Function::Absolute),
        "floor" => Kind::Function(Function::Floor),
        "ceil" => Kind::Function(Function::Ceiling),
        _ => Kind::Function(Function::named(word)?),
    })
}
