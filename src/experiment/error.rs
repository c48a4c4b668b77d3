//! What can go wrong between an experiment file and its finished stages.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use super::stage::StageKey;
use crate::causes;
use crate::corpus::overlap::Overlap;
use crate::durable::WriteError;
use crate::interrupt::Interrupted;

/// An error that a stage's body came back with. Its type is the body's own affair.
pub type StageFailure = Box<dyn Error + Send + Sync>;

/// An error of reading, planning or running an experiment.
#[derive(Debug, thiserror::Error)]
pub enum ExperimentError {
    /// A file or folder could not be read.
    #[error("{}: cannot read: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The experiment file is not TOML, or a value has the wrong type.
    #[error("{}: {message}", path.display())]
    Syntax {
        /// The experiment file.
        path: PathBuf,
        /// What the parser said, with line and column.
        message: String,
    },
    /// The experiment file has a key that means nothing.
    #[error("{}:{line}: unknown key `{key}`; {}", path.display(), suggestion(.nearest, .known))]
    UnknownKey {
        /// The experiment file.
        path: PathBuf,
        /// The line it stands on, counted from 1.
        line: usize,
        /// The key with all tables around it, `models.tiny.pretrain.learnig_rate`.
        key: String,
        /// The known key most like it, with all tables around it, when one is like it.
        nearest: Option<String>,
        /// Every key known in that table.
        known: Vec<String>,
    },
    /// A key of the experiment file has a value that makes no sense there.
    #[error("{}: `{key}`: expected {expected}, found {found}", path.display())]
    Value {
        /// The experiment file.
        path: PathBuf,
        /// The key with all tables around it.
        key: String,
        /// What it may be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A finished stage is not what its manifest says.
    #[error(
        "{}: expected {expected}, found {found}; the stage is damaged: remove the folder {} and run again",
        path.display(),
        folder.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the manifest says.
        expected: String,
        /// What is there.
        found: String,
        /// The stage's folder.
        folder: PathBuf,
    },
    /// A stage's body failed.
    #[error("stage {kind} {key} ({title}): {source}")]
    Stage {
        /// The stage's kind.
        kind: &'static str,
        /// Its key.
        key: StageKey,
        /// What it is for.
        title: String,
        /// What the body said.
        source: StageFailure,
    },
    /// Questions of an evaluation are about paragraphs that stand in the training file.
    #[error(
        "{}: expected 0 paragraphs that are also in {}, found {} of {}, the first of them {:?}; \
         take them out (a [data.NAME] of questions `without` others), or let the task say `overlap = \"report\"`",
        evaluation.display(), training.display(),
        overlap.shared, overlap.evaluation, overlap.first.as_deref().unwrap_or_default()
    )]
    Overlap {
        /// The file of the training questions.
        training: PathBuf,
        /// The file of the evaluation questions.
        evaluation: PathBuf,
        /// What they share.
        overlap: Overlap,
    },
    #[allow(missing_docs)]
    #[error(transparent)]
    Write(#[from] WriteError),
    #[allow(missing_docs)]
    #[error("{0}")]
    Interrupted(#[from] Interrupted),
}

fn suggestion(nearest: &Option<String>, known: &[String]) -> String {
    match nearest {
        Some(nearest) => format!("the nearest known key is `{nearest}`"),
        None => format!("known here: {}", known.join(", ")),
    }
}

impl ExperimentError {
    /// Whether the cause is the user's wish to stop.
    pub fn is_interruption(&self) -> bool {
        causes::any_is::<Interrupted>(self)
    }
}
