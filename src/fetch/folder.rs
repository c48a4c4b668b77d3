//! Finished folders: what an entry's name stands for, with a `SHA256SUMS` of everything in it.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::error::FetchError;
use crate::digest::Digest;

/// The file of digests in every finished folder; `sha256sum -c` reads it.
pub(super) const SUMS: &str = "SHA256SUMS";

/// The files of a folder, by path relative to it, with their digests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Sums(Vec<(String, Digest)>);

impl Sums {
    pub(super) fn new(mut files: Vec<(String, Digest)>) -> Self {
        files.sort();
        Self(files)
    }

    pub(super) fn files(&self) -> &[(String, Digest)] {
        &self.0
    }

    /// One digest for the whole folder: equal for equal names and contents, wherever they are from.
    pub(super) fn digest(&self) -> Digest {
        Digest::of_bytes(self.text().as_bytes())
    }

    /// Reads the `SHA256SUMS` of a finished folder.
    pub(super) fn read(folder: &Path) -> Result<Self, FetchError> {
        let path = folder.join(SUMS);
        let text = fs::read_to_string(&path).map_err(|source| FetchError::io(&path, source))?;
        let files = text.lines().map(parse_line).collect::<Option<_>>().ok_or_else(|| FetchError::Io {
            path,
            source: std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                "not a list of sha256 digests and names",
            ),
        })?;
        Ok(Self(files))
    }

    /// Writes it into a folder being made, in which no file may have its name: one of the publisher's
    /// would be lost, and with it the blob that it is a link to.
    pub(super) fn write(&self, folder: &Path) -> Result<(), FetchError> {
        let path = folder.join(SUMS);
        let write = || fs::File::create_new(&path)?.write_all(self.text().as_bytes());
        write().map_err(|source| FetchError::io(&path, source))
    }

    fn text(&self) -> String {
        self.0.iter().map(|(path, digest)| line(path, *digest)).collect()
    }
}

/// As sha256sum writes it: a name with a backslash or a line feed is escaped and marked.
fn line(path: &str, digest: Digest) -> String {
    if path.contains(['\\', '\n']) {
        format!("\\{digest}  {}\n", path.replace('\\', "\\\\").replace('\n', "\\n"))
    } else {
        format!("{digest}  {path}\n")
    }
}

fn parse_line(line: &str) -> Option<(String, Digest)> {
    let (escaped, line) = match line.strip_prefix('\\') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (digest, path) = line.split_once("  ")?;
    let path = if escaped { unescape(path)? } else { path.to_owned() };
    Some((path, digest.parse().ok()?))
}

fn unescape(text: &str) -> Option<String> {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        plain.push(match c {
            '\\' => match characters.next()? {
                'n' => '\n',
                '\\' => '\\',
                _ => return None,
            },
            c => c,
        });
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_read_back_equal_whatever_the_names() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["b.json", "a/ü  two.txt", "back\\slash", "line\nfeed\\n"];
        let files = names.iter().map(|name| (name.to_string(), Digest::of_bytes(name.as_bytes()))).collect();
        let sums = Sums::new(files);
        sums.write(folder.path()).unwrap();
        assert_eq!(Sums::read(folder.path()).unwrap(), sums);
        assert_eq!(sums.files()[0].0, "a/ü  two.txt");
        assert!(sums.write(folder.path()).is_err(), "what is there stays");
    }
}
