//! Checkpoints of a training run: weights, optimizer state and the step, in one folder that is
//! whole or absent.
//!
//! `checkpoint-<step>/` holds `model.safetensors`, `optimizer.safetensors` and
//! `trainer_state.json`, which carries the digests of the other two and the identity of the run,
//! so that a damaged checkpoint or one of other settings is never gone on from.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{AdamW, TrainError};
use crate::digest::Digest;
use crate::durable::{PendingFolder, WriteError};
use crate::model::{Parameters, weights};

const MODEL: &str = "model.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const STATE: &str = "trainer_state.json";
const PREFIX: &str = "checkpoint-";

/// Where a run stands, beside its tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainerState {
    /// Optimizer steps done.
    pub step: u64,
    /// Whether these weights are still to be evaluated.
    pub evaluation_due: bool,
    /// Mean losses of the steps since the last log line, skipped ones left out.
    pub unlogged_losses: Vec<f64>,
    /// Steps of this run that changed nothing because a gradient overflowed in float16.
    #[serde(default)]
    pub skipped_steps: u64,
}

impl TrainerState {
    /// Nothing done; the untrained weights are evaluated first.
    pub fn at_the_start() -> Self {
        Self { step: 0, evaluation_due: true, unlogged_losses: Vec::new(), skipped_steps: 0 }
    }
}

#[derive(Serialize, Deserialize)]
struct StateFile {
    identity: Digest,
    model: Digest,
    optimizer: Digest,
    #[serde(flatten)]
    state: TrainerState,
}

/// The checkpoints of one run.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    folder: PathBuf,
    keep: usize,
    identity: Digest,
}

impl Checkpoints {
    /// Checkpoints under `folder`, of which the newest `keep` are kept. `identity` names all that
    /// the run depends on; a checkpoint of another identity is an error.
    pub fn new(folder: &Path, keep: usize, identity: Digest) -> Self {
        Self { folder: folder.to_owned(), keep, identity }
    }

    /// The newest checkpoint's folder.
    pub fn latest(&self) -> Result<Option<PathBuf>, TrainError> {
        Ok(self.steps()?.last().map(|&step| self.path(step)))
    }

    /// Saves the run as it stands and removes checkpoints beyond those to keep.
    pub fn save(
        &self,
        state: &TrainerState,
        parameters: &Parameters,
        optimizer: &AdamW,
    ) -> Result<PathBuf, TrainError> {
        let pending = PendingFolder::beside(&self.path(state.step))?;
        let [model, optimizer_file] = [MODEL, OPTIMIZER].map(|name| pending.path().join(name));
        weights::write_safetensors(&model, parameters.iter(), &Default::default())?;
        let moments = optimizer.state();
        let moments = moments.iter().map(|(name, tensor)| (name.as_str(), *tensor));
        weights::write_safetensors(&optimizer_file, moments, &Default::default())?;
        let state = StateFile {
            identity: self.identity,
            model: digest(&model)?,
            optimizer: digest(&optimizer_file)?,
            state: state.clone(),
        };
        let path = pending.path().join(STATE);
        let json = serde_json::to_vec_pretty(&state)
            .map_err(|error| WriteError { path: path.clone(), source: error.into() })?;
        crate::durable::write(&path, &json)?;
        let saved = pending.commit()?;
        self.forget_old()?;
        Ok(saved)
    }

    /// Puts the newest sound checkpoint's values into `parameters` and `optimizer`. Damaged ones that are
    /// newer are told and put aside, as `checkpoint-<step>.damaged`.
    ///
    /// # Errors
    /// [`TrainError::OtherRun`]; [`TrainError::Checkpoint`] or [`TrainError::Read`] if there are
    /// checkpoints and none is sound.
    pub fn restore_latest(
        &self,
        parameters: &Parameters,
        optimizer: &AdamW,
    ) -> Result<Option<TrainerState>, TrainError> {
        let mut damaged: Vec<(PathBuf, TrainError)> = Vec::new();
        for step in self.steps()?.into_iter().rev() {
            let folder = self.path(step);
            match self.sound(&folder) {
                Ok(state) => {
                    parameters.copy_from(&weights::read(&folder.join(MODEL))?)?;
                    optimizer.restore(&weights::read(&folder.join(OPTIMIZER))?)?;
                    damaged.iter().try_for_each(|(folder, error)| put_aside(folder, error))?;
                    return Ok(Some(state));
                }
                Err(error @ (TrainError::Checkpoint { .. } | TrainError::Read { .. })) => {
                    damaged.push((folder, error));
                }
                Err(error) => return Err(error),
            }
        }
        damaged.into_iter().next().map_or(Ok(None), |(_, newest)| Err(newest))
    }

    /// The state in the checkpoint `folder`, if each of its files is what it was.
    fn sound(&self, folder: &Path) -> Result<TrainerState, TrainError> {
        let state = self.read_state(&folder.join(STATE))?;
        for (name, expected) in [(MODEL, state.model), (OPTIMIZER, state.optimizer)] {
            let path = folder.join(name);
            let found = digest(&path)?;
            if found != expected {
                return Err(TrainError::Checkpoint {
                    path,
                    expected: format!("sha256 {expected}"),
                    found: format!("sha256 {found}"),
                });
            }
        }
        Ok(state.state)
    }

    fn read_state(&self, path: &Path) -> Result<StateFile, TrainError> {
        let text = fs::read(path).map_err(|source| TrainError::Read { path: path.to_owned(), source })?;
        let state: StateFile = serde_json::from_slice(&text).map_err(|error| TrainError::Checkpoint {
            path: path.to_owned(),
            expected: "the state of a training run".to_owned(),
            found: error.to_string(),
        })?;
        if state.identity != self.identity {
            return Err(TrainError::OtherRun {
                path: path.to_owned(),
                expected: self.identity.short(),
                found: state.identity.short(),
            });
        }
        Ok(state)
    }

    fn path(&self, step: u64) -> PathBuf {
        self.folder.join(format!("{PREFIX}{step}"))
    }

    /// The steps with a checkpoint, ascending.
    fn steps(&self) -> Result<Vec<u64>, TrainError> {
        let unreadable = |source| TrainError::Read { path: self.folder.clone(), source };
        if !self.folder.exists() {
            return Ok(Vec::new());
        }
        let mut steps = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            let step = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse::<u64>().ok());
            steps.extend(step);
        }
        steps.sort_unstable();
        Ok(steps)
    }

    fn forget_old(&self) -> Result<(), TrainError> {
        let steps = self.steps()?;
        for &step in steps.iter().rev().skip(self.keep) {
            let path = self.path(step);
            fs::remove_dir_all(&path).map_err(|source| WriteError { path, source })?;
        }
        Ok(())
    }
}

/// Takes a damaged checkpoint from among those that are gone on from and counted.
fn put_aside(folder: &Path, error: &TrainError) -> Result<(), TrainError> {
    let aside = folder.with_extension("damaged");
    tracing::warn!("{error}; the checkpoint is left aside as {}", aside.display());
    let place = || {
        if aside.exists() {
            fs::remove_dir_all(&aside)?;
        }
        fs::rename(folder, &aside)
    };
    Ok(place().map_err(|source| WriteError { path: aside.clone(), source })?)
}

fn digest(path: &Path) -> Result<Digest, TrainError> {
    Digest::of_file(path).map_err(|source| TrainError::Read { path: path.to_owned(), source })
}
