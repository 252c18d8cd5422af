//! What the verifier promises.

use std::time::{Duration, Instant};

use num_rational::BigRational;
use proptest::prelude::*;

use super::budget::Budget;
use super::*;

fn judged(a: &Answer, b: &Answer, steps: u64) -> bool {
    compare::same(a, b, &mut Budget::new(steps)).unwrap_or(false)
}

/// Whether two texts say the same, asked both ways round.
#[track_caller]
fn equal(a: &str, b: &str) -> bool {
    let read = |text: &str| read::read(text).unwrap_or_else(|_| panic!("`{text}` was not read"));
    let (x, y) = (read(a), read(b));
    let there = judged(&x, &y, STEPS);
    assert_eq!(there, judged(&y, &x, STEPS), "`{a}` `{b}`");
    there
}

#[test]
fn domains_count() {
    assert!(equal("\\ln x + \\ln 2", "\\ln 2x"), "both have values where x is positive");
    assert!(!equal("\\sqrt{x}", "\\sqrt{|x|}"), "one has values where the other has none");
    assert!(!equal("\\sqrt{x}^2", "x"));
    assert!(!equal("\\frac{x}{x}", "\\frac{0}{0}"));
    assert!(equal("\\sqrt{x^2y^2}", "|xy|"));
}

#[test]
fn what_has_two_meanings_is_not_read() {
    for text in
        ["2.5(3)", "\\frac123", "2\\frac{3}{2}", "f(2)", "x2", "3 4", "5 squared = 25 apples", "", "\\unknown{5}", "3 4/5^2", "1_2_3"]
    {
        assert!(read::read(text).is_err(), "`{text}`: {:?}", read::read(text));
    }
}

#[test]
fn a_truth_that_is_a_formula_beyond_the_subset_is_refused_and_words_are_words() {
    for text in ["\\int_0^1 x\\,dx", "\\sum_{k=1}^n k", "a \\equiv 3 \\pmod 7", "a < x + y < 3", "3.14\\ldots", ""] {
        assert!(Truth::read(text).is_err(), "`{text}`");
    }
    assert!(Truth::read("June 5, 2020").unwrap().equals("\\boxed{june 5 2020}", Place::Auto));
    assert!(!Truth::read("June 5, 2020").unwrap().equals("\\boxed{June 6, 2020}", Place::Auto));
}

#[test]
fn nesting_ends_where_it_must() {
    let cases =
        ["(", "{", "\\frac{", "\\sqrt{", "|", "-", "\\{", "[", "\\text{", "x^", "\\boxed{", "2^{", "((1,", "\\left(", "\\sin", "1,(", "⌊"];
    for open in cases {
        for n in [30, 300, 3000] {
            let text = open.repeat(n);
            let _ = read::read(&text);
            let _ = read::read(&format!("{text}1"));
        }
    }
    for chain in ["1/", "1!", "1±", "1-", "x^2", "[0,1]∪", "1:", "1 or ", "5%", "1,", "x=", "x<", "cm/"] {
        let text = format!("{}1", chain.repeat(4000 / chain.len() - 1));
        if let Ok(answer) = read::read(&text) {
            let _ = judged(&answer, &read::read("1").unwrap(), STEPS);
            drop(answer.clone());
        }
    }
}

#[test]
fn hostile_answers_are_judged_in_a_blink() {
    let truths = ["42", "x^2+1", "\\{1,2,3\\}", "[0,1]\\cup[2,3]", "\\sin x"].map(|t| Truth::read(t).unwrap());
    let answers = [
        "9".repeat(3000),
        format!("{}1", "1+".repeat(1900)),
        format!("x{}", "^9".repeat(30)),
        "9^{9^{9^{9}}}".into(),
        "9^9^9".repeat(700),
        "1000!".repeat(700),
        format!("{}x", "\\sin".repeat(39)),
        format!("\\{{{}1\\}}", "\\sin 1,".repeat(500)),
        format!("{}1", "\\sin x \\ln y + ".repeat(260)),
        format!("{}(0,1)", "(0,1)\\cup".repeat(90)),
        format!("(x+y+z)^{{{}}}", 999),
        "\\binom{100000}{50000}".into(),
        "(\\frac{1}{3})^{10000}".into(),
        "1e2000^1000".into(),
        "\\sqrt[64]{".repeat(39) + "2" + &"}".repeat(39),
    ];
    for answer in &answers {
        for (truth, place) in truths.iter().flat_map(|t| [(t, Place::Whole), (t, Place::Auto)]) {
            let start = Instant::now();
            assert!(!truth.equals(answer, place), "{answer}");
            assert!(start.elapsed() < Duration::from_millis(700), "{:?} for `{}`", start.elapsed(), &answer[..40.min(answer.len())]);
        }
    }
}

