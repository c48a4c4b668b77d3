//! The built-in miniature: a small corpus and question-answering set in the real file formats, made
//! from nothing but a seed, so that the whole pipeline can be tried without a download.
//!
//! A document is a list of short facts, each about a person and a place: *Today Mira read a book in Oslo
//! by the window.* A question names both, *What did Mira do in Oslo?*, and the answer is the stretch from
//! one to the other, *Mira read a book in Oslo*: its ends can be found by looking for the words of the
//! question, which a tiny model learns in minutes (it does not learn to go on from there). All other
//! facts of the document are distractors of the same form, so someone who answers with any fact is
//! right once in as many times as there are facts ([`facts`] finds them, for computing that chance).
//! Documents come in six languages and scripts, written in our own plain sentences, with combining marks
//! in each.
//!
//! The same kind of document and question is written in the layout of each task: SQuAD and XQuAD
//! (`files`), MLQA (`mlqa`), TyDi QA (`tydiqa`), and TriviaQA with its evidence files (`triviaqa`).
//!
//! [`write()`] makes the files; [`MiniatureSettings`] says how much of each.

mod article;
mod document;
mod files;
mod language;
mod lexicon;
mod mlqa;
mod settings;
mod squad_layout;
mod streams;
mod triviaqa;
mod tydiqa;

pub use document::facts;
pub use files::{MiniatureFiles, write};
pub use language::Language;
pub use mlqa::{MlqaFile, MlqaSplit};
pub use settings::MiniatureSettings;
pub use triviaqa::TriviaQaFiles;
