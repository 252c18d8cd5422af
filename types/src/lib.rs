//! The nouns that travel through a run, and the contracts that strangers implement.
