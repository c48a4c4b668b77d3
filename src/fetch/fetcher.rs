//! Entries in, finished files and folders out; what can go in parallel does.
//!
//! First everything is looked for on this machine (cache, mirror folders), then the space for the
//! rest is checked, then the rest is downloaded, then archives are unpacked and folders put together.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use rayon::ThreadPoolBuilder;
use rayon::prelude::*;
use reqwest::blocking::Client;
use url::Url;

use super::cache::{self, Cache};
use super::download::Downloader;
use super::error::FetchError;
use super::folder::Sums;
use super::http;
use super::lock::{Archive, Content, Entry, Member, Pin, RemoteFile, Source};
use super::mirror::Mirror;
use super::progress::Progress;
use super::settings::{Network, Settings, Unverified};
use super::unpack;
use crate::digest::{Digest, Hasher};
use crate::durable::PendingFolder;
use crate::interrupt::Interrupt;
use crate::process_lock::ProcessLock;

/// Something that is on disk now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The entry's name.
    pub name: String,
    /// A file under its own name, or for archives and folders a folder.
    pub path: PathBuf,
    /// Of the file's bytes; for a folder, of its `SHA256SUMS`.
    pub digest: Digest,
    /// Files of it that the lock does not vouch for, with the digests they turned out to have.
    pub unverified: Vec<(String, Digest)>,
}

/// Fetches entries into a cache.
#[derive(Debug)]
pub struct Fetcher {
    cache: Cache,
    settings: Settings,
}

impl Fetcher {
    /// A fetcher into `cache`.
    pub fn new(cache: Cache, settings: Settings) -> Self {
        Self { cache, settings }
    }

    /// Where it fetches to.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Puts every entry on disk, in the order given. What was there before is not transferred again.
    pub fn fetch(&self, entries: &[&Entry], interrupt: &Interrupt) -> Result<Vec<Fetched>, FetchError> {
        self.refuse_unverified(entries)?;
        self.cache.open()?;
        let pool = ThreadPoolBuilder::new().num_threads(self.settings.jobs.get()).build();
        let pool = pool.map_err(|error| FetchError::io(self.cache.root(), std::io::Error::other(error)))?;
        let mut run =
            Run { cache: &self.cache, settings: &self.settings, progress: Progress::new(), interrupt };
        pool.install(|| {
            let missing = run.look_here(entries)?;
            run.require_space(&missing, entries)?;
            run.download(&missing)?;
            run.assemble(entries)
        })
    }

    fn refuse_unverified(&self, entries: &[&Entry]) -> Result<(), FetchError> {
        let files = entries.iter().flat_map(|entry| entry.files());
        let names: Vec<String> =
            files.filter(|file| file.pin == Pin::Unverified).map(|file| file.name.clone()).collect();
        if self.settings.unverified == Unverified::Refuse && !names.is_empty() {
            return Err(FetchError::Unverified { names });
        }
        Ok(())
    }
}

/// One call of [`Fetcher::fetch`].
pub(super) struct Run<'a> {
    pub cache: &'a Cache,
    pub settings: &'a Settings,
    pub progress: Progress,
    pub interrupt: &'a Interrupt,
}

