//! Where tokens stand, where the tokenizers crate says it wrongly.
//!
//! XLM-R's normalizer may put several characters into one (`e` + U+0301 becomes `é`) or drop some
//! (U+001E); BERT's drops combining marks where it ignores case. The crate then aligns what remains
//! with the first of them. Two things follow, and are set right here:
//! - the span of a letter leaves out the combining marks that went into it or were dropped behind it:
//!   [`take_in_absorbed`];
//! - characters dropped at the very start shift every span: [`split_vanishing_start`].
//!
//! Characters that the normalizer turns into a space (U+200B, U+200E, U+FEFF) are whitespace to
//! the tokenizer, and belong to no token.

use tokenizers::{NormalizedString, Normalizer, NormalizerWrapper};
use unicode_general_category::{GeneralCategory, get_general_category};

use super::token::CharSpan;

/// The number of characters at the start of `text` that the normalizer drops without a trace, and
/// the text behind them, which has the same tokens as the whole.
pub(super) fn split_vanishing_start<'a>(
    text: &'a str,
    normalizer: Option<&NormalizerWrapper>,
) -> (usize, &'a str) {
    let Some(normalizer) = normalizer else { return (0, text) };
    let mut dropped = 0;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        // Only control characters can vanish without a letter to vanish into, and each of them is
        // a grapheme of its own, so that nothing behind it changes when it is cut off.
        if !first.is_control() || first.is_whitespace() || !normalized(first, normalizer).is_empty() {
            break;
        }
        dropped += 1;
        rest = &rest[first.len_utf8()..];
    }
    (dropped, rest)
}

/// Widens each span by the characters right behind it that belong to no token although the
/// normalizer does not take them for whitespace: they were composed into the token's last one, or are
/// marks upon it.
pub(super) fn take_in_absorbed(text: &str, normalizer: Option<&NormalizerWrapper>, spans: &mut [CharSpan]) {
    let Some(normalizer) = normalizer else { return };
    let mut characters = text.chars().enumerate().peekable();
    for index in 0..spans.len() {
        let end = spans[index].end;
        let next = spans.get(index + 1).map_or(usize::MAX, |span| span.start);
        if next <= end {
            continue;
        }
        while characters.next_if(|&(position, _)| position < end).is_some() {}
        let absorbed =
            |&(position, character): &(usize, char)| position < next && is_absorbed(character, normalizer);
        while let Some((position, _)) = characters.next_if(absorbed) {
            widen(&mut spans[..=index], end, position + 1);
        }
    }
}

/// Moves the end of the last span, and of those before it that end at the same character.
fn widen(spans: &mut [CharSpan], end: usize, to: usize) {
    for span in spans.iter_mut().rev().take_while(|span| span.end >= end) {
        span.end = to;
    }
}

fn is_absorbed(character: char, normalizer: &NormalizerWrapper) -> bool {
    // Nearly every gap is a space; the normalizer is not asked about those.
    !character.is_whitespace()
        && (get_general_category(character) == GeneralCategory::NonspacingMark
            || !normalized(character, normalizer).trim().is_empty())
}

fn normalized(character: char, normalizer: &NormalizerWrapper) -> String {
    let mut text = NormalizedString::from(character.to_string());
    match normalizer.normalize(&mut text) {
        Ok(()) => text.get().to_owned(),
        Err(_) => character.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::{CharSpan, testing};

    fn spelled(text: &str) -> Vec<&str> {
        let tokens = testing::word_pieces_once().encode(text).unwrap();
        tokens.into_iter().map(|(_, span)| span.of(text)).collect()
    }

    #[test]
    fn spans_of_an_uncased_tokenizer_are_of_the_text_as_it_was_given() {
        assert_eq!(spelled("In OSLO, É!"), ["I", "n", "OSLO", ",", "É", "!"]);
        assert_eq!(
            spelled("\u{1e}\u{feff}Oslo\u{200b} e\u{301} \u{301}n\u{303}o"),
            ["Oslo", "e\u{301}", "n\u{303}", "o"]
        );
        assert_eq!(spelled("a北b"), ["a", "北", "b"]);
        assert_eq!(spelled("[MASK] x [mask]"), ["[MASK]", "x", "[", "m", "a", "s", "k", "]"]);
    }

    proptest! {
        /// What the normalizer makes of a token's characters is the token.
        #[test]
        fn the_characters_of_a_word_piece_are_the_piece(
            text in "(A|bC|É|e\u{301}|\u{301}|\u{303}|\u{1e}|\0|\u{fffd}|\u{200b}|\u{feff}|\u{a0}|北| |\n|,|0){0,24}",
        ) {
            let tokenizer = testing::word_pieces_once();
            let json = serde_json::json!({"type": "BertNormalizer", "clean_text": true,
                "handle_chinese_chars": true, "strip_accents": null, "lowercase": true});
            let normalizer: NormalizerWrapper = serde_json::from_value(json).unwrap();
            let mut last = CharSpan::default();
            for (id, span) in tokenizer.encode(&text).unwrap() {
                let mut characters = NormalizedString::from(span.of(&text));
                normalizer.normalize(&mut characters).unwrap();
                let piece = tokenizer.decode(&[id]).unwrap();
                prop_assert_eq!(characters.get().trim(), piece.trim_start_matches("##"), "{:?}", span);
                prop_assert!(span.start >= last.end, "{span:?} behind {last:?}");
                last = span;
            }
        }
    }
}
