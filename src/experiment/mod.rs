//! The experiment file, its expansion into stages, the stage store, provenance, running.

pub mod built;
mod data;
mod error;
pub mod estimate;
pub mod execute;
mod expand;
pub mod family;
mod file;
mod keys;
pub mod manifest;
pub mod meter;
pub mod outcome;
mod overlap;
pub mod plan;
mod progress;
pub mod provenance;
mod references;
mod resolve;
pub mod run;
mod score;
pub mod settings;
mod settings_table;
pub mod source;
pub mod stage;
pub mod store;
mod tasks;
#[cfg(test)]
mod tests;
pub mod works;

pub use error::{ExperimentError, StageFailure};
pub use file::{Experiment, PublishedSection};
pub use plan::Plan;
pub use settings_table::{SettingsTable, WrongType};
pub use store::Store;
