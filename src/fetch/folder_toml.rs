//! `[[folder]]` of a lock file: files that belong together, which can also be fetched by parts and
//! one by one.

use std::collections::HashSet;

use serde::Deserialize;
use url::Url;

use super::complaint::Complaint;
use super::error::FetchError;
use super::lock::{Content, Entry, RemoteFile, Source};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FolderToml {
    pub name: String,
    version: String,
    licence: String,
    path: String,
    urls: Vec<String>,
    file: Vec<FolderFileToml>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FolderFileToml {
    part: Option<String>,
    path: String,
    bytes: Option<u64>,
    sha256: String,
}

impl FolderToml {
    /// The folder, its parts by name, and each of its files alone.
    pub(super) fn check(&self, complaint: &Complaint) -> Result<(Entry, Vec<Entry>), FetchError> {
        complaint.name(&self.name)?;
        complaint.relative(&self.path)?;
        let bases: Vec<Url> = self.urls.iter().map(|url| complaint.url(url)).collect::<Result<_, _>>()?;
        let closed = bases.iter().all(|base| base.path().ends_with('/'));
        complaint.unless(closed, "a folder's URLs to end in `/`", self.urls.join(", "))?;

        let mut files = Vec::new();
        for file in &self.file {
            let path = complaint.relative(&file.path)?;
            let join = |base: &Url| base.join(&path).map_err(|error| complaint.make("a URL", error));
            let remote = RemoteFile {
                name: format!("{}/{path}", self.name),
                path: format!("{}/{path}", self.path),
                bytes: file.bytes,
                pin: complaint.pin(&file.sha256, file.bytes)?,
                source: Source::Urls(bases.iter().map(join).collect::<Result<_, _>>()?),
            };
            files.push((file.part.as_deref(), path, remote));
        }
        Together { name: &self.name, version: &self.version, licence: &self.licence, files }.check(complaint)
    }
}

/// Files that belong together, wherever they come from.
pub(super) struct Together<'t> {
    pub name: &'t str,
    pub version: &'t str,
    pub licence: &'t str,
    /// The part that each belongs to, its path in the folder, and the file.
    pub files: Vec<(Option<&'t str>, String, RemoteFile)>,
}

impl Together<'_> {
    /// The folder of them all, its parts by name, and each file alone.
    pub(super) fn check(self, complaint: &Complaint) -> Result<(Entry, Vec<Entry>), FetchError> {
        let Self { name: whole, version, licence, files } = self;
        complaint.unless(!files.is_empty(), "at least one file", "none")?;
        let entry = |name: String, content| Entry {
            name,
            version: version.to_owned(),
            licence: licence.to_owned(),
            content,
        };
        let mut parts: Vec<Entry> = Vec::new();
        let named: HashSet<&str> = files.iter().filter_map(|(part, ..)| *part).collect();
        let mut named: Vec<&str> = named.into_iter().collect();
        named.sort_unstable();
        for name in named {
            complaint.name(name)?;
            let of_part = files.iter().filter(|(part, ..)| *part == Some(name));
            let of_part = of_part.map(|(_, path, file)| (path.clone(), file.clone())).collect();
            parts.push(entry(format!("{whole}/{name}"), Content::Folder(of_part)));
        }
        parts.extend(files.iter().map(|(_, _, file)| entry(file.name.clone(), Content::File(file.clone()))));
        let all = files.into_iter().map(|(_, path, file)| (path, file)).collect();
        Ok((entry(whole.to_owned(), Content::Folder(all)), parts))
    }
}
