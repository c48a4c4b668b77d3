//! What can go wrong between text and tokens.

use std::io;
use std::path::PathBuf;

use crate::corpus::CorpusError;
use crate::durable::WriteError;
use crate::interrupt::Interrupted;

/// Text cannot be turned into tokens, or tokens cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// The system would not give the bytes.
    #[error("{}: cannot read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder without a tokenizer in it.
    #[error("{}: expected tokenizer.json, or vocab.json and merges.txt, found none of them", folder.display())]
    NoTokenizer {
        /// The folder.
        folder: PathBuf,
    },
    /// A tokenizer file that is not one.
    #[error("{}: expected {expected}, found: {found}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What should stand there.
        expected: &'static str,
        /// What the reader said.
        found: String,
    },
    /// A tokenizer without a token that every model needs.
    #[error("{}: expected the special token {token:?} in the vocabulary, found none", path.display())]
    MissingSpecialToken {
        /// The tokenizer file.
        path: PathBuf,
        /// The token.
        token: &'static str,
    },
    /// A tokenizer and a model that do not belong together.
    #[error("{}: expected a vocabulary of {expected} tokens as in {}, found {found}", tokenizer.display(), model.display())]
    VocabularySize {
        /// The tokenizer file.
        tokenizer: PathBuf,
        /// The model's config.
        model: PathBuf,
        /// The model's vocabulary size.
        expected: usize,
        /// The tokenizer's.
        found: usize,
    },
    /// The tokenizer refused a text.
    #[error("{}: cannot encode {text:?}: {found}", path.display())]
    Encode {
        /// The tokenizer file.
        path: PathBuf,
        /// The beginning of the text.
        text: String,
        /// What the tokenizer said.
        found: String,
    },
    /// A setting outside of its range.
    #[error("{key}: expected {expected}, found {found}")]
    Setting {
        /// The setting's name.
        key: &'static str,
        /// Its range.
        expected: String,
        /// Its value.
        found: String,
    },
    /// A text with fewer tokens than one block takes.
    #[error("{}: expected at least {expected} tokens, one block's worth, found {found}", path.display())]
    TooShort {
        /// The text file.
        path: PathBuf,
        /// Tokens in a block, without its two special tokens.
        expected: usize,
        /// Tokens in the text.
        found: u64,
    },
    /// A file of blocks or of documents that is not one, or not whole.
    #[error("{}: expected {expected}, found {found}", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What should stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// The text itself is at fault.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// The result could not be put in place.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The user asked to stop.
    #[error("{}: tokenization stopped", path.display())]
    Interrupted {
        /// The text file.
        path: PathBuf,
        /// Says what to do next.
        source: Interrupted,
    },
}
