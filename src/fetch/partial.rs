//! A file on its way: it grows at its end only, is hashed as it grows, and outlives the process.
//!
//! Opened again, what is there is hashed once, and the digest goes on from it. Beside it lies a note
//! of where its bytes come from, so that a later run can ask that server whether the file is still
//! the same (If-Range).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cache::{self, Cache};
use super::error::FetchError;
use super::pump::{self, PumpError};
use crate::digest::{Digest, Hasher};
use crate::durable;
use crate::interrupt::Interrupt;

/// Where a partial file's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origin {
    /// The URL asked last.
    pub url: String,
    /// Its strong ETag or its Last-Modified, if it sent one.
    pub validator: Option<String>,
}

/// An incomplete file, open at its end.
pub(super) struct Partial {
    path: PathBuf,
    file: File,
    length: u64,
    hasher: Hasher,
    origin: Option<Origin>,
}

impl Partial {
    /// Opens what earlier runs left at `path`, or an empty file there.
    pub(super) fn open(path: PathBuf, interrupt: &Interrupt) -> Result<Self, FetchError> {
        let failed = |source| FetchError::io(&path, source);
        let folder = cache::parent(&path);
        fs::create_dir_all(folder).map_err(|source| FetchError::io(folder, source))?;
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = open.map_err(failed)?;
        let mut hasher = Hasher::default();
        // Only a regular file has something to go on from.
        let length = match file.metadata().map_err(failed)? {
            metadata if metadata.is_file() && metadata.len() > 0 => {
                pump::pump(&mut file, &mut Hashing(&mut hasher), interrupt).map_err(|error| match error {
                    PumpError::Interrupted(interrupted) => interrupted.into(),
                    PumpError::Read(source) | PumpError::Write(source) => failed(source),
                })?
            }
            _ => 0,
        };
        let origin = fs::read(origin_path(&path)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(Self { path, file, length, hasher, origin })
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes so far.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The digest of the bytes so far.
    pub(super) fn digest(&self) -> Digest {
        self.hasher.digest()
    }

    /// Where they come from.
    pub(super) fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// Notes where the next bytes come from.
    pub(super) fn set_origin(&mut self, origin: Origin) -> Result<(), FetchError> {
        if self.origin.as_ref() != Some(&origin) {
            let json = serde_json::to_vec(&origin).map_err(|error| self.failed(error.into()))?;
            durable::write(&origin_path(&self.path), &json)?;
            self.origin = Some(origin);
        }
        Ok(())
    }

    /// Drops every byte.
    pub(super) fn clear(&mut self) -> Result<(), FetchError> {
        if self.length > 0 {
            self.file.set_len(0).map_err(|source| self.failed(source))?;
            self.file.seek(SeekFrom::Start(0)).map_err(|source| self.failed(source))?;
        }
        self.length = 0;
        self.hasher = Hasher::default();
        Ok(())
    }

    /// The file is whole: it moves into the cache's store.
    pub(super) fn finish(self, cache: &Cache) -> Result<Digest, FetchError> {
        let digest = self.digest();
        cache.admit(&self.path, digest)?;
        let _may_be_missing = fs::remove_file(origin_path(&self.path));
        Ok(digest)
    }

    pub(super) fn failed(&self, source: io::Error) -> FetchError {
        FetchError::io(&self.path, source)
    }
}

impl Write for Partial {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.length += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

struct Hashing<'a>(&'a mut Hasher);

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn origin_path(path: &Path) -> PathBuf {
    path.with_extension("origin.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_opened_again_goes_on_with_the_digest_of_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        let path = folder.path().join("partials-v1/x");
        let interrupt = Interrupt::default();
        let origin = Origin { url: "http://localhost/x".into(), validator: Some("\"1\"".into()) };

        let mut first = Partial::open(path.clone(), &interrupt).unwrap();
        first.set_origin(origin.clone()).unwrap();
        first.write_all(b"ab").unwrap();
        drop(first);

        let mut second = Partial::open(path.clone(), &interrupt).unwrap();
        assert_eq!((second.length(), second.origin()), (2, Some(&origin)));
        second.write_all(b"c").unwrap();
        let digest = second.finish(&cache).unwrap();
        assert_eq!(digest, Digest::of_bytes(b"abc"));
        assert_eq!(fs::read(cache.blob(digest)).unwrap(), b"abc");
        assert_eq!(fs::read_dir(folder.path().join("partials-v1")).unwrap().count(), 0);
    }

    #[test]
    fn a_cleared_partial_starts_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut partial = Partial::open(folder.path().join("x"), &Interrupt::default()).unwrap();
        partial.write_all(b"zzz").unwrap();
        partial.clear().unwrap();
        partial.write_all(b"abc").unwrap();
        assert_eq!((partial.length(), partial.digest()), (3, Digest::of_bytes(b"abc")));
        assert_eq!(fs::read(folder.path().join("x")).unwrap(), b"abc");
    }
}
