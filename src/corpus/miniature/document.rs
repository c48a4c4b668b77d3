//! A document as numbers, and as text in a language.
//!
//! A [`Document`] is drawn once and can be told in any language: its facts and questions are indices
//! into a lexicon. [`facts`] goes the other way, from a text to the answers that stand in it.

use rand::Rng;
use rand::seq::SliceRandom;

use super::language::{ACTS, FORMS, Language, Lexicon, NAMES, OPENERS, PLACES, RESTS};
use super::settings::MiniatureSettings;
use crate::corpus::Answer;

/// Facts in order, no person and no place twice, and which of them are asked for.
pub(super) struct Document {
    pub(super) facts: Vec<Fact>,
    pub(super) asked: Vec<Asked>,
}

/// Indices into a lexicon.
#[derive(Clone, Copy)]
pub(super) struct Fact {
    opener: usize,
    pub(super) name: usize,
    act: usize,
    pub(super) place: usize,
    rest: usize,
}

/// A question: which fact, and in which form.
pub(super) struct Asked {
    pub(super) fact: usize,
    pub(super) form: usize,
}

/// A document in a language.
pub(super) struct Told {
    pub(super) context: String,
    /// The answer that each fact holds.
    pub(super) answers: Vec<Answer>,
}

impl Document {
    /// Draws a document. The questions are spread evenly, one in each equal part of the document. Two
    /// may share the fact on the border.
    pub(super) fn draw(random: &mut impl Rng, settings: &MiniatureSettings) -> Self {
        let count = random.random_range(settings.min_facts..=settings.max_facts);
        let mut shuffled = |among: usize| {
            let mut numbers: Vec<usize> = (0..among).collect();
            numbers.shuffle(random);
            numbers
        };
        let (names, places) = (shuffled(NAMES), shuffled(PLACES));
        let mut fact = |(name, place)| Fact {
            opener: random.random_range(0..OPENERS),
            name,
            act: random.random_range(0..ACTS),
            place,
            rest: random.random_range(0..RESTS),
        };
        let facts: Vec<Fact> = names.into_iter().zip(places).take(count).map(&mut fact).collect();
        let parts = settings.questions_per_document;
        let mut asked = |part: usize| Asked {
            // A place in this part, measured in parts of a fact, so that every fact is as likely as any.
            fact: random.random_range(part * count..(part + 1) * count) / parts,
            form: random.random_range(0..FORMS),
        };
        let asked = (0..parts).map(&mut asked).collect();
        Self { facts, asked }
    }

    /// The document as text.
    pub(super) fn told_in(&self, language: Language) -> Told {
        let lexicon = language.lexicon();
        let (mut context, mut characters) = (String::new(), 0);
        let mut answers = Vec::with_capacity(self.facts.len());
        for fact in &self.facts {
            if !context.is_empty() {
                add(lexicon.separator, &mut context, &mut characters);
            }
            add(lexicon.openers[fact.opener], &mut context, &mut characters);
            add(lexicon.gap, &mut context, &mut characters);
            let text = fact.answer(lexicon);
            let start = characters;
            add(&text, &mut context, &mut characters);
            answers.push(Answer { text, start });
            for part in [lexicon.after, lexicon.rests[fact.rest], lexicon.stop] {
                add(part, &mut context, &mut characters);
            }
        }
        Told { context, answers }
    }
}

impl Asked {
    /// Any question about any of `facts` facts.
    pub(super) fn draw(random: &mut impl Rng, facts: usize) -> Self {
        Self { fact: random.random_range(0..facts), form: random.random_range(0..FORMS) }
    }
}

impl Fact {
    /// The same fact in other surroundings.
    pub(super) fn retold(self, random: &mut impl Rng) -> Self {
        Self { opener: random.random_range(0..OPENERS), rest: random.random_range(0..RESTS), ..self }
    }

