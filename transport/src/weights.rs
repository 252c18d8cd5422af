//! Weights between processes: written once into sealed memory, mapped by all, taken whole or not at all.
//!
//! ```text
//! 0   8   "COLMTWT1"
//! 8   8   version, little-endian
//! 16  8   length of the list of tensors, little-endian
//! 24  8   where the first tensor begins, little-endian
//! 32  32  BLAKE3 of all other bytes
//! 64      the list of tensors, JSON; then each tensor at a multiple of 64
//! ```
//!
//! The head is written last and the memory is sealed after it. A learner that dies while it writes leaves nothing that anybody could open:
//! the ticket, which names the place and the digest, does not exist yet.

use std::fs::File;
use std::io::{self, BufWriter, Seek as _, Write};
use std::os::fd::AsRawFd as _;

use collimate_sys::shm::{Mapped, create, path_in, seal};
use collimate_types::WeightsVersion;
use serde::{Deserialize, Serialize};

use crate::TransportError;
use crate::error::io as failed;

const MAGIC: [u8; 8] = *b"COLMTWT1";
const HEAD: usize = 64;
/// Tensors begin at multiples of this: a cache line, and enough for any vector load.
const ALIGN: usize = 64;
/// Where the digest stands in the head.
const DIGEST: std::ops::Range<usize> = 32..64;
const BUFFER: usize = 1 << 20;

/// A tensor's place among the weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TensorEntry {
    /// Its name in the model.
    pub name: String,
    /// Its element type, by the names of safetensors: `F32`, `BF16`.
    pub dtype: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its length in bytes.
    pub bytes: usize,
}

/// Where weights lie and what they are. Travels in [`crate::Order::Adopt`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Their version.
    pub version: WeightsVersion,
    /// The process that holds them.
    pub pid: u32,
    /// The number of its handle.
    pub fd: i32,
    /// How long they are, head and list included.
    pub bytes: u64,
    /// BLAKE3 in hexadecimal.
    pub digest: String,
}

/// Weights that others can map as long as this value lives. Who has mapped them keeps them beyond it.
#[derive(Debug)]
pub struct PublishedWeights {
    file: File,
    ticket: Ticket,
}

impl PublishedWeights {
    /// Writes weights: `write(i, out)` puts the bytes of tensor `i` out, exactly as many as its entry says.
    ///
    /// # Errors
    /// [`TransportError::Io`] where memory runs out, [`TransportError::Weights`] for a tensor of another length.
    pub fn write(
        version: WeightsVersion,
        tensors: &[TensorEntry],
        mut write: impl FnMut(usize, &mut dyn Write) -> io::Result<()>,
    ) -> Result<Self, TransportError> {
        let bad = |reason: String| TransportError::Weights { version, reason };
        let list = serde_json::to_vec(tensors).map_err(|e| bad(format!("the list of tensors cannot be written: {e}")))?;
        let start = (HEAD + list.len()).next_multiple_of(ALIGN);
        let mut head = [0; HEAD];
        head[..8].copy_from_slice(&MAGIC);
        head[8..16].copy_from_slice(&version.to_le_bytes());
        head[16..24].copy_from_slice(&(list.len() as u64).to_le_bytes());
        head[24..32].copy_from_slice(&(start as u64).to_le_bytes());

        let file = create("collimate-weights").map_err(failed("make shared memory for the weights"))?;
        let out = BufWriter::with_capacity(BUFFER, &file);
        let mut out = Hashed { out, hasher: blake3::Hasher::new(), bytes: 0 };
        let say = || failed(format!("write weights of version {version} to shared memory"));
        out.hasher.update(&head[..DIGEST.start]);
        out.out.write_all(&[0; HEAD]).map_err(say())?;
        out.bytes = HEAD;
        out.write_all(&list).map_err(say())?;
        for (index, tensor) in tensors.iter().enumerate() {
            out.pad(ALIGN).map_err(say())?;
            let before = out.bytes;
            write(index, &mut out).map_err(say())?;
            if out.bytes - before != tensor.bytes {
                let got = out.bytes - before;
                return Err(bad(format!("tensor `{}` has {got} bytes, its entry says {}", tensor.name, tensor.bytes)));
            }
        }
        let bytes = out.bytes as u64;
        let digest = out.finish().map_err(say())?;
        head[DIGEST].copy_from_slice(digest.as_bytes());
        (&file).rewind().and_then(|()| (&file).write_all(&head)).map_err(say())?;
        seal(&file).map_err(failed("seal the weights"))?;
        let ticket = Ticket { version, pid: std::process::id(), fd: file.as_raw_fd(), bytes, digest: digest.to_hex().to_string() };
        Ok(Self { file, ticket })
    }

