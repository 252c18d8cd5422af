//! Verdicts as bytes.
//!
//! A payload is: u32 number of units; each unit u32 number of verdicts (1, or a group's answers) and the verdicts. A verdict is a byte and
//! what follows it: 0 a score (float64 total, u32 number of parts, each a text and a float64), 1 unscorable (a text), 2 an error of the
//! machinery (a byte of kind, a byte 0 or 1 whether another try may succeed, a text).

use std::collections::BTreeMap;

use collimate_types::{InfraKind, Verdict};

use super::WireError;
use super::item::{Reader, put_text, put_u32};

const KINDS: [InfraKind; 4] = [InfraKind::Panic, InfraKind::Death, InfraKind::Deadline, InfraKind::Transport];

/// Appends a unit.
pub fn put_unit(out: &mut Vec<u8>, verdicts: &[Verdict]) {
    put_u32(out, verdicts.len());
    for verdict in verdicts {
        put(out, verdict);
    }
}

fn put(out: &mut Vec<u8>, verdict: &Verdict) {
    match verdict {
        Verdict::Score(score) => {
            out.push(0);
            out.extend_from_slice(&score.total.to_le_bytes());
            put_u32(out, score.parts.len());
            for (name, value) in &score.parts {
                put_text(out, name);
                out.extend_from_slice(&value.to_le_bytes());
            }
        }
        Verdict::Unscorable { reason } => {
            out.push(1);
            put_text(out, reason);
        }
        Verdict::InfraError { kind, retryable, detail } => {
            let kind = KINDS.iter().position(|k| k == kind).unwrap_or(KINDS.len() - 1);
            out.extend_from_slice(&[2, kind as u8, u8::from(*retryable)]);
            put_text(out, detail);
        }
    }
}

/// Reads the units of a payload. A number that is not finite makes its answer unscorable.
///
/// # Errors
/// When the payload is not what the head of this module says.
pub fn units(payload: &[u8]) -> Result<Vec<Vec<Verdict>>, WireError> {
    let mut reader = Reader::new(payload);
    let mut units = Vec::new();
    for _ in 0..reader.number("a number of units")? {
        let mut unit = Vec::new();
        for _ in 0..reader.number("a number of verdicts")? {
            unit.push(one(&mut reader)?);
        }
        units.push(unit);
    }
    if reader.at_end() { Ok(units) } else { Err(WireError::Short { what: "bytes after the last verdict", at: payload.len() }) }
}

fn one(reader: &mut Reader<'_>) -> Result<Verdict, WireError> {
    match reader.byte("a verdict")? {
        0 => {
            let total = reader.float("a total")?;
            let mut parts = BTreeMap::new();
            for _ in 0..reader.number("a number of parts")? {
                let name = reader.text("a part's name")?.to_owned();
                parts.insert(name, reader.float("a part")?);
            }
            Ok(Verdict::with_parts(total, parts))
        }
        1 => Ok(Verdict::Unscorable { reason: reader.text("a reason")?.to_owned() }),
        2 => {
            let kind = reader.byte("a kind of error")?;
            let kind = *KINDS.get(usize::from(kind)).ok_or(WireError::Tag { what: "the kind of error", found: kind, at: 0 })?;
            let retryable = reader.byte("whether to try again")? == 1;
            Ok(Verdict::InfraError { kind, retryable, detail: reader.text("what happened")?.to_owned() })
        }
        found => Err(WireError::Tag { what: "the verdict", found, at: 0 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use collimate_types::Score;
    use proptest::prelude::*;

    fn payload(units: &[Vec<Verdict>]) -> Vec<u8> {
        let mut out = Vec::new();
        put_u32(&mut out, units.len());
        units.iter().for_each(|u| put_unit(&mut out, u));
        out
    }

    #[test]
    fn verdicts_come_back_bit_for_bit_and_what_is_not_finite_never_as_a_score() {
        let parts = BTreeMap::from([("a".to_owned(), -0.0), ("b/c".to_owned(), 1e-300)]);
        let mut all = vec![vec![Verdict::score_of(0.1 + 0.2)], vec![Verdict::with_parts(f64::MIN, parts)], vec![]];
        let errors = KINDS.map(|kind| Verdict::InfraError { kind, retryable: kind == InfraKind::Deadline, detail: "ü".into() });
        all.push(errors.into());
        all.push(vec![Verdict::Unscorable { reason: "why".into() }]);
        assert_eq!(units(&payload(&all)).unwrap(), all);
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let forged = Verdict::Score(Score { total: bad, parts: BTreeMap::new() });
            assert_eq!(units(&payload(&[vec![forged]])).unwrap()[0][0].fault(), Some("unscorable"));
        }
        let bytes = payload(&all);
        assert!((0..bytes.len()).all(|cut| units(&bytes[..cut]).is_err()), "a cut payload is no payload");
        assert!(units(&[bytes, vec![0]].concat()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = units(&bytes);
        }
    }
}
