//! A frame: eight bytes of head, then a payload. The cap is checked on the head alone.
//!
//! ```text
//! 0  2       "CF"
//! 2  1       kind
//! 3  1       0
//! 4  4       length of the payload, little-endian
//! 8  length  payload
//! ```

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::error::io;
use crate::{Limits, TransportError};

/// Length of a head.
pub const HEADER_BYTES: usize = 8;
const MAGIC: [u8; 2] = *b"CF";
/// What is reserved at once for a payload: more comes with the bytes, so a false length costs its sender as much as us.
const FIRST_CHUNK: usize = 64 << 10;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Who connects: [`crate::Hello`].
    Hello = 1,
    /// The connection stands: [`crate::Welcome`].
    Welcome = 2,
    /// The connection is turned away: the reason as text.
    Refuse = 3,
    /// A sign of life: how much was done so far, eight bytes, little-endian.
    Beat = 4,
    /// A message of the run.
    Message = 5,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        [Self::Hello, Self::Welcome, Self::Refuse, Self::Beat, Self::Message].into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What it holds.
    pub kind: Kind,
    /// Bytes of its payload.
    pub len: u32,
}

impl Header {
    /// The head as bytes.
    #[must_use]
    pub fn encode(self) -> [u8; HEADER_BYTES] {
        let [a, b, c, d] = self.len.to_le_bytes();
        [MAGIC[0], MAGIC[1], self.kind as u8, 0, a, b, c, d]
    }

    /// Reads a head, before anything is allocated for what it speaks of.
    ///
    /// # Errors
    /// [`TransportError::BadFrame`], [`TransportError::FrameTooLong`].
    pub fn decode(bytes: [u8; HEADER_BYTES], cap: u32) -> Result<Self, TransportError> {
        let [m0, m1, kind, zero, a, b, c, d] = bytes;
        let bad = |what: &str| TransportError::BadFrame(format!("{what}; it begins with {bytes:02x?}"));
        if [m0, m1] != MAGIC || zero != 0 {
            return Err(bad("the bytes are not those of a frame"));
        }
        let kind = Kind::of(kind).ok_or_else(|| bad("a kind that is not known"))?;
        let len = u32::from_le_bytes([a, b, c, d]);
        if len > cap {
            return Err(TransportError::FrameTooLong { got: u64::from(len), cap });
        }
        Ok(Self { kind, len })
    }
}

/// A whole frame as bytes.
pub(crate) fn encode(kind: Kind, payload: &[u8], cap: u32) -> Result<Vec<u8>, TransportError> {
    let len = u32::try_from(payload.len()).ok().filter(|len| *len <= cap);
    let Some(len) = len else { return Err(TransportError::FrameTooLong { got: payload.len() as u64, cap }) };
    let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len());
    bytes.extend_from_slice(&Header { kind, len }.encode());
    bytes.extend_from_slice(payload);
    Ok(bytes)
}

/// Reads the next frame. Its first byte may take as long as `wait`; the rest as long as the limits say.
pub(crate) async fn read(
    from: &mut (impl AsyncRead + Unpin),
    limits: &Limits,
    wait: std::time::Duration,
    what: &str,
) -> Result<(Kind, Vec<u8>), TransportError> {
    let mut head = [0; HEADER_BYTES];
    let late = |limit| move |_| TransportError::Deadline { what: what.to_owned(), limit };
    let read = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => TransportError::Closed { what: what.to_owned(), reason: None },
        _ => io(format!("read {what}"))(error),
    };
    let first = tokio::time::timeout(wait, from.read(&mut head[..1])).await.map_err(late(wait))?.map_err(read)?;
    if first == 0 {
        return Err(TransportError::Closed { what: what.to_owned(), reason: None });
    }
    let rest = async {
        from.read_exact(&mut head[1..]).await.map_err(read)?;
        let header = Header::decode(head, limits.frame_bytes)?;
        let len = header.len as usize;
        let mut payload = Vec::with_capacity(len.min(FIRST_CHUNK));
        let got = from.take(u64::from(header.len)).read_to_end(&mut payload).await.map_err(read)?;
        if got < len {
            return Err(TransportError::BadFrame(format!("it ends after {got} of {len} bytes")));
        }
        Ok((header.kind, payload))
    };
    tokio::time::timeout(limits.frame, rest).await.map_err(late(limits.frame))?
}

/// Writes bytes of frames, all of them within the limit.
pub(crate) async fn write(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8], limits: &Limits, what: &str) -> Result<(), TransportError> {
    let written = tokio::time::timeout(limits.frame, to.write_all(bytes)).await;
    let late = |_| TransportError::Deadline { what: format!("{what} to take {} bytes", bytes.len()), limit: limits.frame };
    written.map_err(late)?.map_err(io(format!("write to {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_eight_bytes_are_a_head_within_the_cap_or_an_error(bytes: [u8; 8], cap: u32) {
            match Header::decode(bytes, cap) {
                Ok(header) => prop_assert!(header.encode() == bytes && header.len <= cap),
                Err(TransportError::BadFrame(_)) => {}
                Err(error) => prop_assert!(error.to_string().contains("are taken"), "{}", error),
            }
        }

        #[test]
        fn a_head_comes_back(len: u32, kind in 1_u8..=5) {
            let header = Header { kind: Kind::of(kind).unwrap(), len };
            prop_assert_eq!(Header::decode(header.encode(), u32::MAX).unwrap(), header);
            if len > 0 {
                prop_assert!(Header::decode(header.encode(), len - 1).is_err());
            }
        }
    }

    #[test]
    fn what_is_longer_than_the_cap_is_not_even_written() {
        assert!(matches!(encode(Kind::Message, &[0; 10], 9), Err(TransportError::FrameTooLong { got: 10, cap: 9 })));
    }
}
