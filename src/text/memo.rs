//! Tokenizing a long text word by word, most words but once.
//!
//! A text repeats its words, so a table of the tokens of words seen lately answers nearly every time, at
//! a small part of what splitting and merging cost. A tokenizer for which [`seams`] knows no rule gets
//! the text as it is.

use std::sync::{Mutex, PoisonError};

use super::error::TextError;
use super::seams;
use super::token::TokenId;
use super::tokenizer::Tokenizer;

/// The binary logarithm of the places in a table, which takes 8 MiB.
const PLACE_BITS: u32 = 16;

/// A tokenizer with tables of the words it has seen, one for each thread at work.
pub(super) struct Memo<'a> {
    tokenizer: &'a Tokenizer,
    idle: Mutex<Vec<Table>>,
}

impl<'a> Memo<'a> {
    /// A memo of nothing.
    pub fn new(tokenizer: &'a Tokenizer) -> Self {
        Self { tokenizer, idle: Mutex::default() }
    }

    /// The tokens of `text`, as [`Tokenizer::encode_ids`] gives them.
    pub fn encode(&self, text: &str) -> Result<Vec<TokenId>, TextError> {
        if !self.tokenizer.has_seams() {
            return self.tokenizer.encode_ids(text);
        }
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut table = idle().pop().unwrap_or_default();
        // English takes about four bytes for a token.
        let mut tokens = Vec::with_capacity(text.len() / 3);
        for word in words(text) {
            table.append(word, self.tokenizer, &mut tokens)?;
        }
        idle().push(table);
        Ok(tokens)
    }
}

/// The text, cut at every seam.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let seam = rest.as_bytes().windows(3).position(seams::is_seam);
        let cut = seam.map_or(rest.len(), |before| before + 1);
        let (word, after) = rest.split_at(cut);
        rest = after;
        (!word.is_empty()).then_some(word)
    })
}

/// Words and their tokens. Two words can share a place, the latest one first; a third one drives out the
/// one that was seen longest ago.
struct Table(Box<[[Entry; 2]]>);

/// One cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Entry {
    word: ShortWord,
    tokens: [TokenId; 7],
    count: u32,
}

impl Default for Table {
    fn default() -> Self {
        let nothing = Entry { word: ShortWord([0; 32]), tokens: [TokenId(0); 7], count: 0 };
        Self(vec![[nothing; 2]; 1 << PLACE_BITS].into())
    }
}

impl Table {
    /// Appends the tokens of `word`, which is not empty, to `tokens`.
    fn append(
        &mut self,
        word: &str,
        tokenizer: &Tokenizer,
        tokens: &mut Vec<TokenId>,
    ) -> Result<(), TextError> {
        let Some(short) = ShortWord::of(word) else {
            tokens.extend(tokenizer.encode_ids(word)?);
            return Ok(());
        };
        let place = &mut self.0[short.place()];
        if place[0].word != short {
            place.swap(0, 1);
        }
        let entry = &mut place[0];
        if entry.word != short {
            let new = tokenizer.encode_ids(word)?;
            let Some(room) = entry.tokens.get_mut(..new.len()) else {
                tokens.extend(new);
                return Ok(());
            };
            room.copy_from_slice(&new);
            (entry.word, entry.count) = (short, new.len() as u32);
        }
        tokens.extend_from_slice(&entry.tokens[..entry.count as usize]);
        Ok(())
    }
}

/// The bytes of a word, then zeros, then their number.
#[derive(Clone, Copy, PartialEq, Eq)]
struct ShortWord([u8; 32]);

impl ShortWord {
    fn of(word: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        bytes[..31].get_mut(..word.len())?.copy_from_slice(word.as_bytes());
        bytes[31] = word.len() as u8;
        Some(Self(bytes))
    }

    /// Where in a table the word stands.
    fn place(self) -> usize {
        let (eights, _) = self.0.as_chunks();
        let mixed = eights.iter().fold(0_u64, |mixed, eight| {
            (mixed.rotate_left(5) ^ u64::from_le_bytes(*eight)).wrapping_mul(0x517c_c1b7_2722_0a95)
        });
        (mixed >> (u64::BITS - PLACE_BITS)) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::text::testing;

    #[test]
    fn words_begin_with_the_space_before_them() {
        let text = " = Oslo = \n \n Oslo , a  town <s> . \n";
        let expected = [" =", " Oslo", " = \n \n", " Oslo", " ,", " a  town <s>", " . \n"];
        assert_eq!(words(text).collect::<Vec<_>>(), expected);
        assert_eq!(words("").count(), 0);
    }

    #[test]
    fn words_that_share_a_place_keep_their_tokens() {
        let mut places: HashMap<usize, Vec<String>> = HashMap::new();
        let numbers = (0..).map(|number| format!(" {number}"));
        let crowded = numbers.into_iter().find_map(|word| {
            let words = places.entry(ShortWord::of(&word)?.place()).or_default();
            words.push(word);
            (words.len() == 3).then(|| words.clone())
        });
        let [a, b, c] = &crowded.unwrap()[..] else { panic!("three words") };
        let text = [a, a, b, a, c, b, c, a, c, b, a].map(String::as_str).concat();
        let tokenizer = testing::byte_level_once();
        assert_eq!(Memo::new(tokenizer).encode(&text).unwrap(), tokenizer.encode_ids(&text).unwrap());
    }

    const ODD: &str = "(a|b c| \\.| ,| 'S| 1,000| x_y| [a-z]{28,34}|\n|\n\n| |  |\t|\r\n|\u{b}|\u{85}|\u{a0}|\u{2028}\
        |\u{3000}|\u{200b}|\u{feff}|\u{600}|e\u{301}|\u{301}|\u{1e}|नमस्ते| ΟΔΟΣ|<s>|<mask>|▁|, |'s| 1\n2|\n = x = \n){0,24}";

    proptest! {
        #[test]
        fn the_tokens_of_odd_words_are_those_of_the_text(text in ODD) {
            for tokenizer in [testing::byte_level_once(), testing::words_once(), testing::word_pieces_once()] {
                let memo = Memo::new(tokenizer);
                for _ in 0..2 {
                    assert_eq!(memo.encode(&text).unwrap(), tokenizer.encode_ids(&text).unwrap());
                }
            }
        }
    }
}
