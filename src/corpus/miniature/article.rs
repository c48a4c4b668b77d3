//! An article of the pretraining text, in WikiText's layout.
//!
//! Paragraphs of facts, each followed by questions about it with their answers; the last paragraph asks
//! about the whole article. A masked name or place can thus be found elsewhere in the text, near or
//! far: finding it is what the questions will need.

use rand::Rng;
use rand::seq::index;

use super::document::{Document, Fact};
use super::language::{FORMS, Language, PLACES};
use super::settings::MiniatureSettings;

/// Facts of one paragraph.
const FACTS: usize = 5;
/// Facts asked for after each paragraph, and at the end.
const RECALLED: usize = 2;

/// One article, heading and all.
pub(super) fn write(random: &mut impl Rng, settings: &MiniatureSettings, language: Language) -> String {
    let lexicon = language.lexicon();
    let document = Document::draw(random, settings);
    let mut article = String::new();
    line(&mut article, &format!("= {} =", lexicon.places[random.random_range(0..PLACES)]));
    for facts in document.facts.chunks(FACTS) {
        let mut sentences: Vec<String> = facts.iter().map(|fact| fact.sentence(lexicon)).collect();
        sentences.extend(recall(random, facts, language));
        line(&mut article, &sentences.join(lexicon.separator));
    }
    line(&mut article, &recall(random, &document.facts, language).join(lexicon.separator));
    article
}

/// Questions about some of `facts`, each followed by its answer.
fn recall(random: &mut impl Rng, facts: &[Fact], language: Language) -> Vec<String> {
    let lexicon = language.lexicon();
    let chosen = index::sample(random, facts.len(), RECALLED.min(facts.len()));
    let asked = chosen.into_iter().flat_map(|place| {
        let form = random.random_range(0..FORMS);
        [facts[place].question(form, lexicon), facts[place].answer(lexicon) + lexicon.stop]
    });
    asked.collect()
}

/// A line of text and the empty line after it, as WikiText writes them.
fn line(article: &mut String, text: &str) {
    article.push(' ');
    article.push_str(text);
    article.push_str(" \n \n");
}
