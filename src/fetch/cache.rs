//! Where fetched things lie. Each kind has a bucket whose name carries the version of its layout,
//! so that another longqa never misreads what this one wrote.
//!
//! ```text
//! <root>/blobs-v1/95/95aa6a52…          a file, named by its SHA-256; read-only
//! <root>/folders-v1/squad-1.1-dev-…/    what an entry's name stands for: links to blobs under
//!                                       their real names, or unpacked members; with SHA256SUMS
//! <root>/partials-v1/95aa6a52…          a download on its way, and where it comes from
//! <root>/seen-v1/…                      the digest that an unverified file turned out to have
//! <root>/blocks-v1/….blocks             a text as blocks of tokens, by what they were made of
//! <root>/documents-v1/….documents       TriviaQA's training examples, by what they were made of
//! <root>/locks-v1/….lock                held while a file or folder is being made
//! ```

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::error::FetchError;
use crate::digest::Digest;
pub(super) use crate::durable::parent;
use crate::durable::{self, Shared};

/// A folder for fetched files, shared by all experiments of a user.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// Whether a local file was what was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Adopted {
    /// It is in the cache now.
    Yes,
    /// It has another digest.
    Not {
        /// The digest it has.
        found: Digest,
    },
}

const TAG: &str =
    "Signature: 8a477f597d28d172789f06886806bc55\n# longqa's downloads; can be fetched again.\n";

impl Cache {
    /// A cache under `root`, which is made when something is put there.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder for token blocks, which are made from texts and can be made again.
    pub fn blocks(&self) -> PathBuf {
        self.root.join("blocks-v1")
    }

    /// The folder for training examples of documents, which can be made again too.
    pub fn documents(&self) -> PathBuf {
        self.root.join("documents-v1")
    }

    /// The user's cache: `$LONGQA_CACHE`, else `$XDG_CACHE_HOME/longqa`, else `~/.cache/longqa`.
    pub fn default_for_user() -> Result<Self, FetchError> {
        let folder = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = folder("LONGQA_CACHE")
            .or_else(|| {
                folder("XDG_CACHE_HOME").filter(|path| path.is_absolute()).map(|path| path.join("longqa"))
            })
            .or_else(|| Some(env::home_dir()?.join(".cache").join("longqa")));
        root.map(Self::at).ok_or_else(|| FetchError::Io {
            path: PathBuf::from("~/.cache/longqa"),
            source: io::Error::new(io::ErrorKind::NotFound, "no home folder; set LONGQA_CACHE"),
        })
    }

    /// The folder everything lies under.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the root, marked as a cache for backup programs.
    pub(super) fn open(&self) -> Result<(), FetchError> {
        fs::create_dir_all(&self.root).map_err(|source| FetchError::io(&self.root, source))?;
        let tag = self.root.join("CACHEDIR.TAG");
        if !tag.exists() {
            durable::write(&tag, TAG.as_bytes())?;
        }
        Ok(())
    }

    pub(super) fn blobs(&self) -> PathBuf {
        self.root.join("blobs-v1")
    }

    pub(super) fn folders(&self) -> PathBuf {
        self.root.join("folders-v1")
    }

    pub(super) fn blob(&self, digest: Digest) -> PathBuf {
        let name = digest.to_string();
        self.blobs().join(&name[..2]).join(name)
    }

    pub(super) fn folder(&self, name: &str, key: Digest) -> PathBuf {
        self.folders().join(format!("{}-{}", name.replace('/', "-"), key.short()))
    }

    pub(super) fn partial(&self, key: Digest) -> PathBuf {
        self.root.join("partials-v1").join(key.to_string())
    }

    pub(super) fn lock(&self, key: Digest) -> PathBuf {
        self.root.join("locks-v1").join(format!("{key}.lock"))
    }

    fn seen_path(&self, key: Digest) -> PathBuf {
        self.root.join("seen-v1").join(key.to_string())
    }

    /// The digest that the unverified file `key` had when it was fetched, if it was.
    pub(super) fn seen(&self, key: Digest) -> Option<Digest> {
        fs::read_to_string(self.seen_path(key)).ok()?.trim().parse().ok()
    }

    pub(super) fn remember_seen(&self, key: Digest, digest: Digest) -> Result<(), FetchError> {
        Ok(durable::write(&self.seen_path(key), format!("{digest}\n").as_bytes())?)
    }

