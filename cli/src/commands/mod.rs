//! One file a command.

pub(crate) mod cards;
pub(crate) mod ckpt;
pub(crate) mod config;
pub(crate) mod data;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod generate;
pub(crate) mod plan;
pub(crate) mod report;
pub(crate) mod reward;
pub(crate) mod train;
