//! What can go wrong in making tables.

use std::io;
use std::path::PathBuf;

use crate::durable::WriteError;
use crate::experiment::ExperimentError;

/// An error of reading outcomes or writing tables.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The results folder cannot be written to; found out before anything is run.
    #[error("{}: cannot write results here: {source}; name another folder with --results", path.display())]
    ResultsFolder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The output of a finished stage is not what its kind leaves.
    #[error("{}: cannot read the outcome of this stage: {source}", folder.display())]
    Outcome {
        /// The stage's folder.
        folder: PathBuf,
        /// What was wrong.
        source: io::Error,
    },
    /// The file of published numbers is not a table of them.
    #[error("published numbers: {0}")]
    Published(csv::Error),
    /// The experiment file asks for a source that has no published numbers.
    #[error("published.sources: expected one of {known}, found `{found}`")]
    UnknownSource {
        /// The name as written.
        found: String,
        /// The names there are.
        known: String,
    },
    #[allow(missing_docs)]
    #[error(transparent)]
    Experiment(#[from] ExperimentError),
    #[allow(missing_docs)]
    #[error(transparent)]
    Write(#[from] WriteError),
}
