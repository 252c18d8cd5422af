//! Numbers that stand for types in the file.

use crate::encoding::{Dtype, Encoding};

/// Value types of the metadata, `enum gguf_metadata_value_type` of the specification.
pub(super) mod value {
    pub(crate) const U8: u32 = 0;
    pub(crate) const I8: u32 = 1;
    pub(crate) const U16: u32 = 2;
    pub(crate) const I16: u32 = 3;
    pub(crate) const U32: u32 = 4;
    pub(crate) const I32: u32 = 5;
    pub(crate) const F32: u32 = 6;
    pub(crate) const BOOL: u32 = 7;
    pub(crate) const STR: u32 = 8;
    pub(crate) const ARRAY: u32 = 9;
    pub(crate) const U64: u32 = 10;
    pub(crate) const I64: u32 = 11;
    pub(crate) const F64: u32 = 12;
}

/// The encodings that are read and written, by GGML's number (`enum ggml_type`).
const READ: [(u32, Encoding); 6] = [
    (0, Encoding::Plain(Dtype::F32)),
    (1, Encoding::Plain(Dtype::F16)),
    (2, Encoding::Q4_0),
    (3, Encoding::Q4_1),
    (8, Encoding::Q8_0),
    (30, Encoding::Plain(Dtype::BF16)),
];

/// The encodings that are known by name only.
const REFUSED: [(u32, &str); 27] = [
    (6, "Q5_0"),
    (7, "Q5_1"),
    (9, "Q8_1"),
    (10, "Q2_K"),
    (11, "Q3_K"),
    (12, "Q4_K"),
    (13, "Q5_K"),
    (14, "Q6_K"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (20, "IQ4_NL"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (39, "MXFP4"),
    (40, "NVFP4"),
];

/// The encoding of that number, or the name of one that is not read.
pub(super) fn encoding(number: u32) -> Result<Encoding, String> {
    if let Some(&(_, encoding)) = READ.iter().find(|(n, _)| *n == number) {
        return Ok(encoding);
    }
    Err(REFUSED.iter().find(|(n, _)| *n == number).map_or_else(|| format!("type {number}"), |(_, name)| (*name).to_owned()))
}

/// The number of an encoding; `None` for one that is not written.
pub(super) fn number(encoding: Encoding) -> Option<u32> {
    READ.iter().find(|(_, e)| *e == encoding).map(|(n, _)| *n)
}