    /// Takes the local file `source` in, without copying it where the file system allows, if its
    /// digest is `expected`. `source` itself is only read.
    pub(super) fn adopt(&self, source: &Path, expected: Digest) -> Result<Adopted, FetchError> {
        let blob = self.blob(expected);
        let folder = parent(&blob);
        fs::create_dir_all(folder).map_err(|source| FetchError::io(folder, source))?;
        let aside = aside_in(folder)?;
        let file = aside.path().join("file");
        let same_bytes = share(source, &file)?;
        let found = Digest::of_file(&file).map_err(|error| FetchError::io(source, error))?;
        if found != expected {
            return Ok(Adopted::Not { found });
        }
        if same_bytes == Shared::Copied {
            seal(&file)?;
        }
        fs::rename(&file, &blob).map_err(|error| FetchError::io(&blob, error))?;
        Ok(Adopted::Yes)
    }

    /// Gives a finished download its final name.
    pub(super) fn admit(&self, finished: &Path, digest: Digest) -> Result<PathBuf, FetchError> {
        let blob = self.blob(digest);
        let folder = parent(&blob);
        fs::create_dir_all(folder).map_err(|source| FetchError::io(folder, source))?;
        seal(finished)?;
        fs::rename(finished, &blob).map_err(|source| FetchError::io(&blob, source))?;
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|source| FetchError::io(folder, source))?;
        Ok(blob)
    }
}

/// [`durable::share`], with this folder's error.
pub(super) fn share(source: &Path, target: &Path) -> Result<Shared, FetchError> {
    durable::share(source, target).map_err(|error| FetchError::io(target, error))
}

/// A folder in `folder` for work in progress; dropped, it is gone.
pub(super) fn aside_in(folder: &Path) -> Result<TempDir, FetchError> {
    let aside = tempfile::Builder::new().prefix(durable::PREFIX).tempdir_in(folder);
    aside.map_err(|source| FetchError::io(folder, source))
}

/// Refuses to start writing `needed` bytes under `folder` when they do not fit.
pub(super) fn require_space(folder: &Path, needed: u64) -> Result<(), FetchError> {
    let available = fs4::available_space(folder).map_err(|source| FetchError::io(folder, source))?;
    if needed > available {
        return Err(FetchError::Space { path: folder.to_owned(), needed, available });
    }
    Ok(())
}

/// Syncs a file of ours and takes the right to write away: its name says what is in it.
fn seal(path: &Path) -> Result<(), FetchError> {
    let seal = || {
        let file = File::open(path)?;
        file.sync_all()?;
        let mut permissions = file.metadata()?.permissions();
        permissions.set_readonly(true);
        #[cfg(unix)]
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o444);
        fs::set_permissions(path, permissions)
    };
    seal().map_err(|source| FetchError::io(path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_file_is_adopted_by_its_digest_alone() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path().join("cache"));
        let source = folder.path().join("any-name");
        fs::write(&source, "abc").unwrap();
        let (abc, other) = (Digest::of_bytes(b"abc"), Digest::of_bytes(b"abd"));

        assert_eq!(cache.adopt(&source, other).unwrap(), Adopted::Not { found: abc });
        assert!(!cache.blob(other).exists());
        assert_eq!(cache.adopt(&source, abc).unwrap(), Adopted::Yes);
        assert_eq!(fs::read(cache.blob(abc)).unwrap(), b"abc");
        assert_eq!(fs::read_dir(parent(&cache.blob(abc))).unwrap().count(), 1, "nothing is left aside");
    }

    #[cfg(unix)]
    #[test]
    fn an_adopted_file_is_the_same_file_and_a_link_is_followed_first() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path().join("cache"));
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "abc").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        cache.adopt(&link, Digest::of_bytes(b"abc")).unwrap();
        let blob = fs::symlink_metadata(cache.blob(Digest::of_bytes(b"abc"))).unwrap();
        assert!(blob.is_file());
        assert_eq!(blob.ino(), fs::metadata(&file).unwrap().ino());
    }

    #[test]
    fn more_bytes_than_any_disk_has_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        require_space(folder.path(), 1).unwrap();
        let error = require_space(folder.path(), u64::MAX).unwrap_err();
        assert!(matches!(error, FetchError::Space { needed: u64::MAX, .. }), "{error}");
    }
}
