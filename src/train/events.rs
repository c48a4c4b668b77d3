//! TensorBoard event files: scalars by step, in TFRecord frames around the protobuf `Event`.
//!
//! `tensorflow/core/lib/io/record_writer.h` for the frames, `tensorboard/compat/proto/event.proto`
//! and `summary.proto` for the messages. Only what scalars need is encoded, by hand: five fields.
//! TensorBoard finds the file by its name, which must contain [`FILE_NAME`]'s `tfevents`.

use std::path::Path;

use super::journal::Journal;
use crate::durable::WriteError;

/// The name of the event file in a stage's folder.
pub const FILE_NAME: &str = "events.out.tfevents.longqa";

/// What TensorBoard expects the first record of a file to say.
const FILE_VERSION: &str = "brain.Event:2";

/// An open event file. Log a step before saving its checkpoint: a run that goes on from that
/// checkpoint keeps the record and does not write it again.
#[derive(Debug)]
pub struct EventWriter<Clock> {
    journal: Journal,
    clock: Clock,
}

impl<Clock: FnMut() -> f64> EventWriter<Clock> {
    /// Starts the file at `path` anew. `clock` gives seconds since 1970.
    pub fn create(path: &Path, clock: Clock) -> Result<Self, WriteError> {
        Self::open(Journal::open(path, |_| 0)?, clock)
    }

    /// Goes on with the file at `path` after `last_step`: records behind it, and a last record that
    /// was cut off, are dropped. A missing file is created.
    pub fn resume(path: &Path, last_step: u64, clock: Clock) -> Result<Self, WriteError> {
        Self::open(Journal::open(path, |contents| whole_records(contents, last_step))?, clock)
    }

    fn open(mut journal: Journal, mut clock: Clock) -> Result<Self, WriteError> {
        if journal.is_empty()? {
            journal.append(&frame(&event(clock(), 0, 3, FILE_VERSION.as_bytes())))?;
        }
        Ok(Self { journal, clock })
    }

    /// Appends one record with the values of `step`; TensorBoard keeps them in single precision.
    pub fn write(&mut self, step: u64, values: &[(&str, f64)]) -> Result<(), WriteError> {
        let mut summary = Vec::new();
        for &(tag, value) in values {
            let mut message = Vec::new();
            put_bytes(&mut message, 1, tag.as_bytes());
            put_key(&mut message, 2, WIRE_32_BITS);
            message.extend((value as f32).to_le_bytes());
            put_bytes(&mut summary, 1, &message);
        }
        let record = frame(&event((self.clock)(), step, 5, &summary));
        self.journal.append(&record)
    }

    /// Waits until all records are on disk.
    pub fn sync(&self) -> Result<(), WriteError> {
        self.journal.sync()
    }
}

/// An `Event` message: wall_time = 1, step = 2, and `content` as its field `field`.
fn event(wall_time: f64, step: u64, field: u64, content: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    put_key(&mut message, 1, WIRE_64_BITS);
    message.extend(wall_time.to_le_bytes());
    if step != 0 {
        put_key(&mut message, 2, WIRE_VARINT); // proto3 leaves zeros out
        put_varint(&mut message, step);
    }
    put_bytes(&mut message, field, content);
    message
}

const WIRE_VARINT: u64 = 0;
const WIRE_64_BITS: u64 = 1;
const WIRE_BYTES: u64 = 2;
const WIRE_32_BITS: u64 = 5;

fn put_key(out: &mut Vec<u8>, field: u64, wire_type: u64) {
    put_varint(out, field << 3 | wire_type);
}

fn put_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_key(out, field, WIRE_BYTES);
    put_varint(out, bytes.len() as u64);
    out.extend(bytes);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The TFRecord around `data`: its length, the length's checksum, the data, the data's checksum.
fn frame(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(data.len() + 16);
    record.extend(length);
    record.extend(masked_checksum(&length).to_le_bytes());
    record.extend(data);
    record.extend(masked_checksum(data).to_le_bytes());
    record
}

