//! Rewards and verifiers: one file each, and how they are combined.
