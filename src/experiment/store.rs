//! The stage store: one folder per finished stage, `STORE/KIND/KEY`, with its manifest `stage.json`
//! and its output in `output/`.
//!
//! A folder of that name is complete: it comes into being by one rename. Beside it, while a stage is
//! made, lie `KEY.lock`, held by the process that makes it, and `KEY.work`, which keeps what a
//! stopped stage goes on from and why a failed one failed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use fs4::fs_std::FileExt;
use serde::{Deserialize, Serialize};

use super::ExperimentError;
use super::manifest::{MANIFEST, Making, Manifest, Measures};
use super::provenance::Provenance;
use super::stage::Stage;
use crate::digest::Digest;
use crate::durable::{self, PendingFolder, WriteError};
use crate::interrupt::Interrupt;

/// A folder of finished stages, shared by experiments and by processes.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

const OUTPUT: &str = "output";

/// How far a stage is.
#[derive(Debug)]
pub enum State {
    /// Finished.
    Done(Box<Manifest>),
    /// Being made by a process that lives.
    Running,
    /// Its last attempt failed.
    Failed(Failure),
    /// Begun and stopped; it goes on from there.
    Stopped,
    /// Not begun.
    Missing,
}

/// Why the last attempt of a stage failed; kept in its work folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Failure {
    /// When, RFC 3339.
    pub at: String,
    /// The error and its causes, outermost first.
    pub error: Vec<String>,
}

/// How closely a finished stage is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Every file is there and has its length.
    Lengths,
    /// Every file has its digest.
    Digests,
}

impl Store {
    /// The store at `root`, which need not exist yet.
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Where `stage` is once it is finished.
    pub fn folder(&self, stage: &Stage) -> PathBuf {
        self.root.join(stage.work.kind()).join(stage.key.to_string())
    }

    /// Where what `stage` made is once it is finished.
    pub fn output(&self, stage: &Stage) -> PathBuf {
        self.folder(stage).join(OUTPUT)
    }

    fn beside(&self, stage: &Stage, suffix: &str) -> PathBuf {
        self.root.join(stage.work.kind()).join(format!("{}.{suffix}", stage.key))
    }

    fn work_folder(&self, stage: &Stage) -> PathBuf {
        self.beside(stage, "work")
    }

    /// Where the error of a failed attempt is kept.
    pub fn failure_log(&self, stage: &Stage) -> PathBuf {
        self.work_folder(stage).join("failed.json")
    }

    /// How far `stage` is. A finished stage that is not what its manifest says is an error.
    pub fn state(&self, stage: &Stage) -> Result<State, ExperimentError> {
        if let Some(manifest) = self.finished(stage)? {
            return Ok(State::Done(Box::new(manifest)));
        }
        if self.is_claimed(stage) {
            return Ok(State::Running);
        }
        if let Ok(bytes) = fs::read(self.failure_log(stage)) {
            let unreadable =
                |error| Failure { at: String::new(), error: vec![format!("log unreadable: {error}")] };
            return Ok(State::Failed(serde_json::from_slice(&bytes).unwrap_or_else(unreadable)));
        }
        Ok(if self.work_folder(stage).exists() { State::Stopped } else { State::Missing })
    }

    /// The manifest of `stage` if it is finished; lengths of files are compared.
    pub fn finished(&self, stage: &Stage) -> Result<Option<Manifest>, ExperimentError> {
        let folder = self.folder(stage);
        if !folder.exists() {
            return Ok(None);
        }
        let manifest = self.manifest(stage)?;
        self.compare(stage, &manifest, Check::Lengths)?;
        Ok(Some(manifest))
    }

    /// Compares the output of a finished stage with its manifest.
    pub fn verify(&self, stage: &Stage, check: Check) -> Result<(), ExperimentError> {
        let manifest = self.manifest(stage)?;
        self.compare(stage, &manifest, check)
    }

    fn manifest(&self, stage: &Stage) -> Result<Manifest, ExperimentError> {
        let folder = self.folder(stage);
        let path = folder.join(MANIFEST);
        let damaged = |found: String| ExperimentError::Damaged {
            path: path.clone(),
            expected: format!("the manifest of stage {:?}", stage.key),
            found,
            folder: folder.clone(),
        };
        let bytes = fs::read(&path).map_err(|error| damaged(error.to_string()))?;
        let manifest: Manifest =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if manifest.key != stage.key {
            return Err(damaged(format!("that of {:?}", manifest.key)));
        }
        Ok(manifest)
    }

    fn compare(&self, stage: &Stage, manifest: &Manifest, check: Check) -> Result<(), ExperimentError> {
        let folder = self.folder(stage);
        for file in &manifest.files {
            let path = folder.join(OUTPUT).join(&file.path);
            let damaged = |expected: String, found: String| ExperimentError::Damaged {
                path: path.clone(),
                expected,
                found,
                folder: folder.clone(),
            };
            let length = format!("{} bytes", file.bytes);
            match fs::metadata(&path) {
                Ok(metadata) if metadata.len() == file.bytes => {}
                Ok(metadata) => return Err(damaged(length, format!("{} bytes", metadata.len()))),
                Err(error) => return Err(damaged(length, error.to_string())),
            }
            if check == Check::Digests {
                let found = Digest::of_file(&path)
                    .map_err(|source| ExperimentError::Read { path: path.clone(), source })?;
                if found != file.sha256 {
                    return Err(damaged(format!("sha256 {}", file.sha256), found.to_string()));
                }
            }
        }
        Ok(())
    }

