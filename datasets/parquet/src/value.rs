//! From a decoded field to JSON.

use parquet::record::{Field, Row};
use serde_json::{Map, Number, Value};

/// A row as an object. Bytes that are UTF-8 are a text, others a list of numbers; numbers that are not finite are null; times are whole
/// numbers in the unit of their column.
pub(crate) fn object(row: Row) -> Map<String, Value> {
    row.into_columns().into_iter().map(|(name, field)| (name, value(field))).collect()
}

fn value(field: Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(flag) => Value::Bool(flag),
        Field::Byte(n) => n.into(),
        Field::Short(n) => n.into(),
        Field::Int(n) | Field::Date(n) | Field::TimeMillis(n) => n.into(),
        Field::Long(n) | Field::TimeMicros(n) | Field::TimestampMillis(n) | Field::TimestampMicros(n) => n.into(),
        Field::UByte(n) => n.into(),
        Field::UShort(n) => n.into(),
        Field::UInt(n) => n.into(),
        Field::ULong(n) => n.into(),
        Field::Float16(x) => finite(f64::from(x)),
        // The shortest decimal that is this float, not the digits of its double.
        Field::Float(x) => x.to_string().parse().map_or(Value::Null, finite),
        Field::Double(x) => finite(x),
        Field::Str(text) => Value::String(text),
        Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => text.into(),
            Err(_) => bytes.data().into(),
        },
        Field::Group(row) => Value::Object(object(row)),
        Field::ListInternal(list) => list.elements().iter().cloned().map(value).collect(),
        Field::MapInternal(map) => map.entries().iter().map(|(key, item)| (name(key), value(item.clone()))).collect(),
        Field::Decimal(_) => field.to_string().into(),
    }
}

fn finite(x: f64) -> Value {
    Number::from_f64(x).map_or(Value::Null, Value::Number)
}

fn name(key: &Field) -> String {
    if let Field::Str(text) = key { text.clone() } else { key.to_string() }
}
