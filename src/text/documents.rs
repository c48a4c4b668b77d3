//! TriviaQA's questions, each with one document, as sequences: `<s> question </s> document </s>`, as
//! the Longformer's `scripts/triviaqa.py` writes them, and where in them the answer stands.
//!
//! Of a document the first `max_document_length` tokens are read: as much as fits beside the question,
//! or all of it in [windows]. Where `doc_stride` is longer than a window, windows
//! follow one another without overlapping. (That script's setting of the same name is the overlap.)
//!
//! For training, every place of the answer counts, the first `max_answer_spans` of them. The script
//! takes them name by name, here they are in the document's order; it counts per slice, here per document.

use serde::{Deserialize, Serialize};

use super::aliases::Aliases;
use super::error::TextError;
use super::protocol::Protocol;
use super::token::{CharSpan, TokenId};
use super::tokenizer::Tokenizer;
use super::windows::{self, Encoded, Layout, Window, WindowSettings};

/// Ends between question and document, whatever the tokenizer's pairing.
const SEPARATORS: usize = 1;
/// Bytes of a document for each token that is wanted of it: more than nearly any text has.
const BYTES_PER_TOKEN: usize = 8;

/// How much of a document that does not fit into one sequence is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Slices {
    /// Its beginning, as much as fits.
    #[default]
    First,
    /// All of it, in windows that overlap.
    Strided,
}

/// How documents are laid into sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentSettings {
    /// The length of a sequence, and the distance between two.
    pub windows: WindowSettings,
    /// How much is read of a document.
    pub slices: Slices,
    /// How many tokens of a document are read at most.
    pub max_document_length: usize,
}

impl DocumentSettings {
    /// An error that names the setting under which nothing would be read.
    pub fn validate(&self) -> Result<(), TextError> {
        if self.max_document_length == 0 {
            let (key, expected) = ("max_document_length", "1 or more".to_owned());
            return Err(TextError::Setting { key, expected, found: "0".to_owned() });
        }
        self.windows.validate()
    }
}

/// An error that names the setting, where one asks for what was never done with documents.
pub fn refuse_variants(protocol: Protocol, do_lowercase: bool) -> Result<(), TextError> {
    let wrong = |key, expected: &str, found: String| {
        Err(TextError::Setting { key, expected: expected.to_owned(), found })
    };
    match (protocol, do_lowercase) {
        (Protocol::Standard, false) => Ok(()),
        (Protocol::Standard, true) => wrong("do_lowercase", "false for TriviaQA", "true".to_owned()),
        (Protocol::Sagen2021, _) => wrong("protocol", "standard for TriviaQA", protocol.to_string()),
    }
}

/// A question, a document and all places of the answer in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// In each slice, the tokens before the first `</s>`: `<s>` and the question.
    pub question_end: usize,
    /// The sequences, in the order of the document; at least one of them has the answer.
    pub slices: Vec<ExampleSlice>,
}

/// One sequence of an [`Example`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExampleSlice {
    /// `<s> question </s> document </s>`, without padding.
    pub input_ids: Vec<TokenId>,
    /// Positions in `input_ids` at which the answer starts, each once, in order.
    pub starts: Vec<usize>,
    /// Positions of the last token of the answer, each once, in order.
    pub ends: Vec<usize>,
}

impl Example {
    /// Lays out one document for training. `None` if the answer does not stand in what is read of it.
    pub fn of(
        question: &str,
        document: &str,
        aliases: &Aliases,
        max_answer_spans: usize,
        tokenizer: &Tokenizer,
        settings: &DocumentSettings,
    ) -> Result<Option<Self>, TextError> {
        let laid = LaidOut::of(0, question, document, tokenizer, settings)?;
        let offsets: Vec<CharSpan> = laid.context.iter().map(|&(_, span)| span).collect();
        let end = offsets.last().map_or(0, |last| last.end);
        let places: Vec<_> = aliases
            .places(laid.text)
            .into_iter()
            .filter(|place| place.end <= end)
            .filter_map(|place| windows::answer_tokens(&offsets, place))
            .take(max_answer_spans)
            .collect();
        let question_end = laid.windows.first().map_or(0, |window| window.question_end);
        let slices: Vec<_> =
            laid.windows.into_iter().map(|window| ExampleSlice::of(window, &places)).collect();
        let has_answer = slices.iter().any(|slice| !slice.starts.is_empty());
        Ok(has_answer.then_some(Self { question_end, slices }))
    }

