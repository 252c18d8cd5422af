//! Whole-system tests: laws, goldens, faults, command lines, layering.
