//! The hybrid flow as a pure state machine: events in, commands out.
