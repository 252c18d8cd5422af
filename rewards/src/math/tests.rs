//! What the verifier promises.

use proptest::prelude::*;

use super::budget::Budget;
use super::*;

fn equal(a: &str, b: &str) -> bool {
    let (a, b) = (read::read(a), read::read(b));
    let (Ok(a), Ok(b)) = (a, b) else { return false };
    let there = compare::same(&a, &b, &mut Budget::new(STEPS)).unwrap_or(false);
    assert_eq!(there, compare::same(&b, &a, &mut Budget::new(STEPS)).unwrap_or(false), "{a:?} {b:?}");
    there
}

#[test]
fn first_light() {
    for (a, b) in [
        ("1/2", "0.5"), ("\\frac12", "\\frac{2}{4}"), ("x^2+2x+1", "(x+1)^2"), ("\\sqrt{8}", "2\\sqrt2"), ("50\\%", "0.5"),
        ("\\{1,2\\}", "2, 1"), ("(1,2)", "(1, 2)"), ("[0,\\infty)", "x \\ge 0"), ("2\\frac13", "7/3"), ("x=3", "3"),
        ("\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{bmatrix}1 & 2 \\\\ 3 & 4 \\end{bmatrix}"),
        ("90^\\circ", "90"), ("5 \\text{ cm}", "5"), ("\\sin^2 x + \\cos^2 x", "1"), ("1,000", "1000"), ("y = 2x+1", "2x - y + 1 = 0"),
    ] {
        assert!(equal(a, b), "{a} {b} {:?} {:?}", read::read(a), read::read(b));
    }
}
