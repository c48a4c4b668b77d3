//! What can go wrong in training.

use std::path::PathBuf;

use crate::durable::WriteError;
use crate::interrupt::Interrupted;
use crate::model::ModelError;
use crate::model::weights::WeightsError;
use crate::text::TextError;

/// An error of training.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A setting has a value that makes no sense.
    #[error("setting `{key}`: expected {expected}, found {found}")]
    Setting {
        /// The setting's name.
        key: &'static str,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// The loss or the gradient is no longer a number, and in float16 no smaller loss scale would make it
    /// one. That step changed nothing, and nothing was saved since.
    #[error("step {step}: the loss is {loss} and the gradient norm {gradient_norm}{}; the last good checkpoint is {}", scale_name(.loss_scale), checkpoint_name(.checkpoint))]
    NotFinite {
        /// The optimizer step, counted from 1.
        step: u64,
        /// Mean loss of that step.
        loss: f64,
        /// Norm of the whole gradient.
        gradient_norm: f64,
        /// The loss scale after that step, in float16.
        loss_scale: Option<f64>,
        /// Where to go on from.
        checkpoint: Option<PathBuf>,
    },
    /// There is nothing to train or evaluate on.
    #[error("{what}: expected at least one {unit}, found none")]
    Empty {
        /// The data.
        what: String,
        /// What it consists of.
        unit: &'static str,
    },
    /// A checkpoint belongs to another run.
    #[error("{}: expected a checkpoint of run {expected} (same settings and inputs), found one of run {found}", path.display())]
    OtherRun {
        /// Its state file.
        path: PathBuf,
        /// The beginning of this run's identity.
        expected: String,
        /// That of the checkpoint's.
        found: String,
    },
    /// A checkpoint is damaged.
    #[error("{}: expected {expected}, found {found}", path.display())]
    Checkpoint {
        /// The file or folder.
        path: PathBuf,
        /// What a sound one holds.
        expected: String,
        /// What this one holds.
        found: String,
    },
    /// The record of a run's micro-batch is damaged or another run's.
    #[error("{}: expected {expected}, found {found}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What it must say.
        expected: String,
        /// What it says, or why it cannot be understood.
        found: String,
    },
    /// Not even one sequence at a time fits on the device.
    #[error(
        "one sequence per pass takes more memory than the GPU has; `activation_recomputation` would take less"
    )]
    DoesNotFit,
    /// A file could not be read.
    #[error("{}: cannot read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// libtorch refused an operation on sizes or devices that the user chose.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
    #[allow(missing_docs)]
    #[error(transparent)]
    Write(#[from] WriteError),
    #[allow(missing_docs)]
    #[error(transparent)]
    Model(#[from] ModelError),
    #[allow(missing_docs)]
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[allow(missing_docs)]
    #[error(transparent)]
    Text(#[from] TextError),
    #[allow(missing_docs)]
    #[error("{0}")]
    Interrupted(#[from] Interrupted),
}

fn scale_name(scale: &Option<f64>) -> String {
    scale.map_or(String::new(), |scale| format!(", although the loss scale fell to {scale}"))
}

fn checkpoint_name(checkpoint: &Option<PathBuf>) -> String {
    checkpoint.as_ref().map_or("none: the run had not saved yet".into(), |path| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::causes;

    /// The program's exit code hangs on it.
    #[test]
    fn a_stop_is_known_by_its_type_wherever_it_came_from() {
        let in_text = TextError::Interrupted { path: "a.txt".into(), source: Interrupted };
        for error in [TrainError::from(Interrupted), TrainError::from(in_text)] {
            assert!(causes::any_is::<Interrupted>(&error), "{error}");
        }
    }
}
