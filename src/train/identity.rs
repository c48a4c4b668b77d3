//! What a training run depends on, as one digest: its settings and every byte it reads.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::TrainError;
use crate::digest::{Digest, Hasher};

/// Settings that say how a run is kept and not what it computes; a run may go on under others.
pub const OF_KEEPING: [&str; 2] = ["save_steps", "save_total_limit"];

/// The digest of a run of `kind` with `settings` over `inputs`, each a file or a folder of files.
pub(super) fn of_run(
    kind: &str,
    settings: &impl Serialize,
    inputs: &[&Path],
) -> Result<Digest, TrainError> {
    let mut hasher = Hasher::default();
    hasher.field(kind.as_bytes());
    let mut settings = serde_json::to_value(settings).map_err(|error| TrainError::Setting {
        key: "settings",
        expected: "values that JSON can hold".into(),
        found: error.to_string(),
    })?;
    if let Some(keys) = settings.as_object_mut() {
        keys.retain(|key, _| !OF_KEEPING.contains(&key.as_str()));
    }
    hasher.field(settings.to_string().as_bytes());
    for input in inputs {
        for path in files(input)? {
            let name = path.file_name().unwrap_or_default();
            let digest =
                Digest::of_file(&path).map_err(|source| TrainError::Read { path: path.clone(), source })?;
            hasher.field(name.as_encoded_bytes()).field(digest.bytes());
        }
    }
    Ok(hasher.digest())
}

/// The file itself, or the files directly in the folder, by name.
fn files(input: &Path) -> Result<Vec<PathBuf>, TrainError> {
    if !input.is_dir() {
        return Ok(vec![input.to_owned()]);
    }
    let unreadable = |source| TrainError::Read { path: input.to_owned(), source };
    let mut files = Vec::new();
    for entry in input.read_dir().map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
