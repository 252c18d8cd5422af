//! The words of a mathematical text.

use num_rational::BigRational;

use super::tree::Function;

/// A token.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// Whether white space stands before it.
    pub(crate) spaced: bool,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// A number, with its digits if it is written as nothing but digits.
    Number(BigRational, Option<String>),
    /// A variable, or one of `e` and `i`.
    Name(String),
    /// A word of running text.
    Word(String),
    /// A function of one argument.
    Function(Function),
    /// A construction of LaTeX with arguments.
    Command(Command),
    /// `\begin{..}` of a matrix.
    Begin,
    /// `\end{..}` of a matrix.
    End,
    /// `and`, `or`.
    Joint(Joint),
    /// Everything else, as one character: the usual sign where there is one, `⦃` and `⦄` for the braces of a set, `⏎` for the end of a row.
    Sign(char),
}

/// How two statements are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joint {
    And,
    Or,
}

/// A construction with arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    Fraction,
    Root,
    Binomial,
    Log,
    /// ℝ.
    Reals,
}

/// What a command of LaTeX without an argument of its own stands for; `None` if it is not known.
pub(crate) fn command(name: &str) -> Option<Option<Kind>> {
    if let Some(function) = Function::named(name) {
        return Some(Some(Kind::Function(function)));
    }
    let sign = |c| Some(Kind::Sign(c));
    Some(match name {
        // Spacing and size say nothing.
        "left" | "right" | "middle" | "big" | "Big" | "bigg" | "Bigg" | "bigl" | "bigr" | "Bigl" | "Bigr" | "biggl" | "biggr" | "Biggl"
        | "Biggr" | "displaystyle" | "textstyle" | "scriptstyle" | "limits" | "nolimits" | "quad" | "qquad" | "enspace" | "thinspace"
        | "rm" | "bf" | "it" | "boxed" | "fbox" | "ensuremath" | "strut" | "mathstrut" | "unit" | "mathord" => None,
        "frac" | "dfrac" | "tfrac" | "cfrac" | "nicefrac" | "sfrac" => Some(Kind::Command(Command::Fraction)),
        "sqrt" => Some(Kind::Command(Command::Root)),
        "binom" | "dbinom" | "tbinom" => Some(Kind::Command(Command::Binomial)),
        "log" | "lg" => Some(Kind::Command(Command::Log)),
        "R" | "Reals" | "reals" => Some(Kind::Command(Command::Reals)),
        "cdot" | "times" | "ast" | "bullet" => sign('*'),
        "div" => sign('/'),
        "pm" => sign('±'),
        "mp" => sign('∓'),
        "le" | "leq" | "leqslant" => sign('≤'),
        "ge" | "geq" | "geqslant" => sign('≥'),
        "lt" => sign('<'),
        "gt" => sign('>'),
        "ne" | "neq" => sign('≠'),
        "approx" | "simeq" | "approxeq" => sign('≈'),
        "cup" => sign('∪'),
        "cap" => sign('∩'),
        "setminus" | "backslash" | "smallsetminus" => sign('∖'),
        "in" => sign('∈'),
        "emptyset" | "varnothing" => sign('∅'),
        "infty" => sign('∞'),
        "pi" => sign('π'),
        "circ" | "degree" | "degrees" => sign('°'),
        "prime" => sign('′'),
        "colon" => sign(':'),
        "mid" | "vert" | "lvert" | "rvert" => sign('|'),
        "lfloor" => sign('⌊'),
        "rfloor" => sign('⌋'),
        "lceil" => sign('⌈'),
        "rceil" => sign('⌉'),
        "langle" => sign('⟨'),
        "rangle" => sign('⟩'),
        "lbrace" => sign('⦃'),
        "rbrace" => sign('⦄'),
        "lbrack" => sign('['),
        "rbrack" => sign(']'),
        "ldots" | "dots" | "cdots" | "dotsc" | "dotsb" => sign('…'),
        "land" | "wedge" => Some(Kind::Joint(Joint::And)),
        "lor" | "vee" => Some(Kind::Joint(Joint::Or)),
        "cr" | "newline" => sign('⏎'),
        "pounds" => sign('£'),
        "euro" => sign('€'),
        _ => Some(Kind::Name(greek(name)?.to_owned())),
    })
}

/// A Greek letter by its name.
fn greek(name: &str) -> Option<&'static str> {
    const NAMES: [&str; 31] = [
        "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi", "rho", "sigma",
        "tau", "upsilon", "phi", "chi", "psi", "omega", "Gamma", "Delta", "Theta", "Lambda", "Sigma", "Phi", "Psi", "Omega", "ell",
    ];
    let name = name.strip_prefix("var").unwrap_or(name);
    NAMES.into_iter().find(|known| *known == name)
}

/// What a character that is neither a letter nor a digit of ASCII stands for.
pub(crate) fn character(c: char) -> Option<Kind> {
    const GREEK: [(char, &str); 14] = [
        ('α', "alpha"),
        ('β', "beta"),
        ('γ', "gamma"),
        ('δ', "delta"),
        ('ε', "epsilon"),
        ('θ', "theta"),
        ('λ', "lambda"),
        ('μ', "mu"),
        ('ρ', "rho"),
        ('σ', "sigma"),
        ('τ', "tau"),
        ('φ', "phi"),
        ('ω', "omega"),
        ('Δ', "Delta"),
    ];
    if let Some((_, name)) = GREEK.iter().find(|(letter, _)| *letter == c) {
        return Some(Kind::Name((*name).to_owned()));
    }
    Some(Kind::Sign(match c {
        '−' | '–' | '—' | '﹣' | '－' => '-',
        '×' | '·' | '⋅' | '∙' | '•' | '∗' => '*',
        '÷' | '∕' | '⁄' => '/',
        '≤' | '⩽' => '≤',
        '≥' | '⩾' => '≥',
        '≈' | '≃' => '≈',
        '∖' => '∖',
        'º' | '˚' => '°',
        '’' | '\'' => '′',
        '√' => return Some(Kind::Command(Command::Root)),
        'ℝ' => return Some(Kind::Command(Command::Reals)),
        '∧' => return Some(Kind::Joint(Joint::And)),
        '∨' => return Some(Kind::Joint(Joint::Or)),
        '，' | '、' => ',',
        '；' => ';',
        '。' => '.',
        '（' => '(',
        '）' => ')',
        '‖' => return None,
        '+' | '-' | '*' | '/' | '^' | '_' | '(' | ')' | '[' | ']' | '{' | '}' | '|' | ',' | ';' | ':' | '!' | '=' | '<' | '>' | '%'
        | '.' | '&' | '?' | '"' | '$' | '€' | '£' | '¥' | '¢' | '°' | '±' | '∓' | '≠' | '∪' | '∩' | '∈' | '∅' | '∞' | 'π' | '⌊' | '⌋'
        | '⌈' | '⌉' | '⟨' | '⟩' | '′' | '…' => c,
        _ => return None,
    }))
}