#[test]
fn megabytes_of_anything_are_judged_in_a_blink() {
    let truth = Truth::read("42").unwrap();
    let pieces = [
        "1",
        "1,",
        "$",
        "$x$ ",
        "\\boxed{",
        "{",
        "#### ",
        "#",
        "#### x\n",
        "#### 1\n",
        "\\",
        "answer is ",
        "answer: 1. ",
        "\\(",
        "−",
        "ß",
        "\\[1\\]",
        "}",
    ];
    for piece in pieces {
        let text = piece.repeat((2 << 20) / piece.len());
        let start = Instant::now();
        assert!(!truth.equals(&text, Place::Auto), "`{piece}`");
        assert!(start.elapsed() < Duration::from_secs(1), "`{piece}` took {:?}", start.elapsed());
    }
}

/// Texts that look like mathematics.
fn pieces() -> impl Strategy<Value = String> {
    const PIECES: &str = "1¦2¦0¦12¦x¦y¦+¦-¦*¦/¦^¦_¦(¦)¦[¦]¦{¦}¦\\{¦\\}¦,¦ ¦=¦<¦\\le ¦\\frac¦\\sqrt¦\\pi¦\\infty¦\\cup ¦\\text{cm}¦\\text{¦%¦\\%¦$¦\
         ^\\circ¦\\pm ¦!¦.¦|¦:¦e¦i¦and¦ or ¦\\sin ¦\\ln ¦\\begin{pmatrix}¦\\end{pmatrix}¦&¦\\\\¦\\in ¦\\mathbb{R}¦½¦²¦apples¦(B)¦\
         \\boxed{¦####¦0.\\overline{3}¦1,000¦\\log_";
    proptest::collection::vec(proptest::sample::select(PIECES.split('¦').collect::<Vec<_>>()), 0..14).prop_map(|parts| parts.concat())
}

/// A sum, product or quotient of small numbers, in LaTeX, and its value.
fn arithmetic() -> impl Strategy<Value = (String, BigRational)> {
    let leaf = (1_i64..30).prop_map(|n| (n.to_string(), BigRational::from_integer(n.into())));
    leaf.prop_recursive(4, 24, 2, |inner| {
        (inner.clone(), inner, 0..6_u8).prop_map(|((a, x), (b, y), how)| match how {
            0 => (format!("{a}+{b}"), x + y),
            1 => (format!("\\left({a}\\right)-\\left({b}\\right)"), x - y),
            2 => (format!("({a})\\cdot({b})"), x * y),
            3 => (format!("({a})({b})"), x * y),
            _ if y == BigRational::from_integer(0.into()) => (a, x),
            4 => (format!("\\frac{{{a}}}{{{b}}}"), x / y),
            _ => (format!("({a})/({b})"), x / y),
        })
    })
}

proptest! {
    #[test]
    fn any_text_is_judged_without_panic(a in pieces(), b in "\\PC{0,30}") {
        for text in [&a, &b] {
            if let Ok(truth) = Truth::read(text) {
                for place in [Place::Auto, Place::Marked, Place::Boxed, Place::Hash, Place::Whole] {
                    let _ = (truth.equals(&a, place), truth.equals(&b, place));
                }
            }
        }
    }

    #[test]
    fn what_is_read_equals_itself(text in pieces()) {
        if let Ok(answer) = read::read(&text) {
            prop_assert!(judged(&answer, &answer, STEPS));
        }
    }

    #[test]
    fn equality_goes_both_ways_and_no_smaller_budget_adds_to_it(a in pieces(), b in pieces(), steps in 0_u64..3000) {
        if let (Ok(a), Ok(b)) = (read::read(&a), read::read(&b)) {
            let there = judged(&a, &b, STEPS);
            prop_assert_eq!(there, judged(&b, &a, STEPS));
            prop_assert!(there || !judged(&a, &b, steps));
        }
    }

    #[test]
    fn arithmetic_has_its_value_and_no_other((text, value) in arithmetic(), nudge in 1_i64..1_000_000) {
        let wanted = format!("{}/({})", value.numer(), value.denom());
        prop_assert!(equal(&text, &wanted), "{} {}", text, wanted);
        let off = value + BigRational::new(1.into(), nudge.into());
        let unwanted = format!("{}/({})", off.numer(), off.denom());
        prop_assert!(!equal(&text, &unwanted), "{} {}", text, unwanted);
    }

    #[test]
    fn polynomials_are_equal_where_their_factors_are(a in -9_i64..9, b in -9_i64..9, c in -9_i64..9) {
        let product = format!("(x - ({a}))(x - ({b}))");
        let expanded = format!("x^2 + ({})x + ({})", -(a + b), a * b + c);
        prop_assert_eq!(equal(&product, &expanded), c == 0);
    }
}
