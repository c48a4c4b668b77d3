//! The results folder of an experiment: tables, figures, the page, and the manifest that leads from
//! each number to how it was made.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::ReportError;
use crate::digest::Digest;
use crate::durable;
use crate::experiment::provenance::Provenance;
use crate::experiment::stage::Stage;
use crate::experiment::store::State;
use crate::experiment::{Experiment, Plan, Store};

/// A folder that results can be written to.
#[derive(Debug)]
pub struct ResultsFolder {
    path: PathBuf,
}

impl ResultsFolder {
    /// Makes the folder if it is not there and tries to write in it, so that hours of work do not
    /// end at a read-only disk. `flag` is the one that chooses the folder.
    pub fn open(path: &Path, flag: &'static str) -> Result<Self, ReportError> {
        let open = || {
            fs::create_dir_all(path)?;
            tempfile::tempfile_in(path).map(drop)
        };
        open().map_err(|source| ReportError::ResultsFolder { path: path.to_owned(), flag, source })?;
        Ok(Self { path: path.to_owned() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Writes `manifest.json`: the experiment file, the lock, and everything known of every stage.
pub fn write_manifest(
    folder: &ResultsFolder,
    experiment: &Experiment,
    lock: Digest,
    plan: &Plan,
    store: &Store,
    provenance: &Provenance,
) -> Result<(), ReportError> {
    let mut stages = Vec::with_capacity(plan.stages.len());
    for stage in &plan.stages {
        stages.push(match store.state(stage)? {
            State::Done(manifest) => json!({"state": "done", "stage": manifest}),
            State::Failed(failure) => unfinished(stage, "failed", json!(failure)),
            State::Running => unfinished(stage, "running", Value::Null),
            State::Stopped => unfinished(stage, "stopped", Value::Null),
            State::Missing => unfinished(stage, "missing", Value::Null),
        });
    }
    let manifest = json!({
        "experiment": experiment.name,
        "description": experiment.description,
        "seeds": experiment.seeds,
        "experiment_file": {
            "path": experiment.path,
            "sha256": experiment.digest(),
            "text": experiment.text,
        },
        "datasets_lock_sha256": lock,
        "written": jiff::Timestamp::now().to_string(),
        "written_by": provenance,
        "stages": stages,
    });
    let write = |file: &mut _| Ok(serde_json::to_writer_pretty(file, &manifest)?);
    Ok(durable::write_with(&folder.path.join("manifest.json"), write)?)
}

fn unfinished(stage: &Stage, state: &str, failure: Value) -> Value {
    json!({
        "state": state,
        "failure": failure,
        "stage": {
            "key": stage.key,
            "kind": stage.work.kind(),
            "kind_version": stage.work.version(),
            "title": stage.title,
            "settings": stage.work.settings(),
        },
    })
}
