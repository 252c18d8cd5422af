//! The few messages that are written, field numbers as in TensorFlow's `.proto` files.

use prost::{Message, Oneof};

/// One thing that happened.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub(super) wall_time: f64,
    #[prost(int64, tag = "2")]
    pub(super) step: i64,
    #[prost(oneof = "What", tags = "3, 5, 7")]
    pub(super) what: Option<What>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SessionLog {
    /// 1 = START: readers drop what they have from this step on.
    #[prost(int32, tag = "1")]
    pub(super) status: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Summary {
    #[prost(message, repeated, tag = "1")]
    pub(super) value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Value {
    #[prost(string, tag = "1")]
    pub(super) tag: String,
    #[prost(message, optional, tag = "9")]
    pub(super) metadata: Option<SummaryMetadata>,
    #[prost(oneof = "Content", tags = "2, 8")]
    pub(super) content: Option<Content>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Content {
    #[prost(float, tag = "2")]
    SimpleValue(f32),
    #[prost(message, tag = "8")]
    Tensor(Tensor),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SummaryMetadata {
    #[prost(message, optional, tag = "1")]
    pub(super) plugin_data: Option<PluginData>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PluginData {
    #[prost(string, tag = "1")]
    pub(super) plugin_name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Tensor {
    /// 7 = string.
    #[prost(int32, tag = "1")]
    pub(super) dtype: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) shape: Option<Shape>,
    #[prost(bytes = "vec", repeated, tag = "8")]
    pub(super) string_val: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Shape {
    #[prost(message, repeated, tag = "2")]
    pub(super) dim: Vec<Dim>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Dim {
    #[prost(int64, tag = "1")]
    pub(super) size: i64,
}

/// `SessionLog.status`: a writer starts.
pub(super) const START: i32 = 1;
/// `DataType` of a tensor of strings.
pub(super) const DT_STRING: i32 = 7;

impl Event {
    /// Named numbers.
    pub(super) fn scalars<'a>(wall_time: f64, step: i64, numbers: impl Iterator<Item = (&'a str, f64)>) -> Self {
        let value =
            |(tag, number): (&str, f64)| Value { tag: tag.to_owned(), metadata: None, content: Some(Content::SimpleValue(number as f32)) };
        Self { wall_time, step, what: Some(What::Summary(Summary { value: numbers.map(value).collect() })) }
    }

    /// A text for the text tab: a tensor of one string, marked as the text plugin's.
    pub(super) fn text(wall_time: f64, step: i64, tag: &str, text: &str) -> Self {
        let tensor =
            Tensor { dtype: DT_STRING, shape: Some(Shape { dim: vec![Dim { size: 1 }] }), string_val: vec![text.as_bytes().to_vec()] };
        let metadata = SummaryMetadata { plugin_data: Some(PluginData { plugin_name: "text".to_owned() }) };
        let value = Value { tag: tag.to_owned(), metadata: Some(metadata), content: Some(Content::Tensor(tensor)) };
        Self { wall_time, step, what: Some(What::Summary(Summary { value: vec![value] })) }
    }
}
