//! `metrics.jsonl`: one JSON object per logged step, for people and scripts without TensorBoard.
//!
//! A line is `{"step":50,"wall_time":1700000000.5,"loss":2.25,…}` with the values in the order
//! given; a value that is not finite is `null`, as JSON has no word for it.

use std::path::Path;

use serde_json::{Map, Value};

use super::journal::Journal;
use crate::durable::WriteError;

/// An open `metrics.jsonl`. Log a step before saving its checkpoint: a run that goes on from that
/// checkpoint keeps the line and does not write it again.
#[derive(Debug)]
pub struct MetricsWriter<Clock> {
    journal: Journal,
    clock: Clock,
}

impl<Clock: FnMut() -> f64> MetricsWriter<Clock> {
    /// Starts the file at `path` anew. `clock` gives seconds since 1970.
    pub fn create(path: &Path, clock: Clock) -> Result<Self, WriteError> {
        Ok(Self { journal: Journal::open(path, |_| 0)?, clock })
    }

    /// Goes on with the file at `path` after `last_step`: lines behind it, and a last line that was
    /// cut off, are dropped. A missing file is created.
    pub fn resume(path: &Path, last_step: u64, clock: Clock) -> Result<Self, WriteError> {
        Ok(Self { journal: Journal::open(path, |contents| whole_lines(contents, last_step))?, clock })
    }

    /// Appends one line.
    pub fn write(&mut self, step: u64, values: &[(&str, f64)]) -> Result<(), WriteError> {
        let mut line = Map::new();
        line.insert("step".to_owned(), step.into());
        line.insert("wall_time".to_owned(), (self.clock)().into());
        line.extend(values.iter().map(|&(name, value)| (name.to_owned(), value.into())));
        self.journal.append(format!("{}\n", Value::Object(line)).as_bytes())
    }

    /// Waits until all lines are on disk.
    pub fn sync(&self) -> Result<(), WriteError> {
        self.journal.sync()
    }
}

/// The length in bytes of the leading lines that are whole and not behind `last_step`.
fn whole_lines(contents: &[u8], last_step: u64) -> usize {
    let step = |line: &[u8]| -> Option<u64> {
        serde_json::from_slice::<Value>(line.strip_suffix(b"\n")?).ok()?.get("step")?.as_u64()
    };
    contents
        .split_inclusive(|&byte| byte == b'\n')
        .take_while(|line| step(line).is_some_and(|step| step <= last_step))
        .map(<[u8]>::len)
        .sum()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const TWO: &str = "{\"step\":1,\"wall_time\":5.0,\"loss\":2.5,\"grad_norm\":null}\n\
                       {\"step\":2,\"wall_time\":5.0,\"loss\":2.25}\n";

    fn two_lines(path: &Path) {
        let mut writer = MetricsWriter::create(path, || 5.0).unwrap();
        writer.write(1, &[("loss", 2.5), ("grad_norm", f64::NAN)]).unwrap();
        writer.write(2, &[("loss", 2.25)]).unwrap();
        writer.sync().unwrap();
    }

    #[test]
    fn a_line_holds_the_step_the_time_and_the_values_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/metrics.jsonl");
        two_lines(&path);
        assert_eq!(fs::read_to_string(&path).unwrap(), TWO);
    }

    #[test]
    fn a_resumed_run_drops_later_steps_and_writes_none_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        two_lines(&path);
        let mut writer = MetricsWriter::resume(&path, 1, || 5.0).unwrap();
        writer.write(2, &[("loss", 2.25)]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), TWO);
    }

    #[test]
    fn a_file_cut_anywhere_goes_on_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let first = TWO.find('\n').unwrap() + 1;
        for length in 0..=TWO.len() {
            fs::write(&path, &TWO[..length]).unwrap();
            drop(MetricsWriter::resume(&path, 9, || 5.0).unwrap());
            let kept = fs::read_to_string(&path).unwrap();
            let expected = if length == TWO.len() {
                length
            } else if length >= first {
                first
            } else {
                0
            };
            assert_eq!(kept, TWO[..expected], "cut at {length}");
        }
    }
}
