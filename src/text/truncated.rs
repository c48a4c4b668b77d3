//! Questions and contexts as the original work laid them into sequences (Sagen 2021,
//! `finetune_qa_models.py` over transformers 3.4.0): `<s> question </s></s> context </s>` (or as the
//! tokenizer pairs them), cut at `max_length` tokens, no windows. What is cut off is never read.
//!
//! The longer of question and context loses its last tokens until both fit. The first answer is looked
//! up in the context alone, by its first and its last character, each in the first token that spans it
//! ([`Tokenizer::encode_as_in_2020`]). A question is left out of training and of evaluation if one of
//! them is in no token, or if the last is behind position [`LAST_POSITION`]; one without answers has
//! nothing to look up and stays.

use std::path::Path;

use rayon::prelude::*;

use super::error::TextError;
use super::token::{CharSpan, TokenId};
use super::tokenizer::Tokenizer;
use super::windows::{MOST_SPECIAL_TOKENS, TokenSpan};
use crate::corpus::{Answer, QaDataset};
use crate::durable::{self, WriteError};

/// The last position at which the original work accepts the end of an answer, whatever the model's length.
pub const LAST_POSITION: usize = 4096;

/// The file that holds the ids of questions left out.
pub const LEFT_OUT_FILE: &str = "left_out.json";

/// A question and as much of its context as fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truncated {
    /// Index into [`QaDataset::questions`].
    pub question: usize,
    /// Question and context with special tokens around them, without padding.
    pub input_ids: Vec<TokenId>,
    /// `input_ids[..question_end]` is what stands before the first `</s>`.
    pub question_end: usize,
    /// The first answer's first and last token, as positions in the sequence before it was cut: one at or
    /// behind `input_ids.len()` is cut off, and one in the last place has become `</s>`. None for a question
    /// without answers.
    pub answer: Option<TokenSpan>,
}

/// A data set as sequences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TruncatedDataset {
    /// One for each question that is not left out, in the order of the questions.
    pub sequences: Vec<Truncated>,
    /// The ids of the others, in the order of the questions.
    pub left_out: Vec<String>,
}

/// Refuses a length in which no question and context have room.
pub fn check_length(max_length: usize) -> Result<(), TextError> {
    let least = MOST_SPECIAL_TOKENS + 2;
    if max_length >= least {
        return Ok(());
    }
    let expected = format!("{least} or more, for {MOST_SPECIAL_TOKENS} special tokens and one of each part");
    Err(TextError::Setting { key: "max_length", expected, found: max_length.to_string() })
}

/// Every question in at most `max_length` tokens, or among those left out.
pub fn of_dataset(
    dataset: &QaDataset,
    tokenizer: &Tokenizer,
    max_length: usize,
) -> Result<TruncatedDataset, TextError> {
    check_length(max_length)?;
    let contexts: Vec<_> = dataset
        .contexts
        .par_iter()
        .map(|context| tokenizer.encode_as_in_2020(context))
        .collect::<Result<_, _>>()?;
    let nothing = Vec::new();
    let sequences: Vec<Option<Truncated>> = (0..dataset.questions.len())
        .into_par_iter()
        .map(|index| {
            let question = &dataset.questions[index];
            let context = contexts.get(question.context).unwrap_or(&nothing);
            let tokens = tokenizer.encode_ids(&question.text)?;
            let special = tokenizer.special();
            let separators = special.pairing.separators();
            let room = max_length - separators - 2;
            let (of_question, of_context) = fitting(tokens.len(), context.len(), room);
            let mut input_ids = Vec::with_capacity(max_length - room + of_question + of_context);
            input_ids.push(special.bos);
            input_ids.extend(&tokens[..of_question]);
            input_ids.extend(std::iter::repeat_n(special.eos, separators));
            input_ids.extend(context[..of_context].iter().map(|&(id, _)| id));
            input_ids.push(special.eos);
            // Not always behind the question: a literal `</s>` in it counts too.
            let question_end = input_ids.iter().position(|&id| id == special.eos).unwrap_or(0);
            let answer = match question.answers.first() {
                None => None,
                Some(answer) => match positions(answer, context, question_end + separators) {
                    Some(span) => Some(span),
                    None => return Ok(None),
                },
            };
            Ok(Some(Truncated { question: index, input_ids, question_end, answer }))
        })
        .collect::<Result<_, TextError>>()?;
    let left_out = sequences.iter().zip(&dataset.questions).filter(|(sequence, _)| sequence.is_none());
    let left_out = left_out.map(|(_, question)| question.id.clone()).collect();
    Ok(TruncatedDataset { sequences: sequences.into_iter().flatten().collect(), left_out })
}

/// Writes the ids of questions left out as a JSON list to [`LEFT_OUT_FILE`] in `folder`.
pub fn write_left_out(ids: &[String], folder: &Path) -> Result<(), WriteError> {
    durable::write_with(&folder.join(LEFT_OUT_FILE), |file| Ok(serde_json::to_writer_pretty(file, ids)?))
}

