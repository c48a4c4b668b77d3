//! A corpus as sequences of one length, in one flat file that is read by memory map: little-endian
//! `u32`s, eight of header, then the tokens of block 0, block 1, and so on.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::error::TextError;
use super::special::SpecialTokens;
use super::token::TokenId;
use super::words::{self, WORD, wide, words};
use crate::native;

const MAGIC: u32 = u32::from_le_bytes(*b"LQAB");
const VERSION: u32 = 1;
const HEADER_WORDS: usize = 8;

/// What stands before the blocks. As words: magic, version, block length, blocks (low, high),
/// tokens of the text (low, high), 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub block_length: u32,
    pub blocks: u64,
    /// Tokens in the text, the dropped tail included, special tokens not.
    pub text_tokens: u64,
}

impl Header {
    fn bytes(self) -> Vec<u8> {
        let ([blocks, blocks_high], [tokens, tokens_high]) =
            (words::halves(self.blocks), words::halves(self.text_tokens));
        words::bytes(&[MAGIC, VERSION, self.block_length, blocks, blocks_high, tokens, tokens_high, 0])
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let words: Vec<u32> = words(bytes).take(HEADER_WORDS).collect();
        let &[magic, version, block_length, blocks, blocks_high, tokens, tokens_high, _] = &words[..] else {
            return Err(format!("{} bytes", bytes.len()));
        };
        if (magic, version) != (MAGIC, VERSION) {
            return Err(format!("a file that begins with {magic:#010x}, version {version}"));
        }
        Ok(Self { block_length, blocks: wide(blocks, blocks_high), text_tokens: wide(tokens, tokens_high) })
    }

    /// The size of the whole file in bytes, if that is a number at all.
    fn file_length(self) -> Option<u64> {
        let block = u64::from(self.block_length).checked_mul(WORD as u64)?;
        self.blocks.checked_mul(block)?.checked_add((HEADER_WORDS * WORD) as u64)
    }
}

/// Puts a stream of tokens into blocks: `<s>`, `block_length` - 2 tokens, `</s>`. What does not
/// fill a block is dropped.
pub(super) struct BlockWriter<'a> {
    file: &'a mut BufWriter<File>,
    special: SpecialTokens,
    header: Header,
    pending: Vec<TokenId>,
}

impl<'a> BlockWriter<'a> {
    pub fn new(file: &'a mut BufWriter<File>, special: SpecialTokens, block_length: u32) -> io::Result<Self> {
        let header = Header { block_length, blocks: 0, text_tokens: 0 };
        // Room for the header, which is known at the end.
        file.write_all(&[0; HEADER_WORDS * WORD])?;
        Ok(Self { file, special, header, pending: Vec::new() })
    }

    /// Adds tokens of the text.
    pub fn push(&mut self, tokens: &[TokenId]) -> io::Result<()> {
        self.header.text_tokens += tokens.len() as u64;
        self.pending.extend_from_slice(tokens);
        let inside = self.header.block_length as usize - 2;
        let full = self.pending.chunks_exact(inside);
        let rest = full.remainder().to_vec();
        for block in full {
            let ends = [self.special.bos, self.special.eos];
            for token in ends[..1].iter().chain(block).chain(&ends[1..]) {
                self.file.write_all(&token.0.to_le_bytes())?;
            }
            self.header.blocks += 1;
        }
        self.pending = rest;
        Ok(())
    }

    /// Writes the header and gives it back.
    pub fn finish(self) -> io::Result<Header> {
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&self.header.bytes())?;
        Ok(self.header)
    }
}

/// A file of blocks, open for reading in any order by any number of threads.
#[derive(Debug)]
pub struct BlockFile {
    path: PathBuf,
    map: Mmap,
    header: Header,
}

impl BlockFile {
    /// Opens the file at `path`. Fails unless it is a block file, and whole.
    pub fn open(path: &Path) -> Result<Self, TextError> {
        let map =
            native::map_file(path).map_err(|source| TextError::Read { path: path.to_owned(), source })?;
        let unfit =
            |expected: String, found: String| TextError::TokenFile { path: path.to_owned(), expected, found };
        let header =
            Header::parse(&map).map_err(|found| unfit("a file of token blocks".to_owned(), found))?;
        if header.block_length < 3 || header.file_length() != Some(map.len() as u64) {
            let expected = format!("{} blocks of {} tokens", header.blocks, header.block_length);
            return Err(unfit(expected, format!("{} bytes; it may be cut short", map.len())));
        }
        Ok(Self { path: path.to_owned(), map, header })
    }

    /// The number of blocks.
    pub fn len(&self) -> usize {
        self.header.blocks as usize
    }

    /// Whether there is no block.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tokens in each block, `<s>` and `</s>` included.
    pub fn block_length(&self) -> usize {
        self.header.block_length as usize
    }

    /// Tokens in the text the blocks were made of, the dropped tail included, special ones not.
    pub fn text_tokens(&self) -> u64 {
        self.header.text_tokens
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Block number `index`, [`BlockFile::block_length`] tokens; none where there is no such block.
    pub fn block(&self, index: usize) -> Vec<TokenId> {
        let size = self.block_length() * WORD;
        let start = index.saturating_mul(size).saturating_add(HEADER_WORDS * WORD);
        let bytes = self.map.get(start..start.saturating_add(size)).unwrap_or_default();
        words(bytes).map(TokenId).collect()
    }
}
