//! What can be wrong with a model file, and where.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

/// Why a model file was refused. Each names the file, the tensor or key, the bytes where there are any, and the mend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The system could not open or read a file.
    #[error("cannot {doing} {}: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What was tried, e.g. `open`.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The bytes contradict the format.
    #[error("{}, bytes {}..{}: {}{what}; {mend}", file.display(), bytes.start, bytes.end, Named("tensor", tensor.as_deref()))]
    Malformed {
        /// The file.
        file: PathBuf,
        /// The tensor concerned, where there is one.
        tensor: Option<String>,
        /// The bytes that are wrong, or that the file should have and does not.
        bytes: Range<u64>,
        /// What is wrong.
        what: String,
        /// What to do.
        mend: &'static str,
    },
    /// The tensor is sound and in an encoding that is not read.
    #[error("{}: tensor `{tensor}` is {encoding}, which Collimate does not read; {mend}", file.display())]
    Encoding {
        /// The file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// The name of its encoding.
        encoding: String,
        /// What to do.
        mend: &'static str,
    },
    /// The tensor was asked for as numbers that it does not hold.
    #[error("{}: tensor `{tensor}` is {encoding} and cannot be read as {wanted}; read its bytes instead", file.display())]
    Kind {
        /// The file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// What it is stored as.
        encoding: String,
        /// What was asked for.
        wanted: &'static str,
    },
    /// There is no tensor of that name.
    #[error("{}: no tensor `{tensor}` among its {count}{}; check that the model's architecture is the one asked for", file.display(), Example(example.as_deref()))]
    Absent {
        /// The file or directory.
        file: PathBuf,
        /// The name that was asked for.
        tensor: String,
        /// How many tensors there are.
        count: usize,
        /// The name of one, to show how names look there.
        example: Option<String>,
    },
    /// The caller's buffer does not fit the tensor.
    #[error("{}: tensor `{tensor}` holds {want} elements and the buffer {got}; its shape does not agree with the model's configuration", file.display())]
    Length {
        /// The file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// Elements of the tensor.
        want: usize,
        /// Elements of the buffer.
        got: usize,
    },
    /// A metadata entry is missing or is not what it must be.
    #[error("{}: metadata `{key}` {what}; convert the model again with a current converter", file.display())]
    Key {
        /// The file.
        file: PathBuf,
        /// The key.
        key: String,
        /// What is wrong, e.g. `is missing`.
        what: String,
    },
    /// The directory does not hold a whole model.
    #[error("{}: {what}; {mend}", path.display())]
    Directory {
        /// The directory, or the file in it.
        path: PathBuf,
        /// What is wrong.
        what: String,
        /// What to do.
        mend: &'static str,
    },
    /// The caller of a writer gave something that the format cannot hold.
    #[error("cannot write {}{what}", Named("tensor", tensor.as_deref()))]
    Outgoing {
        /// The tensor, where there is one.
        tensor: Option<String>,
        /// What is wrong.
        what: String,
    },
    /// The sink refused bytes, or the callback that fills a tensor failed.
    #[error("cannot write {}{source}", Named("tensor", tensor.as_deref()))]
    Sink {
        /// The tensor, or the header where there is none.
        tensor: Option<String>,
        /// What the system, or the callback, said.
        source: io::Error,
    },
}

/// Mend of a file that ends too early or contradicts itself.
pub(crate) const DAMAGED: &str = "the file is cut short or damaged: fetch it again and compare its checksum";

/// Prints ``tensor `name`: ``, or nothing.
struct Named<'a>(&'static str, Option<&'a str>);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.1.map_or(Ok(()), |name| write!(f, "{} `{name}`: ", self.0))
    }
}

/// Prints ``, such as `name` ``, or nothing.
struct Example<'a>(Option<&'a str>);

impl fmt::Display for Example<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |name| write!(f, " (such as `{name}`)"))
    }
}
