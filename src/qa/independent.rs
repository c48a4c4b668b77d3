//! The original work's way from logits to an answer (Sagen 2021, `finetune_qa_models.py`): the best start
//! and the best end are chosen independently among all tokens, those of the question and the special ones
//! too, however long the answer gets; it is empty if the end comes before the start. Its text is the decoded
//! tokens and not the original text: `<s>` may stand in it, and spaces may differ.
//!
//! Padding is left aside here. The original work pads to `max_length` and would choose a padding token if
//! it had the best logit.

use super::{NbestAnswer, NbestPredictions, QaError};
use crate::corpus::QaDataset;
use crate::text::{Tokenizer, Truncated};

/// Gathers the answers to the sequences of one data set.
pub(super) struct Gathered<'a> {
    dataset: &'a QaDataset,
    tokenizer: &'a Tokenizer,
    sequences: &'a [Truncated],
    answers: Vec<Vec<NbestAnswer>>,
}

impl<'a> Gathered<'a> {
    /// Starts with no answer.
    pub(super) fn new(dataset: &'a QaDataset, tokenizer: &'a Tokenizer, sequences: &'a [Truncated]) -> Self {
        Self { dataset, tokenizer, sequences, answers: vec![Vec::new(); sequences.len()] }
    }

    /// Answers the sequence number `index`.
    pub(super) fn add(&mut self, index: usize, start: &[f32], end: &[f32]) -> Result<(), QaError> {
        let answer = answer(&self.sequences[index], self.id(index), start, end, self.tokenizer)?;
        self.answers[index] = vec![answer];
        Ok(())
    }

    /// Each question's one answer, in the order of the sequences.
    pub(super) fn finish(self) -> NbestPredictions {
        let ids = (0..self.sequences.len()).map(|index| self.id(index).to_owned());
        NbestPredictions { questions: ids.zip(self.answers.iter().cloned()).collect() }
    }

    fn id(&self, index: usize) -> &'a str {
        &self.dataset.questions[self.sequences[index].question].id
    }
}

/// The one answer from a start and an end logit for each of `sequence.input_ids`; `id` is the question's,
/// for messages.
///
/// # Errors
/// [`QaError::Length`], [`QaError::NotFinite`], and [`QaError::Text`] for tokens that cannot be decoded.
pub fn answer(
    sequence: &Truncated,
    id: &str,
    start_logits: &[f32],
    end_logits: &[f32],
    tokenizer: &Tokenizer,
) -> Result<NbestAnswer, QaError> {
    let best = |part, logits_part, logits: &[f32]| {
        let (expected, found) = (sequence.input_ids.len(), logits.len());
        if let Some(position) = logits.iter().position(|logit| !logit.is_finite()) {
            let found = logits[position];
            return Err(QaError::NotFinite { id: id.to_owned(), part, position, found });
        }
        let length = || QaError::Length { id: id.to_owned(), part: logits_part, expected, found };
        first_of_largest(logits).filter(|_| expected == found).ok_or_else(length)
    };
    let (start, start_logit) = best("start", "start logits", start_logits)?;
    let (end, end_logit) = best("end", "end logits", end_logits)?;
    // The original work puts spaces between the tokens and splits there again, which changes nothing: no
    // token that a text can have holds a space.
    let tokens = sequence.input_ids.get(start..end + 1).unwrap_or_default();
    Ok(NbestAnswer {
        text: tokenizer.decode(tokens)?,
        probability: 1.0,
        start_logit: start_logit.into(),
        end_logit: end_logit.into(),
    })
}

/// The first of the largest values, as `torch.argmax`.
fn first_of_largest(logits: &[f32]) -> Option<(usize, f32)> {
    logits.iter().copied().enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::TokenSpan;
    use crate::text::testing;

    fn sequence() -> Truncated {
        let tokenizer = testing::byte_level_once();
        let dataset = testing::dataset("in Oslo .", &[("who", &["Oslo"])]);
        let sequence = crate::text::truncated::of_dataset(&dataset, tokenizer, 40).unwrap();
        sequence.sequences.into_iter().next().unwrap()
    }

    fn text(start: usize, end: usize) -> String {
        let sequence = sequence();
        let logits = |best: usize| {
            let logit = |at: usize| if at == best { 2.0 } else { -1.0 };
            (0..sequence.input_ids.len()).map(logit).collect::<Vec<f32>>()
        };
        let found = answer(&sequence, "q", &logits(start), &logits(end), testing::byte_level_once()).unwrap();
        assert_eq!((found.probability, found.start_logit, found.end_logit), (1.0, 2.0, 2.0));
        found.text
    }

    #[test]
    fn start_and_end_are_any_tokens_and_the_text_is_theirs() {
        let TokenSpan { start, end } = sequence().answer.unwrap();
        assert_eq!(text(start, end), "Oslo");
        assert_eq!(text(start - 1, end), " Oslo");
        assert_eq!(text(0, start + 1), "<s>who</s></s>in Os");
        assert_eq!(text(start, sequence().input_ids.len() - 1), "Oslo.</s>");
    }

    #[test]
    fn an_end_before_the_start_is_an_empty_answer() {
        assert_eq!(text(7, 6), "");
        assert_eq!(text(7, 0), "");
    }

    #[test]
    fn of_equal_logits_the_first_counts() {
        assert_eq!(first_of_largest(&[0.0, 3.0, 1.0, 3.0]), Some((1, 3.0)));
        assert_eq!(first_of_largest(&[]), None);
    }

    #[test]
    fn logits_that_are_no_numbers_or_too_few_are_refused() {
        let sequence = sequence();
        let length = sequence.input_ids.len();
        let refused = |start: &[f32], end: &[f32]| {
            answer(&sequence, "q", start, end, testing::byte_level_once()).unwrap_err()
        };
        let mut logits = vec![0.0; length];
        assert!(matches!(refused(&logits, &logits[1..]), QaError::Length { part: "end logits", .. }));
        logits[3] = f32::NAN;
        assert!(matches!(refused(&logits, &logits), QaError::NotFinite { position: 3, .. }));
    }
}
