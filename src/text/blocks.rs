//! A corpus as sequences of one length, for masked-language-model pretraining: the whole text as one
//! stream of tokens, cut every `block_length` - 2 of them, `<s>` before and `</s>` behind, the tail
//! dropped, no other boundary. So does the Longformer conversion recipe (`TextDataset` of
//! transformers 3).
//!
//! The text is read as a stream and tokenized in parallel, piece by piece and word by word (see
//! `pieces.rs` and `seams.rs` for why that gives the tokens of the whole). The result is a [`BlockFile`], the same to the bit
//! whatever the number of threads.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use rayon::prelude::*;

pub use super::block_file::BlockFile;
use super::block_file::{BlockWriter, Header};
use super::error::TextError;
use super::memo::Memo;
use super::pieces::Pieces;
use super::tokenizer::Tokenizer;
use super::writing::{self, Stop};
use crate::corpus::wikitext::RawText;
use crate::digest::{Digest, Hasher};
use crate::interrupt::Interrupt;

/// Bytes of a piece: long enough that trying a cut costs little beside it.
const PIECE_BYTES: usize = 64 << 10;
/// Pieces in work at once, at most. Tokenizing a piece as one string takes some 150 bytes of memory for
/// each byte of text, so these stay under half a gigabyte on a machine of any number of cores.
const MOST_PIECES: usize = 48;

/// Tokenizes the text file `source` into blocks of `block_length` tokens, special ones included,
/// and writes them to `target`, which appears when it is whole.
pub fn build(
    source: &Path,
    tokenizer: &Tokenizer,
    block_length: usize,
    target: &Path,
    interrupt: &Interrupt,
) -> Result<BlockFile, TextError> {
    build_watched(source, tokenizer, block_length, target, interrupt, |_| {})
}

/// The blocks of `source` from `folder`, where they lie under a name that says what they were made
/// of; made there if they are not.
pub fn cached(
    folder: &Path,
    source: &Path,
    tokenizer: &Tokenizer,
    block_length: usize,
    interrupt: &Interrupt,
) -> Result<BlockFile, TextError> {
    let text = Digest::of_file(source)
        .map_err(|error| TextError::Read { path: source.to_owned(), source: error })?;
    let path = folder.join(format!("{}.blocks", key(text, tokenizer.digest(), block_length)));
    if path.exists() {
        return BlockFile::open(&path);
    }
    build(source, tokenizer, block_length, &path, interrupt)
}

/// As [`build`]; `watch` is told of bytes of the text as they are done.
pub fn build_watched(
    source: &Path,
    tokenizer: &Tokenizer,
    block_length: usize,
    target: &Path,
    interrupt: &Interrupt,
    mut watch: impl FnMut(u64),
) -> Result<BlockFile, TextError> {
    let length = match u32::try_from(block_length) {
        Ok(length) if length >= 3 => length,
        _ => {
            let expected = "3 or more tokens".to_owned();
            return Err(TextError::Setting {
                key: "block_length",
                expected,
                found: block_length.to_string(),
            });
        }
    };
    let mut pieces = Pieces::new(RawText::open(source)?, tokenizer, PIECE_BYTES);
    writing::write(target, |file| {
        let header = write_blocks(file, tokenizer, length, &mut pieces, &mut |bytes| {
            watch(bytes);
            interrupt.check().map_err(|stop| TextError::Interrupted { path: source.to_owned(), source: stop })
        })?;
        Ok(has_a_block(source, header)?)
    })?;
    BlockFile::open(target)
}

/// The key of a block file: equal for equal inputs, and for those alone.
pub fn key(source: Digest, tokenizer: Digest, block_length: usize) -> Digest {
    let mut hasher = Hasher::default();
    hasher.field(b"longqa-blocks-1").field(source.bytes()).field(tokenizer.bytes());
    hasher.field(&(block_length as u64).to_le_bytes()).digest()
}

fn write_blocks(
    file: &mut BufWriter<File>,
    tokenizer: &Tokenizer,
    block_length: u32,
    pieces: &mut impl Iterator<Item = Result<String, TextError>>,
    done: &mut dyn FnMut(u64) -> Result<(), TextError>,
) -> Result<Header, Stop> {
    let memo = Memo::new(tokenizer);
    let mut writer = BlockWriter::new(file, *tokenizer.special(), block_length)?;
    let at_once = (4 * rayon::current_num_threads()).min(MOST_PIECES);
    loop {
        let batch: Vec<String> = pieces.take(at_once).collect::<Result<_, _>>()?;
        if batch.is_empty() {
            return Ok(writer.finish()?);
        }
        let encoded: Vec<_> = batch.par_iter().map(|piece| memo.encode(piece)).collect();
        for tokens in encoded {
            writer.push(&tokens?)?;
        }
        done(batch.iter().map(|piece| piece.len() as u64).sum())?;
    }
}