/// CRC-32C, rotated and shifted so that a checksum of data with checksums in it stays useful.
fn masked_checksum(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The length in bytes of the leading records that are whole and not behind `last_step`.
fn whole_records(contents: &[u8], last_step: u64) -> usize {
    let mut kept = 0;
    while let Some((data, length)) = first_record(&contents[kept..])
        && step_of(data).is_some_and(|step| step <= last_step)
    {
        kept += length;
    }
    kept
}

/// The data of the record at the start of `bytes`, and the record's length.
fn first_record(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let (&length_field, rest) = bytes.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(length_field)).ok()?;
    let data = rest.get(4..)?.get(..length)?;
    (frame(data) == bytes.get(..length + 16)?).then_some((data, length + 16))
}

/// The step of an `Event` as this module writes it: behind the time, or 0.
fn step_of(event: &[u8]) -> Option<u64> {
    let rest = event.get(9..)?;
    let Some((&[key], varint)) = rest.split_first_chunk() else { return Some(0) };
    if u64::from(key) != 2 << 3 | WIRE_VARINT {
        return Some(0);
    }
    let mut step = 0;
    for (place, byte) in varint.iter().take(9).enumerate() {
        step |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(step);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// From TensorBoard's own writer: `tests/golden/events.py`.
    const GOLDEN: &[u8] = include_bytes!("../../tests/golden/events.tfevents");

    fn golden_file(folder: &Path) -> std::path::PathBuf {
        let path = folder.join("run").join(FILE_NAME);
        let mut times = [1700000000.25, 1700000001.5, 1700000002.0, 1700000003.0].into_iter();
        let mut writer = EventWriter::create(&path, move || times.next().unwrap()).unwrap();
        writer.write(1, &[("loss", 2.5), ("learning_rate", 3e-5)]).unwrap();
        writer.write(300, &[("loss", f64::NAN), ("tokens_per_second", 12345.678)]).unwrap();
        writer.write(0, &[("zero", 0.0)]).unwrap();
        writer.sync().unwrap();
        path
    }

    #[test]
    fn the_bytes_are_those_that_tensorboard_writes() {
        let folder = tempfile::tempdir().unwrap();
        let written = fs::read(golden_file(folder.path())).unwrap();
        assert_eq!(written.escape_ascii().to_string(), GOLDEN.escape_ascii().to_string());
    }

    /// Ends of the golden file's records: version, step 1, step 300, step 0.
    fn ends() -> Vec<usize> {
        let mut ends = vec![0];
        while let Some((_, length)) = first_record(&GOLDEN[ends[ends.len() - 1]..]) {
            ends.push(ends[ends.len() - 1] + length);
        }
        assert_eq!((ends.len(), ends[ends.len() - 1]), (5, GOLDEN.len()));
        ends
    }

    #[test]
    fn a_resumed_run_drops_later_steps_and_writes_none_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = golden_file(folder.path());
        let mut times = [1700000002.0, 1700000003.0].into_iter();
        let mut writer = EventWriter::resume(&path, 299, move || times.next().unwrap()).unwrap();
        writer.write(300, &[("loss", f64::NAN), ("tokens_per_second", 12345.678)]).unwrap();
        writer.write(0, &[("zero", 0.0)]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), GOLDEN);
    }

    #[test]
    fn a_file_cut_anywhere_goes_on_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        let ends = ends();
        for length in 0..=GOLDEN.len() {
            fs::write(&path, &GOLDEN[..length]).unwrap();
            drop(EventWriter::resume(&path, 1000, || 1700000000.25).unwrap());
            let kept = *ends.iter().rfind(|&&end| end <= length).unwrap();
            let expected = kept.max(ends[1]); // a new file begins with its version
            assert_eq!(fs::read(&path).unwrap(), GOLDEN[..expected], "cut at {length}");
        }
    }

    #[test]
    fn a_flipped_bit_ends_what_is_kept() {
        let ends = ends();
        for at in ends[1]..GOLDEN.len() {
            let mut flipped = GOLDEN.to_vec();
            flipped[at] ^= 4;
            let record = ends.iter().rposition(|&end| end <= at).unwrap();
            assert_eq!(whole_records(&flipped, u64::MAX), ends[record], "byte {at}");
        }
    }
}
