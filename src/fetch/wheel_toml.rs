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

#[cfg(test)]
mod tests {
    use super::super::lock_toml;
    use std::path::Path;

    const GOOD: &str = r#"
        version = 1
        [[wheel]]
        name = "mini"
        source = "pypi"
        package = "mini"
        version = "0.1.0"
        licence = "MIT"
        path = "wheels/mini-0.1.0-py3-none-any.whl"
        bytes = 3
        sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        unpacked_bytes = 9
        inside = "mini/model/"
        [[wheel.file]]
        path = "config.json"
        bytes = 3
        sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    "#;

    #[test]
    fn a_wheel_that_pip_could_take_for_something_else_is_refused() {
        lock_toml::read(GOOD, Path::new("x.lock")).unwrap();
        for (right, wrong, complaint) in [
            ("\"pypi\"", "\"elsewhere\"", "mini: expected source = \"pypi\""),
            ("package = \"mini\"", "package = \"--pre\"", "mini: expected a package and a version"),
            (
                "package = \"mini\"",
                "package = \"mini @ file:///x\"",
                "mini: expected a package and a version",
            ),
            ("version = \"0.1.0\"", "version = \"0.*\"", "mini: expected a package and a version"),
            ("any.whl", "any.zip", "mini: expected a path that ends in .whl"),
            ("mini/model/", "mini/model", "mini: expected inside to end in `/`"),
            ("mini/model/", "../", "mini: expected a path that stays inside"),
            ("path = \"config.json\"", "path = \"../x\"", "mini: expected a path that stays inside"),
            ("bytes = 3\n", "\n", "missing field `bytes`"),
        ] {
            assert!(GOOD.contains(right));
            let text = GOOD.replacen(right, wrong, 1);
            let error = lock_toml::read(&text, Path::new("x.lock")).unwrap_err().to_string();
            assert!(error.contains(complaint), "{wrong}: {error}");
        }
    }
}
