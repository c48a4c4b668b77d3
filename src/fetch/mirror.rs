//! Folders and URL trees that hold copies of locked files.
//!
//! A file is looked for under its `path`; in a folder also by file name and size anywhere in the
//! tree, so that any heap of downloads will do. What is found is used only if its digest is right.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use url::Url;

use super::error::FetchError;

/// A place with copies of locked files.
#[derive(Debug, Clone)]
pub enum Mirror {
    /// A local folder.
    Folder(Arc<FolderMirror>),
    /// An http(s) URL under which files lie at their `path`; it ends in `/`.
    Url(Url),
}

/// A local folder, with its files listed when first needed.
#[derive(Debug)]
pub struct FolderMirror {
    root: PathBuf,
    by_name_and_size: OnceLock<HashMap<(String, u64), Vec<PathBuf>>>,
}

impl FromStr for Mirror {
    type Err = FetchError;

    fn from_str(text: &str) -> Result<Self, FetchError> {
        let bad = |found: &str| FetchError::BadMirror { mirror: text.to_owned(), found: found.to_owned() };
        let path = match Url::parse(text) {
            Ok(mut url) if matches!(url.scheme(), "http" | "https") => {
                if !url.path().ends_with('/') {
                    url.set_path(&format!("{}/", url.path()));
                }
                return Ok(Mirror::Url(url));
            }
            Ok(url) if url.scheme() == "file" => url.to_file_path().map_err(|()| bad("no local path"))?,
            _ => PathBuf::from(text),
        };
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => Ok(Mirror::folder(path)),
            Ok(_) => Err(bad("a file")),
            Err(error) => Err(bad(&error.to_string())),
        }
    }
}

impl Mirror {
    /// The mirror in a local folder.
    pub fn folder(root: impl Into<PathBuf>) -> Self {
        Mirror::Folder(Arc::new(FolderMirror { root: root.into(), by_name_and_size: OnceLock::new() }))
    }
}

impl FolderMirror {
    /// The file at `path` in the mirror, if there is one of that size.
    pub(super) fn at_path(&self, path: &str, bytes: Option<u64>) -> Option<PathBuf> {
        let here = self.root.join(path);
        let metadata = fs::metadata(&here).ok().filter(fs::Metadata::is_file)?;
        bytes.is_none_or(|bytes| bytes == metadata.len()).then_some(here)
    }

    /// Every file that may be the one looked for, the likeliest first.
    pub(super) fn candidates(&self, path: &str, bytes: u64) -> Vec<PathBuf> {
        let mut candidates: Vec<PathBuf> = self.at_path(path, Some(bytes)).into_iter().collect();
        let name = path.rsplit('/').next().unwrap_or(path).to_owned();
        let index = self.by_name_and_size.get_or_init(|| index(&self.root));
        for other in index.get(&(name, bytes)).into_iter().flatten() {
            if !candidates.contains(other) {
                candidates.push(other.clone());
            }
        }
        candidates
    }
}

/// Files by name and size, in path order. Links to files count, links to folders are not followed;
/// what cannot be read is passed over.
fn index(root: &Path) -> HashMap<(String, u64), Vec<PathBuf>> {
    let mut files: HashMap<_, Vec<PathBuf>> = HashMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            tracing::debug!("mirror: cannot list {}", folder.display());
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if let (Ok(metadata), Ok(name)) = (fs::metadata(&path), entry.file_name().into_string())
                && metadata.is_file()
            {
                files.entry((name, metadata.len())).or_default().push(path);
            }
        }
    }
    files.values_mut().for_each(|paths| paths.sort());
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_looked_for_under_its_path_and_then_by_name_and_size() {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in
            [("a/x.json", "abc"), ("squad/x.json", "abc"), ("b/x.json", "longer"), ("b/y.json", "abc")]
        {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let Mirror::Folder(mirror) = root.path().to_str().unwrap().parse().unwrap() else { panic!() };
        let found = mirror.candidates("squad/x.json", 3);
        assert_eq!(found, [root.path().join("squad/x.json"), root.path().join("a/x.json")]);
        assert_eq!(mirror.candidates("elsewhere/x.json", 6), [root.path().join("b/x.json")]);
        assert!(mirror.candidates("squad/x.json", 4).is_empty());
    }

    #[test]
    fn a_mirror_is_an_existing_folder_or_a_url() {
        let Mirror::Url(url) = "https://example.org/data".parse().unwrap() else { panic!() };
        assert_eq!(url.join("squad/a.json").unwrap().as_str(), "https://example.org/data/squad/a.json");
        let error = "/no/such/folder".parse::<Mirror>().unwrap_err().to_string();
        assert!(error.contains("expected a folder or an http(s) URL"), "{error}");
    }
}
