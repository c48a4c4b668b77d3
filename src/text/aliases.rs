//! The places of an answer in a document, found by the names that it may go by: what TriviaQA's
//! questions are trained on (distant supervision).
//!
//! Both sides are compared as the official scorer compares answers: in lower case, ASCII punctuation
//! and the quotation marks ‘ ’ ´ ` as gaps, without *a*, *an* and *the*. A place therefore is a
//! stretch of whole words that, given as the answer, would score an exact match. The official
//! conversion and that of the Longformer differ: they search for each name as it is spelled, which
//! finds *york* in *New Yorker* and never finds *campbell bannerman* in *Campbell-Bannerman*.
//!
//! Any other sign (a dash, “, ₤) is a word of its own, so that *York* is found in “York”; between it and its
//! neighbours a gap matters, so that neither *x y* nor *x – y* is found in *x–y*.

use std::collections::HashMap;

use unicode_general_category::{GeneralCategory, get_general_category};

use super::token::CharSpan;

/// The names of one answer.
#[derive(Debug, Clone, Default)]
pub struct Aliases {
    /// By its first word each name: the words behind the first.
    by_first_word: HashMap<String, Vec<Vec<Following>>>,
}

impl Aliases {
    /// The names `normalized`, spelled as TriviaQA's `NormalizedAliases`. A name without any word is
    /// never found.
    pub fn new(normalized: &[String]) -> Self {
        let mut by_first_word: HashMap<String, Vec<Vec<Following>>> = HashMap::new();
        for name in normalized {
            let mut words = words(name);
            if let Some(first) = words.next() {
                let rest = words.map(|word| word.following).collect();
                by_first_word.entry(first.following.text).or_default().push(rest);
            }
        }
        // Places come out in order, each once.
        for names in by_first_word.values_mut() {
            names.sort_by(|one, other| one.len().cmp(&other.len()).then_with(|| one.cmp(other)));
            names.dedup();
        }
        Self { by_first_word }
    }

    /// The places of all names in `text`, in order of their starts, shorter ones first. Places may
    /// overlap: *York* stands in *City of York*.
    pub fn places(&self, text: &str) -> Vec<CharSpan> {
        let document: Vec<Word> = words(text).collect();
        let mut places = Vec::new();
        for (index, first) in document.iter().enumerate() {
            let behind = document.get(index + 1..).unwrap_or_default();
            let names = self.by_first_word.get(&first.following.text).map(Vec::as_slice).unwrap_or_default();
            for rest in names {
                let here = behind.get(..rest.len()).unwrap_or_default();
                if here.iter().map(|word| &word.following).eq(rest) {
                    let last = here.last().unwrap_or(first);
                    places.push(CharSpan { start: first.span.start, end: last.span.end });
                }
            }
        }
        places
    }
}

/// A word and where it stands.
struct Word {
    following: Following,
    span: CharSpan,
}

/// A word as it follows another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Following {
    /// In lower case.
    text: String,
    /// Whether something is between it and the word before.
    after_gap: bool,
}

/// What a character is to the official comparison.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Part of a word.
    Letter,
    /// Between words.
    Gap,
    /// A word of its own.
    Sign,
}

impl Class {
    fn of(character: char) -> Self {
        use GeneralCategory::*;
        match character {
            _ if character.is_alphanumeric() => Class::Letter,
            '‘' | '’' | '´' | '`' => Class::Gap,
            // Python counts these four separators as white space.
            '\u{1c}'..='\u{1f}' => Class::Gap,
            _ if character.is_ascii_punctuation() || character.is_whitespace() => Class::Gap,
            _ => match get_general_category(character) {
                // A letter's accents and vowel signs, and what joins letters.
                NonspacingMark | SpacingMark | EnclosingMark | Format => Class::Letter,
                _ => Class::Sign,
            },
        }
    }
}

