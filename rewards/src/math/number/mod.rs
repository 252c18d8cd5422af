//! Numbers of the verifier: exact rationals as long as that is possible, else balls of 512 bits; and complex numbers of both.

pub(crate) mod ball;
mod complex;
mod real;
pub(crate) mod series;

pub(crate) use complex::Complex;
pub(crate) use real::Real;

#[cfg(test)]
mod tests;
