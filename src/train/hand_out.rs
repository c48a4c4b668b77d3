//! What a training run begins with and learns from, written down so that another program can make the same
//! run: a model folder that transformers opens, and the batches of the first steps as its models take them.

use std::collections::BTreeMap;
use std::path::Path;

use super::TrainError;
use super::run::Step;
use crate::model::{Argument, weights};

/// The model's folder in the one that is handed out.
pub const MODEL_FOLDER: &str = "model";

/// The batches beside it: a tensor `STEP.PASS.ARGUMENT` for each argument of each forward pass, both counted
/// from 0.
pub const BATCHES_FILE: &str = "batches.safetensors";

/// The data of a forward pass that transformers' model for the same objective takes too.
pub trait Arguments {
    /// Tokens and labels by the names of its arguments, padded with `padding_id`.
    fn arguments(&self, padding_id: i64) -> Result<Vec<Argument>, TrainError>;
}

/// What an epoch of the run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandedOut {
    /// Sequences in all.
    pub sequences: usize,
    /// Sequences of an optimizer step.
    pub sequences_per_step: usize,
}

/// Writes `steps`, counted from 0, to [`BATCHES_FILE`] in `folder`.
pub(super) fn write_batches<M: Arguments>(
    steps: impl Iterator<Item = Result<Step<M>, TrainError>>,
    padding_id: i64,
    folder: &Path,
) -> Result<(), TrainError> {
    let mut tensors = Vec::new();
    for (number, step) in steps.enumerate() {
        for (pass, micro_batch) in step?.micro_batches.iter().enumerate() {
            for (name, tensor) in micro_batch.arguments(padding_id)? {
                tensors.push((format!("{number}.{pass}.{name}"), tensor));
            }
        }
    }
    let tensors = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor));
    Ok(weights::write_safetensors(&folder.join(BATCHES_FILE), tensors, &BTreeMap::new())?)
}