/// The words of `text`, articles left out.
fn words(text: &str) -> impl Iterator<Item = Word> {
    let mut characters = text.char_indices().enumerate().peekable();
    let mut after_gap = false;
    std::iter::from_fn(move || {
        loop {
            let (start, (from, first)) = characters.next()?;
            let class = Class::of(first);
            if class == Class::Gap {
                after_gap = true;
                continue;
            }
            let (mut end, mut to) = (start + 1, from + first.len_utf8());
            let belongs = |&(_, (_, next)): &(usize, (usize, char))| {
                class == Class::Letter && Class::of(next) == Class::Letter
            };
            while let Some((place, (byte, character))) = characters.next_if(belongs) {
                (end, to) = (place + 1, byte + character.len_utf8());
            }
            let text = text.get(from..to).unwrap_or_default().to_lowercase();
            if matches!(text.as_str(), "a" | "an" | "the") {
                after_gap = true;
                continue;
            }
            let following = Following { text, after_gap: std::mem::take(&mut after_gap) };
            return Some(Word { following, span: CharSpan { start, end } });
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found<'a>(names: &[&str], text: &'a str) -> Vec<&'a str> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        Aliases::new(&names).places(text).into_iter().map(|place| place.of(text)).collect()
    }

    #[test]
    fn case_punctuation_and_articles_do_not_matter() {
        for (name, text, expected) in [
            ("york", "Old YORK, in Yorkshire; New-York's.", vec!["YORK", "York"]),
            ("campbell bannerman", "Sir Henry Campbell-Bannerman", vec!["Campbell-Bannerman"]),
            (
                "city of broad shoulders",
                "the City of\nthe  Broad Shoulders.",
                vec!["City of\nthe  Broad Shoulders"],
            ),
            ("un locode gbyrk", "(UN/LOCODE:GBYRK)", vec!["UN/LOCODE:GBYRK"]),
            ("30 s", "the 30's and 30s and 130 s", vec!["30's"]),
            ("york", "‘York’ “York” —York—", vec!["York", "York", "York"]),
            ("snake case", "snake_case", vec!["snake_case"]),
            ("york", "", vec![]),
        ] {
            assert_eq!(found(&[name], text), expected, "{name} in {text}");
        }
    }

    #[test]
    fn letters_of_every_script_are_letters() {
        assert_eq!(found(&["portugāle"], "PORTUGĀLE un Portugāles"), ["PORTUGĀLE"]);
        assert_eq!(found(&["नमस्ते"], "«नमस्ते», नमस्तेx"), ["नमस्ते"]);
        assert_eq!(found(&["e\u{301}t"], "E\u{301}t e\u{301}te"), ["E\u{301}t"]);
        // A sigma at the end of a word has its own lower case.
        assert_eq!(found(&["οδος"], "Η ΟΔΟΣ."), ["ΟΔΟΣ"]);
        assert_eq!(found(&["東京"], "東京 東京都"), ["東京"]);
    }

    #[test]
    fn a_sign_is_a_word_and_joins_nothing() {
        assert_eq!(found(&["x y"], "x–y x — y x y"), ["x y"]);
        assert_eq!(found(&["x–y"], "x–y x – y x the–y"), ["x–y"]);
        assert_eq!(found(&["x – y"], "x–y x, – a y"), ["x, – a y"]);
    }

    #[test]
    fn all_names_are_found_in_the_order_of_the_text() {
        let names = ["york", "city of york", "york", "", "the", "york ham"];
        assert_eq!(
            found(&names, "York: the City of York, York ham"),
            ["York", "City of York", "York", "York", "York ham"]
        );
    }

    proptest! {
        /// The plain definition: every stretch of words whose words are a name's.
        #[test]
        fn places_are_all_stretches_of_words_that_are_a_name(
            text in "[abtheBÉé ,‘–1]{0,40}", names in prop::collection::vec("[abe1é– ]{0,5}", 0..5)
        ) {
            let of = |text: &str| words(text).map(|word| word.following).collect::<Vec<_>>();
            // What is before the first word does not matter.
            let same = |one: &[Following], other: &[Following]| {
                !one.is_empty()
                    && one.first().map(|word| &word.text) == other.first().map(|word| &word.text)
                    && one.get(1..) == other.get(1..)
            };
            let wanted: Vec<_> = names.iter().map(|name| of(name)).collect();
            let all: Vec<Word> = words(&text).collect();
            let mut expected = Vec::new();
            for from in 0..all.len() {
                for to in from..all.len() {
                    let stretch: Vec<_> = all[from..=to].iter().map(|word| word.following.clone()).collect();
                    if wanted.iter().any(|name| same(&stretch, name)) {
                        expected.push(CharSpan { start: all[from].span.start, end: all[to].span.end });
                    }
                }
            }
            let found = Aliases::new(&names).places(&text);
            prop_assert_eq!(&found, &expected);
        }
    }
}
