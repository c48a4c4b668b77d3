//! One HTTP transfer: the rest of a file, from one URL, into its partial.
//!
//! What is asked and answered, after RFC 9110 section 14 and what cargo, uv and rustup do:
//!
//! | we have | we send | answer | we do |
//! |---|---|---|---|
//! | nothing | GET | 200 | read it |
//! | bytes from this URL with a validator | Range, If-Range | 206 | append |
//! | | | 200, another validator | the file has changed: start over |
//! | bytes from elsewhere | Range | 206 | append; the digest decides |
//! | bytes | Range | 200 | Range is ignored: read past what we have |
//! | bytes | Range | 416 | the bytes are of another file: drop them, ask again |
//!
//! An unverified file has no digest to decide, so it goes on only where a validator vouches for it.

use std::io::{self, Read};
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderName, IF_RANGE, LAST_MODIFIED, RANGE,
    RETRY_AFTER,
};
use url::Url;

use super::cache;
use super::error::{FetchError, TransferError};
use super::lock::{Pin, RemoteFile};
use super::partial::{Origin, Partial};
use super::progress::Meter;
use super::pump::{self, PumpError};
use crate::interrupt::Interrupt;

/// A client for all transfers. `idle` is how long a silent server is waited for.
pub(super) fn client(idle: Duration) -> Result<Client, FetchError> {
    Client::builder()
        .user_agent(concat!("longqa/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(idle)
        // In a blocking client this bounds each wait, for the headers and for every read, not the whole.
        .timeout(idle)
        .build()
        .map_err(FetchError::Client)
}

/// Brings `partial` from where it stands to the whole of `file`. What arrives before a failure stays.
pub(super) fn transfer(
    client: &Client,
    url: &Url,
    file: &RemoteFile,
    partial: &mut Partial,
    meter: &Meter,
    interrupt: &Interrupt,
) -> Result<(), TransferError> {
    if !may_go_on(partial, url, file) {
        partial.clear()?;
    }
    meter.stand_at(partial.length());
    let response = ask(client, url, partial)?;
    let answer = Answer::read(&response, url, file, partial)?;
    if let Answer::Restart { .. } = answer {
        partial.clear()?;
        meter.stand_at(0);
    }
    let whole = answer.whole();
    if let (Some(expected), Some(found)) = (file.bytes, whole)
        && expected != found
    {
        return Err(TransferError::WrongLength { expected, found });
    }
    let expected = file.bytes.or(whole);
    let missing = expected.map(|expected| expected.saturating_sub(partial.length()));
    cache::require_space(cache::parent(partial.path()), missing.unwrap_or(0))?;
    partial.set_origin(Origin { url: url.to_string(), validator: validator(&response) })?;

    // One byte more than we want tells a body that is too long.
    let mut body = response;
    skip(&mut body, answer.already_here(), interrupt)?;
    let mut body = meter.read(body.take(missing.map_or(u64::MAX, |missing| missing + 1)));
    pump::pump(&mut body, partial, interrupt).map_err(|error| match error {
        PumpError::Read(error) => TransferError::Network(error.into()),
        PumpError::Write(error) => partial.failed(error).into(),
        PumpError::Interrupted(interrupted) => interrupted.into(),
    })?;
    match (expected, partial.length()) {
        (Some(expected), found) if found < expected => Err(TransferError::EndedEarly { expected, found }),
        (Some(expected), found) if found > expected => {
            partial.clear()?;
            Err(TransferError::WrongLength { expected, found })
        }
        _ => Ok(()),
    }
}

/// Whether the bytes we have can be the beginning of what `url` sends.
fn may_go_on(partial: &Partial, url: &Url, file: &RemoteFile) -> bool {
    let fits = file.bytes.is_none_or(|bytes| partial.length() < bytes);
    fits && match file.pin {
        Pin::Sha256(_) => true,
        Pin::Unverified => known_validator(partial, url).is_some(),
    }
}

fn known_validator<'a>(partial: &'a Partial, url: &Url) -> Option<&'a str> {
    partial.origin().filter(|origin| origin.url == url.as_str())?.validator.as_deref()
}