    /// Tokens of all slices.
    pub fn tokens(&self) -> usize {
        self.slices.iter().map(|slice| slice.input_ids.len()).sum()
    }

    /// Tokens of the longest slice.
    pub fn longest(&self) -> usize {
        self.slices.iter().map(|slice| slice.input_ids.len()).max().unwrap_or(0)
    }
}

impl ExampleSlice {
    /// `places` are tokens of the document; those that the window holds whole are labels of it.
    fn of(window: Window, places: &[std::ops::Range<usize>]) -> Self {
        let inside = window.first_context_token..window.first_context_token + window.context_offsets.len();
        let position = |token: usize| token - inside.start + window.context_position;
        let (mut starts, mut ends): (Vec<_>, Vec<_>) = places
            .iter()
            .filter(|place| inside.start <= place.start && place.end <= inside.end)
            .map(|place| (position(place.start), position(place.end - 1)))
            .unzip();
        // A position counted twice would count twice in the loss.
        for positions in [&mut starts, &mut ends] {
            positions.sort_unstable();
            positions.dedup();
        }
        Self { input_ids: window.input_ids, starts, ends }
    }
}

/// The sequences of `question`, number `index` of those asked, about `document`; at least one.
pub fn slices(
    index: usize,
    question: &str,
    document: &str,
    tokenizer: &Tokenizer,
    settings: &DocumentSettings,
) -> Result<Vec<Window>, TextError> {
    Ok(LaidOut::of(index, question, document, tokenizer, settings)?.windows)
}

struct LaidOut<'a> {
    windows: Vec<Window>,
    /// The document's tokens that are read.
    context: Encoded,
    /// What they were made of, and perhaps more.
    text: &'a str,
}

impl<'a> LaidOut<'a> {
    fn of(
        index: usize,
        question: &str,
        document: &'a str,
        tokenizer: &Tokenizer,
        settings: &DocumentSettings,
    ) -> Result<Self, TextError> {
        let tokens = windows::question_tokens(question, tokenizer, &settings.windows)?;
        let (text, mut context) = encode_start(document, settings.max_document_length, tokenizer)?;
        let mut layout =
            Layout { question: index, tokens, separators: SEPARATORS, context: &context, answer: None };
        if settings.slices == Slices::First {
            let room = layout.room(settings.windows.max_length);
            layout.context = layout.context.get(..room).unwrap_or(layout.context);
        }
        let windows = layout.windows(tokenizer.special(), &settings.windows);
        let read = layout.context.len();
        context.truncate(read);
        Ok(Self { windows, context, text })
    }
}

/// The first `most` tokens of `text`, and the part of it that was looked at. A long text is not
/// tokenized to its end: where words are tokenized apart, its beginning has the same tokens alone.
fn encode_start<'a>(
    text: &'a str,
    most: usize,
    tokenizer: &Tokenizer,
) -> Result<(&'a str, Encoded), TextError> {
    let start = whole_words(text, most.saturating_mul(BYTES_PER_TOKEN));
    if start.len() < text.len() && tokenizer.splits_into_words() {
        let mut encoded = tokenizer.encode(start)?;
        if encoded.len() >= most {
            encoded.truncate(most);
            return Ok((start, encoded));
        }
    }
    let mut encoded = tokenizer.encode(text)?;
    encoded.truncate(most);
    Ok((text, encoded))
}

