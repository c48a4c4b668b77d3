//! Training examples of documents in one flat file that is read by memory map, in any order:
//! little-endian `u32`s, twenty of header, then the examples one after the other, then for each the
//! word at which it begins (low, high).
//!
//! An example is `question_end`, the number of its slices, and for each slice the numbers of its tokens,
//! starts and ends, then those.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::documents::{Example, ExampleSlice};
use super::error::TextError;
use super::token::TokenId;
use super::words::{self, WORD, wide, words};
use crate::digest::Digest;
use crate::native;

const MAGIC: u32 = u32::from_le_bytes(*b"LQAD");
const VERSION: u32 = 1;
const HEADER_WORDS: usize = 20;

/// What stands before the examples. As words: magic, version, examples, documents left out, tokens,
/// where the examples end (low and high each), the key (eight), 0, 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub examples: u64,
    /// Documents without an answer in what is read of them.
    pub left_out: u64,
    /// Tokens of all examples.
    pub tokens: u64,
    /// The word behind the last example, at which the list of beginnings starts.
    end: u64,
    /// Names everything that the file was made of.
    pub key: Digest,
}

impl Header {
    fn bytes(self) -> Vec<u8> {
        let mut all = vec![MAGIC, VERSION];
        all.extend([self.examples, self.left_out, self.tokens, self.end].map(words::halves).concat());
        all.extend(words(self.key.bytes()));
        all.resize(HEADER_WORDS, 0);
        words::bytes(&all)
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let words: Vec<u32> = words(bytes).take(HEADER_WORDS).collect();
        let &[magic, version, e0, e1, l0, l1, t0, t1, end, end_high, ref key @ .., _, _] = &words[..] else {
            return Err(format!("{} bytes", bytes.len()));
        };
        if (magic, version) != (MAGIC, VERSION) {
            return Err(format!("a file that begins with {magic:#010x}, version {version}"));
        }
        let key = words::bytes(key).try_into().map(Digest::from_bytes);
        Ok(Self {
            examples: wide(e0, e1),
            left_out: wide(l0, l1),
            tokens: wide(t0, t1),
            end: wide(end, end_high),
            key: key.map_err(|bytes| format!("a key of {} bytes", bytes.len()))?,
        })
    }

    /// The size of the whole file in bytes, if that is a number at all.
    fn file_length(self) -> Option<u64> {
        self.examples.checked_mul(2)?.checked_add(self.end)?.checked_mul(WORD as u64)
    }
}

/// Writes examples one after the other.
pub(super) struct DocumentWriter<'a> {
    file: &'a mut BufWriter<File>,
    header: Header,
    beginnings: Vec<u64>,
}

impl<'a> DocumentWriter<'a> {
    pub fn new(file: &'a mut BufWriter<File>, key: Digest) -> io::Result<Self> {
        let header = Header { examples: 0, left_out: 0, tokens: 0, end: HEADER_WORDS as u64, key };
        // Room for the header, which is known at the end.
        file.write_all(&[0; HEADER_WORDS * WORD])?;
        Ok(Self { file, header, beginnings: Vec::new() })
    }

    /// Adds the example of a document, or counts one that has no answer.
    pub fn push(&mut self, example: Option<&Example>) -> io::Result<()> {
        let Some(example) = example else {
            self.header.left_out += 1;
            return Ok(());
        };
        let mut all = vec![example.question_end as u32, example.slices.len() as u32];
        for slice in &example.slices {
            let positions = [&slice.starts, &slice.ends];
            all.push(slice.input_ids.len() as u32);
            all.extend(positions.map(|positions| positions.len() as u32));
            all.extend(slice.input_ids.iter().map(|id| id.0));
            all.extend(positions.into_iter().flatten().map(|&position| position as u32));
        }
        self.file.write_all(&words::bytes(&all))?;
        self.beginnings.push(self.header.end);
        self.header.end += all.len() as u64;
        self.header.examples += 1;
        self.header.tokens += example.tokens() as u64;
        Ok(())
    }

    /// Writes what is known at the end.
    pub fn finish(self) -> io::Result<Header> {
        for beginning in self.beginnings {
            self.file.write_all(&words::bytes(&words::halves(beginning)))?;
        }
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&self.header.bytes())?;
        Ok(self.header)
    }
}

/// A file of examples, open for reading in any order by any number of threads.
#[derive(Debug)]
pub struct DocumentFile {
    path: PathBuf,
    map: Mmap,
    header: Header,
}

impl DocumentFile {
    /// Opens the file at `path`. Fails unless it is a file of examples, and whole.
    pub fn open(path: &Path) -> Result<Self, TextError> {
        let map =
            native::map_file(path).map_err(|source| TextError::Read { path: path.to_owned(), source })?;
        let unfit =
            |expected: String, found: String| TextError::TokenFile { path: path.to_owned(), expected, found };
        let header =
            Header::parse(&map).map_err(|found| unfit("a file of training documents".to_owned(), found))?;
        if header.file_length() != Some(map.len() as u64) {
            let expected = format!("{} examples in {} words", header.examples, header.end);
            return Err(unfit(expected, format!("{} bytes; it may be cut short", map.len())));
        }
        Ok(Self { path: path.to_owned(), map, header })
    }

    /// The number of examples.
    pub fn len(&self) -> usize {
        self.header.examples as usize
    }

    /// Whether there is no example.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Documents that are no example, as the answer does not stand in what is read of them.
    pub fn left_out(&self) -> u64 {
        self.header.left_out
    }

    /// Tokens of all slices of all examples.
    pub fn tokens(&self) -> u64 {
        self.header.tokens
    }

