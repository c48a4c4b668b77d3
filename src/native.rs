//! Everything `unsafe`, behind safe functions; each block says why it is sound.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::Mmap;

/// Maps the file at `path` into memory, read-only. An empty file gives an empty map.
///
/// Files that longqa maps are whole under their names and replaced by rename, never changed in
/// place, so the bytes stay as they are for as long as the map lives.
pub fn map_file(path: &Path) -> io::Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: the map is read-only, and nobody writes into or shortens a finished file (see above).
    unsafe { Mmap::map(&file) }
}
