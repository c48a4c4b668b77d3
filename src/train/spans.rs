//! The question-answering objective: the start and the end of the answer, each one token of a
//! sequence (Devlin et al. 2019, section 4.2).
//!
//! The loss of an optimizer step is the mean cross-entropy over its labels, starts and ends together. A
//! label that was cut off with the end of a context is no label. (transformers takes the mean over starts
//! and the mean over ends of each forward pass, then the mean of those: the same where nothing is cut off.)

use tch::{TchError, Tensor};

use super::TrainError;
use super::hand_out::Arguments;
use super::order::Batches;
use super::run::{Backward, Objective, Step};
use super::settings::FinetuneSettings;
use crate::interrupt::Interrupt;
use crate::model::{
    Argument, Batch, Config, IGNORED_LABEL, Parameters, Positions, QuestionAnswering, QuestionInput, upload,
};
use crate::text::passes::passes;
use crate::text::{SpecialTokens, TokenId, Truncated, Window};

/// A sequence and where the answer is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanExample<'a> {
    input_ids: &'a [TokenId],
    question_end: usize,
    start: Option<usize>,
    end: Option<usize>,
}

/// Sequences of one forward pass and the answers in them, on the host.
#[derive(Debug)]
pub struct SpanMicroBatch {
    batch: Batch,
    /// `[rows]`, i64.
    starts: Tensor,
    /// `[rows]`, i64.
    ends: Tensor,
}

impl Arguments for SpanMicroBatch {
    /// As `…ForQuestionAnswering` takes them, the labels `[rows]`.
    fn arguments(&self, padding_id: i64) -> Result<Vec<Argument>, TrainError> {
        let mut arguments = self.batch.arguments(padding_id)?;
        arguments.push(("start_positions", self.starts.shallow_clone()));
        arguments.push(("end_positions", self.ends.shallow_clone()));
        Ok(arguments)
    }
}

/// Sequences for fine-tuning, at which step.
pub struct SpanSteps<'a> {
    examples: Vec<SpanExample<'a>>,
    input: QuestionInput,
    positions: Positions,
    settings: &'a FinetuneSettings,
    batches: Batches,
}

impl<'a> SpanExample<'a> {
    /// A window; one without the answer points at `<s>`.
    pub fn of_window(window: &'a Window) -> Self {
        let (start, end) = window.answer.map_or((0, 0), |span| (span.start, span.end));
        Self {
            input_ids: &window.input_ids,
            question_end: window.question_end,
            start: Some(start),
            end: Some(end),
        }
    }

    /// A sequence of the original work; what is cut off is not learned.
    pub fn of_truncated(sequence: &'a Truncated) -> Self {
        let label =
            |position: Option<usize>| position.filter(|&position| position < sequence.input_ids.len());
        Self {
            input_ids: &sequence.input_ids,
            question_end: sequence.question_end,
            start: label(sequence.answer.map(|span| span.start)),
            end: label(sequence.answer.map(|span| span.end)),
        }
    }

    fn tokens(&self) -> usize {
        self.input_ids.len()
    }

    fn labels(&self) -> usize {
        usize::from(self.start.is_some()) + usize::from(self.end.is_some())
    }
}

impl<'a> SpanSteps<'a> {
    /// All `examples` (at least one) for a model of `config` and a tokenizer with these
    /// special tokens, in the order that the seed gives.
    pub fn new(
        examples: Vec<SpanExample<'a>>,
        config: &Config,
        special: &SpecialTokens,
        settings: &'a FinetuneSettings,
    ) -> Self {
        let batches = Batches::new(examples.len(), &settings.optimization, settings.num_train_epochs);
        let (input, positions) = (QuestionInput::of(config, special), config.positions());
        Self { examples, input, positions, settings, batches }
    }

    /// Optimizer steps for all epochs.
    pub fn max_steps(&self) -> u64 {
        self.batches.max_steps()
    }

    /// The data of optimizer step `step`, counted from 0.
    pub fn at(&mut self, step: u64) -> Result<Step<SpanMicroBatch>, TrainError> {
        let mut examples: Vec<_> =
            self.batches.at(step).into_iter().map(|example| self.examples[example]).collect();
        // Like lengths go together; the step's gradient is the same in any order.
        examples.sort_by_key(SpanExample::tokens);
        let passes = passes(&examples, self.settings.tokens_per_pass(), SpanExample::tokens);
        Ok(Step {
            micro_batches: passes.map(|pass| self.micro_batch(pass)).collect::<Result<_, _>>()?,
            terms: examples.iter().map(SpanExample::labels).sum(),
            tokens: examples.iter().map(SpanExample::tokens).sum(),
        })
    }

    fn micro_batch(&self, examples: &[SpanExample]) -> Result<SpanMicroBatch, TrainError> {
        let row = |example: &SpanExample| self.input.row(example.input_ids, example.question_end);
        let rows: Vec<_> = examples.iter().map(row).collect();
        let labels = |of: fn(&SpanExample) -> Option<usize>| {
            let labels =
                examples.iter().map(|example| of(example).map_or(IGNORED_LABEL, |label| label as i64));
            Tensor::f_from_slice(&labels.collect::<Vec<_>>())
        };
        Ok(SpanMicroBatch {
            batch: Batch::of_sequences(&rows, self.positions)?,
            starts: labels(|example| example.start)?,
            ends: labels(|example| example.end)?,
        })
    }
}

