//! Writing a file of tokens, which may end early by the file's fault or by the text's.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

use super::error::TextError;
use crate::durable;

/// Why writing ended early.
pub(super) enum Stop {
    /// The file's fault.
    File(io::Error),
    /// The text's fault, or the user's wish.
    Text(TextError),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

impl From<TextError> for Stop {
    fn from(error: TextError) -> Self {
        Self::Text(error)
    }
}

/// Lets `fill` write the file `target`, which appears when it is whole.
pub(super) fn write(
    target: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> Result<(), Stop>,
) -> Result<(), TextError> {
    let mut failure = None;
    let written = durable::write_with(target, |file| match fill(file) {
        Ok(()) => Ok(()),
        Err(Stop::File(error)) => Err(error),
        Err(Stop::Text(error)) => {
            failure = Some(error);
            Err(io::Error::other("nothing to write"))
        }
    });
    match failure {
        Some(failure) => Err(failure),
        None => Ok(written?),
    }
}
