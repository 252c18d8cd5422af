//! Tests of whole models: against transformers' numbers, and the packed forward against the plain one.

mod gradients;
mod real;
mod support;
mod tiny;
