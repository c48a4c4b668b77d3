//! Lower case before tokenization, with the way back: a character may become several (`İ` becomes `i`
//! and U+0307), and spans must still count the characters of the original text.

use super::token::CharSpan;

/// What becomes of capital letters before a text is tokenized.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Case {
    /// They stay.
    #[default]
    Kept,
    /// They become small ones, as by Unicode's rules for no language in particular.
    Lowered,
}

impl Case {
    /// The case that the setting `do_lowercase` asks for.
    pub fn of_setting(do_lowercase: bool) -> Self {
        if do_lowercase { Case::Lowered } else { Case::Kept }
    }
}

/// A text in lower case, and where its characters come from.
pub(super) struct Lowered {
    pub(super) text: String,
    /// For each character of `text` the number of the original one; then the number of those.
    origins: Vec<usize>,
}

impl Lowered {
    pub(super) fn of(original: &str) -> Self {
        let mut origins = Vec::with_capacity(original.len() + 1);
        let mut characters = 0;
        for character in original.chars() {
            origins.extend(std::iter::repeat_n(characters, character.to_lowercase().len()));
            characters += 1;
        }
        origins.push(characters);
        // Not character by character: a sigma at the end of a word has a form of its own.
        Self { text: original.to_lowercase(), origins }
    }

    /// The original characters that `span` of the lower-case text comes from.
    pub(super) fn original(&self, span: CharSpan) -> CharSpan {
        let origin = |at: usize| self.origins.get(at).or(self.origins.last()).copied().unwrap_or_default();
        let start = origin(span.start);
        let end = if span.start < span.end { origin(span.end - 1) + 1 } else { start };
        CharSpan { start, end }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_character_that_becomes_two_is_still_one_character_of_the_original() {
        let lowered = Lowered::of("Aİb");
        assert_eq!(lowered.text, "ai\u{307}b");
        let original = |start, end| {
            let span = lowered.original(CharSpan { start, end });
            (span.start, span.end)
        };
        assert_eq!(original(0, 1), (0, 1));
        assert_eq!(original(1, 2), (1, 2));
        assert_eq!(original(2, 3), (1, 2));
        assert_eq!(original(1, 3), (1, 2));
        assert_eq!(original(3, 4), (2, 3));
        assert_eq!(original(4, 4), (3, 3));
    }

    #[test]
    fn a_final_sigma_gets_its_own_form() {
        assert_eq!(Lowered::of("ΟΔΟΣ ΟΣΟ").text, "οδος οσο");
    }

    proptest! {
        #[test]
        fn every_character_has_an_origin_whose_lower_case_it_belongs_to(text in "\\PC{0,20}") {
            let lowered = Lowered::of(&text);
            let originals: Vec<char> = text.chars().collect();
            prop_assert_eq!(lowered.text.chars().count() + 1, lowered.origins.len());
            for (at, character) in lowered.text.chars().enumerate() {
                let origin = originals[lowered.original(CharSpan { start: at, end: at + 1 }).start];
                prop_assert!(origin.to_lowercase().any(|small| small == character) || character == 'ς');
            }
        }
    }
}
