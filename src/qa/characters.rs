//! Stretches of a text by character offsets, without walking the text from its start each time.

use crate::text::CharSpan;

/// How many characters lie between two remembered places.
const STRIDE: usize = 64;

/// A text with the byte offset of every 64th character; none are kept for ASCII, where the two
/// offsets are the same.
pub(super) struct Characters<'a> {
    text: &'a str,
    places: Vec<usize>,
    length: usize,
}

impl<'a> Characters<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        if text.is_ascii() {
            return Self { text, places: Vec::new(), length: text.len() };
        }
        let mut places = Vec::with_capacity(text.len() / STRIDE + 1);
        let mut length = 0;
        for (byte, _) in text.char_indices() {
            if length % STRIDE == 0 {
                places.push(byte);
            }
            length += 1;
        }
        Self { text, places, length }
    }

    /// The text's length in characters.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// The characters of `span`; none if it ends beyond the text or before its own start.
    pub(super) fn slice(&self, span: CharSpan) -> Option<&'a str> {
        self.text.get(self.byte(span.start)?..self.byte(span.end)?)
    }

    fn byte(&self, character: usize) -> Option<usize> {
        if character >= self.length {
            return (character == self.length).then_some(self.text.len());
        }
        if self.places.is_empty() {
            return Some(character);
        }
        let place = *self.places.get(character / STRIDE)?;
        let (offset, _) = self.text.get(place..)?.char_indices().nth(character % STRIDE)?;
        Some(place + offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_slice_is_what_skipping_and_taking_gives(text in "[a-cä東\u{301}😀]{0,300}", start in 0usize..310, length in 0usize..310) {
            let count = text.chars().count();
            let expected: String = text.chars().skip(start).take(length).collect();
            let found = Characters::of(&text).slice(CharSpan { start, end: start + length });
            prop_assert_eq!(found, (start + length <= count).then_some(expected.as_str()));
        }
    }

    #[test]
    fn a_span_that_ends_before_it_starts_is_no_slice() {
        for text in ["abc", "äbc"] {
            assert_eq!(Characters::of(text).slice(CharSpan { start: 2, end: 1 }), None);
        }
    }
}
