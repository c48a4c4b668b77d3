//! From tokens to weights.
