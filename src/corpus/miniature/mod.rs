//! The built-in miniature: a small corpus and question-answering set in the real file formats, made
//! from nothing but a seed, so that the whole pipeline can be tried without a download.
//!
//! A document is a list of short facts, each about a person and a place: *Today Mira in Oslo was
//! glad.* A question names the person, *Where is Mira?*, and the answer is the stretch that holds
//! both names, *Mira in Oslo*. All other facts of the document are distractors of the same form, so
//! someone who answers with any fact is right once in as many times as there are facts
//! ([`facts`] finds them, for computing that chance). Documents come in six languages and scripts, written
//! in our own plain sentences, with combining marks in each.
//!
//! [`write`] makes the files; [`MiniatureSettings`] says how much of each.

mod article;
mod document;
mod files;
mod language;
mod lexicon;
mod settings;

pub use document::facts;
pub use files::{MiniatureFiles, write};
pub use language::Language;
pub use settings::MiniatureSettings;