/// A question-answering model in training.
pub struct SpanObjective {
    /// The model.
    pub model: QuestionAnswering,
}

impl Objective for SpanObjective {
    type MicroBatch = SpanMicroBatch;

    fn parameters(&self) -> &Parameters {
        self.model.parameters()
    }

    /// The cross-entropies of all labels, each over the tokens of its sequence.
    fn learn(&self, micro_batch: &SpanMicroBatch, backward: Backward) -> Result<(), TrainError> {
        let device = self.parameters().device();
        let batch = micro_batch.batch.to_device(device)?;
        let (logits, tape) = self.model.training_forward(&batch)?;
        let starts = cross_entropy_sum(&logits.start, &upload(&micro_batch.starts, device)?)?;
        let ends = cross_entropy_sum(&logits.end, &upload(&micro_batch.ends, device)?)?;
        backward(&starts.f_add(&ends)?)?;
        Ok(tape.backward()?)
    }

    /// Nothing: models are compared by their predictions, made after training.
    fn evaluate(&self, _interrupt: &Interrupt) -> Result<Vec<(&'static str, f64)>, TrainError> {
        Ok(Vec::new())
    }
}

/// `logits`: `[rows, length]` f32, minus infinity where a row has ended; `labels`: `[rows]` positions or
/// [`IGNORED_LABEL`].
fn cross_entropy_sum(logits: &Tensor, labels: &Tensor) -> Result<Tensor, TchError> {
    logits.f_cross_entropy_loss(labels, None::<&Tensor>, tch::Reduction::Sum, IGNORED_LABEL, 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::families::ROBERTA;
    use crate::text::{Pairing, TokenSpan};

    const SPECIAL: SpecialTokens = SpecialTokens {
        bos: TokenId(0),
        pad: TokenId(1),
        eos: TokenId(2),
        unk: TokenId(3),
        mask: TokenId(4),
        pairing: Pairing::OneSegment,
    };

    fn truncated(length: usize, answer: Option<(usize, usize)>) -> Truncated {
        Truncated {
            question: 0,
            input_ids: vec![TokenId(5); length],
            question_end: 2,
            answer: answer.map(|(start, end)| TokenSpan { start, end }),
        }
    }

    #[test]
    fn what_was_cut_off_is_no_label_and_no_term() {
        let mut settings = FinetuneSettings::default();
        settings.optimization.per_device_train_batch_size = 4;
        settings.optimization.gradient_accumulation_steps = 1;
        let sequences = [
            truncated(6, Some((3, 5))),
            truncated(7, Some((4, 7))),
            truncated(8, Some((9, 9))),
            truncated(9, None),
        ];
        let examples = sequences.iter().map(SpanExample::of_truncated).collect();
        let step = SpanSteps::new(examples, &Config::base(&ROBERTA), &SPECIAL, &settings).at(0).unwrap();
        assert_eq!((step.terms, step.tokens), (3, 6 + 7 + 8 + 9));
        let [batch] = &step.micro_batches[..] else { panic!("one pass") };
        let labels = |tensor: &Tensor| Vec::<i64>::try_from(tensor).unwrap();
        assert_eq!(labels(&batch.starts), [3, 4, IGNORED_LABEL, IGNORED_LABEL]);
        assert_eq!(labels(&batch.ends), [5, IGNORED_LABEL, IGNORED_LABEL, IGNORED_LABEL]);
    }

    #[test]
    fn the_windows_of_a_step_share_passes_by_their_tokens_the_shortest_first() {
        let mut settings = FinetuneSettings { max_length: 20, ..FinetuneSettings::default() };
        settings.optimization.per_device_train_batch_size = 1;
        settings.optimization.gradient_accumulation_steps = 6;
        let sequences = [20, 7, 12, 8, 5, 20].map(|length| truncated(length, Some((3, 4))));
        let examples = sequences.iter().map(SpanExample::of_truncated).collect();
        let step = SpanSteps::new(examples, &Config::base(&ROBERTA), &SPECIAL, &settings).at(0).unwrap();
        let rows =
            step.micro_batches.iter().map(|pass| pass.batch.rows().iter().map(|row| row.length).collect());
        assert_eq!(rows.collect::<Vec<Vec<_>>>(), [vec![5, 7, 8], vec![12], vec![20], vec![20]]);
    }

    #[test]
    fn a_label_that_is_none_adds_nothing_to_the_loss() {
        let logits = Tensor::from_slice(&[0.0f32, 1.0, 2.0, 3.0]).view([2, 2]);
        let loss = |labels: &[i64]| {
            cross_entropy_sum(&logits, &Tensor::from_slice(labels)).unwrap().double_value(&[])
        };
        let right = (1.0 + (-1.0f64).exp()).ln();
        assert!((loss(&[1, IGNORED_LABEL]) - right).abs() < 1e-6);
        assert!((loss(&[1, 1]) - 2.0 * right).abs() < 1e-6);
        assert_eq!(loss(&[IGNORED_LABEL, IGNORED_LABEL]), 0.0);
    }
}
