//! What a training run depends on, as one digest: its settings, but for those that change nothing in its
//! weights, and every byte it reads.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::TrainError;
use super::settings::NEUTRAL_KEYS;
use crate::digest::{Digest, Hasher};

/// The digest of a run of `kind` with `settings` over `inputs`, each a file or a folder of files.
pub fn of_run(kind: &str, settings: &impl Serialize, inputs: &[&Path]) -> Result<Digest, TrainError> {
    let mut hasher = Hasher::default();
    hasher.field(kind.as_bytes());
    let mut settings = serde_json::to_value(settings).map_err(|error| TrainError::Setting {
        key: "settings",
        expected: "values that JSON can hold".into(),
        found: error.to_string(),
    })?;
    if let Some(keys) = settings.as_object_mut() {
        keys.retain(|key, _| !NEUTRAL_KEYS.contains(&key.as_str()));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::settings::PretrainSettings;

    #[test]
    fn settings_that_change_no_weight_may_change_and_nothing_else() {
        let of = |change: fn(&mut PretrainSettings)| {
            let mut settings = PretrainSettings::default();
            change(&mut settings);
            of_run("pretrain", &settings, &[]).unwrap()
        };
        let plain = of(|_| {});
        assert_eq!(plain, of(|settings| settings.optimization.save_steps = 7));
        assert_eq!(plain, of(|settings| settings.optimization.save_total_limit = 7));
        assert_eq!(plain, of(|settings| settings.optimization.activation_recomputation = true));
        assert_ne!(plain, of(|settings| settings.optimization.logging_steps = 7));
        assert_ne!(plain, of(|settings| settings.max_steps = 7));
        assert_ne!(plain, of_run("finetune", &PretrainSettings::default(), &[]).unwrap());
    }

    #[test]
    fn every_byte_of_a_folder_counts() {
        let folder = tempfile::tempdir().unwrap();
        let of = || of_run("pretrain", &PretrainSettings::default(), &[folder.path()]).unwrap();
        let mut seen = vec![of()];
        for (name, bytes) in [("a", "1"), ("b", "1"), ("b", "2")] {
            std::fs::write(folder.path().join(name), bytes).unwrap();
            let now = of();
            assert!(!seen.contains(&now), "{name}: {bytes}");
            seen.push(now);
        }
    }
}
