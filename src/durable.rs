//! Files and folders that are whole or absent: written aside, synced to disk, renamed.
//!
//! A name that exists is complete. What a killed process leaves behind carries a name that starts
//! with `.partial-` and is never read.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A file or folder could not be put in place.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot write: {source}{}", path.display(), advice(path, source))]
pub struct WriteError {
    /// The final name that was asked for.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// What a user can do about a place that the system refused, begun with a semicolon; empty where the system's
/// own words say it all.
pub(crate) fn advice(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; make room and run the same command again to go on".to_owned()
        }
        io::ErrorKind::PermissionDenied => foreign_owner(path).unwrap_or_default(),
        _ => String::new(),
    }
}

/// Whose `path` is, or the nearest folder above it that exists, if it is another user's.
fn foreign_owner(path: &Path) -> Option<String> {
    let (place, owner) = path.ancestors().find_map(|place| Some((place, fs::metadata(place).ok()?.uid())))?;
    let user = fs::metadata("/proc/self").ok()?.uid();
    (owner != user).then(|| format!("; {} belongs to user {owner}, this is user {user}", place.display()))
}

/// How the names of files and folders begin that are not whole yet.
pub(crate) const PREFIX: &str = ".partial-";

/// Writes `bytes` to `path`, replacing what is there.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    write_with(path, |file| file.write_all(bytes))
}

/// Lets `fill` write a file aside, then gives it the name `path`, replacing what is there.
pub fn write_with(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), WriteError> {
    let place = || -> io::Result<()> {
        let folder = parent(path);
        fs::create_dir_all(folder)?;
        let aside = tempfile::Builder::new().prefix(PREFIX).tempfile_in(folder)?;
        let mut writer = BufWriter::new(aside.reopen()?);
        fill(&mut writer)?;
        writer.into_inner().map_err(|error| error.into_error())?.sync_all()?;
        make_readable(aside.path())?;
        aside.persist(path).map_err(|error| error.error)?;
        sync_folder(folder)
    };
    place().map_err(|source| WriteError { path: path.to_owned(), source })
}

/// A folder being filled aside. [`PendingFolder::commit`] gives it its final name; dropped before
/// that, it is removed.
pub struct PendingFolder {
    aside: TempDir,
    target: PathBuf,
}

impl PendingFolder {
    /// Opens an empty folder beside `target`, on the same file system.
    pub fn beside(target: &Path) -> Result<Self, WriteError> {
        let open = || {
            let folder = parent(target);
            fs::create_dir_all(folder)?;
            tempfile::Builder::new().prefix(PREFIX).tempdir_in(folder)
        };
        match open() {
            Ok(aside) => Ok(Self { aside, target: target.to_owned() }),
            Err(source) => Err(WriteError { path: target.to_owned(), source }),
        }
    }

    /// Where to write meanwhile.
    pub fn path(&self) -> &Path {
        self.aside.path()
    }

    /// Syncs every file and gives the folder its final name, replacing a folder of that name.
    pub fn commit(self) -> Result<PathBuf, WriteError> {
        let Self { aside, target } = self;
        let place = || -> io::Result<()> {
            sync_tree(aside.path())?;
            make_readable(aside.path())?;
            // The old folder is removed when the new one is in place, and put back if it is not.
            let mut replaced = None;
            if target.exists() {
                let old = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent(&target))?;
                fs::rename(&target, old.path().join("replaced"))?;
                replaced = Some(old);
            }
            if let Err(error) = fs::rename(aside.path(), &target) {
                if let Some(old) = replaced {
                    fs::rename(old.path().join("replaced"), &target)?;
                }
                return Err(error);
            }
            sync_folder(parent(&target))
        };
        match place() {
            Ok(()) => {
                let _renamed_away = aside.keep();
                Ok(target)
            }
            Err(source) => Err(WriteError { path: target, source }),
        }
    }
}

/// Removes what killed processes left half-written in `folder`, which need not exist. For when nobody
/// else writes there.
pub fn remove_leftovers(folder: &Path) -> Result<(), WriteError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| WriteError { path, source }
    };
    if !folder.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        let name = path.file_name().unwrap_or_default();
        if name.as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            let remove = if path.is_dir() { fs::remove_dir_all } else { fs::remove_file };
            remove(&path).map_err(failed(&path))?;
        }
    }
    Ok(())
}

/// How a file got a second place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shared {
    /// One file under two names.
    Linked,
    /// Two files, which share their blocks where the file system can clone.
    Copied,
}

/// Puts the file `source` at `target` too: a hard link, else a clone of its blocks, else a copy. What
/// is at `target` already stays, and is an error.
pub fn share(source: &Path, target: &Path) -> io::Result<Shared> {
    // A link to a symbolic link would break when that one goes.
    let source = fs::canonicalize(source)?;
    match fs::hard_link(&source, target) {
        Ok(()) => return Ok(Shared::Linked),
        // A copy would write into what is there, which may be `source` itself under another name.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
        Err(_) => {}
    }
    // `fs::copy` asks the kernel, which clones where it can (btrfs, XFS).
    fs::copy(&source, target)?;
    Ok(Shared::Copied)
}

/// The folder of `path`, `.` for a mere name.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Temporary files are born readable by their owner alone; a finished one is as readable as any.
fn make_readable(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = if path.is_dir() { 0o755 } else { 0o644 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn sync_tree(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else if entry.file_type()?.is_file() {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_folder(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write(&path, b"old").unwrap();
        let error = write_with(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("disk full"))
        });
        assert!(error.unwrap_err().to_string().contains("a.json"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_full_disk_comes_with_advice() {
        let words = |kind: io::ErrorKind| advice(Path::new("a"), &kind.into());
        assert_eq!(words(io::ErrorKind::StorageFull), "; make room and run the same command again to go on");
        assert_eq!(words(io::ErrorKind::NotFound), "");
    }

    #[test]
    fn a_folder_appears_whole_and_replaces_the_old_one() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("stage");
        for content in ["one", "two"] {
            let pending = PendingFolder::beside(&target).unwrap();
            fs::write(pending.path().join("file"), content).unwrap();
            pending.commit().unwrap();
            assert_eq!(fs::read_to_string(target.join("file")).unwrap(), content);
        }
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_shared_file_leaves_what_is_there_alone_above_all_itself() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two, other] = ["one", "two", "other"].map(|name| folder.path().join(name));
        fs::write(&one, "one").unwrap();
        fs::write(&other, "other").unwrap();
        share(&one, &two).unwrap();
        for target in [&one, &two, &other] {
            assert_eq!(share(&one, target).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        }
        for (path, text) in [(one, "one"), (two, "one"), (other, "other")] {
            assert_eq!(fs::read_to_string(path).unwrap(), text);
        }
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".partial-a/b", "checkpoint-5/.partial-c"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join(".partial-d"), "half").unwrap();
        fs::write(folder.path().join("partial"), "whole").unwrap();
        remove_leftovers(folder.path()).unwrap();
        let mut left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["checkpoint-5", "partial"]);
    }

    #[test]
    fn a_folder_dropped_before_commit_is_gone() {
        let root = tempfile::tempdir().unwrap();
        drop(PendingFolder::beside(&root.path().join("stage")).unwrap());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
