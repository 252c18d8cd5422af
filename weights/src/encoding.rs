//! How the numbers of a tensor are stored, and how many bytes that takes.

use std::fmt;

/// A plain element type: every element has the same whole number of bytes. Names are those of safetensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Dtype {
    /// A byte, 0 or 1.
    Bool,
    /// Unsigned 8-bit integer.
    U8,
    /// Signed 8-bit integer.
    I8,
    /// 8-bit float, 4 exponent and 3 mantissa bits.
    F8E4M3,
    /// 8-bit float, 5 exponent and 2 mantissa bits.
    F8E5M2,
    /// Unsigned 16-bit integer.
    U16,
    /// Signed 16-bit integer.
    I16,
    /// IEEE half precision.
    F16,
    /// The upper half of a single-precision float.
    BF16,
    /// Unsigned 32-bit integer.
    U32,
    /// Signed 32-bit integer.
    I32,
    /// IEEE single precision.
    F32,
    /// Unsigned 64-bit integer.
    U64,
    /// Signed 64-bit integer.
    I64,
    /// IEEE double precision.
    F64,
}

impl Dtype {
    /// Every plain type, in the order of their size.
    pub const ALL: [Self; 15] = [
        Self::Bool,
        Self::U8,
        Self::I8,
        Self::F8E4M3,
        Self::F8E5M2,
        Self::U16,
        Self::I16,
        Self::F16,
        Self::BF16,
        Self::U32,
        Self::I32,
        Self::F32,
        Self::U64,
        Self::I64,
        Self::F64,
    ];

    /// Bytes an element takes.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::Bool | Self::U8 | Self::I8 | Self::F8E4M3 | Self::F8E5M2 => 1,
            Self::U16 | Self::I16 | Self::F16 | Self::BF16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// The name that safetensors headers use, e.g. `BF16`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::U8 => "U8",
            Self::I8 => "I8",
            Self::F8E4M3 => "F8_E4M3",
            Self::F8E5M2 => "F8_E5M2",
            Self::U16 => "U16",
            Self::I16 => "I16",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::U32 => "U32",
            Self::I32 => "I32",
            Self::F32 => "F32",
            Self::U64 => "U64",
            Self::I64 => "I64",
            Self::F64 => "F64",
        }
    }

    /// The type of that safetensors name; `None` for one that Collimate does not read.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dtype| dtype.name() == name)
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a tensor is stored as. Quantised encodings pack 32 neighbours of the innermost dimension into a block with its own scale
/// (GGML's block formats, `ggml-common.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// One element after the other.
    Plain(Dtype),
    /// `d: f16, q: [i8; 32]`; a value is `q·d`.
    Q8_0,
    /// `d: f16, q: [u4; 32]`; a value is `(q − 8)·d`.
    Q4_0,
    /// `d: f16, m: f16, q: [u4; 32]`; a value is `q·d + m`.
    Q4_1,
}

impl Encoding {
    /// Elements in a block: 1 for plain encodings.
    #[must_use]
    pub fn block_elements(self) -> usize {
        match self {
            Self::Plain(_) => 1,
            Self::Q8_0 | Self::Q4_0 | Self::Q4_1 => 32,
        }
    }

    /// Bytes of a block.
    #[must_use]
    pub fn block_bytes(self) -> usize {
        match self {
            Self::Plain(dtype) => dtype.size(),
            Self::Q8_0 => 2 + 32,
            Self::Q4_0 => 2 + 16,
            Self::Q4_1 => 2 + 2 + 16,
        }
    }

    /// Bytes of a tensor of this shape (row-major, innermost dimension last).
    ///
    /// `None` when a product does not fit in 63 bits (LibTorch counts in `i64`) or the innermost dimension is not whole blocks.
    #[must_use]
    pub fn bytes_of(self, shape: &[usize]) -> Option<u64> {
        let elements = elements_of(shape)?;
        let block = self.block_elements();
        if block > 1 && shape.last().copied().unwrap_or(1) % block != 0 {
            return None;
        }
        let bytes = (elements / block as u64).checked_mul(self.block_bytes() as u64)?;
        (bytes <= i64::MAX as u64).then_some(bytes)
    }
}

impl From<Dtype> for Encoding {
    fn from(dtype: Dtype) -> Self {
        Self::Plain(dtype)
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(dtype) => dtype.fmt(f),
            Self::Q8_0 => f.write_str("Q8_0"),
            Self::Q4_0 => f.write_str("Q4_0"),
            Self::Q4_1 => f.write_str("Q4_1"),
        }
    }
}

/// Elements of a shape; `None` when they, or the strides of an empty tensor, do not fit in 63 bits.
pub(crate) fn elements_of(shape: &[usize]) -> Option<u64> {
    // A zero must not hide the overflow of its neighbours: LibTorch computes strides from them.
    let span = shape.iter().try_fold(1_u64, |product, &dim| product.checked_mul(dim.max(1) as u64))?;
    if span > i64::MAX as u64 {
        return None;
    }
    Some(if shape.contains(&0) { 0 } else { span })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plain_type_is_found_again_by_its_name() {
        for dtype in Dtype::ALL {
            assert_eq!(Dtype::from_name(dtype.name()), Some(dtype));
        }
        assert_eq!(Dtype::from_name("C64"), None);
    }

    #[test]
    fn quantised_rows_are_whole_blocks() {
        assert_eq!(Encoding::Q4_1.bytes_of(&[3, 64]), Some(3 * 2 * 20));
        assert_eq!(Encoding::Q8_0.bytes_of(&[3, 64]), Some(3 * 2 * 34));
        assert_eq!(Encoding::Q4_0.bytes_of(&[3, 64]), Some(3 * 2 * 18));
        assert_eq!(Encoding::Q4_0.bytes_of(&[64, 16]), None, "the row has 16 elements, though the tensor has 32 blocks");
    }

    #[test]
    fn a_zero_does_not_hide_an_overflow() {
        let f32 = Encoding::Plain(Dtype::F32);
        assert_eq!(f32.bytes_of(&[0, 1 << 20]), Some(0));
        assert_eq!(f32.bytes_of(&[0, 1 << 40, 1 << 40]), None);
        assert_eq!(f32.bytes_of(&[0, 1 << 63]), None, "strides are 63 bits wide");
        assert_eq!(f32.bytes_of(&[1 << 61, 2]), None, "the count fits in 63 bits, its bytes do not");
        assert_eq!(f32.bytes_of(&[]), Some(4));
    }
}
