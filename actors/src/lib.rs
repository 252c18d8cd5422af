//! Generation engine, rollout worker and scorer.
