//! WikiText in its raw form, and any other plain text: UTF-8 lines, read one at a time.
//!
//! WikiText-103-raw is one file per split. Articles follow each other without a mark; a heading is
//! a line like ` = Title = `, deeper headings have more `=`, and a line of one space stands between
//! paragraphs. Every line begins with a space and ends with ` \n`. The pretraining recipe takes the file
//! as one stream of text; only [`articles`] looks for headings.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::error::CorpusError;

/// A text file being read line by line. What it gives back, put together, is the file.
pub struct RawText<R> {
    path: PathBuf,
    reader: R,
    bytes: Vec<u8>,
    line: u64,
    offset: u64,
}

impl RawText<BufReader<File>> {
    /// Opens the file at `path`. A file without a byte in it is an error.
    pub fn open(path: &Path) -> Result<Self, CorpusError> {
        let read = |source| CorpusError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(read)?;
        let metadata = file.metadata().map_err(read)?;
        if metadata.is_file() && metadata.len() == 0 {
            return Err(CorpusError::Empty { path: path.to_owned(), expected: "UTF-8 text" });
        }
        Ok(Self::new(path, BufReader::with_capacity(1 << 18, file)))
    }
}

impl<R: BufRead> RawText<R> {
    /// Reads from `reader`; `path` is named in errors.
    pub fn new(path: &Path, reader: R) -> Self {
        Self { path: path.to_owned(), reader, bytes: Vec::new(), line: 0, offset: 0 }
    }

    /// Appends the next line to `text`, its line feed included, and gives back its bytes; 0 at the
    /// end. The last line may lack a line feed.
    pub fn next_line(&mut self, text: &mut String) -> Result<usize, CorpusError> {
        self.bytes.clear();
        let read = self.reader.read_until(b'\n', &mut self.bytes);
        let read = read.map_err(|source| CorpusError::Read { path: self.path.clone(), source })?;
        // A line feed is never part of a longer character, so each line is valid or not by itself.
        let line = std::str::from_utf8(&self.bytes).map_err(|error| CorpusError::NotUtf8 {
            path: self.path.clone(),
            offset: self.offset + error.valid_up_to() as u64,
            line: self.line + 1,
            found: self.bytes.get(error.valid_up_to()).copied().unwrap_or_default(),
        })?;
        text.push_str(line);
        self.line += 1;
        self.offset += read as u64;
        Ok(read)
    }
}

/// Reads the whole file at `path`.
pub fn read(path: &Path) -> Result<String, CorpusError> {
    let mut lines = RawText::open(path)?;
    let mut text = String::new();
    while lines.next_line(&mut text)? > 0 {}
    Ok(text)
}

/// The articles of `text`, each from its heading to the next; put together, they are the text. What stands
/// before the first heading belongs to the first article. None: there is no heading.
pub fn articles(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let is_blank = |at: Option<usize>| match at.and_then(|at| lines.get(at)) {
        Some(line) => line.trim().is_empty(),
        None => true,
    };
    let mut starts = Vec::new();
    let mut offset = 0;
    for (at, line) in lines.iter().enumerate() {
        // WikiText breaks some formulas into lines like ` = 1 henry and capacitance C = `.
        if is_title(line) && is_blank(at.checked_sub(1)) && is_blank(Some(at + 1)) {
            starts.push(offset);
        }
        offset += line.len();
    }
    if let Some(first) = starts.first_mut() {
        *first = 0;
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().zip(ends).map(|(start, end)| &text[*start..end]).collect()
}

/// Whether a line has the form of the highest heading, ` = Title = `.
fn is_title(line: &str) -> bool {
    let title = line.trim().strip_prefix("= ").and_then(|rest| rest.strip_suffix(" ="));
    title.is_some_and(|title| !title.starts_with('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_article_goes_from_its_heading_to_the_next() {
        let text = " \n = Oslo = \n \n A city . \n \n = = History = = \n \n With L \n = 1 henry and C = \n                     1 farad . \n \n \n = Rome = \n \n Old .";
        let found = articles(text);
        assert_eq!(found.concat(), text);
        assert_eq!(found.len(), 2);
        assert!(found[0].ends_with("1 farad . \n \n \n") && found[1].starts_with(" = Rome = \n"));
        assert_eq!(articles(" = Oslo = "), [" = Oslo = "]);
        assert!(articles("no heading\n").is_empty() && articles("").is_empty());
    }

    #[test]
    fn the_lines_put_together_are_the_file() {
        let text = " = Oslo = \n \n é\r\n\nthe last";
        let mut lines = RawText::new(Path::new("wiki.raw"), text.as_bytes());
        let mut together = String::new();
        let mut lengths = Vec::new();
        while let length @ 1.. = lines.next_line(&mut together).unwrap() {
            lengths.push(length);
        }
        assert_eq!(together, text);
        assert_eq!(lengths, [11, 2, 5, 1, 8]);
    }

    #[test]
    fn a_byte_that_is_no_utf8_is_pointed_at() {
        let mut lines = RawText::new(Path::new("wiki.raw"), &b"one\ntw\xffo\n"[..]);
        let mut text = String::new();
        lines.next_line(&mut text).unwrap();
        let error = lines.next_line(&mut text).unwrap_err();
        assert!(matches!(error, CorpusError::NotUtf8 { offset: 6, line: 2, found: 0xff, .. }), "{error}");
    }

    #[test]
    fn an_empty_or_absent_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wiki.train.raw");
        assert!(matches!(RawText::open(&path), Err(CorpusError::Read { .. })));
        std::fs::write(&path, "").unwrap();
        let error = RawText::open(&path).err().unwrap();
        assert!(error.to_string().contains("wiki.train.raw: expected UTF-8 text, found an empty file"));
    }
}