/// The beginning of `text`, up to a word's end before `bytes`; the whole if that is not much longer.
fn whole_words(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes.saturating_mul(2) {
        return text;
    }
    // A place inside a letter is moved to its beginning.
    let end = (0..=bytes).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    let space = text[..end].rfind(char::is_whitespace).unwrap_or(0);
    text[..space].trim_end()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::testing;

    const SETTINGS: DocumentSettings = DocumentSettings {
        windows: WindowSettings { max_length: 20, doc_stride: 100, max_question_length: 6 },
        slices: Slices::Strided,
        max_document_length: 40,
    };

    fn example(document: &str, names: &[&str], most: usize, settings: &DocumentSettings) -> Option<Example> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let (aliases, tokenizer) = (Aliases::new(&names), testing::byte_level_once());
        Example::of("where?", document, &aliases, most, tokenizer, settings).unwrap()
    }

    fn positions(example: &Example) -> Vec<(&[usize], &[usize])> {
        example.slices.iter().map(|slice| (&slice.starts[..], &slice.ends[..])).collect()
    }

    #[test]
    fn one_separator_stands_between_question_and_document() {
        let tokenizer = testing::byte_level_once();
        let (bos, eos) = (tokenizer.special().bos, tokenizer.special().eos);
        let example = example("in York", &["york"], 64, &SETTINGS).unwrap();
        let (question, document) =
            (tokenizer.encode_ids("where?").unwrap(), tokenizer.encode_ids("in York").unwrap());
        assert_eq!(example.question_end, 7);
        assert_eq!(
            example.slices[0].input_ids,
            [&[bos], &question[..], &[eos], &document[..], &[eos]].concat()
        );
        // The space before a word is a token without a character of its own.
        assert_eq!(positions(&example), [(&[11][..], &[14][..])]);
    }

    #[test]
    fn slices_follow_one_another_and_hold_the_places_that_they_have_whole() {
        // Eleven tokens of a document fit: max_length 20 less 6 of the question and 3 special ones.
        let example = example("york abcd york york abcdefg", &["york"], 64, &SETTINGS).unwrap();
        let lengths: Vec<usize> = example.slices.iter().map(|slice| slice.input_ids.len()).collect();
        assert_eq!(lengths, [20, 20, 9 + 5]);
        assert_eq!(
            positions(&example),
            [(&[8][..], &[11][..]), (&[8 + 4][..], &[8 + 7][..]), (&[][..], &[][..])]
        );
        assert_eq!((example.tokens(), example.longest()), (54, 20));
    }

    #[test]
    fn the_first_slice_is_all_that_is_read_where_it_is_asked_for() {
        let first = DocumentSettings { slices: Slices::First, ..SETTINGS };
        assert_eq!(example("abcdefg york york york", &["york"], 64, &first), None);
        let example = example("york york york york", &["york"], 64, &first).unwrap();
        assert_eq!(positions(&example), [(&[8, 13][..], &[11, 16][..])]);
    }

    #[test]
    fn no_more_is_read_than_the_longest_document() {
        let short = DocumentSettings { max_document_length: 8, ..SETTINGS };
        assert_eq!(example("abcd york", &["york"], 64, &short), None);
        let whole = DocumentSettings { max_document_length: 9, ..SETTINGS };
        assert!(example("abcd york", &["york"], 64, &whole).is_some());
    }

    #[test]
    fn the_first_places_count_and_positions_only_once() {
        let first = |most| example("york old york", &["york", "old york", "old"], most, &SETTINGS).unwrap();
        assert_eq!(positions(&first(1)), [(&[8][..], &[11][..]), (&[][..], &[][..])]);
        let wide =
            DocumentSettings { windows: WindowSettings { max_length: 40, ..SETTINGS.windows }, ..SETTINGS };
        let example = example("york old york", &["york", "old york", "old"], 64, &wide).unwrap();
        // "old" and "old york" share a start, "old york" and "york" an end.
        assert_eq!(positions(&example), [(&[8, 13, 17][..], &[11, 15, 20][..])]);
    }

    #[test]
    fn a_document_without_the_answer_or_without_a_token_is_no_example() {
        assert_eq!(example("in Oslo", &["york"], 64, &SETTINGS), None);
        assert_eq!(example("", &["york"], 64, &SETTINGS), None);
        let windows = slices(3, "where?", "", testing::byte_level_once(), &SETTINGS).unwrap();
        assert_eq!((windows.len(), windows[0].question), (1, 3));
    }

    #[test]
    fn settings_under_which_nothing_is_read_are_named() {
        let nothing = DocumentSettings { max_document_length: 0, ..SETTINGS };
        assert!(matches!(nothing.validate(), Err(TextError::Setting { key: "max_document_length", .. })));
        SETTINGS.validate().unwrap();
    }

    proptest! {
        #[test]
        fn the_beginning_of_a_long_text_has_the_tokens_of_the_whole(
            text in "[ab' =\n\u{301}é]{0,200}", most in 1usize..8
        ) {
            for tokenizer in [testing::byte_level_once(), testing::words_once(), testing::word_pieces_once()] {
                let mut whole = tokenizer.encode(&text).unwrap();
                whole.truncate(most);
                prop_assert_eq!(&encode_start(&text, most, tokenizer).unwrap().1, &whole);
            }
        }
    }
}
