//! The miniature's files: WikiText-style text and SQuAD v1.1 questions.
//!
//! Every document is drawn from its own random stream (its part of the miniature, its number), so one
//! size can be changed without changing any other document.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use rand_chacha::ChaCha12Rng;
use serde_json::{Value, json};

use super::article;
use super::document::{Asked, Document};
use super::language::Language;
use super::settings::MiniatureSettings;
use crate::corpus::CorpusError;
use crate::durable;
use crate::random::{Purpose, Seed};

/// Where the miniature's files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MiniatureFiles {
    /// `wiki.train.raw`: text in all languages.
    pub wiki_train: PathBuf,
    /// `wiki.valid.raw`: the same, other articles.
    pub wiki_valid: PathBuf,
    /// `train-v1.1.json`: questions in the training languages.
    pub train: PathBuf,
    /// `dev-v1.1.json`: the same, other documents.
    pub dev: PathBuf,
    /// `xquad.<language>.json`: the same documents and questions, ids included, in each language.
    pub parallel: BTreeMap<Language, PathBuf>,
}

impl MiniatureFiles {
    /// The names of the files in `folder`, written or not.
    pub fn in_folder(folder: &Path) -> Self {
        let parallel = |language: Language| (language, folder.join(format!("xquad.{language}.json")));
        Self {
            wiki_train: folder.join("wiki.train.raw"),
            wiki_valid: folder.join("wiki.valid.raw"),
            train: folder.join("train-v1.1.json"),
            dev: folder.join("dev-v1.1.json"),
            parallel: Language::ALL.into_iter().map(parallel).collect(),
        }
    }
}

/// What a document is drawn for: the first coordinate of its random stream.
#[derive(Clone, Copy)]
enum Part {
    WikiTrain = 0,
    WikiValid = 1,
    Train = 2,
    Dev = 3,
    Parallel = 4,
}

impl Part {
    fn stream(self, seed: Seed, number: usize) -> ChaCha12Rng {
        seed.stream(Purpose::Miniature, &[self as u64, number as u64])
    }
}

/// Writes the miniature of `seed` into `folder`: the same bytes for the same seed and settings.
///
/// # Errors
/// [`CorpusError::Setting`] for sizes that cannot be made, [`CorpusError::Write`].
pub fn write(seed: Seed, settings: &MiniatureSettings, folder: &Path) -> Result<MiniatureFiles, CorpusError> {
    settings.validate()?;
    let files = MiniatureFiles::in_folder(folder);
    let text = |path: &Path, part: Part, articles: usize| {
        durable::write_with(path, |file| {
            (0..articles).try_for_each(|number| {
                // The languages take turns.
                let language = Language::ALL[number % Language::ALL.len()];
                file.write_all(article::write(&mut part.stream(seed, number), settings, language).as_bytes())
            })
        })
    };
    text(&files.wiki_train, Part::WikiTrain, settings.wiki_train_articles)?;
    text(&files.wiki_valid, Part::WikiValid, settings.wiki_valid_articles)?;
    let languages = &settings.question_languages;
    let questions =
        |path: &Path, part: Part, name: &str, documents: usize, language: &dyn Fn(usize) -> Language| {
            let article = |number: usize| {
                let document = Document::draw(&mut part.stream(seed, number), settings);
                squad_article(&document, &format!("{name}-{number:05}"), language(number))
            };
            let articles: Vec<Value> = (0..documents).map(article).collect();
            durable::write(path, json!({"version": "1.1", "data": articles}).to_string().as_bytes())
        };
    let in_turn = |number: usize| languages[number % languages.len()];
    questions(&files.train, Part::Train, "train", settings.train_documents, &in_turn)?;
    questions(&files.dev, Part::Dev, "dev", settings.dev_documents, &in_turn)?;
    for (language, path) in &files.parallel {
        questions(path, Part::Parallel, "parallel", settings.parallel_documents, &|_| *language)?;
    }
    Ok(files)
}

fn squad_article(document: &Document, title: &str, language: Language) -> Value {
    let lexicon = language.lexicon();
    let told = document.told_in(language);
    let question = |(number, asked): (usize, &Asked)| {
        let answer = &told.answers[asked.fact];
        json!({
            "id": format!("{title}-{number}"),
            "question": document.facts[asked.fact].question(asked.form, lexicon),
            "answers": [{"answer_start": answer.start, "text": answer.text}],
        })
    };
    let questions: Vec<Value> = document.asked.iter().enumerate().map(question).collect();
    json!({"title": title, "paragraphs": [{"context": told.context, "qas": questions}]})
}
