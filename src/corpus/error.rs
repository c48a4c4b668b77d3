//! What can be wrong with a data file.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::error::Category;

use crate::durable::WriteError;

/// A data file cannot be read as what it should be.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// The system would not give the bytes.
    #[error("{}: cannot read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is nothing in the file.
    #[error("{}: expected {expected}, found an empty file", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// What should stand there.
        expected: &'static str,
    },
    /// A byte that is no UTF-8.
    #[error("{}: expected UTF-8 text, found an invalid byte {found:#04x} at byte {offset}, line {line}", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// Where the invalid sequence begins, in bytes from the start of the file.
        offset: u64,
        /// The line it stands in, counted from 1.
        line: u64,
        /// The first byte of the invalid sequence.
        found: u8,
    },
    /// The file ends in the middle of a value.
    #[error("{}: expected {expected}, found the end of the file at line {line}, column {column}; it may be cut short", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// What should stand there.
        expected: &'static str,
        /// Line of the end, counted from 1.
        line: usize,
        /// Column of the end in bytes, counted from 1.
        column: usize,
    },
    /// The text breaks the rules of JSON.
    #[error("{}: expected {expected}, found invalid JSON at line {line}, column {column}: {found}", path.display())]
    NotJson {
        /// The file.
        path: PathBuf,
        /// What should stand there.
        expected: &'static str,
        /// Line of the fault, counted from 1.
        line: usize,
        /// Column of the fault in bytes, counted from 1.
        column: usize,
        /// What the JSON reader said.
        found: String,
    },
    /// Valid JSON of another shape.
    #[error("{}: {at}: expected {expected}, found {found}", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// The place, as in `$.data[0].paragraphs[2].context`.
        at: String,
        /// What should stand there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// Two questions with one id: predictions are filed by id, so one would overwrite the other.
    #[error("{}: {second}: expected a question id of its own, found {id:?}, which is also at {first}", path.display())]
    DuplicateId {
        /// The file.
        path: PathBuf,
        /// The id.
        id: String,
        /// The place of the first question with it.
        first: String,
        /// The place of the second.
        second: String,
    },
    /// An answer that does not stand where the file says.
    #[error("{}: {at}: expected the answer {expected:?} at character {start} of its context, found {found:?}", path.display())]
    MisplacedAnswer {
        /// The file.
        path: PathBuf,
        /// The place of the answer.
        at: String,
        /// `answer_start`.
        start: u64,
        /// The answer's text.
        expected: String,
        /// As many characters as the answer has, from `answer_start` on.
        found: String,
    },
    /// A question that no answer could be right for.
    #[error("{}: question {id:?}: expected at least one name of the answer in NormalizedAliases, found none", path.display())]
    NoAliases {
        /// The file.
        path: PathBuf,
        /// The question.
        id: String,
    },
    /// A question names a document that is not there.
    #[error("{}: question {id:?} names a document: expected it at {}, found nothing there", path.display(), document.display())]
    MissingDocument {
        /// The file of questions.
        path: PathBuf,
        /// The question.
        id: String,
        /// Where the document should be.
        document: PathBuf,
    },
    /// A question whose id names no language.
    #[error("{}: question {id:?}: expected an id that begins with one of TyDi QA's languages, as in arabic-2387-1", path.display())]
    NoLanguage {
        /// The file.
        path: PathBuf,
        /// The question's id.
        id: String,
    },
    /// Two questions that have one number and two languages.
    #[error("{}: question {id:?}: expected an example in one language, found {other:?} too", path.display())]
    TwoLanguages {
        /// The file.
        path: PathBuf,
        /// The question's id.
        id: String,
        /// The id of the question before it.
        other: String,
    },
    /// A language that a file has no question in.
    #[error("{}: expected questions in {language}, found none", path.display())]
    NoneInLanguage {
        /// The file.
        path: PathBuf,
        /// The language's name.
        language: &'static str,
    },
    /// A language is asked for that is not the one in the file's name.
    #[error("{}: {key}: expected {expected}, as the file's name says, found {found}", path.display())]
    OtherLanguage {
        /// The file.
        path: PathBuf,
        /// Whose language, `language` or `context_language`.
        key: &'static str,
        /// The code in the name.
        expected: &'static str,
        /// The code asked for.
        found: &'static str,
    },
    /// Neither a file's name nor the settings tell its languages.
    #[error("{}: expected a name as in dev-context-ar-question-es.json, or the language to be given, found neither", path.display())]
    UnknownPair {
        /// The file.
        path: PathBuf,
    },
    /// A file of questions in another language than their contexts' does not share contexts and answers with
    /// the file that has the questions in the same language.
    #[error("{}: question {id:?}: expected {expected} in {}, found none", path.display(), other.display())]
    HalvesDisagree {
        /// The file.
        path: PathBuf,
        /// The file whose questions and contexts are in one language.
        other: PathBuf,
        /// The question's id.
        id: String,
        /// What should be there.
        expected: &'static str,
    },
    /// Nothing of a file is in the one that it should be without: leaving that out would do nothing.
    #[error("{}: expected paragraphs of {} in it, to be left out, found none", path.display(), other.display())]
    NothingShared {
        /// The file of questions.
        path: PathBuf,
        /// The file whose paragraphs are left out.
        other: PathBuf,
    },
    /// All of a file is in those that it should be without.
    #[error("{}: expected questions about paragraphs that are not left out, found none among {found}", path.display())]
    NothingLeft {
        /// The file of questions.
        path: PathBuf,
        /// The questions that it has.
        found: usize,
    },
    /// What is left of a file is not what should be.
    #[error("{}: expected {expected} {what} to be left, found {found}", path.display())]
    Left {
        /// The file of questions.
        path: PathBuf,
        /// `paragraphs` or `questions`.
        what: &'static str,
        /// How many of them there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A text that should consist of articles.
    #[error("{}: expected WikiText, each article below a heading like ` = Title = ` with empty lines around it, found none", path.display())]
    NoArticles {
        /// The file.
        path: PathBuf,
    },
    /// An article that could be both held out and trained on.
    #[error("{}: expected articles that are not in {} too, found `{heading}` in both", path.display(), other.display())]
    SameArticle {
        /// The file.
        path: PathBuf,
        /// The file with the same article, which may be the same.
        other: PathBuf,
        /// The article's heading.
        heading: String,
    },
    /// A text cannot be divided as asked.
    #[error(
        "{}: expected articles enough to hold out {share} of them, at least one, and keep at least one, found {articles}, of which {held_out} would be held out",
        listed(texts)
    )]
    OneSided {
        /// The files.
        texts: Vec<PathBuf>,
        /// The share to be held out.
        share: f64,
        /// The articles that they have.
        articles: usize,
        /// Those that would be held out.
        held_out: usize,
    },
    /// A file could not be put in place.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A setting has a value that cannot be met.
    #[error("{key}: expected {expected}, found {found}")]
    Setting {
        /// The setting's name.
        key: &'static str,
        /// What would do.
        expected: &'static str,
        /// The value given.
        found: String,
    },
}

fn listed(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

impl CorpusError {
    /// What a JSON reader says of the file at `path`, which should be `expected`.
    pub(super) fn of_json(path: &Path, expected: &'static str, error: &serde_json::Error) -> Self {
        let (path, line, column) = (path.to_owned(), error.line(), error.column());
        match error.classify() {
            Category::Eof => Self::Truncated { path, expected, line, column },
            Category::Io => {
                let kind = error.io_error_kind().unwrap_or(io::ErrorKind::Other);
                Self::Read { path, source: io::Error::new(kind, error.to_string()) }
            }
            Category::Syntax => Self::NotJson { path, expected, line, column, found: error.to_string() },
            Category::Data => Self::Schema { path, at: "$".to_owned(), expected, found: error.to_string() },
        }
    }

    /// The bytes of the file at `path` are UTF-8 up to `offset` only.
    pub(super) fn not_utf8(path: &Path, bytes: &[u8], offset: usize) -> Self {
        let lines = bytes.iter().take(offset).filter(|&&byte| byte == b'\n').count();
        Self::NotUtf8 {
            path: path.to_owned(),
            offset: offset as u64,
            line: lines as u64 + 1,
            found: bytes.get(offset).copied().unwrap_or_default(),
        }
    }
}
