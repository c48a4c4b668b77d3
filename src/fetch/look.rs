//! What is on this machine already: in the cache, or in a mirror folder, from which it is taken.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use super::cache::{Adopted, Cache};
use super::error::FetchError;
use super::fetcher::{Run, unique, wanted_archive};
use super::lock::{Archive, Entry, Member, Pin, RemoteFile, Source};
use super::mirror::{FolderMirror, Mirror};
use crate::digest::Digest;

/// Something to look for: a file, or what can be had in the place of an archive.
enum Need<'a> {
    File(&'a RemoteFile),
    Archive(Archive, &'a RemoteFile),
}

impl Run<'_> {
    /// Takes from mirror folders what they have; the files that must be downloaded.
    pub(super) fn look_here<'e>(&self, entries: &[&'e Entry]) -> Result<Vec<&'e RemoteFile>, FetchError> {
        let mut needs: Vec<Need<'e>> = Vec::new();
        let mut known = HashSet::new();
        for entry in entries.iter().filter(|entry| self.finished(entry).is_none()) {
            let files = entry.files().into_iter();
            match wanted_archive(entry) {
                Some(archive) => needs.extend(files.map(|file| Need::Archive(archive.clone(), file))),
                None => needs.extend(files.filter(|file| known.insert(file.key())).map(Need::File)),
            }
        }
        let missing = self.in_parallel(&needs, |need| match need {
            Need::File(file) => Ok((!self.is_here(file)?).then_some(*file)),
            Need::Archive(archive, file) => {
                Ok((!self.members_are_here(&archive.members)? && !self.is_here(file)?).then_some(*file))
            }
        })?;
        // What is inside an archive is downloaded with it, unless the archive is here.
        let inside = |file: &&RemoteFile| matches!(file.source, Source::Inside(_));
        let (inside, alone): (Vec<_>, Vec<_>) = missing.into_iter().flatten().partition(inside);
        let carriers = unique(inside.into_iter().map(RemoteFile::carrier));
        let carriers = self.in_parallel(&carriers, |file| Ok((!self.is_here(file)?).then_some(*file)))?;
        Ok(unique(alone.into_iter().chain(carriers.into_iter().flatten())))
    }

    /// Whether `file` is in the cache, if need be taken there from a mirror folder.
    fn is_here(&self, file: &RemoteFile) -> Result<bool, FetchError> {
        if self.blob(file).is_some() {
            return Ok(true);
        }
        match (file.pin, file.bytes) {
            (Pin::Sha256(digest), Some(bytes)) => {
                self.adopt(&file.name, digest, |mirror| mirror.candidates(&file.path, bytes))
            }
            // Without a digest only the very path is trusted to be the file.
            _ => {
                let Some(found) = self.folders().find_map(|mirror| mirror.at_path(&file.path, file.bytes))
                else {
                    return Ok(false);
                };
                let digest = Digest::of_file(&found).map_err(|source| FetchError::io(&found, source))?;
                self.cache.remember_seen(file.key(), digest)?;
                Ok(self.cache.adopt(&found, digest)? == Adopted::Yes)
            }
        }
    }

    /// Whether every one of `members` is in the cache or a mirror folder, so that no archive is needed.
    fn members_are_here(&self, members: &[Member]) -> Result<bool, FetchError> {
        for member in members {
            let (Some(digest), Some(bytes)) = (member.sha256, member.bytes) else { return Ok(false) };
            if !self.adopt(&member.path, digest, |mirror| mirror.candidates(&member.path, bytes))? {
                return Ok(false);
            }
        }
        Ok(!members.is_empty())
    }

    fn adopt(
        &self,
        name: &str,
        digest: Digest,
        candidates: impl Fn(&FolderMirror) -> Vec<PathBuf>,
    ) -> Result<bool, FetchError> {
        let here = |cache: &Cache| cache.blob(digest).is_file();
        if here(self.cache) {
            return Ok(true);
        }
        let _lock = self.lock(digest, name)?;
        for candidate in self.folders().flat_map(candidates) {
            self.interrupt.check()?;
            if here(self.cache) {
                return Ok(true);
            }
            // What cannot be read serves no better than what is not there.
            if let Err(error) = fs::File::open(&candidate) {
                self.progress.aside(|| tracing::warn!("{name}: {}: {error}", candidate.display()));
                continue;
            }
            if let Adopted::Not { found } = self.cache.adopt(&candidate, digest)? {
                self.progress.aside(|| {
                    tracing::warn!(
                        "{name}: {}: expected sha256 {digest}, found {found}",
                        candidate.display()
                    );
                });
            }
        }
        Ok(here(self.cache))
    }

    fn folders(&self) -> impl Iterator<Item = &FolderMirror> {
        self.settings.mirrors.iter().filter_map(|mirror| match mirror {
            Mirror::Folder(folder) => Some(folder.as_ref()),
            Mirror::Url(_) => None,
        })
    }
}