fn has_a_block(source: &Path, header: Header) -> Result<(), TextError> {
    match header.blocks {
        0 => Err(TextError::TooShort {
            path: source.to_owned(),
            expected: header.block_length as usize - 2,
            found: header.text_tokens,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::corpus::CorpusError;
    use crate::text::TokenId;
    use crate::text::testing;

    struct Desk {
        folder: tempfile::TempDir,
    }

    impl Desk {
        fn with(text: impl AsRef<[u8]>) -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("text"), text).unwrap();
            Self { folder }
        }

        fn target(&self) -> PathBuf {
            self.folder.path().join("blocks")
        }

        fn build(&self, length: usize) -> Result<BlockFile, TextError> {
            let source = self.folder.path().join("text");
            let interrupt = Interrupt::default();
            build(&source, testing::byte_level_once(), length, &self.target(), &interrupt)
        }

        fn holds_only_the_text(&self) -> bool {
            fs::read_dir(self.folder.path()).unwrap().count() == 1
        }
    }

    fn text() -> String {
        (0..40_000).map(|line| format!(" = {line} = \n \n")).collect()
    }

    #[test]
    fn blocks_are_the_text_as_one_stream_less_its_tail() {
        let (text, desk) = (text(), Desk::with(text()));
        let blocks = desk.build(100).unwrap();
        let whole = testing::byte_level_once().encode_ids(&text).unwrap();
        assert!(text.len() > 4 * PIECE_BYTES);
        assert_eq!(blocks.text_tokens(), whole.len() as u64);
        assert_eq!(blocks.len(), whole.len() / 98);
        for (index, inside) in whole.chunks_exact(98).enumerate() {
            let block = blocks.block(index);
            assert_eq!(block.len(), 100);
            assert_eq!((block[0], block[99]), (TokenId(0), TokenId(2)));
            assert_eq!(&block[1..99], inside);
        }
        assert!(blocks.block(blocks.len()).is_empty());
        assert!(blocks.block(usize::MAX).is_empty());
    }

    #[test]
    fn the_number_of_threads_changes_no_byte() {
        let desk = Desk::with(text());
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| desk.build(64)).unwrap();
            fs::read(desk.target()).unwrap()
        };
        assert!(with(1) == with(3));
    }

    #[test]
    fn a_text_shorter_than_a_block_is_refused_and_leaves_nothing() {
        let desk = Desk::with("short\n");
        match desk.build(100).unwrap_err() {
            TextError::TooShort { expected: 98, found: 6, .. } => {}
            other => panic!("{other}"),
        }
        assert!(desk.holds_only_the_text());
    }

    #[test]
    fn bad_text_is_refused_and_leaves_nothing() {
        let desk = Desk::with(b"good\nb\xffd\n");
        let error = desk.build(3).unwrap_err();
        assert!(matches!(error, TextError::Corpus(CorpusError::NotUtf8 { line: 2, .. })), "{error}");
        assert!(desk.holds_only_the_text());
        assert!(matches!(desk.build(2), Err(TextError::Setting { key: "block_length", .. })));
    }

    #[test]
    fn an_interrupted_build_leaves_nothing_and_says_that_it_was_interrupted() {
        let desk = Desk::with(text());
        let interrupt = Interrupt::default();
        interrupt.request();
        let source = desk.folder.path().join("text");
        let error = build(&source, testing::byte_level_once(), 100, &desk.target(), &interrupt).unwrap_err();
        let chain = anyhow::Error::from(error);
        assert!(chain.chain().any(|cause| cause.is::<crate::interrupt::Interrupted>()));
        assert!(desk.holds_only_the_text());
    }

    #[test]
    fn progress_adds_up_to_the_size_of_the_text() {
        let desk = Desk::with(text());
        let (source, mut done) = (desk.folder.path().join("text"), 0);
        let tokenizer = testing::byte_level_once();
        build_watched(&source, tokenizer, 9, &desk.target(), &Interrupt::default(), |bytes| done += bytes)
            .unwrap();
        assert_eq!(done, text().len() as u64);
    }

    #[test]
    fn a_block_file_cut_short_or_of_another_kind_is_refused() {
        let desk = Desk::with(text());
        desk.build(100).unwrap();
        let whole = fs::read(desk.target()).unwrap();
        let mut foreign = whole.clone();
        foreign[0] ^= 1;
        for bytes in [&whole[..whole.len() - 4], &whole[..20], &whole[..0], &foreign, b"{}"] {
            fs::write(desk.target(), bytes).unwrap();
            let error = BlockFile::open(&desk.target()).unwrap_err();
            assert!(matches!(error, TextError::TokenFile { .. }), "{error}");
        }
    }

    #[test]
    fn a_key_depends_on_every_input() {
        let digest = |text: &str| Digest::of_bytes(text.as_bytes());
        let here = key(digest("a"), digest("b"), 4096);
        assert_ne!(here, key(digest("b"), digest("a"), 4096));
        assert_ne!(here, key(digest("a"), digest("b"), 512));
        assert_eq!(here, key(digest("a"), digest("b"), 4096));
    }
}
