//! Values of the metadata.

use super::strings::Strings;

/// A metadata value with the type it has in the file. The accessors convert where nothing is lost.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the variants are the format's types by their names")]
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    U64(u64),
    I64(i64),
    F32(f32),
    F64(f64),
    Bool(bool),
    Str(String),
    Array(Array),
}

/// A list of values of one type. Lists of lists, which the format allows and no converter writes, are refused.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the variants are the format's types by their names")]
pub enum Array {
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    U64(Vec<u64>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Bool(Vec<bool>),
    Str(Strings),
}

impl Value {
    /// An integer that is not negative.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::U64(v) => Some(v),
            _ => self.as_i64().and_then(|v| v.try_into().ok()),
        }
    }

    /// An integer below 2⁶³.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match *self {
            Self::U8(v) => Some(v.into()),
            Self::I8(v) => Some(v.into()),
            Self::U16(v) => Some(v.into()),
            Self::I16(v) => Some(v.into()),
            Self::U32(v) => Some(v.into()),
            Self::I32(v) => Some(v.into()),
            Self::U64(v) => v.try_into().ok(),
            Self::I64(v) => Some(v),
            _ => None,
        }
    }

    /// A float, or an integer that a double holds exactly.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "the guard leaves only integers that a double holds exactly")]
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::F32(v) => Some(v.into()),
            Self::F64(v) => Some(v),
            _ => self.as_i64().filter(|v| v.unsigned_abs() <= 1 << 53).map(|v| v as f64),
        }
    }

    /// A truth value.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(v) = *self { Some(v) } else { None }
    }

    /// A text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::Str(v) = self { Some(v) } else { None }
    }

    /// A list of any type.
    #[must_use]
    pub fn as_array(&self) -> Option<&Array> {
        if let Self::Array(v) = self { Some(v) } else { None }
    }

    /// A list of texts.
    #[must_use]
    pub fn as_strings(&self) -> Option<&Strings> {
        if let Self::Array(Array::Str(v)) = self { Some(v) } else { None }
    }

    /// A list of integers, each below 2⁶³.
    #[must_use]
    pub fn as_ints(&self) -> Option<Vec<i64>> {
        match self.as_array()? {
            Array::U8(v) => Some(widen(v)),
            Array::I8(v) => Some(widen(v)),
            Array::U16(v) => Some(widen(v)),
            Array::I16(v) => Some(widen(v)),
            Array::U32(v) => Some(widen(v)),
            Array::I32(v) => Some(widen(v)),
            Array::U64(v) => v.iter().map(|&v| v.try_into().ok()).collect(),
            Array::I64(v) => Some(v.clone()),
            _ => None,
        }
    }

    /// A list of floats.
    #[must_use]
    pub fn as_floats(&self) -> Option<Vec<f64>> {
        match self.as_array()? {
            Array::F32(v) => Some(widen(v)),
            Array::F64(v) => Some(v.clone()),
            _ => None,
        }
    }

    /// The type in words, for messages: `U32`, `a list of F32`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::U8(_) => "U8",
            Self::I8(_) => "I8",
            Self::U16(_) => "U16",
            Self::I16(_) => "I16",
            Self::U32(_) => "U32",
            Self::I32(_) => "I32",
            Self::U64(_) => "U64",
            Self::I64(_) => "I64",
            Self::F32(_) => "F32",
            Self::F64(_) => "F64",
            Self::Bool(_) => "a truth value",
            Self::Str(_) => "a text",
            Self::Array(array) => array.kind(),
        }
    }
}

impl Array {
    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::U8(v) => v.len(),
            Self::I8(v) => v.len(),
            Self::U16(v) => v.len(),
            Self::I16(v) => v.len(),
            Self::U32(v) => v.len(),
            Self::I32(v) => v.len(),
            Self::U64(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
            Self::Bool(v) => v.len(),
            Self::Str(v) => v.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type in words, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::U8(_) => "a list of U8",
            Self::I8(_) => "a list of I8",
            Self::U16(_) => "a list of U16",
            Self::I16(_) => "a list of I16",
            Self::U32(_) => "a list of U32",
            Self::I32(_) => "a list of I32",
            Self::U64(_) => "a list of U64",
            Self::I64(_) => "a list of I64",
            Self::F32(_) => "a list of F32",
            Self::F64(_) => "a list of F64",
            Self::Bool(_) => "a list of truth values",
            Self::Str(_) => "a list of texts",
        }
    }
}

fn widen<T: Copy + Into<U>, U>(values: &[T]) -> Vec<U> {
    values.iter().map(|&v| v.into()).collect()
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accessors_convert_only_what_loses_nothing() {
        assert_eq!((Value::U8(7).as_u64(), Value::I32(-1).as_u64(), Value::I32(-1).as_i64()), (Some(7), None, Some(-1)));
        assert_eq!((Value::U64(u64::MAX).as_u64(), Value::U64(u64::MAX).as_i64()), (Some(u64::MAX), None));
        assert_eq!((Value::U32(5).as_f64(), Value::I64((1 << 53) + 1).as_f64(), Value::Bool(true).as_f64()), (Some(5.0), None, None));
        assert_eq!((Value::F32(5.0).as_u64(), Value::from("x").as_u64(), Value::Bool(true).as_u64()), (None, None, None));
        assert_eq!(Value::Array(Array::U64(vec![1, u64::MAX])).as_ints(), None);
        assert_eq!(Value::Array(Array::I8(vec![1, -1])).as_ints(), Some(vec![1, -1]));
        assert_eq!(Value::Array(Array::I8(vec![1])).as_floats(), None);
    }
}
