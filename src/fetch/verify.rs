//! `longqa lock verify`: hashes everything in the cache again.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rayon::prelude::*;

use super::cache::Cache;
use super::error::FetchError;
use super::folder::{SUMS, Sums};
use super::progress::{Meter, Progress};
use super::pump::{self, PumpError};
use crate::digest::{Digest, DigestReader};
use crate::interrupt::Interrupt;

/// What to do with what is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDamage {
    /// Tell.
    Report,
    /// Tell, and remove it, so that the next fetch gets it again.
    Remove,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Verification {
    /// Files hashed; one file under two names counts once.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that are not what their name or `SHA256SUMS` says.
    pub damaged: Vec<Damaged>,
}

/// A file that is not what it should be.
#[derive(Debug)]
pub struct Damaged {
    /// The file.
    pub path: PathBuf,
    /// Its digest by its name or by `SHA256SUMS`.
    pub expected: Digest,
    /// What is there instead.
    pub found: Damage,
}

/// What is there instead of the right bytes.
#[derive(Debug)]
pub enum Damage {
    /// Bytes with this digest.
    Digest(Digest),
    /// Nothing that can be read.
    Unreadable(io::Error),
}

/// A file to hash, and what is of no use any more if it is damaged.
struct Task {
    path: PathBuf,
    expected: Digest,
    useless_then: Vec<PathBuf>,
}

/// Hashes every file in the cache again, in parallel.
pub fn verify(cache: &Cache, on_damage: OnDamage, interrupt: &Interrupt) -> Result<Verification, FetchError> {
    let mut tasks = blobs(cache)?;
    add_folders(cache, &mut tasks)?;
    let total =
        tasks.iter().filter_map(|task| fs::metadata(&task.path).ok()).map(|metadata| metadata.len()).sum();
    let meter = Progress::new().work("hashing".to_owned(), Some(total));
    let found: Mutex<Verification> = Mutex::default();
    tasks.par_iter().try_for_each(|task| -> Result<(), FetchError> {
        let outcome = hash(&task.path, &meter, interrupt)?;
        let mut found = found.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        found.files += 1;
        let damage = match outcome {
            Ok((digest, bytes)) => {
                found.bytes += bytes;
                (digest != task.expected).then_some(Damage::Digest(digest))
            }
            Err(error) => Some(Damage::Unreadable(error)),
        };
        if let Some(damage) = damage {
            found.damaged.push(Damaged { path: task.path.clone(), expected: task.expected, found: damage });
        }
        Ok(())
    })?;
    let mut found = found.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    found.damaged.sort_by(|a, b| a.path.cmp(&b.path));
    if on_damage == OnDamage::Remove {
        let damaged: HashSet<&Path> = found.damaged.iter().map(|damaged| damaged.path.as_path()).collect();
        let useless = tasks.iter().filter(|task| damaged.contains(task.path.as_path()));
        useless.flat_map(|task| &task.useless_then).try_for_each(|path| remove(path))?;
    }
    Ok(found)
}

/// Every blob, expected to be what it is called.
fn blobs(cache: &Cache) -> Result<Vec<Task>, FetchError> {
    let mut tasks = Vec::new();
    for folder in list(&cache.blobs())? {
        for path in list(&folder)? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if let Ok(expected) = name.parse() {
                tasks.push(Task { expected, useless_then: vec![path.clone()], path });
            }
        }
    }
    Ok(tasks)
}

/// Every file of every finished folder. One that is a blob under another name is hashed as that.
fn add_folders(cache: &Cache, tasks: &mut Vec<Task>) -> Result<(), FetchError> {
    let places: HashMap<PathBuf, usize> =
        tasks.iter().enumerate().map(|(place, task)| (task.path.clone(), place)).collect();
    for folder in list(&cache.folders())? {
        if !folder.join(SUMS).is_file() {
            continue;
        }
        for (path, expected) in Sums::read(&folder)?.files() {
            let (path, blob) = (folder.join(path), cache.blob(*expected));
            match places.get(&blob).filter(|_| is_same_file(&path, &blob)) {
                Some(place) => tasks[*place].useless_then.push(folder.clone()),
                None => tasks.push(Task { path, expected: *expected, useless_then: vec![folder.clone()] }),
            }
        }
    }
    Ok(())
}

fn hash(path: &Path, meter: &Meter, interrupt: &Interrupt) -> Result<io::Result<(Digest, u64)>, FetchError> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) => return Ok(Err(error)),
    };
    let mut reader = DigestReader::new(meter.read(file));
    match pump::pump(&mut reader, &mut io::sink(), interrupt) {
        Ok(bytes) => Ok(Ok((reader.digest(), bytes))),
        Err(PumpError::Read(error) | PumpError::Write(error)) => Ok(Err(error)),
        Err(PumpError::Interrupted(interrupted)) => Err(interrupted.into()),
    }
}

/// Removes a damaged blob, or a whole folder, which is made anew when its entry is fetched again.
fn remove(path: &Path) -> Result<(), FetchError> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(FetchError::io(path, source)),
        _ => Ok(()),
    }
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, FetchError> {
    let failed = |source| FetchError::io(folder, source);
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry.map_err(failed)?.path())).collect(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(failed(error)),
    }
}

fn is_same_file(a: &Path, b: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let identity = |path: &Path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
        identity(a).is_some() && identity(a) == identity(b)
    }
    #[cfg(not(unix))]
    {
        let _ = (a, b);
        false
    }
}