    /// Names everything that the file was made of.
    pub fn key(&self) -> Digest {
        self.header.key
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Example number `index`.
    ///
    /// # Errors
    /// [`TextError::TokenFile`] where there is none, or none that makes sense.
    pub fn example(&self, index: usize) -> Result<Example, TextError> {
        self.parsed(index).ok_or_else(|| TextError::TokenFile {
            path: self.path.clone(),
            expected: format!("example {index} of {}", self.len()),
            found: "none that makes sense; the file may be damaged".to_owned(),
        })
    }

    fn parsed(&self, index: usize) -> Option<Example> {
        let (end, place) = (usize::try_from(self.header.end).ok()?, index.checked_mul(2)?);
        let beginning = self.words(end.checked_add(place)?)?.next_pair()?;
        let mut words = self.words(usize::try_from(wide(beginning[0], beginning[1])).ok()?)?;
        let [question_end, slices] = words.next_pair()?.map(|word| word as usize);
        let slices: Vec<_> = (0..slices).map(|_| words.slice()).collect::<Option<_>>()?;
        let fits = |slice: &ExampleSlice| question_end < slice.input_ids.len();
        let has_answer = slices.iter().any(|slice| !slice.starts.is_empty())
            && slices.iter().any(|slice| !slice.ends.is_empty());
        (has_answer && slices.iter().all(fits)).then_some(Example { question_end, slices })
    }

    /// The words from number `first` on.
    fn words(&self, first: usize) -> Option<Words<'_>> {
        Some(Words { rest: self.map.get(first.checked_mul(WORD)?..)? })
    }
}

/// What is still to be read.
struct Words<'a> {
    rest: &'a [u8],
}

impl Words<'_> {
    fn take(&mut self, count: usize) -> Option<Vec<u32>> {
        let (taken, rest) = self.rest.split_at_checked(count.checked_mul(WORD)?)?;
        self.rest = rest;
        Some(words(taken).collect())
    }

    fn next_pair(&mut self) -> Option<[u32; 2]> {
        self.take(2)?.try_into().ok()
    }

    fn slice(&mut self) -> Option<ExampleSlice> {
        let &[length, starts, ends] = self.take(3)?.as_slice() else { return None };
        let input_ids: Vec<TokenId> = self.take(length as usize)?.into_iter().map(TokenId).collect();
        let mut positions = |count: u32| -> Option<Vec<usize>> {
            let positions: Vec<usize> =
                self.take(count as usize)?.into_iter().map(|position| position as usize).collect();
            positions.iter().all(|position| *position < input_ids.len()).then_some(positions)
        };
        let (starts, ends) = (positions(starts)?, positions(ends)?);
        Some(ExampleSlice { input_ids, starts, ends })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;
    use crate::durable;

    fn written(examples: &[Option<Example>]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("examples");
        durable::write_with(&path, |file| {
            let mut writer = DocumentWriter::new(file, Digest::of_bytes(b"key"))?;
            examples.iter().try_for_each(|example| writer.push(example.as_ref()))?;
            writer.finish().map(drop)
        })
        .unwrap();
        (folder, path)
    }

    fn example(ids: &[u32], starts: &[usize], ends: &[usize]) -> Example {
        let of = |starts: &[usize], ends: &[usize]| ExampleSlice {
            input_ids: ids.iter().map(|&id| TokenId(id)).collect(),
            starts: starts.to_vec(),
            ends: ends.to_vec(),
        };
        Example { question_end: 1, slices: vec![of(&[], &[]), of(starts, ends)] }
    }

    #[test]
    fn examples_come_back_in_any_order_and_those_left_out_are_counted() {
        let (one, two) = (example(&[0, 7, 8, 2], &[2], &[2]), example(&[0, 9, 2], &[1], &[1, 2]));
        let (_folder, path) = written(&[Some(one.clone()), None, Some(two.clone()), None]);
        let file = DocumentFile::open(&path).unwrap();
        assert_eq!((file.len(), file.left_out(), file.tokens()), (2, 2, 14));
        assert_eq!(file.key(), Digest::of_bytes(b"key"));
        assert_eq!(file.example(1).unwrap(), two);
        assert_eq!(file.example(0).unwrap(), one);
        for none in [2, usize::MAX / 2, usize::MAX] {
            assert!(matches!(file.example(none), Err(TextError::TokenFile { .. })));
        }
    }

    #[test]
    fn a_file_cut_short_or_of_another_kind_is_refused() {
        let (_folder, path) = written(&[Some(example(&[0, 7, 2], &[1], &[1]))]);
        let whole = fs::read(&path).unwrap();
        let mut foreign = whole.clone();
        foreign[0] ^= 1;
        for bytes in [&whole[..whole.len() - 4], &whole[..20], &whole[..0], &foreign, b"{}"] {
            fs::write(&path, bytes).unwrap();
            let error = DocumentFile::open(&path).unwrap_err();
            assert!(matches!(error, TextError::TokenFile { .. }), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_damaged_file_is_an_error_and_never_more(word in 2usize..60, value in any::<u32>()) {
            let examples = [example(&[0, 7, 8, 2], &[2], &[2]), example(&[0, 9, 2], &[1], &[1, 2])];
            let (_folder, path) = written(&examples.map(Some));
            let mut bytes = fs::read(&path).unwrap();
            let place = word * WORD % bytes.len();
            bytes[place..place + WORD].copy_from_slice(&value.to_le_bytes());
            fs::write(&path, bytes).unwrap();
            if let Ok(file) = DocumentFile::open(&path) {
                for example in (0..2).filter_map(|index| file.example(index).ok()) {
                    prop_assert!(example.slices.iter().all(|slice| slice.starts.iter().all(|&start| start < slice.input_ids.len())));
                }
            }
        }
    }
}
