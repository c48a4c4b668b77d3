//! Questions and their contexts as sequences a model can read: `<s> question </s></s> context </s>`, or
//! `[CLS] question [SEP] context [SEP]`, as the tokenizer's [`Pairing`](super::Pairing) says.
//! A context that does not fit is read in several windows that overlap, as in BERT's
//! `run_squad.py`: `doc_stride` is the distance between the starts of two windows. (The setting of
//! the same name in transformers' `run_qa.py` means the overlap; with 384 and 128 the two differ.)
//!
//! Each window carries, for each of its context tokens, the characters it stands for and whether
//! this is the window that gives the token the most context, so that an answer is a stretch of the
//! original text and is scored where the model could see most around it.
//!
//! The question is stripped of leading whitespace, as in `run_qa.py`, and cut after
//! `max_question_length` tokens. The context is encoded as it stands, without a space put before it.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::error::TextError;
use super::special::SpecialTokens;
use super::token::{CharSpan, TokenId};
use super::tokenizer::Tokenizer;
use crate::corpus::{Answer, QaDataset};

/// Special tokens in a window at most: `<s>`, `</s></s>`, `</s>`.
pub(super) const MOST_SPECIAL_TOKENS: usize = 4;

/// How contexts are cut. All are numbers of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WindowSettings {
    /// The longest sequence, special tokens included.
    pub max_length: usize,
    /// The distance between the starts of two windows of a context.
    pub doc_stride: usize,
    /// The longest question; the rest of it is dropped.
    pub max_question_length: usize,
}

/// Every key of [`WindowSettings`] with its meaning.
pub const WINDOW_KEYS: [(&str, &str); 3] = [
    ("max_length", "tokens per window, question and special tokens included"),
    ("doc_stride", "tokens between the starts of two windows (BERT's meaning, not the overlap)"),
    ("max_question_length", "question tokens kept"),
];

impl Default for WindowSettings {
    fn default() -> Self {
        Self { max_length: 384, doc_stride: 128, max_question_length: 64 }
    }
}

impl WindowSettings {
    /// An error that names the setting that leaves no way forward through a context.
    pub fn validate(&self) -> Result<(), TextError> {
        let least = self.max_question_length.saturating_add(MOST_SPECIAL_TOKENS + 1);
        for (key, found, least) in
            [("doc_stride", self.doc_stride, 1), ("max_length", self.max_length, least)]
        {
            if found < least {
                let expected = match key {
                    "max_length" => format!(
                        "{least} or more, for the longest question, {MOST_SPECIAL_TOKENS} special tokens and a token of context"
                    ),
                    _ => format!("{least} or more"),
                };
                return Err(TextError::Setting { key, expected, found: found.to_string() });
            }
        }
        Ok(())
    }
}

/// An answer in a window: positions in [`Window::input_ids`], both inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenSpan {
    /// Of the first token.
    pub start: usize,
    /// Of the last token.
    pub end: usize,
}

/// One sequence: a question and a stretch of its context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Index into [`QaDataset::questions`].
    pub question: usize,
    /// Question and context with special tokens around them, without padding.
    pub input_ids: Vec<TokenId>,
    /// `input_ids[..question_end]` is `<s>` and the question: the tokens before the first end,
    /// which a long model attends to globally.
    pub question_end: usize,
    /// Where the context begins in `input_ids`.
    pub context_position: usize,
    /// Which token of the whole context stands at `context_position`.
    pub first_context_token: usize,
    /// For each context token of this window, its characters in the context.
    pub context_offsets: Vec<CharSpan>,
    /// For each context token of this window, whether no other window of the question gives it more
    /// context. True in exactly one window for each token.
    pub has_most_context: Vec<bool>,
    /// What training should predict: the first answer's tokens, or `<s>` (position 0) where the
    /// window does not hold the whole of it. `None` for a question without answers.
    pub answer: Option<TokenSpan>,
}

/// A text as tokens, each with its characters.
pub(super) type Encoded = Vec<(TokenId, CharSpan)>;

