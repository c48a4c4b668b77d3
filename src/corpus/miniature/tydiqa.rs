//! TyDi QA's gold passages: one question for each passage, its language in its id.

use std::path::Path;

use rand::Rng;

use super::document::{Asked, Document};
use super::language::Language;
use super::settings::MiniatureSettings;
use super::squad_layout;
use super::streams::Part;
use crate::corpus::tydiqa;
use crate::durable::WriteError;
use crate::random::Seed;

/// The languages that the miniature and TyDi QA have in common.
const LANGUAGES: [(Language, tydiqa::Language); 3] = [
    (Language::English, tydiqa::Language::English),
    (Language::Arabic, tydiqa::Language::Arabic),
    (Language::Russian, tydiqa::Language::Russian),
];
/// The questions of one article are numbered; the highest number that is drawn.
const LAST_OF_ARTICLE: u32 = 12;

/// Writes one file of `questions` questions, the languages in turn.
pub(super) fn write(
    seed: Seed,
    settings: &MiniatureSettings,
    path: &Path,
    part: Part,
    questions: usize,
) -> Result<(), WriteError> {
    let article = |number: usize| {
        let mut random = part.stream(seed, number);
        let (language, named) = LANGUAGES[number % LANGUAGES.len()];
        let name = named.name();
        let mut document = Document::draw(&mut random, settings);
        document.asked = vec![Asked::draw(&mut random, document.facts.len())];
        // The article's number may be negative: then two hyphens stand together.
        let (article, question) = (random.random::<i64>(), random.random_range(0..=LAST_OF_ARTICLE));
        let title = format!("tydiqa-{name}-{number:05}");
        squad_layout::article(&title, &document, language.into(), |_| format!("{name}-{article}-{question}"))
    };
    squad_layout::write(path, "TyDiQA-GoldP-1.1-for-SQuAD-1.1", (0..questions).map(article))
}
