//! From records to tokens.
//!
//! [`Tokenizer`] turns text into numbers and says where each token stands in the text;
//! [`train_tokenizer`] makes one from text.
//! [`blocks`] cuts a corpus into sequences of one length for masked-language-model pretraining,
//! and [`masking`] hides tokens of them. [`windows`] lays questions and long contexts into
//! sequences that a model can read, [`truncated`] as the original work did; [`documents`] TriviaQA's
//! questions and documents, in which [`aliases`] finds the answers and of which [`examples`] makes a file
//! to train on. Nothing here knows about tensors.

pub mod aliases;
mod block_file;
pub mod blocks;
mod case;
mod document_file;
pub mod documents;
pub mod error;
pub mod examples;
mod files;
pub mod masking;
mod memo;
mod offsets;
mod old_offsets;
pub(crate) mod passes;
mod pieces;
pub mod protocol;
mod seams;
pub mod special;
#[cfg(test)]
pub(crate) mod testing;
pub mod token;
pub mod tokenizer;
pub mod train_tokenizer;
pub mod truncated;
pub mod windows;
mod words;
mod writing;

pub use blocks::BlockFile;
pub use case::Case;
pub use document_file::DocumentFile;
pub use documents::{DocumentSettings, Slices};
pub use error::TextError;
pub use examples::ExampleSettings;
pub use masking::{MaskedBlock, MaskingSettings, MaskingVocabulary};
pub use protocol::Protocol;
pub use special::{Pairing, SpecialTokens};
pub use token::{CharSpan, TokenId};
pub use tokenizer::Tokenizer;
pub use truncated::{Truncated, TruncatedDataset};
pub use windows::{TokenSpan, Window, WindowSettings};
