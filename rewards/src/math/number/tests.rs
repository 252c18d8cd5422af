//! Values against those of the literature, and the laws between the functions.

use num_rational::BigRational;
use proptest::prelude::*;

use super::ball::Ball;
use super::*;
use crate::math::budget::{Budget, Gap};

fn budget() -> Budget {
    Budget::new(10_000_000)
}

fn rational(over: i64, under: i64) -> Real {
    Real::Exact(BigRational::new(over.into(), under.into()))
}

/// Equal to the decimals given, to within one unit of the last of them.
#[track_caller]
fn is_about(value: &Real, decimals: &str) {
    let (whole, fraction) = decimals.split_once('.').unwrap();
    let fraction = &fraction[..fraction.len().min(70)];
    let scale = BigRational::from_integer(num_bigint::BigInt::from(10).pow(u32::try_from(fraction.len()).unwrap()));
    let wanted = BigRational::from_integer(format!("{whole}{fraction}").parse().unwrap());
    let scaled = value.times(&Real::Exact(scale), &mut budget()).unwrap();
    let gap = scaled.minus(&Real::Exact(wanted), &mut budget()).unwrap().absolute();
    assert!(gap.minus(&Real::one(), &mut budget()).unwrap().sign() == Ok(std::cmp::Ordering::Less), "{decimals}");
}

#[test]
fn constants_and_functions_have_the_digits_of_the_tables() {
    let b = &mut budget();
    is_about(&Real::pi().unwrap(), "3.14159265358979323846264338327950288419716939937510582097494459230781640628620899");
    is_about(&Real::one().exp(b).unwrap(), "2.71828182845904523536028747135266249775724709369995957496696762772407663035354759");
    is_about(&Real::integer(2).ln(b).unwrap(), "0.69314718055994530941723212145817656807550013436025525412068000949339362196969471");
    is_about(&Real::integer(2).root(2, b).unwrap(), "1.41421356237309504880168872420969807856967187537694807317667973799073247846210703");
    is_about(&Real::integer(5).root(3, b).unwrap(), "1.70997594667669698935310887254386010986805511054305");
    is_about(&Real::one().sin_cos(b).unwrap().0, "0.84147098480789650665250232163029899962256306079837");
    is_about(&Real::integer(100).sin_cos(b).unwrap().1, "0.862318872287683934101938513950842535510084");
    is_about(&Real::integer(-10).exp(b).unwrap(), "0.0000453999297624848515355915155605506102");
    is_about(&rational(1, 2).atan(b).unwrap(), "0.46364760900080611621425623146121440202853705428612");
    is_about(&Real::integer(-7).atan(b).unwrap().negated(), "1.42889927219073269641847007453719835909080294");
}

#[test]
fn what_has_no_value_has_none_and_what_is_out_of_reach_is_unclear() {
    let b = &mut budget();
    assert_eq!(Real::one().over(&Real::zero(), b).err(), Some(Gap::Undefined));
    assert_eq!(Real::zero().ln(b).err(), Some(Gap::Undefined));
    assert_eq!(Real::integer(-4).root(2, b).err(), Some(Gap::Undefined));
    assert_eq!(Real::zero().to_integer_power(0, b).err(), Some(Gap::Undefined));
    assert_eq!(Real::integer(1000).exp(b).err(), Some(Gap::Unclear));
    assert_eq!(Real::integer(10).to_integer_power(1_000_000, b).err(), Some(Gap::Unclear));
    let almost = Real::integer(2).root(2, b).unwrap();
    let nothing = almost.times(&almost, b).unwrap().minus(&Real::integer(2), b).unwrap();
    assert_eq!(Real::one().over(&nothing, b).err(), Some(Gap::Unclear), "a divisor that may be 0");
    assert_eq!(Real::integer(3).plus(&Real::one(), &mut Budget::new(0)).err(), Some(Gap::Unclear));
}

