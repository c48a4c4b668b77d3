//! Where data comes from: what a name in an experiment file refers to, and the digests that stand
//! for it in a plan.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::digest::Digest;

/// A reference to one file, as experiment files write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `NAME:FILE`: a file of a generated data set or of an entry of `datasets.lock`.
    Named {
        /// The data set or entry.
        name: String,
        /// The file in it.
        file: String,
    },
    /// A path, which starts with `./`, `../` or `/`.
    Path(PathBuf),
}

impl Source {
    /// Reads a reference; relative paths are relative to `folder`.
    pub fn parse(text: &str, folder: &Path) -> Option<Self> {
        if let Some(path) = as_path(text, folder) {
            return Some(Self::Path(path));
        }
        match text.split_once(':') {
            Some((name, file)) if !name.is_empty() && !file.is_empty() => {
                Some(Self::Named { name: name.to_owned(), file: file.to_owned() })
            }
            _ => None,
        }
    }
}

/// The path that `text` is, if it is one and not a name.
pub fn as_path(text: &str, folder: &Path) -> Option<PathBuf> {
    let is_path = ["./", "../", "/"].iter().any(|start| text.starts_with(start));
    is_path.then(|| folder.join(text))
}

/// What the lock knows: entries and the digests of their files. A plan needs no more of it.
#[derive(Debug, Default, Clone)]
pub struct Catalogue {
    /// The entries in the lock's order.
    pub entries: Vec<CatalogueEntry>,
    /// The digest of the lock file.
    pub digest: Option<Digest>,
}

/// One entry of the lock.
#[derive(Debug, Clone)]
pub struct CatalogueEntry {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its files, after unpacking.
    pub files: Vec<KnownFile>,
}

/// A file whose content is known by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KnownFile {
    /// Its name in its entry or folder, with `/`.
    pub path: String,
    /// The digest of its content, or of the archive that it is unpacked from; none while the lock
    /// says "unverified".
    pub sha256: Option<Digest>,
}

impl Catalogue {
    /// The entry of that name.
    pub fn find(&self, name: &str) -> Option<&CatalogueEntry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// The names of all entries.
    pub fn names(&self) -> Vec<String> {
        self.entries.iter().map(|entry| entry.name.clone()).collect()
    }
}

/// The files of a local folder (not those of folders within), or the one file at `path`, in the
/// order of their names.
pub(super) fn local_files(path: &Path) -> io::Result<Vec<KnownFile>> {
    let mut paths = Vec::new();
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if entry.path().is_file() {
                paths.push(entry.path());
            }
        }
    } else {
        paths.push(path.to_owned());
    }
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok(KnownFile { path: name, sha256: Some(Digest::of_file(path)?) })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_are_told_apart_by_their_start() {
        let parse = |text| Source::parse(text, Path::new("/e"));
        let named = Source::Named { name: "squad".into(), file: "dev-v1.1.json".into() };
        assert_eq!(parse("squad:dev-v1.1.json"), Some(named));
        assert_eq!(parse("./a:b.json"), Some(Source::Path("/e/./a:b.json".into())));
        assert_eq!(parse("/data/x"), Some(Source::Path("/data/x".into())));
        assert_eq!(parse("dev-v1.1.json"), None);
        assert_eq!(parse("squad:"), None);
    }

    #[test]
    fn a_folder_is_known_by_its_files_contents() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("b"), "2").unwrap();
        fs::write(folder.path().join("a"), "1").unwrap();
        let files = local_files(folder.path()).unwrap();
        assert_eq!(files[0], KnownFile { path: "a".into(), sha256: Some(Digest::of_bytes(b"1")) });
        assert_eq!(files[1].path, "b");
    }
}
