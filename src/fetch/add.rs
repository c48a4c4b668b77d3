//! `longqa lock add`: an entry from a download.

use std::fs;
use std::path::Path;

use url::Url;

use super::cache::{self, Cache};
use super::download::Downloader;
use super::error::FetchError;
use super::http;
use super::lock::{Archive, ArchiveFormat, Content, Entry, Lock, Member, Pin, RemoteFile, Source};
use super::lock_toml;
use super::progress::Progress;
use super::settings::Settings;
use super::unpack;
use crate::digest::Digest;
use crate::durable;
use crate::interrupt::Interrupt;
use crate::process_lock::ProcessLock;

/// What the person who adds an entry says about it.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The entry's name.
    pub name: String,
    /// The publisher's version, or the commit.
    pub version: String,
    /// Under which terms the data comes.
    pub licence: String,
    /// Where a mirror keeps it.
    pub path: String,
    /// Addresses that hold the same bytes, in order of preference.
    pub urls: Vec<Url>,
    /// Members to unpack, with the format; none: a plain file.
    pub members: Option<(ArchiveFormat, Vec<String>)>,
}

/// An entry ready to be appended to a lock file.
#[derive(Debug, Clone)]
pub struct Drafted {
    entry: Entry,
}

/// Downloads the file from every address, so that none stands in the lock untried, and measures it.
pub fn draft(
    draft: &Draft,
    cache: &Cache,
    settings: &Settings,
    interrupt: &Interrupt,
) -> Result<Drafted, FetchError> {
    cache.open()?;
    let progress = Progress::new();
    let client = http::client(settings.idle_timeout)?;
    let downloader = Downloader {
        client: &client,
        python: &settings.python,
        cache,
        backoff: settings.backoff,
        progress: &progress,
        interrupt,
    };
    let mut file = RemoteFile {
        name: draft.name.clone(),
        path: draft.path.clone(),
        bytes: None,
        pin: Pin::Unverified,
        source: Source::Urls(draft.urls.clone()),
    };
    for url in &draft.urls {
        let source = Source::Urls(vec![url.clone()]);
        let alone = RemoteFile { source, bytes: None, pin: Pin::Unverified, ..file.clone() };
        let waiting = |message: &str| progress.aside(|| tracing::info!("{message}"));
        let work = format!("fetching {}", draft.name);
        let _lock = ProcessLock::acquire(&cache.lock(alone.key()), &work, waiting, interrupt)?;
        let found = downloader.download(&alone, alone.urls())?;
        match file.pin {
            Pin::Sha256(expected) if expected != found => {
                return Err(FetchError::Disagreement { url: url.to_string(), expected, found });
            }
            _ => file.pin = Pin::Sha256(found),
        }
        let blob = cache.blob(found);
        file.bytes = Some(fs::metadata(&blob).map_err(|source| FetchError::io(&blob, source))?.len());
    }
    let content = match (&draft.members, file.pin) {
        (Some((format, members)), Pin::Sha256(digest)) => {
            let archive = Archive {
                file,
                format: *format,
                unpacked_bytes: u64::MAX,
                members: members.iter().map(|path| plain_member(path)).collect(),
            };
            Content::Archive(measure(archive, cache, digest, &progress, interrupt)?)
        }
        _ => Content::File(file),
    };
    let Draft { name, version, licence, .. } = draft.clone();
    Ok(Drafted { entry: Entry { name, version, licence, content } })
}

fn plain_member(path: &str) -> Member {
    Member { name: None, path: path.to_owned(), bytes: None, sha256: None }
}

/// Unpacks once, to learn the sizes and digests of the members.
fn measure(
    archive: Archive,
    cache: &Cache,
    digest: Digest,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<Archive, FetchError> {
    let aside = cache::aside_in(cache.root())?;
    let meter = progress.work(format!("unpacking {}", archive.file.name), None);
    let unpacked = unpack::unpack(&archive, &cache.blob(digest), aside.path(), &meter, interrupt)?;
    let measured = |member: &Member| Member {
        bytes: unpacked.lengths.iter().find(|(path, _)| *path == member.path).map(|(_, bytes)| *bytes),
        sha256: unpacked
            .sums
            .files()
            .iter()
            .find(|(path, _)| *path == member.path)
            .map(|(_, digest)| *digest),
        ..member.clone()
    };
    Ok(Archive {
        unpacked_bytes: unpacked.seen,
        members: archive.members.iter().map(measured).collect(),
        ..archive
    })
}

impl Drafted {
    /// The entry.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The entry as the lock file writes it.
    pub fn text(&self) -> String {
        lock_toml::write(&self.entry)
    }

    /// Appends the entry to the lock file at `path`, which is made if it is not there. The file is
    /// left as it was if the result would not be a valid lock.
    pub fn append_to(&self, path: &Path) -> Result<(), FetchError> {
        let old = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => "version = 1\n".to_owned(),
            Err(source) => return Err(FetchError::io(path, source)),
        };
        let new = format!("{}\n{}", old.trim_end(), self.text());
        Lock::parse(&new, path)?;
        Ok(durable::write(path, new.as_bytes())?)
    }
}