/// How many tokens of the question and of the context fit into `room`: `longest_first` of transformers.
fn fitting(question: usize, context: usize, room: usize) -> (usize, usize) {
    if question + context <= room {
        return (question, context);
    }
    let shorter = question.min(context).min(room / 2);
    if question <= context { (shorter, room - shorter) } else { (room - shorter, shorter) }
}

/// The answer's first and last token, if the context's tokens begin at `context_position`.
fn positions(answer: &Answer, context: &[(TokenId, CharSpan)], context_position: usize) -> Option<TokenSpan> {
    let token_at =
        |character: usize| context.iter().position(|(_, span)| (span.start..span.end).contains(&character));
    let (first, last) = (token_at(answer.start)?, token_at(answer.end().checked_sub(1)?)?);
    let span = TokenSpan { start: context_position + first, end: context_position + last };
    (span.end <= LAST_POSITION).then_some(span)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::testing;

    fn truncated(context: &str, questions: &[(&str, &[&str])], max_length: usize) -> TruncatedDataset {
        of_dataset(&testing::dataset(context, questions), testing::byte_level_once(), max_length).unwrap()
    }

    #[test]
    fn what_fits_stands_whole_between_special_tokens() {
        let tokenizer = testing::byte_level_once();
        let (bos, eos) = (tokenizer.special().bos, tokenizer.special().eos);
        let ids = |text| tokenizer.encode_ids(text).unwrap();
        let sequence = &truncated("in Oslo", &[(" where?", &["Oslo"])], 30).sequences[0];
        assert_eq!(
            sequence.input_ids,
            [&[bos], &ids(" where?")[..], &[eos, eos], &ids("in Oslo"), &[eos]].concat()
        );
        assert_eq!(sequence.question_end, 8);
        assert_eq!(sequence.answer, Some(TokenSpan { start: 13, end: 16 }));
    }

    #[test]
    fn a_tokenizer_with_segments_has_one_end_between_and_room_for_one_more() {
        let tokenizer = testing::word_pieces_once();
        let dataset = testing::dataset("in oslo now", &[("?", &["oslo"])]);
        let all = of_dataset(&dataset, tokenizer, 8).unwrap();
        let sequence = &all.sequences[0];
        assert_eq!(tokenizer.decode(&sequence.input_ids).unwrap(), "[CLS]? [SEP] in oslo n [SEP]");
        assert_eq!((sequence.question_end, sequence.answer), (2, Some(TokenSpan { start: 5, end: 5 })));
    }

    #[test]
    fn an_answer_that_is_cut_off_keeps_its_position_and_its_question() {
        let all = truncated("abcdefgh", &[("who", &["bc"]), ("who", &["gh"])], 12);
        assert!(all.left_out.is_empty());
        let [kept, cut] = &all.sequences[..] else { panic!("two sequences") };
        assert_eq!((kept.input_ids.len(), kept.answer), (12, Some(TokenSpan { start: 7, end: 8 })));
        assert_eq!((cut.input_ids.len(), cut.answer), (12, Some(TokenSpan { start: 12, end: 13 })));
    }

    #[test]
    fn an_answer_that_begins_or_ends_with_a_space_is_in_no_token_and_its_question_is_left_out() {
        let all = truncated(
            "in Oslo now",
            &[("a", &["Oslo"]), ("b", &[" Oslo"]), ("c", &["Oslo "]), ("d", &[])],
            30,
        );
        assert_eq!(all.left_out, ["1", "2"]);
        let kept: Vec<_> =
            all.sequences.iter().map(|sequence| (sequence.question, sequence.answer.is_some())).collect();
        assert_eq!(kept, [(0, true), (3, false)]);
    }

    #[test]
    fn an_answer_that_ends_behind_position_4096_is_left_out_whatever_the_length() {
        // `<s> ? </s></s>`: the context begins at position 4.
        let context = |length: usize| format!("{}é", "x".repeat(length));
        let left_out = |length: usize| truncated(&context(length), &[("?", &["é"])], 512).left_out.len();
        assert_eq!((left_out(4092), left_out(4093)), (0, 1));
    }

    #[test]
    fn lengths_without_room_are_refused() {
        assert!(matches!(check_length(5), Err(TextError::Setting { key: "max_length", .. })));
        check_length(6).unwrap();
    }

    proptest! {
        /// One token at a time from the longer of the two; of equal ones from the one that was shorter.
        #[test]
        fn the_longer_part_is_cut_first(question in 0usize..40, context in 0usize..40, room in 2usize..50) {
            let (mut of_question, mut of_context) = (question, context);
            while of_question + of_context > room {
                match of_question.cmp(&of_context) {
                    std::cmp::Ordering::Greater => of_question -= 1,
                    std::cmp::Ordering::Less => of_context -= 1,
                    std::cmp::Ordering::Equal if question <= context => of_question -= 1,
                    std::cmp::Ordering::Equal => of_context -= 1,
                }
            }
            prop_assert_eq!(fitting(question, context, room), (of_question, of_context));
        }
    }
}
