//! Archives, member by member, into a folder being made.
//!
//! Nothing is written outside that folder: absolute paths, `..` and links that leave it are refused
//! wherever they occur in the archive, and no symbolic link is ever made (a link that stays inside
//! becomes a second name of the file it points to). Members that the lock does not list are passed
//! over, but count towards `unpacked_bytes`, since passing over them costs as much.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use tar::EntryType;
use zip::ZipArchive;

use super::cache;
use super::error::FetchError;
use super::folder::Sums;
use super::lock::{Archive, ArchiveFormat, Member};
use super::member_path;
use super::progress::Meter;
use super::pump::{self, PumpError};
use crate::digest::{Digest, DigestReader};
use crate::interrupt::Interrupt;

/// What came out of an archive.
pub(super) struct Unpacked {
    /// Each file with its digest.
    pub sums: Sums,
    /// Each file with its length, in archive order.
    pub lengths: Vec<(String, u64)>,
    /// Bytes of all members looked at, unpacked or passed over.
    pub seen: u64,
}

/// Unpacks the listed members of the archive at `from` into the folder `into`.
pub(super) fn unpack(
    archive: &Archive,
    from: &Path,
    into: &Path,
    meter: &Meter,
    interrupt: &Interrupt,
) -> Result<Unpacked, FetchError> {
    let mut unpacking = Unpacking {
        archive,
        from,
        into,
        meter,
        interrupt,
        files: Vec::new(),
        lengths: Vec::new(),
        written: 0,
        seen: 0,
    };
    let file = BufReader::new(File::open(from).map_err(|source| FetchError::io(from, source))?);
    match archive.format {
        ArchiveFormat::Zip => unpacking.zip(file)?,
        ArchiveFormat::TarGz => unpacking.tar_gz(file)?,
    }
    unpacking.finish()
}

struct Unpacking<'a> {
    archive: &'a Archive,
    from: &'a Path,
    into: &'a Path,
    meter: &'a Meter,
    interrupt: &'a Interrupt,
    files: Vec<(String, Digest)>,
    lengths: Vec<(String, u64)>,
    written: u64,
    seen: u64,
}

