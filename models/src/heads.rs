//! What can stand on a trunk.

use serde_json::{Map, Value};

use crate::{Param, VocabHead, arch::Arch};

/// A head: what turns the trunk's hidden states into numbers. The trunk, the tape and the optimizer know only its parameters.
pub trait Head: std::fmt::Debug {
    /// The class of transformers that a trunk of an architecture with this head is.
    fn class(arch: &Arch) -> &'static str;

    /// The parameters, always in the same order.
    fn params(&self) -> Vec<&Param>;

    /// The parameters, to be frozen.
    fn params_mut(&mut self) -> Vec<&mut Param>;

    /// What `config.json` says of the head besides the class.
    fn describe(_config: &mut Map<String, Value>) {}
}

impl Head for VocabHead {
    fn class(arch: &Arch) -> &'static str {
        arch.class
    }

    fn params(&self) -> Vec<&Param> {
        self.params().collect()
    }

    fn params_mut(&mut self) -> Vec<&mut Param> {
        self.params_mut().collect()
    }
}