    /// What others need to map them.
    #[must_use]
    pub fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    /// Maps them in this process.
    ///
    /// # Errors
    /// As [`Weights::open`].
    pub fn map(&self) -> Result<Weights, TransportError> {
        Weights::of(&self.file, &self.ticket)
    }
}

/// Weights as a reader sees them: every byte was compared with the digest of the ticket before this value came to be.
#[derive(Debug)]
pub struct Weights {
    memory: Mapped,
    version: WeightsVersion,
    /// Each tensor with the place of its first byte.
    tensors: Vec<(TensorEntry, usize)>,
}

impl Weights {
    /// Maps the weights that a ticket speaks of and checks all of them.
    ///
    /// # Errors
    /// [`TransportError::Io`] if their holder is gone, [`TransportError::Weights`] if they are not what the ticket says.
    pub fn open(ticket: &Ticket) -> Result<Self, TransportError> {
        let path = path_in(ticket.pid, ticket.fd);
        let what = format!("open weights of version {} at `{}`, which process {} published", ticket.version, path.display(), ticket.pid);
        Self::of(&File::open(path).map_err(failed(what))?, ticket)
    }

    fn of(file: &File, ticket: &Ticket) -> Result<Self, TransportError> {
        let version = ticket.version;
        let bad = |reason: String| TransportError::Weights { version, reason };
        let memory = Mapped::of_sealed(file).map_err(|e| bad(format!("they cannot be mapped: {e}")))?;
        if memory.len() as u64 != ticket.bytes || memory.len() < HEAD {
            return Err(bad(format!("{} bytes are there, the ticket says {}", memory.len(), ticket.bytes)));
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(&memory[..DIGEST.start]).update(&memory[DIGEST.end..]);
        let digest = hasher.finalize();
        if digest.to_hex().as_str() != ticket.digest || digest.as_bytes() != &memory[DIGEST] {
            return Err(bad(format!("their digest is {}, the ticket says {}", digest.to_hex(), ticket.digest)));
        }
        let number = |at: usize| u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|i| memory[at + i]));
        if memory[..8] != MAGIC || number(8) != version {
            return Err(bad(format!("the memory holds version {}", number(8))));
        }
        let list = usize::try_from(number(16)).ok().and_then(|len| memory.get(HEAD..HEAD.checked_add(len)?));
        let list: Vec<TensorEntry> =
            list.and_then(|bytes| serde_json::from_slice(bytes).ok()).ok_or_else(|| bad("their list of tensors is damaged".to_owned()))?;
        let mut at = usize::try_from(number(24)).map_err(|_| bad("their first tensor lies nowhere".to_owned()))?;
        let mut tensors = Vec::with_capacity(list.len());
        for entry in list {
            at = at.next_multiple_of(ALIGN);
            let end = at.checked_add(entry.bytes).filter(|end| *end <= memory.len());
            let Some(end) = end else { return Err(bad(format!("tensor `{}` does not fit in them", entry.name))) };
            tensors.push((entry, at));
            at = end;
        }
        Ok(Self { memory, version, tensors })
    }

    /// Their version.
    #[must_use]
    pub fn version(&self) -> WeightsVersion {
        self.version
    }

    /// The tensors in their order, each with its bytes.
    #[must_use]
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = (&TensorEntry, &[u8])> {
        self.tensors.iter().map(|(entry, at)| (entry, &self.memory[*at..*at + entry.bytes]))
    }
}

/// Counts and digests what passes.
struct Hashed<'f> {
    out: BufWriter<&'f File>,
    hasher: blake3::Hasher,
    bytes: usize,
}

