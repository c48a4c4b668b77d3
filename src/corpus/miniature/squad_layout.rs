//! A document as an article in the SQuAD v1.1 layout, which SQuAD, XQuAD, MLQA and TyDi QA share.

use std::path::Path;

use serde_json::{Value, json};

use super::document::{Asked, Document};
use super::language::Language;
use crate::durable::{self, WriteError};

/// The languages of a document and of the questions about it.
#[derive(Clone, Copy)]
pub(super) struct Languages {
    pub(super) context: Language,
    pub(super) question: Language,
}

impl From<Language> for Languages {
    fn from(language: Language) -> Self {
        Self { context: language, question: language }
    }
}

/// One article of one paragraph. `id` gives the name of each question by its number.
pub(super) fn article(
    title: &str,
    document: &Document,
    languages: Languages,
    id: impl Fn(usize) -> String,
) -> Value {
    let told = document.told_in(languages.context);
    let question = |(number, asked): (usize, &Asked)| {
        let answer = &told.answers[asked.fact];
        json!({
            "id": id(number),
            "question": document.facts[asked.fact].question(asked.form, languages.question.lexicon()),
            "answers": [{"answer_start": answer.start, "text": answer.text}],
        })
    };
    let questions: Vec<Value> = document.asked.iter().enumerate().map(question).collect();
    json!({"title": title, "paragraphs": [{"context": told.context, "qas": questions}]})
}

/// Writes a file of articles.
pub(super) fn write(
    path: &Path,
    version: &str,
    articles: impl Iterator<Item = Value>,
) -> Result<(), WriteError> {
    let articles: Vec<Value> = articles.collect();
    durable::write(path, json!({"version": version, "data": articles}).to_string().as_bytes())
}