impl Run<'_> {
    /// Says at once when the disk is too small for all that is to come.
    fn require_space(&self, missing: &[&RemoteFile], entries: &[&Entry]) -> Result<(), FetchError> {
        let to_download = missing.iter().map(|file| {
            let have = fs::metadata(self.cache.partial(file.key())).map_or(0, |metadata| metadata.len());
            file.bytes.unwrap_or(0).saturating_sub(have)
        });
        let unfinished: Vec<_> = entries.iter().filter(|entry| self.finished(entry).is_none()).collect();
        let to_unpack = unfinished.iter().filter_map(|entry| wanted_archive(entry)).map(|archive| {
            let listed: Option<u64> = archive.members.iter().map(|member| member.bytes).sum();
            listed.filter(|_| !archive.members.is_empty()).unwrap_or(archive.unpacked_bytes)
        });
        let inside = unfinished
            .iter()
            .flat_map(|entry| entry.files())
            .filter(|file| matches!(file.source, Source::Inside(_)) && self.blob(file).is_none());
        let to_take_out = unique(inside).into_iter().filter_map(|file| file.bytes);
        let needed = to_download.chain(to_unpack).chain(to_take_out).fold(0, u64::saturating_add);
        cache::require_space(self.cache.root(), needed)
    }

    fn download(&mut self, missing: &[&RemoteFile]) -> Result<(), FetchError> {
        if missing.is_empty() {
            return Ok(());
        }
        if self.settings.network == Network::Offline {
            let failed = missing.iter().map(|file| FetchError::Offline { name: file.name.clone() }).collect();
            return FetchError::gather(failed, missing.len());
        }
        self.progress.expect(missing.len(), missing.iter().filter_map(|file| file.bytes).sum());
        let client = http::client(self.settings.idle_timeout)?;
        self.in_parallel(missing, |file| self.download_one(&client, file)).map(drop)
    }

    fn download_one(&self, client: &Client, file: &RemoteFile) -> Result<(), FetchError> {
        let _lock = self.lock(file.key(), &file.name)?;
        if self.blob(file).is_some() {
            return Ok(());
        }
        let mirrors = self.settings.mirrors.iter().filter_map(|mirror| match mirror {
            Mirror::Url(base) => base.join(&file.path).ok(),
            Mirror::Folder(_) => None,
        });
        let urls: Vec<Url> = mirrors.chain(file.urls().iter().cloned()).collect();
        let downloader = Downloader {
            client,
            python: &self.settings.python,
            cache: self.cache,
            backoff: self.settings.backoff,
            progress: &self.progress,
            interrupt: self.interrupt,
        };
        downloader.download(file, &urls).map(drop)
    }

    fn assemble(&self, entries: &[&Entry]) -> Result<Vec<Fetched>, FetchError> {
        self.in_parallel(entries, |entry| {
            let folder = match self.finished(entry) {
                Some(folder) => folder,
                None => self.make(entry)?,
            };
            self.fetched(entry, folder)
        })
    }

    /// Makes the folder that `entry` stands for, from what is in the cache now.
    fn make(&self, entry: &Entry) -> Result<PathBuf, FetchError> {
        let target = self.folder(entry).ok_or_else(|| FetchError::Offline { name: entry.name.clone() })?;
        let _lock = self.lock(Digest::of_bytes(target.as_os_str().as_encoded_bytes()), &entry.name)?;
        if let Some(folder) = self.finished(entry) {
            return Ok(folder);
        }
        let pending = PendingFolder::beside(&target)?;
        let sums = match wanted_archive(entry) {
            Some(archive) => self.take_members(&archive, pending.path())?,
            None => Sums::new(self.link_files(entry, pending.path())?),
        };
        sums.write(pending.path())?;
        Ok(pending.commit()?)
    }

    fn link_files(&self, entry: &Entry, into: &Path) -> Result<Vec<(String, Digest)>, FetchError> {
        names_inside(entry)
            .into_iter()
            .map(|(path, file)| {
                let digest =
                    self.known_digest(file).ok_or_else(|| FetchError::Offline { name: file.name.clone() })?;
                if let Source::Inside(archive) = &file.source {
                    self.take_out(file, archive, digest)?;
                }
                self.link(digest, &into.join(&path))?;
                Ok((path, digest))
            })
            .collect()
    }

    /// Puts `file`, the one member listed of `archive`, into the cache, if it is not there.
    fn take_out(&self, file: &RemoteFile, archive: &Archive, digest: Digest) -> Result<(), FetchError> {
        let here = || self.cache.blob(digest).is_file();
        if here() {
            return Ok(());
        }
        let _lock = self.lock(digest, &file.name)?;
        if here() {
            return Ok(());
        }
        let aside = cache::aside_in(self.cache.root())?;
        self.unpack(archive, aside.path())?;
        self.cache.admit(&aside.path().join(&file.path), digest).map(drop)
    }

    fn take_members(&self, archive: &Archive, into: &Path) -> Result<Sums, FetchError> {
        let blobs = archive.members.iter().map(|member| Some((member, member.sha256?)));
        let blobs: Option<Vec<(&Member, Digest)>> = blobs.collect();
        let here = |blobs: &Vec<(&Member, Digest)>| {
            blobs.iter().all(|(_, digest)| self.cache.blob(*digest).is_file())
        };
        if let Some(blobs) = blobs.filter(|blobs| !blobs.is_empty() && here(blobs)) {
            for (member, digest) in &blobs {
                self.link(*digest, &into.join(&member.path))?;
            }
            return Ok(Sums::new(
                blobs.into_iter().map(|(member, digest)| (member.path.clone(), digest)).collect(),
            ));
        }
        self.unpack(archive, into)
    }

    fn unpack(&self, archive: &Archive, into: &Path) -> Result<Sums, FetchError> {
        let from = self
            .blob(&archive.file)
            .ok_or_else(|| FetchError::Offline { name: archive.file.name.clone() })?;
        let meter = self.progress.work(format!("unpacking {}", archive.file.name), None);
        Ok(unpack::unpack(archive, &from, into, &meter, self.interrupt)?.sums)
    }

    fn link(&self, digest: Digest, target: &Path) -> Result<(), FetchError> {
        let folder = cache::parent(target);
        fs::create_dir_all(folder).map_err(|source| FetchError::io(folder, source))?;
        cache::share(&self.cache.blob(digest), target).map(drop)
    }

    fn fetched(&self, entry: &Entry, folder: PathBuf) -> Result<Fetched, FetchError> {
        let sums = Sums::read(&folder)?;
        let (path, digest) = match (&entry.content, sums.files()) {
            (Content::File(_) | Content::Member(..), [(path, digest)]) => (folder.join(path), *digest),
            _ => (folder, sums.digest()),
        };
        let unverified = entry.files().into_iter().filter(|file| file.pin == Pin::Unverified);
        let unverified =
            unverified.filter_map(|file| Some((file.name.clone(), self.known_digest(file)?))).collect();
        Ok(Fetched { name: entry.name.clone(), path, digest, unverified })
    }

    /// The finished folder of `entry`, if it is there.
    pub(super) fn finished(&self, entry: &Entry) -> Option<PathBuf> {
        self.folder(entry).filter(|folder| folder.is_dir())
    }

    /// Where `entry`'s folder lies, as soon as the digests that make its name are known.
    fn folder(&self, entry: &Entry) -> Option<PathBuf> {
        let mut hasher = Hasher::default();
        hasher.field(b"longqa-folder-1");
        if let Some(archive) = wanted_archive(entry) {
            hasher.field(b"archive").field(self.known_digest(&archive.file)?.bytes());
            for member in &archive.members {
                hasher.field(member.path.as_bytes());
            }
        } else {
            for (path, file) in names_inside(entry) {
                hasher.field(path.as_bytes()).field(self.known_digest(file)?.bytes());
            }
        }
        Some(self.cache.folder(&entry.name, hasher.digest()))
    }

    /// The blob of `file`, if it is there.
    pub(super) fn blob(&self, file: &RemoteFile) -> Option<PathBuf> {
        self.known_digest(file).map(|digest| self.cache.blob(digest)).filter(|blob| blob.is_file())
    }

    fn known_digest(&self, file: &RemoteFile) -> Option<Digest> {
        match file.pin {
            Pin::Sha256(digest) => Some(digest),
            Pin::Unverified => self.cache.seen(file.key()),
        }
    }

    pub(super) fn lock(&self, key: Digest, purpose: &str) -> Result<ProcessLock, FetchError> {
        let waiting = |message: &str| self.progress.aside(|| tracing::info!("{message}"));
        let work = format!("fetching {purpose}");
        Ok(ProcessLock::acquire(&self.cache.lock(key), &work, waiting, self.interrupt)?)
    }

    /// Runs `work` on every item, as many at a time as there are jobs. One failure stops no other.
    pub(super) fn in_parallel<T: Sync, R: Send>(
        &self,
        items: &[T],
        work: impl Fn(&T) -> Result<R, FetchError> + Sync,
    ) -> Result<Vec<R>, FetchError> {
        let attempt = |item: &T| -> Result<R, FetchError> {
            self.interrupt.check()?;
            work(item)
        };
        let outcomes: Vec<Result<R, FetchError>> = items.par_iter().with_max_len(1).map(attempt).collect();
        let (mut results, mut failed) = (Vec::new(), Vec::new());
        for outcome in outcomes {
            match outcome {
                Ok(result) => results.push(result),
                Err(error) => failed.push(error),
            }
        }
        FetchError::gather(failed, items.len())?;
        Ok(results)
    }
}

/// The archive that `entry` is taken out of, with the members it wants.
pub(super) fn wanted_archive(entry: &Entry) -> Option<Archive> {
    match &entry.content {
        Content::Archive(archive) => Some(archive.clone()),
        Content::Member(archive, member) => Some(archive.only(member)),
        Content::File(_) | Content::Folder(_) => None,
    }
}

/// Each of `files` once.
pub(super) fn unique<'f>(files: impl Iterator<Item = &'f RemoteFile>) -> Vec<&'f RemoteFile> {
    let mut known = HashSet::new();
    files.filter(|file| known.insert(file.key())).collect()
}

/// The files of `entry` by their path in its finished folder.
fn names_inside(entry: &Entry) -> Vec<(String, &RemoteFile)> {
    match &entry.content {
        Content::File(file) => vec![(file.file_name().to_owned(), file)],
        Content::Folder(files) => files.iter().map(|(path, file)| (path.clone(), file)).collect(),
        Content::Archive(_) | Content::Member(..) => Vec::new(),
    }
}
