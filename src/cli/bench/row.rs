//! What a bench found: named values, printed as lines or appended to a CSV as a row.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context as _, ensure};

/// Names and values in the order of the columns; an empty value is one that is not known.
pub struct Row(pub Vec<(&'static str, String)>);

impl Row {
    /// `name: value` lines on stdout.
    pub fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        self.0.iter().try_for_each(|(name, value)| writeln!(out, "{name}: {value}"))
    }

    /// Appends the values to the CSV at `path`, below the names if it is new. Rows of other columns are
    /// not mixed with these.
    pub fn append_to(&self, path: &Path) -> anyhow::Result<()> {
        let failed = || format!("--csv: {}", path.display());
        let mut names = csv::Writer::from_writer(Vec::new());
        names.write_record(self.0.iter().map(|(name, _)| name))?;
        let names = names.into_inner()?;
        let found = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other.with_context(failed)?,
        };
        let expected = || String::from_utf8_lossy(&names).trim_end().to_owned();
        ensure!(
            found.is_empty() || found.starts_with(&names),
            "{}: expected a file that begins with {}",
            failed(),
            expected()
        );
        let mut file = OpenOptions::new().create(true).append(true).open(path).with_context(failed)?;
        if found.is_empty() {
            file.write_all(&names).with_context(failed)?;
        }
        let mut writer = csv::Writer::from_writer(file);
        writer.write_record(self.0.iter().map(|(_, value)| value))?;
        writer.flush().with_context(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_same_columns_share_a_file_and_others_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        let row = |name, value: &str| Row(vec![("device", "AMD, EPYC".to_owned()), (name, value.to_owned())]);
        row("steps", "10").append_to(&path).unwrap();
        row("steps", "").append_to(&path).unwrap();
        let kept = "device,steps\n\"AMD, EPYC\",10\n\"AMD, EPYC\",\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), kept);
        let message = row("seconds", "10").append_to(&path).unwrap_err().to_string();
        assert!(message.contains("rows.csv") && message.contains("device,seconds"), "{message}");
        assert_eq!(fs::read_to_string(&path).unwrap(), kept);
    }
}