/// The windows of all questions, in the order of the questions, and for each in the order of the
/// context. A question has at least one window, even if its context has no token.
pub fn of_dataset(
    dataset: &QaDataset,
    tokenizer: &Tokenizer,
    settings: &WindowSettings,
) -> Result<Vec<Window>, TextError> {
    settings.validate()?;
    // A context has several questions; it is encoded once.
    let contexts: Vec<Encoded> =
        dataset.contexts.par_iter().map(|context| tokenizer.encode(context)).collect::<Result<_, _>>()?;
    let nothing = Encoded::new();
    let windows: Vec<Vec<Window>> = (0..dataset.questions.len())
        .into_par_iter()
        .map(|index| {
            let question = &dataset.questions[index];
            let layout = Layout {
                question: index,
                tokens: question_tokens(&question.text, tokenizer, settings)?,
                separators: tokenizer.special().pairing.separators(),
                context: contexts.get(question.context).unwrap_or(&nothing),
                answer: question.answers.first(),
            };
            Ok(layout.windows(tokenizer.special(), settings))
        })
        .collect::<Result<_, TextError>>()?;
    Ok(windows.into_iter().flatten().collect())
}

/// The question as it stands in a window.
pub(super) fn question_tokens(
    question: &str,
    tokenizer: &Tokenizer,
    settings: &WindowSettings,
) -> Result<Vec<TokenId>, TextError> {
    let mut tokens = tokenizer.encode_ids(question.trim_start())?;
    tokens.truncate(settings.max_question_length);
    Ok(tokens)
}

/// The tokens that stand for `answer`, as a half-open range of `offsets`: all that share a
/// character with it. `None` if no token does.
pub fn answer_tokens(offsets: &[CharSpan], answer: CharSpan) -> Option<std::ops::Range<usize>> {
    let first = offsets.iter().position(|token| token.overlaps(answer))?;
    let last = offsets.iter().rposition(|token| token.overlaps(answer))?;
    Some(first..last + 1)
}

/// A question and a context, to be laid into windows.
pub(super) struct Layout<'a> {
    /// [`Window::question`].
    pub question: usize,
    /// The question, cut to its longest length.
    pub tokens: Vec<TokenId>,
    /// How many ends stand behind it.
    pub separators: usize,
    /// The whole context.
    pub context: &'a [(TokenId, CharSpan)],
    /// The answer to label.
    pub answer: Option<&'a Answer>,
}

impl Layout<'_> {
    /// How many tokens of context fit into a window of `max_length` tokens.
    pub fn room(&self, max_length: usize) -> usize {
        max_length - self.tokens.len() - self.separators - 2
    }

    /// The windows, in the order of the context; at least one.
    pub fn windows(&self, special: &SpecialTokens, settings: &WindowSettings) -> Vec<Window> {
        let room = self.room(settings.max_length);
        let spans = spans(self.context.len(), room, settings.doc_stride);
        let offsets: Vec<CharSpan> = self.context.iter().map(|&(_, span)| span).collect();
        let answer = self.answer.map(|answer| {
            let span = CharSpan { start: answer.start, end: answer.end() };
            answer_tokens(&offsets, span).unwrap_or_default()
        });
        let best = windows_with_most_context(&spans, self.context.len());
        let windows = spans.iter().enumerate().map(|(index, span)| {
            let ends_and_separator = self.separators + 2;
            let mut input_ids = Vec::with_capacity(self.tokens.len() + span.length + ends_and_separator);
            input_ids.push(special.bos);
            input_ids.extend(&self.tokens);
            let question_end = input_ids.len();
            input_ids.extend(std::iter::repeat_n(special.eos, self.separators));
            let context_position = input_ids.len();
            input_ids.extend(self.context[span.range()].iter().map(|&(id, _)| id));
            input_ids.push(special.eos);
            Window {
                question: self.question,
                input_ids,
                question_end,
                context_position,
                first_context_token: span.start,
                context_offsets: offsets[span.range()].to_vec(),
                has_most_context: best[span.range()].iter().map(|&best| best == index).collect(),
                answer: answer.clone().map(|tokens| span.label(tokens, context_position)),
            }
        });
        windows.collect()
    }
}

