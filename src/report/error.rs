//! What can go wrong in making tables.

use std::io;
use std::path::PathBuf;

use crate::durable::{self, WriteError};
use crate::experiment::ExperimentError;
use crate::experiment::family::Difference;

/// An error of reading outcomes, merging runs or writing tables.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The results folder cannot be written to; found out before anything is run.
    #[error(
        "{}: cannot write results here: {source}{}; name another folder with --{flag}",
        path.display(), durable::advice(path, source)
    )]
    ResultsFolder {
        /// The folder.
        path: PathBuf,
        /// The flag that chooses it.
        flag: &'static str,
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
    /// A file of the runs kept beside tables cannot be read.
    #[error("{}: cannot read the runs behind these results: {source}", path.display())]
    Kept {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        source: io::Error,
    },
    /// Runs were written by a program that lays them out otherwise.
    #[error("{}: expected runs of format {expected}, found format {found}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The format that is read.
        expected: u32,
        /// The format found.
        found: u32,
    },
    /// The questions of a run are not those it was scored on.
    #[error("{}: expected {expected}, found {found}", path.display())]
    Questions {
        /// The file.
        path: PathBuf,
        /// Their digest or number as the runs say.
        expected: String,
        /// What the file has.
        found: String,
    },
    /// Runs of one cell that differ in more than the seed.
    #[error(
        "{cell} is not the same in {} and {}: `{}` is {} in the first and {} in the second; \
         only runs that differ in nothing but the seed are merged",
        first.display(),
        second.display(),
        difference.what,
        difference.first,
        difference.second
    )]
    OtherSettings {
        /// One results folder.
        first: PathBuf,
        /// The other.
        second: PathBuf,
        /// Model, task and language.
        cell: String,
        /// The first setting or input that differs.
        difference: Box<Difference>,
    },
    /// One run with two results.
    #[error(
        "{cell}, seed {seed}: the same run has other scores in {} (F1 {first_f1}) than in {} \
         (F1 {second_f1}); leave one of them out",
        first.display(),
        second.display()
    )]
    Contradiction {
        /// One results folder.
        first: PathBuf,
        /// The other.
        second: PathBuf,
        /// Model, task and language.
        cell: String,
        /// The seed.
        seed: u64,
        /// F1 in the first.
        first_f1: f64,
        /// F1 in the second.
        second_f1: f64,
    },
    /// No folder of results was named.
    #[error("expected at least one folder of results, found none")]
    NothingToMerge,
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
    /// A figure cannot be drawn as an image.
    #[error("figure {name}: {message}")]
    Figure {
        /// The figure.
        name: String,
        /// What the renderer said.
        message: String,
    },
    #[allow(missing_docs)]
    #[error(transparent)]
    Experiment(#[from] ExperimentError),
    #[allow(missing_docs)]
    #[error(transparent)]
    Write(#[from] WriteError),
}
