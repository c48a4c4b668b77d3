//! From records to tokens.
