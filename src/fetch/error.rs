//! What can go wrong between a name in the lock and its bytes on disk.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use crate::digest::Digest;
use crate::durable::{self, WriteError};
use crate::interrupt::Interrupted;
use crate::process_lock::LockError;

/// Why something named in the lock is not on disk.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The lock file is no TOML of the expected shape.
    #[error("{}: not a lock file: {source}", path.display())]
    LockSyntax {
        /// The lock file.
        path: PathBuf,
        /// What the TOML reader said, with line and column.
        source: Box<toml::de::Error>,
    },
    /// The lock file is well-formed but says something impossible.
    #[error("{}: {entry}: expected {expected}, found {found}", path.display())]
    LockInvalid {
        /// The lock file.
        path: PathBuf,
        /// The entry at fault.
        entry: String,
        /// What would be right.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The lock has no entry of that name.
    #[error("no entry named {name:?} in the lock{}", nearest_hint(nearest))]
    UnknownName {
        /// The name as given.
        name: String,
        /// Names in the lock that look alike, nearest first.
        nearest: Vec<String>,
    },
    /// The lock's entry of that name is no folder of files.
    #[error("{name:?} in the lock: expected a folder of files, found {found}")]
    NotAFolder {
        /// The name as given.
        name: String,
        /// What it is.
        found: String,
    },
    /// Entries whose digest nobody states, asked for without allowing that.
    #[error(
        "no public source states the digest of {}; to fetch it nevertheless and see what digest it has: --allow-unverified",
        names.join(", ")
    )]
    Unverified {
        /// The files' names.
        names: Vec<String>,
    },
    /// A mirror is neither a folder nor an http(s) URL.
    #[error("mirror {mirror:?}: expected a folder or an http(s) URL, found {found}")]
    BadMirror {
        /// The mirror as given.
        mirror: String,
        /// What it is.
        found: String,
    },
    /// No place gave the file.
    #[error("{name}: no source gave it{}", tried_list(tried))]
    NoSource {
        /// The file's name.
        name: String,
        /// Each place that was asked, and its answer.
        tried: Vec<Tried>,
    },
    /// The file is in no mirror folder, and the network is not to be used.
    #[error("{name}: not in the cache nor in a mirror folder, and the network is off (--offline)")]
    Offline {
        /// The file's name.
        name: String,
    },
    /// The disk has not enough room.
    #[error("{}: not enough space: {needed} bytes needed, {available} available", path.display())]
    Space {
        /// The cache folder.
        path: PathBuf,
        /// Bytes still to be written.
        needed: u64,
        /// Bytes free.
        available: u64,
    },
    /// The disk filled up while writing. What was written is kept.
    #[error("{}: the disk is full; make room and run the same command again to go on", path.display())]
    DiskFull {
        /// The file being written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The archive cannot be read.
    #[error("{}: not a readable {format} archive: {source}", archive.display())]
    BadArchive {
        /// The archive.
        archive: PathBuf,
        /// `zip` or `tar.gz`.
        format: &'static str,
        /// What its reader said.
        source: io::Error,
    },
    /// A member's path or link would leave the folder it is unpacked into.
    #[error("{}: member {member:?} refused: {reason}", archive.display())]
    UnsafeMember {
        /// The archive.
        archive: PathBuf,
        /// The member's path as the archive has it.
        member: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The archive holds more than the lock allows.
    #[error("{}: holds more than the lock allows: expected at most {allowed} bytes (unpacked_bytes), found {found} or more", archive.display())]
    TooManyBytes {
        /// The archive.
        archive: PathBuf,
        /// `unpacked_bytes` of the lock entry.
        allowed: u64,
        /// Bytes seen when unpacking stopped.
        found: u64,
    },
    /// The archive lacks a member that the lock lists.
    #[error("{}: expected a member {member:?}, found none", archive.display())]
    MissingMember {
        /// The archive.
        archive: PathBuf,
        /// The member's path in the lock.
        member: String,
    },
    /// A member is not what the lock says.
    #[error("{}: member {member:?}: expected {expected}, found {found}", archive.display())]
    WrongMember {
        /// The archive.
        archive: PathBuf,
        /// The member's path.
        member: String,
        /// Bytes or digest by the lock.
        expected: String,
        /// Bytes or digest as unpacked.
        found: String,
    },
    /// Two addresses that were said to hold one file do not.
    #[error("{url} is not the same file: expected sha256 {expected}, found {found}")]
    Disagreement {
        /// The later address.
        url: String,
        /// The digest from the first address.
        expected: Digest,
        /// The digest from this one.
        found: Digest,
    },
    /// The system refused something.
    #[error("{}: {source}{}", path.display(), durable::advice(path, source))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file could not be put in place.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Secure connections cannot be set up here.
    #[error("cannot set up HTTP: {0}")]
    Client(#[source] reqwest::Error),
    /// Several files failed; the others are in the cache.
    #[error("{} of {of} failed:{}", failed.len(), indented(failed))]
    Several {
        /// One error per file.
        failed: Vec<FetchError>,
        /// Files that were asked for.
        of: usize,
    },
    /// The user asked to stop; what has arrived is kept.
    #[error("fetch stopped")]
    Interrupted(#[from] Interrupted),
}

impl From<LockError> for FetchError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Io { path, source } => FetchError::io(&path, source),
            LockError::Interrupted(interrupted) => interrupted.into(),
        }
    }
}

