//! A file in memory, and ranges of it that tensors are cut from. Every access is checked against
//! the file's length, so a lying header cannot make longqa read or allocate beyond it.

use std::fmt::Display;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use memmap2::Mmap;

use super::error::WeightsError;
use crate::native;

/// A whole file, mapped read-only.
#[derive(Debug)]
pub(super) struct MappedFile {
    path: PathBuf,
    map: Mmap,
}

impl MappedFile {
    pub fn open(path: &Path) -> Result<Arc<Self>, WeightsError> {
        match native::map_file(path) {
            Ok(map) => Ok(Arc::new(Self { path: path.to_owned(), map })),
            Err(source) => Err(WeightsError::Read { path: path.to_owned(), source }),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn bytes(&self) -> &[u8] {
        &self.map
    }

    pub fn length(&self) -> u64 {
        self.map.len() as u64
    }

    /// The positions of `length` bytes from `start` on, if the file has them.
    pub fn range(
        &self,
        start: u64,
        length: u64,
        what: impl FnOnce() -> String,
    ) -> Result<Range<usize>, WeightsError> {
        let end = start.saturating_add(length);
        if end > self.length() {
            let (path, found) = (self.path.clone(), self.length());
            return Err(WeightsError::Truncated { path, what: what(), expected: end, found });
        }
        Ok(start as usize..end as usize)
    }

    pub fn malformed(&self, what: impl Display, expected: impl Display, found: impl Display) -> WeightsError {
        WeightsError::Malformed {
            path: self.path.clone(),
            what: what.to_string(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }
}

/// A range of a file that one or more tensors are views of.
#[derive(Debug)]
pub(super) struct Storage {
    file: Arc<MappedFile>,
    range: Range<usize>,
    checksum: Option<Checksum>,
}

/// The CRC-32 that the file gives for a storage; the bytes' own is computed on first use.
#[derive(Debug)]
struct Checksum {
    what: String,
    expected: u32,
    found: OnceLock<u32>,
}

impl Storage {
    /// `range` has come from [`MappedFile::range`].
    pub fn new(file: Arc<MappedFile>, range: Range<usize>) -> Self {
        Self { file, range, checksum: None }
    }

    /// The same, with the CRC-32 that its bytes must have; `what` names the part in the error.
    pub fn with_checksum(self, what: String, expected: u32) -> Self {
        Self { checksum: Some(Checksum { what, expected, found: OnceLock::new() }), ..self }
    }

    pub fn file(&self) -> &MappedFile {
        &self.file
    }

    pub fn length(&self) -> u64 {
        self.range.len() as u64
    }

    /// The bytes, once they are known to be those that were written.
    pub fn bytes(&self) -> Result<&[u8], WeightsError> {
        let bytes = self.file.bytes().get(self.range.clone()).unwrap_or_default();
        if let Some(Checksum { what, expected, found }) = &self.checksum {
            let found = *found.get_or_init(|| crc32(bytes));
            if found != *expected {
                let (path, what, expected) = (self.file.path.clone(), what.clone(), *expected);
                return Err(WeightsError::Damaged { path, what, expected, found });
            }
        }
        Ok(bytes)
    }
}

/// The CRC-32 that zip files use.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
