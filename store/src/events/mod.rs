//! TensorBoard event files, written without TensorFlow: records framed as TFRecord, messages as protocol buffers.
//!
//! Formats: `tensorflow/core/lib/io/record_writer.h` for the framing, `tensorflow/core/util/event.proto` and
//! `tensorflow/core/framework/summary.proto` for the messages.

mod message;
mod record;
mod writer;

pub use writer::EventFile;
