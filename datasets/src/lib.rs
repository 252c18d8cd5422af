//! Formats, order and resume cursor: bytes to rows to tasks.