/// A stretch of a context's tokens; `_DocSpan` in BERT's script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct DocSpan {
    start: usize,
    length: usize,
}

impl DocSpan {
    fn range(self) -> std::ops::Range<usize> {
        self.start..self.start + self.length
    }

    /// Where `tokens` of the context stand in a window whose context is this span; `<s>` if the
    /// span does not hold all of them, or there are none.
    fn label(self, tokens: std::ops::Range<usize>, context_position: usize) -> TokenSpan {
        if tokens.is_empty() || tokens.start < self.start || tokens.end > self.start + self.length {
            return TokenSpan { start: 0, end: 0 };
        }
        let position = |token: usize| token - self.start + context_position;
        TokenSpan { start: position(tokens.start), end: position(tokens.end - 1) }
    }
}

fn spans(tokens: usize, room: usize, stride: usize) -> Vec<DocSpan> {
    let mut spans = Vec::new();
    let mut start = 0;
    loop {
        let length = room.min(tokens - start);
        spans.push(DocSpan { start, length });
        if start + length == tokens {
            return spans;
        }
        start += length.min(stride);
    }
}

/// For each token, the index of the span that gives it the most context, BERT's
/// `_check_is_max_context`: the fewer of the tokens to its left and to its right in the span, plus
/// a hundredth of the span's length; the first of equals.
fn windows_with_most_context(spans: &[DocSpan], tokens: usize) -> Vec<usize> {
    let mut best = vec![(f64::NEG_INFINITY, 0); tokens];
    for (index, span) in spans.iter().enumerate() {
        for (place, best) in best[span.range()].iter_mut().enumerate() {
            let score = place.min(span.length - 1 - place) as f64 + 0.01 * span.length as f64;
            if score > best.0 {
                *best = (score, index);
            }
        }
    }
    best.into_iter().map(|(_, index)| index).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::testing;

    const SETTINGS: WindowSettings = WindowSettings { max_length: 20, doc_stride: 4, max_question_length: 6 };

    fn windows(context: &str, questions: &[(&str, &[&str])], settings: &WindowSettings) -> Vec<Window> {
        of_dataset(&testing::dataset(context, questions), testing::byte_level_once(), settings).unwrap()
    }

    #[test]
    fn a_short_context_is_one_window_with_special_tokens_between_the_parts() {
        let tokenizer = testing::byte_level_once();
        let window = &windows("in Oslo", &[("  where?", &["Oslo"])], &SETTINGS)[0];
        let (bos, eos) = (tokenizer.special().bos, tokenizer.special().eos);
        let question = tokenizer.encode_ids("where?").unwrap();
        let context = tokenizer.encode_ids("in Oslo").unwrap();
        assert_eq!(window.input_ids, [&[bos], &question[..], &[eos, eos], &context, &[eos]].concat());
        assert_eq!(window.question_end, 7);
        assert_eq!(window.context_position, 9);
        assert_eq!(window.answer, Some(TokenSpan { start: 12, end: 15 }));
        assert_eq!(window.context_offsets[3], CharSpan { start: 3, end: 4 });
        assert!(window.has_most_context.iter().all(|&most| most));
    }

    #[test]
    fn a_long_context_is_read_in_strides_and_the_label_is_where_the_answer_is_whole() {
        // Ten tokens of context fit: max_length 20 less 6 of the question and 4 special ones.
        let windows = windows("abcdefghijklmnopqr", &[("where?", &["ijk"])], &SETTINGS);
        let starts: Vec<usize> = windows.iter().map(|window| window.first_context_token).collect();
        assert_eq!(starts, [0, 4, 8]);
        let lengths: Vec<usize> = windows.iter().map(|window| window.context_offsets.len()).collect();
        assert_eq!(lengths, [10, 10, 10]);
        let span = |start, end| Some(TokenSpan { start, end });
        let labels: Vec<_> = windows.iter().map(|window| window.answer).collect();
        assert_eq!(labels, [span(0, 0), span(9 + 4, 9 + 6), span(9, 9 + 2)]);
    }

    #[test]
    fn a_long_question_is_cut_and_leaves_its_room_to_nobody_else() {
        let windows = windows("abcdefghijkl", &[("where is it?", &["abc"])], &SETTINGS);
        assert_eq!(windows[0].question_end, 7);
        assert_eq!(windows[0].input_ids.len(), 20);
    }

    #[test]
    fn a_tokenizer_with_segments_has_one_end_between_question_and_context() {
        let tokenizer = testing::word_pieces_once();
        let dataset = testing::dataset("In OSLO .", &[(" Where ?", &["OSLO"])]);
        let windows = of_dataset(&dataset, tokenizer, &SETTINGS).unwrap();
        let [window] = &windows[..] else { panic!("{windows:?}") };
        let text = tokenizer.decode(&window.input_ids).unwrap();
        assert_eq!(text, "[CLS] where? [SEP] in oslo. [SEP]");
        let special = tokenizer.special();
        assert_eq!(window.input_ids[window.question_end], special.eos);
        assert_eq!(window.context_position, window.question_end + 1);
        let answer = window.answer.unwrap();
        let characters = window.context_offsets[answer.start - window.context_position];
        assert_eq!((answer.end, characters.of("In OSLO .")), (answer.start, "OSLO"));
    }

    #[test]
    fn an_unlabelled_question_has_no_label_and_a_context_without_tokens_one_window() {
        let windows = windows("", &[("a", &[]), ("b", &[])], &SETTINGS);
        assert_eq!(windows.len(), 2);
        assert_eq!(windows[1].question, 1);
        assert_eq!(windows[1].answer, None);
        assert!(windows[1].context_offsets.is_empty());
        assert_eq!(windows[1].input_ids.len(), 5);
    }

    #[test]
    fn an_answer_inside_a_letter_of_many_tokens_takes_all_of_them() {
        let windows = windows("x नय", &[("?", &["न"])], &SETTINGS);
        let answer = windows[0].answer.unwrap();
        assert_eq!(answer.end - answer.start + 1, "न".len());
        let first = windows[0].context_offsets[answer.start - windows[0].context_position];
        assert_eq!(first.of("x नय"), "न");
    }

    #[test]
    fn settings_that_would_never_end_are_named() {
        let key = |settings: WindowSettings| match settings.validate() {
            Err(TextError::Setting { key, .. }) => key,
            other => panic!("{other:?}"),
        };
        assert_eq!(key(WindowSettings { doc_stride: 0, ..SETTINGS }), "doc_stride");
        assert_eq!(key(WindowSettings { max_length: 10, ..SETTINGS }), "max_length");
        WindowSettings { max_length: 11, ..SETTINGS }.validate().unwrap();
    }

    /// The rule as BERT's script writes it, one token and one span at a time.
    fn check_is_max_context(spans: &[DocSpan], current: usize, token: usize) -> bool {
        let mut best = None;
        for (index, span) in spans.iter().enumerate() {
            let end = span.start + span.length - 1;
            if token < span.start || token > end {
                continue;
            }
            let score = (token - span.start).min(end - token) as f64 + 0.01 * span.length as f64;
            if best.is_none_or(|(best, _)| score > best) {
                best = Some((score, index));
            }
        }
        best.is_some_and(|(_, index)| index == current)
    }

    proptest! {
        #[test]
        fn the_window_with_most_context_is_the_one_of_berts_script(
            tokens in 1usize..200, room in 1usize..40, stride in 1usize..60
        ) {
            let spans = spans(tokens, room, stride);
            prop_assert_eq!(spans.last().map(|span| span.range().end), Some(tokens));
            prop_assert!(spans.windows(2).all(|pair| pair[1].start - pair[0].start == stride.min(room)));
            let best = windows_with_most_context(&spans, tokens);
            for (index, span) in spans.iter().enumerate() {
                for token in span.range() {
                    prop_assert_eq!(best[token] == index, check_is_max_context(&spans, index, token));
                }
            }
        }
    }
}
