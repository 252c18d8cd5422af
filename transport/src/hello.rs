//! The handshake: who connects, and whether both ends are of one release.

use serde::{Deserialize, Serialize};

use crate::TransportError;

/// The protocol of this release. It changes with every change of a frame or of a message: both ends are started from one binary.
pub const PROTOCOL: u32 = 1;

/// What a process says of itself when it connects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The protocol it speaks.
    pub protocol: u32,
    /// Its program and version, for messages.
    pub program: String,
    /// The name of its part: `actor-0`, `learner`.
    pub part: String,
    /// Which start of that part it is, counted from 1: what an earlier one still has to say is told apart by it.
    pub incarnation: u64,
}

impl Hello {
    /// The hello of a part of this release.
    #[must_use]
    pub fn of(part: impl Into<String>, incarnation: u64) -> Self {
        let program = concat!("collimate ", env!("CARGO_PKG_VERSION")).to_owned();
        Self { protocol: PROTOCOL, program, part: part.into(), incarnation }
    }

    /// Reads a hello of any release: the protocol first, since the rest of another release's hello may look different.
    pub(crate) fn read(payload: &[u8]) -> Result<Self, TransportError> {
        #[derive(Deserialize)]
        struct Any {
            protocol: u32,
            #[serde(default)]
            program: String,
        }
        let bad = |error: serde_json::Error| TransportError::BadFrame(format!("it is no hello: {error}"));
        let any: Any = serde_json::from_slice(payload).map_err(bad)?;
        if any.protocol != PROTOCOL {
            let program = if any.program.is_empty() { "a program that does not name itself".to_owned() } else { any.program };
            return Err(TransportError::Protocol { ours: PROTOCOL, theirs: any.protocol, program });
        }
        serde_json::from_slice(payload).map_err(bad)
    }
}

/// The answer to a hello.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The protocol of the hub.
    pub protocol: u32,
    /// How often the hub wants a sign of life, in milliseconds.
    pub beat_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_release_is_named_whatever_else_its_hello_holds() {
        let error = Hello::read(br#"{"protocol": 9, "program": "collimate 8.0", "shape": "unheard of"}"#).unwrap_err().to_string();
        assert!(error.contains("protocol 9 (collimate 8.0), this one 1") && error.contains("one binary"), "{error}");
        assert!(Hello::read(br#"{"protocol": 1}"#).unwrap_err().to_string().contains("no hello"));
        let hello = Hello::of("actor-0", 3);
        assert_eq!(Hello::read(&serde_json::to_vec(&hello).unwrap()).unwrap(), hello);
    }
}