impl Unpacking<'_> {
    fn zip(&mut self, file: impl Read + Seek) -> Result<(), FetchError> {
        let mut zip = ZipArchive::new(file).map_err(|error| self.unreadable(error.into()))?;
        for index in 0..zip.len() {
            self.interrupt.check()?;
            let mut member = zip.by_index(index).map_err(|error| self.unreadable(error.into()))?;
            let raw = member.name().to_owned();
            let path = self.inside(&raw)?;
            self.count(member.size())?;
            if member.is_symlink() {
                let mut target = String::new();
                let read = (&mut member).take(4096).read_to_string(&mut target);
                read.map_err(|source| self.unreadable(source))?;
                self.link(&raw, &path, member_path::link_inside(&path, &target))?;
            } else if !member.is_dir() {
                self.file(&path, &mut member)?;
            }
        }
        Ok(())
    }

    fn tar_gz(&mut self, file: impl Read) -> Result<(), FetchError> {
        let mut tar = tar::Archive::new(MultiGzDecoder::new(file));
        for member in tar.entries().map_err(|source| self.unreadable(source))? {
            self.interrupt.check()?;
            let mut member = member.map_err(|source| self.unreadable(source))?;
            let raw = String::from_utf8_lossy(&member.path_bytes()).into_owned();
            let path = self.inside(&raw)?;
            self.count(member.size())?;
            match member.header().entry_type() {
                EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                    self.file(&path, &mut member)?
                }
                kind @ (EntryType::Symlink | EntryType::Link) => {
                    let target = member.link_name_bytes().unwrap_or_default();
                    let target = String::from_utf8_lossy(&target);
                    // A hard link's target is written from the top of the archive.
                    let base = if kind == EntryType::Link { "" } else { path.as_str() };
                    self.link(&raw, &path, member_path::link_inside(base, &target))?;
                }
                _ => {}
            }
            if self.nothing_more_to_find() {
                break;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &str, body: &mut impl Read) -> Result<(), FetchError> {
        let Some(listed) = self.listed(path).cloned() else { return Ok(()) };
        let target = self.make_room(path)?;
        let create = File::create_new(&target);
        let mut file = create.map_err(|source| FetchError::io(&target, source))?;
        // One byte more than is allowed tells a member that is longer than it says.
        let left = self.archive.unpacked_bytes.saturating_sub(self.written).saturating_add(1);
        let mut body = DigestReader::new(self.meter.read(body.take(left)));
        let length = pump::pump(&mut body, &mut file, self.interrupt).map_err(|error| match error {
            PumpError::Read(source) => self.unreadable(source),
            PumpError::Write(source) => FetchError::io(&target, source),
            PumpError::Interrupted(interrupted) => interrupted.into(),
        })?;
        self.written += length;
        if self.written > self.archive.unpacked_bytes {
            return Err(self.too_many(self.written));
        }
        let digest = body.digest();
        self.check(&listed, path, length, digest)?;
        self.files.push((path.to_owned(), digest));
        self.lengths.push((path.to_owned(), length));
        Ok(())
    }

    /// A link that stays inside: the file it points to gets a second name.
    fn link(
        &mut self,
        raw: &str,
        path: &str,
        target: Result<String, &'static str>,
    ) -> Result<(), FetchError> {
        let target = target.map_err(|reason| self.refused(raw, reason))?;
        if self.listed(path).is_none() {
            return Ok(());
        }
        let Some(digest) = self.files.iter().find(|(known, _)| *known == target).map(|(_, digest)| *digest)
        else {
            return Err(self.refused(raw, "it links to something that is not unpacked before it"));
        };
        let here = self.make_room(path)?;
        cache::share(&self.into.join(&target), &here)?;
        self.files.push((path.to_owned(), digest));
        Ok(())
    }

    fn make_room(&self, path: &str) -> Result<PathBuf, FetchError> {
        let target = self.into.join(path);
        let folder = cache::parent(&target);
        fs::create_dir_all(folder).map_err(|source| FetchError::io(folder, source))?;
        Ok(target)
    }

    /// The member of the lock that asks for `path`, or a stand-in when everything is asked for.
    fn listed(&self, path: &str) -> Option<&Member> {
        static EVERYTHING: Member = Member { name: None, path: String::new(), bytes: None, sha256: None };
        if self.archive.members.is_empty() {
            return Some(&EVERYTHING);
        }
        self.archive.members.iter().find(|member| covers(member, path))
    }

    fn check(&self, listed: &Member, path: &str, length: u64, digest: Digest) -> Result<(), FetchError> {
        let wrong = |expected: String, found: String| FetchError::WrongMember {
            archive: self.from.to_owned(),
            member: path.to_owned(),
            expected,
            found,
        };
        match (listed.bytes, listed.sha256) {
            (Some(bytes), _) if bytes != length => {
                Err(wrong(format!("{bytes} bytes"), format!("{length} bytes")))
            }
            (_, Some(sha256)) if sha256 != digest => {
                Err(wrong(format!("sha256 {sha256}"), format!("sha256 {digest}")))
            }
            _ => Ok(()),
        }
    }

    /// Whether every listed member is a single file that is here already: the rest need not be read.
    fn nothing_more_to_find(&self) -> bool {
        let members = &self.archive.members;
        let single = members.iter().all(|member| !member.path.ends_with('/'));
        single && !members.is_empty() && self.files.len() == members.len()
    }

    fn count(&mut self, bytes: u64) -> Result<(), FetchError> {
        self.seen = self.seen.saturating_add(bytes);
        if self.seen > self.archive.unpacked_bytes { Err(self.too_many(self.seen)) } else { Ok(()) }
    }

    fn finish(self) -> Result<Unpacked, FetchError> {
        let found: HashSet<&str> = self.files.iter().map(|(path, _)| path.as_str()).collect();
        for member in &self.archive.members {
            if !found.iter().any(|path| covers(member, path)) {
                let member = member.path.clone();
                return Err(FetchError::MissingMember { archive: self.from.to_owned(), member });
            }
        }
        Ok(Unpacked { sums: Sums::new(self.files), lengths: self.lengths, seen: self.seen })
    }

    fn inside(&self, raw: &str) -> Result<String, FetchError> {
        member_path::inside(raw).map_err(|reason| self.refused(raw, reason))
    }

    fn refused(&self, member: &str, reason: &'static str) -> FetchError {
        FetchError::UnsafeMember { archive: self.from.to_owned(), member: member.to_owned(), reason }
    }

    fn too_many(&self, found: u64) -> FetchError {
        FetchError::TooManyBytes {
            archive: self.from.to_owned(),
            allowed: self.archive.unpacked_bytes,
            found,
        }
    }

    fn unreadable(&self, source: io::Error) -> FetchError {
        let format = self.archive.format.name();
        FetchError::BadArchive { archive: self.from.to_owned(), format, source }
    }
}

/// Whether `member` of the lock asks for the file at `path`.
fn covers(member: &Member, path: &str) -> bool {
    member.path == path || member.path.ends_with('/') && path.starts_with(&member.path)
}