fn ask(client: &Client, url: &Url, partial: &Partial) -> Result<Response, TransferError> {
    // Compressed on the way, a file has other bytes than the digest and Range speak of.
    let mut request = client.get(url.clone()).header(ACCEPT_ENCODING, "identity");
    if partial.length() > 0 {
        request = request.header(RANGE, format!("bytes={}-", partial.length()));
        if let Some(validator) = known_validator(partial, url) {
            request = request.header(IF_RANGE, validator);
        }
    }
    request.send().map_err(|error| {
        let reason = if error.is_connect() { TransferError::Unreachable } else { TransferError::Network };
        reason(error.without_url().into())
    })
}

/// What the server sends, in terms of what we have. `whole`: the length it states for the file.
enum Answer {
    /// The bytes from where we stand.
    Rest { whole: Option<u64> },
    /// All bytes, of which we have the first `here`.
    All { whole: Option<u64>, here: u64 },
    /// All bytes, and they are not those we have.
    Restart { whole: Option<u64> },
}

impl Answer {
    fn read(
        response: &Response,
        url: &Url,
        file: &RemoteFile,
        partial: &mut Partial,
    ) -> Result<Self, TransferError> {
        match response.status() {
            StatusCode::OK => {
                // `Response::content_length` knows the rest of the body, which is the same here, but
                // says 0 for some that did not state it.
                let whole = header(response, CONTENT_LENGTH).and_then(|text| text.parse().ok());
                let same = partial.origin().is_none_or(|origin| {
                    origin.url != url.as_str() || origin.validator == validator(response)
                });
                match file.pin {
                    Pin::Sha256(_) if same => Ok(Answer::All { whole, here: partial.length() }),
                    _ => Ok(Answer::Restart { whole }),
                }
            }
            StatusCode::PARTIAL_CONTENT => {
                let text = header(response, CONTENT_RANGE).unwrap_or_default();
                match content_range(text) {
                    Some((from, whole)) if from == partial.length() => Ok(Answer::Rest { whole }),
                    _ => {
                        Err(TransferError::WrongRange { expected: partial.length(), found: text.to_owned() })
                    }
                }
            }
            status => {
                if status == StatusCode::RANGE_NOT_SATISFIABLE {
                    partial.clear()?;
                }
                let retry_after =
                    header(response, RETRY_AFTER).and_then(|text| retry_after(text, jiff::Timestamp::now()));
                Err(TransferError::Status { status: status.as_u16(), retry_after })
            }
        }
    }

    fn whole(&self) -> Option<u64> {
        match self {
            Answer::Rest { whole } | Answer::All { whole, .. } | Answer::Restart { whole } => *whole,
        }
    }

    fn already_here(&self) -> u64 {
        match self {
            Answer::All { here, .. } => *here,
            Answer::Rest { .. } | Answer::Restart { .. } => 0,
        }
    }
}

/// Reads past the bytes that we have already.
fn skip(body: &mut Response, count: u64, interrupt: &Interrupt) -> Result<(), TransferError> {
    let skipped =
        pump::pump(&mut body.take(count), &mut io::sink(), interrupt).map_err(|error| match error {
            PumpError::Read(error) | PumpError::Write(error) => TransferError::Network(error.into()),
            PumpError::Interrupted(interrupted) => interrupted.into(),
        })?;
    if skipped < count {
        return Err(TransferError::EndedEarly { expected: count, found: skipped });
    }
    Ok(())
}

fn header(response: &Response, name: HeaderName) -> Option<&str> {
    response.headers().get(name)?.to_str().ok()
}

/// What vouches, byte for byte, that a file is still the same: a strong ETag, else Last-Modified.
fn validator(response: &Response) -> Option<String> {
    let etag = header(response, ETAG).filter(|etag| !etag.starts_with("W/"));
    etag.or_else(|| header(response, LAST_MODIFIED)).map(str::to_owned)
}

/// First byte and whole length of `bytes 5-9/10` (whole length may be `*`).
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, whole) = text.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
    let (from, _to) = range.split_once('-')?;
    Some((from.trim().parse().ok()?, whole.trim().parse().ok()))
}

/// Seconds, or a date.
fn retry_after(text: &str, now: jiff::Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_tells_where_it_starts() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, None)));
        assert_eq!(content_range("bytes */10"), None);
        assert_eq!(content_range("items 5-9/10"), None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = "2026-11-23T10:00:00Z".parse().unwrap();
        assert_eq!(retry_after("7", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Mon, 23 Nov 2026 10:01:00 GMT", now), Some(Duration::from_secs(60)));
        assert_eq!(retry_after("Mon, 23 Nov 2026 09:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
    }
}
