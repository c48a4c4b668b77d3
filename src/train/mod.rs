//! From tokens to weights: settings, optimizer, schedule, the training loop, checkpoints.

mod error;
pub mod schedule;
pub mod settings;

pub use error::TrainError;