impl Hashed<'_> {
    fn pad(&mut self, to: usize) -> io::Result<()> {
        let missing = self.bytes.next_multiple_of(to) - self.bytes;
        self.write_all(&[0; ALIGN][..missing])
    }

    fn finish(mut self) -> io::Result<blake3::Hash> {
        self.out.flush()?;
        Ok(self.hasher.finalize())
    }
}

impl Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write_all(bytes)?;
        self.hasher.update(bytes);
        self.bytes += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, n: usize) -> TensorEntry {
        TensorEntry { name: name.to_owned(), dtype: "F32".to_owned(), shape: vec![n], bytes: 4 * n }
    }

    fn published(version: u64) -> PublishedWeights {
        let tensors = [entry("a", 3), entry("none", 0), entry("b", 100_000)];
        PublishedWeights::write(version, &tensors, |i, out| {
            (0..tensors[i].shape[0]).try_for_each(|x| out.write_all(&(x as f32 + version as f32).to_le_bytes()))
        })
        .unwrap()
    }

    #[test]
    fn what_is_mapped_is_what_was_written_tensor_by_tensor() {
        let published = published(7);
        for weights in [Weights::open(published.ticket()).unwrap(), published.map().unwrap()] {
            let names: Vec<&str> = weights.tensors().map(|(e, _)| e.name.as_str()).collect();
            assert_eq!((weights.version(), names), (7, vec!["a", "none", "b"]));
            for (entry, bytes) in weights.tensors() {
                assert_eq!(bytes.as_ptr() as usize % ALIGN, 0);
                let wanted: Vec<u8> = (0..entry.shape[0]).flat_map(|x| (x as f32 + 7.0).to_le_bytes()).collect();
                assert_eq!(bytes, wanted, "{}", entry.name);
            }
        }
    }

    #[test]
    fn a_ticket_of_other_weights_is_refused_and_so_is_one_whose_holder_is_gone() {
        let (one, two) = (published(1), published(2));
        let crossed = Ticket { fd: two.ticket().fd, ..one.ticket().clone() };
        assert!(Weights::open(&crossed).unwrap_err().to_string().contains("digest"));
        let renamed = Ticket { version: 3, ..one.ticket().clone() };
        assert!(Weights::open(&renamed).unwrap_err().to_string().contains("the memory holds version 1"));
        let short = Ticket { bytes: 10, ..one.ticket().clone() };
        assert!(Weights::open(&short).unwrap_err().to_string().contains("the ticket says 10"));
        let ticket = one.ticket().clone();
        let kept = one.map().unwrap();
        drop(one);
        let gone = Weights::open(&ticket).unwrap_err().to_string();
        assert!(gone.contains("version 1") && gone.contains(&format!("process {}", ticket.pid)), "{gone}");
        assert_eq!(kept.tensors().len(), 3, "who has mapped them keeps them");
    }

    #[test]
    fn memory_that_is_not_sealed_or_holds_one_other_bit_is_never_taken() {
        let good = published(5);
        let bytes: Vec<u8> = std::fs::read(path_in(good.ticket().pid, good.ticket().fd)).unwrap();
        for at in (0..bytes.len()).step_by(bytes.len() / 97) {
            let mut other = bytes.clone();
            other[at] ^= 1;
            let mut file = create("copy").unwrap();
            file.write_all(&other).unwrap();
            let ticket = Ticket { fd: file.as_raw_fd(), ..good.ticket().clone() };
            assert!(Weights::open(&ticket).unwrap_err().to_string().contains("not sealed"));
            seal(&file).unwrap();
            assert!(Weights::open(&ticket).is_err(), "a flipped bit of byte {at} was not seen");
        }
    }

    #[test]
    fn a_tensor_of_another_length_is_named_and_nothing_is_published() {
        let wrong = PublishedWeights::write(1, &[entry("a", 3)], |_, out| out.write_all(&[0; 8])).unwrap_err();
        assert!(wrong.to_string().contains("tensor `a` has 8 bytes, its entry says 12"), "{wrong}");
    }
}