#[test]
fn a_difference_below_the_error_is_no_agreement() {
    let b = &mut budget();
    let ten = Real::integer(10);
    let pi = Real::pi().unwrap();
    for (digits, wanted) in [(20, Ok(false)), (75, Ok(false)), (200, Err(Gap::Unclear))] {
        let tiny = ten.to_integer_power(-digits, b).unwrap();
        let other = pi.plus(&tiny, b).and_then(|sum| sum.agrees(&pi));
        assert_eq!(other, wanted, "10^-{digits}");
    }
    // What is left of (√2)² − 2 is error; blown up, it covers numbers that are not 0.
    let two = Real::integer(2);
    let large = ten.to_integer_power(70, b).unwrap();
    let root = two.root(2, b).unwrap();
    let left = root.times(&root, b).unwrap().minus(&two, b).unwrap();
    let blown = left.times(&large, b).unwrap().times(&large, b).unwrap();
    assert_eq!(left.agrees(&Real::zero()), Ok(true));
    assert_eq!(blown.agrees(&ten.to_integer_power(-20, b).unwrap()), Err(Gap::Unclear));
    assert!(Ball::exact(&BigRational::new(num_bigint::BigInt::from(1) << 600, 3.into())).is_err());
}

#[test]
fn complex_powers_are_principal_and_real_ones_stay_real() {
    let b = &mut budget();
    let c = |re: i64, im: i64| Complex { re: Real::integer(re), im: Real::integer(im) };
    let third = Complex::from(rational(1, 3));
    assert_eq!(c(-8, 0).power(&third, false, b).unwrap().agrees(&c(-2, 0)), Ok(true));
    assert_eq!(c(-4, 0).power(&rational(1, 2).into(), false, b).err(), Some(Gap::Undefined));
    assert_eq!(c(-4, 0).power(&rational(1, 2).into(), true, b).unwrap().agrees(&c(0, 2)), Ok(true));
    assert_eq!(c(3, -4).power(&rational(1, 2).into(), true, b).unwrap().agrees(&c(2, -1)), Ok(true));
    assert_eq!(c(1, 1).power(&c(-2, 0), true, b).unwrap().agrees(&c(0, -1).over(&c(2, 0), b).unwrap()), Ok(true));
    let turn = Complex { re: Real::zero(), im: Real::pi().unwrap() };
    assert_eq!(turn.exp(b).unwrap().agrees(&c(-1, 0)), Ok(true));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_functions_keep_their_laws(over in 1_i64..4000, under in 1_i64..400) {
        let b = &mut budget();
        let x = rational(over, under);
        let half = rational(over, under * 2);
        let (sine, cosine) = half.sin_cos(b).unwrap();
        let double = sine.times(&cosine, b).unwrap().times(&Real::integer(2), b).unwrap();
        prop_assert_eq!(double.agrees(&x.sin_cos(b).unwrap().0), Ok(true));
        prop_assert_eq!(x.ln(b).unwrap().exp(b).unwrap().agrees(&x), Ok(true));
        let root = x.root(2, b).unwrap();
        prop_assert_eq!(root.times(&root, b).unwrap().agrees(&x), Ok(true));
        let angle = x.atan(b).unwrap();
        let (sine, cosine) = angle.sin_cos(b).unwrap();
        prop_assert_eq!(sine.over(&cosine, b).unwrap().agrees(&x), Ok(true));
        prop_assert_eq!(x.exp(b).and_then(|e| e.ln(b)).map_or(Ok(true), |l| l.agrees(&x)), Ok(true));
    }

    #[test]
    fn neighbours_never_agree(over in 1_i64..4000, under in 1_i64..400, digits in 3_i64..60) {
        let b = &mut budget();
        let nudge = Real::integer(10).to_integer_power(-digits, b).unwrap();
        let x = rational(over, under).ln(b).unwrap();
        let near = x.plus(&nudge, b).unwrap();
        prop_assert_eq!(near.agrees(&x), Ok(false));
    }
}
