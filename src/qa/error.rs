//! What can go wrong between span scores and numbers.

use std::io;
use std::path::PathBuf;

use crate::durable::WriteError;
use crate::interrupt::Interrupted;
use crate::model::ModelError;
use crate::text::{Protocol, TextError};

/// Answers could not be decoded, read, written or scored.
#[derive(Debug, thiserror::Error)]
pub enum QaError {
    /// A file could not be read.
    #[error("{}: cannot read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not JSON of the layout that it should have.
    #[error("{}: expected {expected}: {source}", path.display())]
    Layout {
        /// The file.
        path: PathBuf,
        /// The layout, in words.
        expected: &'static str,
        /// What was found, and at which line.
        source: serde_json::Error,
    },
    /// A file could not be put in place.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The model or its batch is at fault.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The tokenizer or its windows are at fault.
    #[error(transparent)]
    Text(#[from] TextError),
    /// libtorch refused.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
    /// The user asked to stop.
    #[error("{0}")]
    Interrupted(#[from] Interrupted),
    /// There is nothing to take a mean of.
    #[error("expected at least one question in the gold data, found none")]
    NoQuestions,
    /// A question without a word.
    #[error("the question: expected some text, found none")]
    BlankQuestion,
    /// Under the original's protocol an answer is decoded tokens, which stand nowhere.
    #[error("protocol: expected standard, whose answers stand in the text, found {found}")]
    AnswerWithoutPlace {
        /// The protocol.
        found: Protocol,
    },
    /// A question was predicted that has no gold answer to compare with.
    #[error("question {id:?}: expected at least one gold answer, found none")]
    NoGoldAnswer {
        /// The question's id.
        id: String,
    },
    /// A setting has a value that makes no sense.
    #[error("{key}: expected {expected}, found {found}")]
    Setting {
        /// The setting's name.
        key: &'static str,
        /// What would do.
        expected: &'static str,
        /// The value given.
        found: usize,
    },
    /// A window points at a question that the data set does not have.
    #[error("a window of question number {found}: expected less than {expected}, the number of questions")]
    ForeignWindow {
        /// How many questions there are.
        expected: usize,
        /// The window's question.
        found: usize,
    },
    /// A window's own parts disagree about its length.
    #[error("question {id:?}: {part} of a window: expected {expected} values, found {found}")]
    Length {
        /// The question's id.
        id: String,
        /// Which part of the window.
        part: &'static str,
        /// How many values it should have.
        expected: usize,
        /// How many it has.
        found: usize,
    },
    /// A score of a context token is NaN or infinite.
    #[error(
        "question {id:?}: {part} logit at token {position} of a window: expected a finite number, found {found}"
    )]
    NotFinite {
        /// The question's id.
        id: String,
        /// `start` or `end`.
        part: &'static str,
        /// Index into the window's tokens.
        position: usize,
        /// The value.
        found: f32,
    },
    /// A token's offsets do not lie in its context.
    #[error(
        "question {id:?}: answer at characters {start}..{end}: expected a stretch of a context of {length}"
    )]
    Offsets {
        /// The question's id.
        id: String,
        /// The first character.
        start: usize,
        /// One past the last character.
        end: usize,
        /// The context's length in characters.
        length: usize,
    },
}
