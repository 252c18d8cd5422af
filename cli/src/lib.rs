//! The collimate binary: wiring, run loop, command line.
