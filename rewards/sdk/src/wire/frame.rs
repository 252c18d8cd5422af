//! Frames: four bytes of length (of the payload, little-endian), one byte of kind, the payload.

use std::io::{self, Read};
use std::ops::Range;

use super::WireError;

/// What a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Plugin to trainer: [`Hello`](super::Hello) as JSON.
    Hello = 1,
    /// Plugin to trainer: [`Ready`](super::Ready) as JSON.
    Ready = 2,
    /// Plugin to trainer: verdicts ([`verdict`](super::verdict)).
    Verdicts = 3,
    /// Trainer to plugin: [`Init`](super::Init) as JSON.
    Init = 16,
    /// Trainer to plugin: units of work ([`item`](super::item)).
    Batch = 17,
}

/// Bytes before a payload.
pub const HEADER: usize = 5;

impl Kind {
    fn of(byte: u8) -> Result<Self, WireError> {
        let all = [Self::Hello, Self::Ready, Self::Verdicts, Self::Init, Self::Batch];
        all.into_iter().find(|k| *k as u8 == byte).ok_or(WireError::Kind { found: byte, wanted: "1, 2, 3, 16 or 17" })
    }
}

/// Starts a frame at the end of `out`; write the payload behind it, then call [`end`] with what this returns.
pub fn begin(out: &mut Vec<u8>, kind: Kind) -> usize {
    let at = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, kind as u8]);
    at
}

/// Writes the length of the frame that was begun at `at`. A payload of 4 GiB or more cannot be sent: its length reads as the largest
/// number, which every reader refuses.
pub fn end(out: &mut [u8], at: usize) {
    let length = u32::try_from(out.len() - at - HEADER).unwrap_or(u32::MAX);
    out[at..at + 4].copy_from_slice(&length.to_le_bytes());
}

/// A whole frame.
pub fn put(out: &mut Vec<u8>, kind: Kind, payload: &[u8]) {
    let at = begin(out, kind);
    out.extend_from_slice(payload);
    end(out, at);
}

/// The first frame of some bytes: its kind and where its payload stands; none if it is not whole yet.
///
/// # Errors
/// When it is longer than `cap` or of no known kind.
pub fn first(bytes: &[u8], cap: usize) -> Result<Option<(Kind, Range<usize>)>, WireError> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else { return Ok(None) };
    let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
    if length > cap {
        return Err(WireError::TooLong { length, cap });
    }
    let kind = Kind::of(header[4])?;
    Ok((rest.len() >= length).then_some((kind, HEADER..HEADER + length)))
}

/// Reads one frame into `payload`; none at the end of the stream.
///
/// # Errors
/// When the stream fails or ends inside a frame, or the frame is longer than `cap` or of no known kind.
pub fn read(from: &mut impl Read, payload: &mut Vec<u8>, cap: usize) -> io::Result<Option<Kind>> {
    let mut header = [0; HEADER];
    if from.read(&mut header[..1])? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut header[1..])?;
    let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
    let bad = |e: WireError| io::Error::new(io::ErrorKind::InvalidData, e);
    if length > cap {
        return Err(bad(WireError::TooLong { length, cap }));
    }
    let kind = Kind::of(header[4]).map_err(bad)?;
    payload.clear();
    payload.resize(length, 0);
    from.read_exact(payload)?;
    Ok(Some(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_one_by_one_and_a_part_is_no_frame() {
        let mut bytes = Vec::new();
        put(&mut bytes, Kind::Init, b"abc");
        put(&mut bytes, Kind::Batch, b"");
        assert_eq!(first(&bytes, 10), Ok(Some((Kind::Init, 5..8))));
        for cut in 0..8 {
            assert_eq!(first(&bytes[..cut], 10), Ok(None), "{cut} bytes");
        }
        let (mut stream, mut payload) = (bytes.as_slice(), Vec::new());
        assert_eq!(read(&mut stream, &mut payload, 10).unwrap(), Some(Kind::Init));
        assert_eq!(payload, b"abc");
        assert_eq!(read(&mut stream, &mut payload, 10).unwrap(), Some(Kind::Batch));
        assert_eq!(read(&mut stream, &mut payload, 10).unwrap(), None);
        assert!(read(&mut &bytes[..7], &mut payload, 10).is_err(), "a stream that ends inside a frame");
    }

    #[test]
    fn what_is_too_long_or_unknown_is_refused_before_it_is_read() {
        let mut bytes = Vec::new();
        put(&mut bytes, Kind::Batch, &[0; 11]);
        assert_eq!(first(&bytes[..HEADER], 10), Err(WireError::TooLong { length: 11, cap: 10 }));
        assert!(first(&[1, 0, 0, 0, 99, 0], 10).is_err() && read(&mut [1, 0, 0, 0, 99, 0].as_slice(), &mut Vec::new(), 10).is_err());
        assert!(read(&mut bytes.as_slice(), &mut Vec::new(), 10).is_err());
    }
}
