//! The members of a zip file that holds them uncompressed, as torch writes them: names, checksums
//! and where the bytes lie. With ZIP64; without encryption, compression or several disks.
//!
//! APPNOTE.TXT sections 4.3 and 4.5.3. The `zip` crate hands out readers, not ranges of a mapped
//! file, and trusts a directory's number of entries for its first allocation.

use std::ops::Range;

use super::error::WeightsError;
use super::mapped::MappedFile;

const END: &[u8] = b"PK\x05\x06";
const END_64: &[u8] = b"PK\x06\x06";
const END_64_LOCATOR: &[u8] = b"PK\x06\x07";
const DIRECTORY_ENTRY: &[u8] = b"PK\x01\x02";
const LOCAL_HEADER: &[u8] = b"PK\x03\x04";
/// The length of an end record without its comment, and the longest comment.
const END_LENGTH: usize = 22;
const LONGEST_COMMENT: usize = 0xffff;

/// One stored file.
#[derive(Debug)]
pub(super) struct Member {
    pub name: String,
    pub crc32: u32,
    pub range: Range<usize>,
}

/// All members, in the order of the central directory.
pub(super) fn read(file: &MappedFile) -> Result<Vec<Member>, WeightsError> {
    let (start, length) = directory(file)?;
    let range = file.range(start, length, || "the zip directory".to_owned())?;
    let mut fields = Fields { file, at: range.start, end: range.end, what: "zip directory" };
    let mut members = Vec::new();
    while fields.at < fields.end {
        members.push(member(file, &mut fields)?);
    }
    Ok(members)
}

/// Where the central directory begins, and its length in bytes.
fn directory(file: &MappedFile) -> Result<(u64, u64), WeightsError> {
    let bytes = file.bytes();
    let from = bytes.len().saturating_sub(END_LENGTH + LONGEST_COMMENT);
    let tail = bytes.get(from..).unwrap_or_default();
    let end = tail.windows(END_LENGTH).rposition(|window| window.starts_with(END));
    let Some(end) = end.map(|at| from + at) else {
        let found = format!("none in {} bytes: the file is cut short", bytes.len());
        return Err(file.malformed("zip file", "an end of central directory record", found));
    };
    let mut fields = Fields { file, at: end + 12, end: bytes.len(), what: "zip end record" };
    let (length, start) = (fields.u32()?, fields.u32()?);
    if length != u32::MAX && start != u32::MAX {
        return Ok((start.into(), length.into()));
    }
    let locator = end.checked_sub(20).filter(|&at| bytes[at..].starts_with(END_64_LOCATOR));
    let Some(locator) = locator else { return Ok((start.into(), length.into())) };
    let mut fields = Fields { file, at: locator + 8, end, what: "zip64 locator" };
    let at = fields.u64()?;
    let record = file.range(at, 56, || "the zip64 end record".to_owned())?;
    if !bytes[record.clone()].starts_with(END_64) {
        return Err(file.malformed("zip file", "a zip64 end record", format!("none at byte {at}")));
    }
    let mut fields = Fields { file, at: record.start + 40, end: record.end, what: "zip64 end record" };
    let (length, start) = (fields.u64()?, fields.u64()?);
    Ok((start, length))
}

fn member(file: &MappedFile, fields: &mut Fields<'_>) -> Result<Member, WeightsError> {
    fields.signature(DIRECTORY_ENTRY)?;
    fields.skip(4)?; // versions
    let flags = fields.u16()?;
    let method = fields.u16()?;
    fields.skip(4)?; // time and date
    let crc32 = fields.u32()?;
    let (mut stored, mut size) = (u64::from(fields.u32()?), u64::from(fields.u32()?));
    let (name_length, extra_length, comment_length) = (fields.u16()?, fields.u16()?, fields.u16()?);
    fields.skip(8)?; // disk and attributes
    let mut header = u64::from(fields.u32()?);
    let name = String::from_utf8_lossy(fields.take(name_length.into())?).into_owned();
    let extra_start = fields.at;
    fields.skip(extra_length.into())?;
    let extra = Fields { file, at: extra_start, end: fields.at, what: "zip64 extra field" };
    widen(extra, [&mut size, &mut stored, &mut header])?;
    fields.skip(comment_length.into())?;

    let what = || format!("zip member {name:?}");
    if flags & 1 != 0 || method != 0 || stored != size {
        let found = format!("flags {flags:#x}, method {method}, {stored} of {size} bytes");
        return Err(file.malformed(what(), "a file stored as it is", found));
    }
    let local = file.range(header, 30, what)?;
    let mut local = Fields { file, at: local.start, end: local.end, what: "zip local header" };
    local.signature(LOCAL_HEADER)?;
    local.skip(22)?; // repeats the directory, or leaves it to a data descriptor
    let before = u64::from(local.u16()?) + u64::from(local.u16()?);
    let range = file.range(header.saturating_add(30 + before), size, what)?;
    Ok(Member { name, crc32, range })
}

/// Replaces those of `values` that say "see the extra field" by what it says, in that order.
fn widen(mut extra: Fields<'_>, values: [&mut u64; 3]) -> Result<(), WeightsError> {
    while extra.at < extra.end {
        let (id, length) = (extra.u16()?, extra.u16()?);
        let start = extra.at;
        extra.skip(length.into())?;
        if id == 1 {
            let mut wide = Fields { at: start, end: extra.at, ..extra };
            for value in values {
                if *value == u64::from(u32::MAX) {
                    *value = wide.u64()?;
                }
            }
            return Ok(());
        }
    }
    Ok(())
}

/// Little-endian fields one after the other, up to `end`.
#[derive(Clone, Copy)]
struct Fields<'f> {
    file: &'f MappedFile,
    at: usize,
    end: usize,
    what: &'static str,
}

impl<'f> Fields<'f> {
    fn take(&mut self, length: usize) -> Result<&'f [u8], WeightsError> {
        let end = self.at.saturating_add(length);
        let bytes = self.file.bytes().get(self.at..end).filter(|_| end <= self.end);
        self.at = end;
        bytes.ok_or_else(|| {
            let found = format!("it ends at {}", self.end);
            self.file.malformed(self.what, format!("a field up to byte {end}"), found)
        })
    }

    fn skip(&mut self, length: usize) -> Result<(), WeightsError> {
        self.take(length).map(drop)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WeightsError> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    fn u16(&mut self) -> Result<u16, WeightsError> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, WeightsError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, WeightsError> {
        self.array().map(u64::from_le_bytes)
    }

    fn signature(&mut self, expected: &[u8]) -> Result<(), WeightsError> {
        let at = self.at;
        match self.take(expected.len())? {
            found if found == expected => Ok(()),
            found => {
                let expected = format!("the signature {}", expected.escape_ascii());
                let found = format!("{} at byte {at}", found.escape_ascii());
                Err(self.file.malformed(self.what, expected, found))
            }
        }
    }
}
