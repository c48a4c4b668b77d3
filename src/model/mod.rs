//! The network: config, attention, encoder, heads, weights in and out.

pub mod weights;
