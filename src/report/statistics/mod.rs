//! What a few runs of the same thing say about the next one: mean, deviation, 95 % interval, and
//! whether two models differ.

mod bootstrap;
mod summary;

pub use bootstrap::{Arm, Difference, Interval, RESAMPLES, Stratum, difference, interval};
pub use summary::Summary;
