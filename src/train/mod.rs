//! From tokens to weights.

pub mod events;
mod journal;
pub mod metrics;

pub use journal::wall_clock;
