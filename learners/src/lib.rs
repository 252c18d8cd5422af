//! Packing, forward, loss call, optimizer and schedules.
