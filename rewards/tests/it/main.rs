//! The rewards from outside.

mod corpus;
