//! The miniature's files: WikiText-style text, SQuAD v1.1 and XQuAD questions, and those of the other
//! tasks, which have modules of their own.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::document::Document;
use super::language::Language;
use super::mlqa::MlqaFile;
use super::settings::MiniatureSettings;
use super::streams::Part;
use super::triviaqa::TriviaQaFiles;
use super::{article, mlqa, squad_layout, triviaqa, tydiqa};
use crate::corpus::CorpusError;
use crate::durable;
use crate::random::Seed;

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
    /// `mlqa/`: documents in one language, questions in another or the same.
    pub mlqa: Vec<MlqaFile>,
    /// `tydiqa-goldp-train.json`.
    pub tydiqa_train: PathBuf,
    /// `tydiqa-goldp-dev.json`.
    pub tydiqa_dev: PathBuf,
    /// `triviaqa/`: questions and evidence.
    pub triviaqa: TriviaQaFiles,
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
            mlqa: mlqa::files(folder),
            tydiqa_train: folder.join("tydiqa-goldp-train.json"),
            tydiqa_dev: folder.join("tydiqa-goldp-dev.json"),
            triviaqa: TriviaQaFiles::below(&folder.join("triviaqa")),
        }
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
                let title = format!("{name}-{number:05}");
                let id = |question| format!("{title}-{question}");
                squad_layout::article(&title, &document, language(number).into(), id)
            };
            squad_layout::write(path, "1.1", (0..documents).map(article))
        };
    let in_turn = |number: usize| languages[number % languages.len()];
    questions(&files.train, Part::Train, "train", settings.train_documents, &in_turn)?;
    questions(&files.dev, Part::Dev, "dev", settings.dev_documents, &in_turn)?;
    for (language, path) in &files.parallel {
        questions(path, Part::Parallel, "parallel", settings.parallel_documents, &|_| *language)?;
    }
    for file in &files.mlqa {
        mlqa::write(seed, settings, file)?;
    }
    for (path, part, count) in [
        (&files.tydiqa_train, Part::TydiQaTrain, settings.tydiqa_train_questions),
        (&files.tydiqa_dev, Part::TydiQaDev, settings.tydiqa_dev_questions),
    ] {
        tydiqa::write(seed, settings, path, part, count)?;
    }
    triviaqa::write(seed, settings, &files.triviaqa.folder)?;
    Ok(files)
}
