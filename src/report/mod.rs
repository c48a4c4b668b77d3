//! Tables of an experiment's results, and the manifest behind them.
//!
//! | file | what a row is |
//! |---|---|
//! | `runs.csv` | one model, task, language, seed and metric |
//! | `table.csv` | mean and deviation over seeds, or a published number |
//! | `depth.csv` | the questions whose answer begins in one part of their document |
//! | `pretraining.csv` | one evaluation of a language model |
//! | `manifest.json` | (no table) everything known of every stage |

mod aligned;
pub mod depth;
mod error;
mod folder;
pub mod pretraining;
pub mod published;
pub mod runs;
pub mod statistics;
pub mod table;
#[cfg(test)]
mod tests;

pub use error::ReportError;
pub use folder::{Report, ResultsFolder, write_manifest};
