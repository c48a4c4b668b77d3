//! The results folder of an experiment: its tables as CSV, and the manifest that leads from each
//! number to how it was made.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::published::{self, Published};
use super::{ReportError, depth, pretraining, runs, table};
use crate::digest::Digest;
use crate::durable::{self, WriteError};
use crate::experiment::provenance::Provenance;
use crate::experiment::store::State;
use crate::experiment::{Experiment, Plan, Store};

/// A folder that results can be written to.
#[derive(Debug)]
pub struct ResultsFolder {
    path: PathBuf,
}

impl ResultsFolder {
    /// Makes the folder if it is not there and tries to write in it, so that hours of work do not
    /// end at a read-only disk.
    pub fn open(path: &Path) -> Result<Self, ReportError> {
        let open = || {
            fs::create_dir_all(path)?;
            tempfile::tempfile_in(path).map(drop)
        };
        open().map_err(|source| ReportError::ResultsFolder { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn csv(&self, name: &str, headings: &[&str], rows: &[Vec<String>]) -> Result<(), WriteError> {
        durable::write_with(&self.path.join(name), |file| {
            let mut writer = csv::Writer::from_writer(file);
            writer.write_record(headings)?;
            rows.iter().try_for_each(|row| writer.write_record(row))?;
            writer.flush()
        })
    }
}

/// All tables of an experiment, from what is finished.
#[derive(Debug)]
pub struct Report {
    runs: Vec<runs::Run>,
    table: Vec<table::Row>,
    depths: Vec<depth::Row>,
    pretraining: Vec<pretraining::Row>,
}

impl Report {
    /// Reads the outcomes of the finished stages of `plan` in `store`.
    pub fn collect(experiment: &Experiment, plan: &Plan, store: &Store) -> Result<Self, ReportError> {
        let published: Vec<Published> = published::numbers(&experiment.published.sources)?;
        let runs = runs::collect(plan, store)?;
        Ok(Self {
            table: table::table(&runs, &published),
            depths: depth::rows_of(&runs),
            pretraining: pretraining::collect(plan, store, &published)?,
            runs,
        })
    }

    /// Writes the tables, each file whole or not at all.
    pub fn write(&self, folder: &ResultsFolder) -> Result<(), ReportError> {
        folder.csv("runs.csv", &runs::HEADINGS, &runs::rows(&self.runs))?;
        folder.csv("table.csv", &table::HEADINGS, &table::rows(&self.table))?;
        folder.csv("depth.csv", &depth::HEADINGS, &depth::rows(&self.depths))?;
        let headings = pretraining::headings(&self.pretraining);
        let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
        folder.csv("pretraining.csv", &headings, &pretraining::rows(&self.pretraining))?;
        Ok(())
    }

    /// The tables for people.
    pub fn text(&self) -> String {
        let mut parts = Vec::new();
        if !self.pretraining.is_empty() {
            parts.push(format!("Pretraining\n{}", pretraining::text(&self.pretraining)));
        }
        if !self.table.is_empty() {
            parts.push(format!("Question answering, percent\n{}", table::text(&self.table)));
        }
        if !self.depths.is_empty() {
            let title = "Exact match by where in the document the answer begins, percent";
            parts.push(format!("{title}\n{}", depth::text(&self.depths)));
        }
        parts.join("\n")
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

fn unfinished(stage: &crate::experiment::stage::Stage, state: &str, failure: Value) -> Value {
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
