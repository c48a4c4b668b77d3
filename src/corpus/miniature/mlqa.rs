//! MLQA's files: the same documents and questions in every pair of a context's and a question's
//! language. An id names one question in all of them.

use std::path::{Path, PathBuf};

use rand::Rng;

use super::document::Document;
use super::language::Language;
use super::settings::MiniatureSettings;
use super::squad_layout::{self, Languages};
use super::streams::Part;
use crate::durable::WriteError;
use crate::random::Seed;

/// The languages that the miniature and MLQA have in common.
const LANGUAGES: [Language; 3] = [Language::English, Language::Arabic, Language::Hindi];

/// One of MLQA's two sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MlqaSplit {
    /// `dev-…`.
    Dev,
    /// `test-…`.
    Test,
}

/// One of MLQA's files, `mlqa/SPLIT-context-LANGUAGE-question-LANGUAGE.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MlqaFile {
    /// Where it is.
    pub path: PathBuf,
    /// Which set it belongs to.
    pub split: MlqaSplit,
    /// The language of contexts and answers.
    pub context: Language,
    /// The language of questions.
    pub question: Language,
}

impl MlqaSplit {
    fn name(self) -> &'static str {
        match self {
            MlqaSplit::Dev => "dev",
            MlqaSplit::Test => "test",
        }
    }
}

/// Every file of MLQA below `folder`, written or not.
pub(super) fn files(folder: &Path) -> Vec<MlqaFile> {
    let mut files = Vec::new();
    for split in [MlqaSplit::Dev, MlqaSplit::Test] {
        for context in LANGUAGES {
            for question in LANGUAGES {
                let name = format!("{}-context-{context}-question-{question}.json", split.name());
                files.push(MlqaFile { path: folder.join("mlqa").join(name), split, context, question });
            }
        }
    }
    files
}

/// Writes one file.
pub(super) fn write(seed: Seed, settings: &MiniatureSettings, file: &MlqaFile) -> Result<(), WriteError> {
    let (part, documents) = match file.split {
        MlqaSplit::Dev => (Part::MlqaDev, settings.mlqa_dev_documents),
        MlqaSplit::Test => (Part::MlqaTest, settings.mlqa_test_documents),
    };
    let languages = Languages { context: file.context, question: file.question };
    let article = |number: usize| {
        let mut random = part.stream(seed, number);
        let document = Document::draw(&mut random, settings);
        let ids: Vec<String> = document.asked.iter().map(|_| id(&mut random)).collect();
        let title = format!("mlqa-{}-{number:05}", file.split.name());
        squad_layout::article(&title, &document, languages, |question| ids[question].clone())
    };
    squad_layout::write(&file.path, "1.0", (0..documents).map(article))
}

/// Forty hexadecimal digits, as MLQA has them.
fn id(random: &mut impl Rng) -> String {
    format!("{:032x}{:08x}", random.random::<u128>(), random.random::<u32>())
}
