//! A file of records that grows by appending and survives being cut off anywhere: when it is opened
//! again, everything from the first record that is broken or too late on is dropped.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::durable::WriteError;

/// An open journal. Each record reaches the system when it is appended, so a killed process loses
/// at most the record it was writing.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens or creates the file at `path` and drops all but its first `keep(contents)` bytes.
    pub fn open(path: &Path, keep: impl FnOnce(&[u8]) -> usize) -> Result<Self, WriteError> {
        let open = || -> io::Result<File> {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let contents = match fs::read(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
                other => other?,
            };
            let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
            file.set_len(keep(&contents) as u64)?;
            file.seek(SeekFrom::End(0))?;
            Ok(file)
        };
        match open() {
            Ok(file) => Ok(Self { path: path.to_owned(), file }),
            Err(source) => Err(WriteError { path: path.to_owned(), source }),
        }
    }

    /// Whether there is no record yet.
    pub fn is_empty(&mut self) -> Result<bool, WriteError> {
        let position = self.file.stream_position();
        self.named(position.map(|position| position == 0))
    }

    /// Appends one record in one write.
    pub fn append(&mut self, record: &[u8]) -> Result<(), WriteError> {
        let outcome = self.file.write_all(record);
        self.named(outcome)
    }

    /// Waits until all records are on disk.
    pub fn sync(&self) -> Result<(), WriteError> {
        self.named(self.file.sync_data())
    }

    fn named<T>(&self, outcome: io::Result<T>) -> Result<T, WriteError> {
        outcome.map_err(|source| WriteError { path: self.path.clone(), source })
    }
}

/// Seconds since 1970, the clock to use outside tests.
pub fn wall_clock() -> f64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}
