//! The mathematics of alignment: credit and losses, tensors in, tensors out.