    /// A question that this fact answers.
    pub(super) fn question(&self, form: usize, lexicon: &Lexicon) -> String {
        let (before, between, after) = lexicon.forms[form];
        [before, lexicon.names[self.name], between, lexicon.places[self.place], after].concat()
    }

    /// What answers it.
    pub(super) fn answer(&self, lexicon: &Lexicon) -> String {
        [lexicon.names[self.name], lexicon.act_gap, &self.deed(lexicon)].concat()
    }

    /// The answer without the person.
    pub(super) fn deed(&self, lexicon: &Lexicon) -> String {
        [lexicon.acts[self.act], lexicon.link, lexicon.places[self.place]].concat()
    }

    /// The fact as a sentence.
    pub(super) fn sentence(&self, lexicon: &Lexicon) -> String {
        let answer = self.answer(lexicon);
        [
            lexicon.openers[self.opener],
            lexicon.gap,
            &answer,
            lexicon.after,
            lexicon.rests[self.rest],
            lexicon.stop,
        ]
        .concat()
    }
}

fn add(part: &str, context: &mut String, characters: &mut usize) {
    context.push_str(part);
    *characters += part.chars().count();
}

/// The answer that each fact of `context` holds, in order: the spans of the right kind, one of which
/// answers any question about the document. None in a text that is not of the miniature.
pub fn facts(context: &str) -> Vec<Answer> {
    let mut found: Vec<(usize, String)> = Vec::new();
    for lexicon in Language::ALL.map(Language::lexicon) {
        for name in lexicon.names {
            let opening = [lexicon.gap, name, lexicon.act_gap].concat();
            for (place, _) in context.match_indices(&opening) {
                let start = place + lexicon.gap.len();
                let answer = rest_of_answer(&context[place + opening.len()..], lexicon);
                found.extend(answer.map(|rest| (start, [name, lexicon.act_gap, rest].concat())));
            }
        }
    }
    found.sort_unstable();
    let (mut byte, mut characters) = (0, 0);
    let answer = |(start, text): (usize, String)| {
        characters += context[byte..start].chars().count();
        byte = start;
        Answer { text, start: characters }
    };
    found.into_iter().map(answer).collect()
}

/// The act and the place that `text` begins with.
fn rest_of_answer<'a>(text: &'a str, lexicon: &Lexicon) -> Option<&'a str> {
    lexicon.acts.iter().find_map(|act| {
        let at_place = text.strip_prefix(act)?.strip_prefix(lexicon.link)?;
        let mut ends = lexicon.places.iter().filter_map(|place| at_place.strip_prefix(place));
        let after = ends.find(|after| after.starts_with(lexicon.after))?;
        text.strip_suffix(after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Seed};

    #[test]
    fn the_facts_of_a_text_are_those_it_was_told_from() {
        let settings =
            MiniatureSettings { min_facts: NAMES, max_facts: NAMES, ..MiniatureSettings::default() };
        for number in 0..20 {
            let document = Document::draw(&mut Seed(7).stream(Purpose::Miniature, &[number]), &settings);
            for language in Language::ALL {
                let told = document.told_in(language);
                assert_eq!(facts(&told.context), told.answers, "{language}");
                let sentences: Vec<_> =
                    document.facts.iter().map(|fact| fact.sentence(language.lexicon())).collect();
                assert_eq!(sentences.join(language.lexicon().separator), told.context);
            }
        }
    }

    #[test]
    fn words_of_a_language_are_all_different() {
        for language in Language::ALL {
            let lexicon = language.lexicon();
            for words in
                [&lexicon.names[..], &lexicon.places, &lexicon.openers, &lexicon.acts, &lexicon.rests]
            {
                let different: std::collections::HashSet<_> = words.iter().collect();
                assert_eq!(different.len(), words.len(), "{language}");
            }
        }
    }

    #[test]
    fn a_foreign_text_has_no_facts() {
        assert_eq!(facts("The cat sat in Rome."), []);
        assert_eq!(facts(""), []);
    }
}
