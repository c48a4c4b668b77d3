//! Everything `unsafe`, behind safe functions; each block says why it is sound.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::Mmap;

/// Maps the file at `path` into memory, read only.
pub fn map_file(path: &Path) -> io::Result<Mmap> {
    let file = File::open(path)?;
    // Sound as long as nobody changes the file's bytes while the map lives. The files we map are
    // put in place by rename and never written again (see `durable`), or are checkpoints that the
    // user owns; whoever truncates one of those under a running program gets SIGBUS, no wrong data.
    unsafe { Mmap::map(&file) }
}
