//! What every entry of a lock file is held to (names, paths, digests, URLs), and the error for one
//! that falls short.

use std::path::Path;

use url::Url;

use super::error::FetchError;
use super::lock::Pin;
use super::member_path;

/// In the place of a digest that no public source states.
pub(super) const UNVERIFIED: &str = "unverified";

/// Says which entry of which file is at fault.
pub(super) struct Complaint<'a> {
    pub path: &'a Path,
    pub entry: &'a str,
}

impl Complaint<'_> {
    pub(super) fn unless(&self, right: bool, expected: &str, found: impl ToString) -> Result<(), FetchError> {
        if right { Ok(()) } else { Err(self.make(expected, found)) }
    }

    pub(super) fn make(&self, expected: &str, found: impl ToString) -> FetchError {
        FetchError::LockInvalid {
            path: self.path.to_owned(),
            entry: self.entry.to_owned(),
            expected: expected.to_owned(),
            found: found.to_string(),
        }
    }

    pub(super) fn name(&self, name: &str) -> Result<(), FetchError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let right = name.split('/').all(|part| !part.is_empty() && part != ".." && part.chars().all(plain));
        self.unless(right, "a name of letters, digits, `-`, `.`, `_` and single `/`", format!("{name:?}"))
    }

    pub(super) fn relative(&self, path: &str) -> Result<String, FetchError> {
        let tidy = member_path::inside(path).map_err(|reason| {
            self.make("a path that stays inside its folder", format!("{path:?}: {reason}"))
        })?;
        self.unless(tidy == path && !path.is_empty(), "a tidy relative path", format!("{path:?}"))?;
        Ok(tidy)
    }

    pub(super) fn pin(&self, sha256: &str, bytes: Option<u64>) -> Result<Pin, FetchError> {
        if sha256 == UNVERIFIED {
            return Ok(Pin::Unverified);
        }
        let digest = sha256
            .parse()
            .map_err(|_| self.make("sha256: 64 hexadecimal digits or \"unverified\"", sha256))?;
        self.unless(bytes.is_some(), "bytes beside a known sha256", "none")?;
        Ok(Pin::Sha256(digest))
    }

    pub(super) fn url(&self, text: &str) -> Result<Url, FetchError> {
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
            _ => Err(self.make("an http(s) URL", format!("{text:?}"))),
        }
    }
}