impl FetchError {
    /// The error for a system call on `path`; a full disk has its own.
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                FetchError::DiskFull { path, source }
            }
            _ => FetchError::Io { path, source },
        }
    }

    /// One error out of many: an interrupt if there is one, else the only one, else all.
    pub(super) fn gather(mut failed: Vec<FetchError>, of: usize) -> Result<(), FetchError> {
        if let Some(at) = failed.iter().position(|error| matches!(error, FetchError::Interrupted(_))) {
            return Err(failed.swap_remove(at));
        }
        match failed.len() {
            0 => Ok(()),
            1 => Err(failed.swap_remove(0)),
            _ => Err(FetchError::Several { failed, of }),
        }
    }
}

/// A place that was asked for a file, and why it did not serve.
#[derive(Debug)]
pub struct Tried {
    /// The URL or path.
    pub place: String,
    /// The last answer.
    pub reason: TransferError,
}

/// Why one transfer from one URL did not give the file.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The server answered something else than the file.
    #[error("HTTP status {status}")]
    Status {
        /// The status code.
        status: u16,
        /// The pause that the server asks for.
        retry_after: Option<Duration>,
    },
    /// No connection: no such host, nobody listening, no way there.
    #[error("{}", with_causes(&**.0))]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer, or the connection broke.
    #[error("{}", with_causes(&**.0))]
    Network(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The body ended before its announced end.
    #[error("ended early: expected {expected} bytes, found {found}")]
    EndedEarly {
        /// Bytes the whole file has.
        expected: u64,
        /// Bytes that arrived.
        found: u64,
    },
    /// The server announces, or sends, another length than the lock has.
    #[error("wrong length: expected {expected} bytes, found {found}")]
    WrongLength {
        /// Bytes by the lock.
        expected: u64,
        /// Bytes announced, or the count at which reading stopped.
        found: u64,
    },
    /// A partial answer that does not start where it was asked to.
    #[error("wrong range: expected bytes from {expected}, found {found:?}")]
    WrongRange {
        /// The first byte asked for.
        expected: u64,
        /// The Content-Range header.
        found: String,
    },
    /// The bytes are not the ones in the lock.
    #[error("wrong digest: expected {expected}, found {found}")]
    WrongDigest {
        /// The digest in the lock.
        expected: Digest,
        /// The digest of what arrived.
        found: Digest,
    },
    /// The Python that was to run pip cannot be started.
    #[error("{}: {source}; LONGQA_PYTHON names the Python whose pip is to be asked", program.display())]
    NoPython {
        /// The Python.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// pip is not there, or did not give the package.
    #[error("pip failed ({status}){}", said.iter().map(|line| format!("\n    {line}")).collect::<String>())]
    Pip {
        /// How it ended.
        status: ExitStatus,
        /// The last lines that it wrote to stderr.
        said: Vec<String>,
    },
    /// pip gave another wheel of the package than the lock names.
    #[error("another wheel: expected {expected}, found {found}")]
    OtherWheel {
        /// The file name in the lock.
        expected: String,
        /// The file names of what came.
        found: String,
    },
    /// Something on this side failed; no other source would help.
    #[error(transparent)]
    Here(#[from] FetchError),
}

impl From<Interrupted> for TransferError {
    fn from(interrupted: Interrupted) -> Self {
        TransferError::Here(interrupted.into())
    }
}

/// reqwest's own message seldom says what happened; its causes do.
fn with_causes(error: &(dyn std::error::Error + Send + Sync + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

fn nearest_hint(nearest: &[String]) -> String {
    match nearest {
        [] => String::new(),
        names => format!("; did you mean {}?", names.join(" or ")),
    }
}

fn tried_list(tried: &[Tried]) -> String {
    match tried {
        [] => "; the lock lists no URL for it".to_owned(),
        tried => tried.iter().map(|tried| format!("\n  {tried}")).collect(),
    }
}

fn indented(errors: &[FetchError]) -> String {
    errors.iter().map(|error| format!("\n  {}", error.to_string().replace('\n', "\n  "))).collect()
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_has_its_own_error() {
        let full = FetchError::io(Path::new("a"), io::ErrorKind::StorageFull.into());
        assert!(matches!(full, FetchError::DiskFull { .. }), "{full}");
        let other = FetchError::io(Path::new("a"), io::ErrorKind::PermissionDenied.into());
        assert!(matches!(other, FetchError::Io { .. }), "{other}");
    }

    #[test]
    fn an_interrupt_outweighs_other_failures() {
        let offline = |name: &str| FetchError::Offline { name: name.to_owned() };
        let gathered = FetchError::gather(vec![offline("a"), Interrupted.into(), offline("b")], 3);
        assert!(matches!(gathered, Err(FetchError::Interrupted(_))));
        let gathered = FetchError::gather(vec![offline("a"), offline("b")], 3).unwrap_err().to_string();
        assert!(gathered.starts_with("2 of 3 failed:\n  a: "), "{gathered}");
    }
}