    fn is_claimed(&self, stage: &Stage) -> bool {
        let Ok(lock) = File::open(self.beside(stage, "lock")) else { return false };
        matches!(FileExt::try_lock_shared(&lock), Ok(false))
    }

    /// Takes `stage` for this process, waiting while another one has it. `waiting` is called once
    /// if so.
    pub fn claim(
        &self,
        stage: &Stage,
        interrupt: &Interrupt,
        waiting: impl FnOnce(),
    ) -> Result<Claim, ExperimentError> {
        let path = self.beside(stage, "lock");
        let work = self.work_folder(stage);
        let unwritable = |path: &Path| {
            let path = path.to_owned();
            move |source| WriteError { path, source }
        };
        let open = || {
            fs::create_dir_all(path.parent().unwrap_or(&self.root))?;
            File::options().create(true).truncate(false).write(true).open(&path)
        };
        let lock = open().map_err(unwritable(&path))?;
        let mut waiting = Some(waiting);
        while !FileExt::try_lock_exclusive(&lock).map_err(unwritable(&path))? {
            if let Some(waiting) = waiting.take() {
                waiting();
            }
            interrupt.check()?;
            sleep(Duration::from_millis(200));
        }
        let prepare = || {
            fs::create_dir_all(work.join("state"))?;
            remove_leftovers(&work)?;
            count_attempt(&work.join("attempts"))
        };
        let attempts = prepare().map_err(unwritable(&work))?;
        Ok(Claim { folder: self.folder(stage), work, attempts, begun: Instant::now(), _lock: lock })
    }
}

/// What a killed process was writing when it died, and the error of the attempt before. Nobody else
/// writes here: the lock is ours.
fn remove_leftovers(work: &Path) -> io::Result<()> {
    for entry in fs::read_dir(work)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() && name != "state" {
            fs::remove_dir_all(path)?;
        } else if name == "failed.json" {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn count_attempt(path: &Path) -> io::Result<u32> {
    let before: u32 = fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    fs::write(path, (before + 1).to_string())?;
    Ok(before + 1)
}

/// A stage that this process, and no other, may make. Dropped, it is free again, and what lies in
/// its state folder waits for the next attempt.
pub struct Claim {
    folder: PathBuf,
    work: PathBuf,
    attempts: u32,
    begun: Instant,
    _lock: File,
}

impl Claim {
    /// A folder that lasts over attempts, for what a stopped stage goes on from.
    pub fn state_folder(&self) -> PathBuf {
        self.work.join("state")
    }

    /// An empty folder for the output.
    pub fn open_output(&self) -> Result<PendingOutput, ExperimentError> {
        // Aside within the work folder, where the next attempt finds what a killed one left.
        let pending = PendingFolder::beside(&self.work.join("finished"))?;
        let path = pending.path().join(OUTPUT);
        fs::create_dir(&path).map_err(|source| WriteError { path: path.clone(), source })?;
        Ok(PendingOutput { pending, path })
    }

    /// Puts the output under its final name, with its manifest, and clears what was beside it.
    pub fn commit(
        self,
        stage: &Stage,
        output: PendingOutput,
        measures: Measures,
        provenance: &Provenance,
    ) -> Result<Manifest, ExperimentError> {
        let making = Making { wall_seconds: self.seconds(), attempts: self.attempts, measures };
        let manifest = Manifest::of(stage, &output.path, making, provenance)
            .map_err(|source| ExperimentError::Read { path: output.path.clone(), source })?;
        // A manifest is numbers, texts and lists; writing it as JSON does not fail.
        let text = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
        durable::write(&output.pending.path().join(MANIFEST), &text)?;
        let complete = output.pending.commit()?;
        let place = || {
            fs::rename(&complete, &self.folder)?;
            File::open(self.folder.parent().unwrap_or(&self.folder))?.sync_all()?;
            fs::remove_dir_all(&self.work)
        };
        place().map_err(|source| WriteError { path: self.folder.clone(), source })?;
        Ok(manifest)
    }

    /// Lets go of a stage that turned out to be finished.
    pub fn release(self) -> Result<(), WriteError> {
        fs::remove_dir_all(&self.work).map_err(|source| WriteError { path: self.work.clone(), source })
    }

    /// Keeps `error` where `status` and people find it.
    pub fn record_failure(&self, error: Vec<String>) -> Result<(), WriteError> {
        let failure = Failure { at: jiff::Timestamp::now().to_string(), error };
        let text = serde_json::to_vec_pretty(&failure).unwrap_or_default();
        durable::write(&self.work.join("failed.json"), &text)
    }

    /// Seconds since this attempt began.
    pub fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }
}

/// The output of a stage while it is made; dropped before [`Claim::commit`], it is removed.
pub struct PendingOutput {
    pending: PendingFolder,
    path: PathBuf,
}

impl PendingOutput {
    /// The folder to fill.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
