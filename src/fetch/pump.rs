//! Moves bytes from a reader to a writer, asking after each piece whether to stop, and tells a
//! failure to read (try another source) from a failure to write (the disk is full).

use std::io::{self, Read, Write};

use crate::interrupt::{Interrupt, Interrupted};

/// Which side failed.
#[derive(Debug)]
pub(super) enum PumpError {
    Read(io::Error),
    Write(io::Error),
    Interrupted(Interrupted),
}

const PIECE: usize = 256 * 1024;

/// Moves everything; the number of bytes moved.
pub(super) fn pump(
    from: &mut impl Read,
    into: &mut impl Write,
    interrupt: &Interrupt,
) -> Result<u64, PumpError> {
    let mut piece = vec![0; PIECE];
    let mut moved = 0;
    loop {
        interrupt.check().map_err(PumpError::Interrupted)?;
        let count = match from.read(&mut piece) {
            Ok(0) => return Ok(moved),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(PumpError::Read(error)),
        };
        into.write_all(&piece[..count]).map_err(PumpError::Write)?;
        moved += count as u64;
    }
}
