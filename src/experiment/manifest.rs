//! `stage.json`, which lies in the folder of every finished stage: what it is, what it was made
//! from, with what, and the digest of every file.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::provenance::Provenance;
use super::stage::{Role, Stage, StageKey};
use crate::digest::Digest;

/// The manifest's file name.
pub const MANIFEST: &str = "stage.json";

/// What a stage's body measured: tokens per second, peak memory and the like, by name.
pub type Measures = BTreeMap<String, Value>;

/// The content of `stage.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    /// The stage's key.
    pub key: StageKey,
    /// The stage's kind.
    pub kind: String,
    /// The version of that kind.
    pub kind_version: u32,
    /// For people.
    pub title: String,
    /// The settings that stand in the key.
    pub settings: Value,
    /// What was read.
    pub inputs: Vec<ReadInput>,
    /// What lies in `output/`.
    pub files: Vec<WrittenFile>,
    /// When it was finished, RFC 3339.
    pub finished: String,
    /// Seconds that the last attempt took; a stage that was stopped and went on had more.
    pub wall_seconds: f64,
    /// How often it was started, the last time included.
    pub attempts: u32,
    /// What the body measured.
    pub measures: Measures,
    /// With what and where it was made.
    pub provenance: Provenance,
}

/// One input of a finished stage.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReadInput {
    /// What it was for.
    pub role: Role,
    /// The stage that made it.
    pub key: StageKey,
    /// The file of it; none: the whole folder.
    pub file: Option<String>,
}

/// One file of a finished stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenFile {
    /// Its path within `output/`, with `/`.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its digest.
    pub sha256: Digest,
}

/// What the making of a stage adds to what its plan says.
pub struct Making {
    /// Seconds that this attempt took.
    pub wall_seconds: f64,
    /// How often it was started.
    pub attempts: u32,
    /// What the body measured.
    pub measures: Measures,
}

impl Manifest {
    /// The manifest of `stage`, whose output lies in `folder`.
    pub fn of(stage: &Stage, folder: &Path, making: Making, provenance: &Provenance) -> io::Result<Self> {
        let inputs = stage.inputs.iter().map(|input| ReadInput {
            role: input.role,
            key: input.key,
            file: input.file.clone(),
        });
        Ok(Self {
            key: stage.key,
            kind: stage.work.kind().to_owned(),
            kind_version: stage.work.version(),
            title: stage.title.clone(),
            settings: stage.work.settings(),
            inputs: inputs.collect(),
            files: written_files(folder)?,
            finished: jiff::Timestamp::now().to_string(),
            wall_seconds: making.wall_seconds,
            attempts: making.attempts,
            measures: making.measures,
            provenance: provenance.clone(),
        })
    }
}

/// Every file under `folder` with its digest, by path.
fn written_files(folder: &Path) -> io::Result<Vec<WrittenFile>> {
    let mut paths = Vec::new();
    collect(folder, &mut paths)?;
    paths.sort();
    paths
        .into_par_iter()
        .map(|path| {
            let name = path.strip_prefix(folder).unwrap_or(&path);
            let parts: Vec<_> = name.components().map(|part| part.as_os_str().to_string_lossy()).collect();
            let bytes = fs::metadata(&path)?.len();
            Ok(WrittenFile { path: parts.join("/"), bytes, sha256: Digest::of_file(&path)? })
        })
        .collect()
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, into)?;
        } else {
            into.push(path);
        }
    }
    Ok(())
}
