//! The objective of TriviaQA: of all places of the answer in a document, any may be found.
//!
//! The loss of a document is −(log Σ exp over the right tokens − log Σ exp over all tokens), for starts and
//! for ends, the mean of both (Clark & Gardner 2018, section 2.2; the Longformer's
//! `or_softmax_cross_entropy_loss_one_doc`). Both sums run over all slices of the document together,
//! padding left out, so that slices compete with one another.

use tch::Tensor;

use super::TrainError;
use super::order::Batches;
use super::run::{Backward, Objective, Step};
use super::settings::FinetuneSettings;
use crate::interrupt::Interrupt;
use crate::model::{Batch, Config, Parameters, Positions, QuestionAnswering, QuestionInput, upload};
use crate::text::documents::Example;
use crate::text::passes::passes;
use crate::text::{DocumentFile, SpecialTokens};

/// Whole documents of one forward pass and the answers in them, on the host.
#[derive(Debug)]
pub struct DocumentMicroBatch {
    /// The slices of all documents.
    batch: Batch,
    /// True for right starts, `[rows, length]`, bool.
    starts: Tensor,
    /// True for right ends, `[rows, length]`, bool.
    ends: Tensor,
    /// How many rows each document has.
    rows_of_documents: Vec<i64>,
}

/// Documents for fine-tuning, at which step.
pub struct DocumentSteps<'a> {
    examples: &'a DocumentFile,
    input: QuestionInput,
    positions: Positions,
    settings: &'a FinetuneSettings,
    batches: Batches,
}

impl<'a> DocumentSteps<'a> {
    /// All `examples` (at least one) for a model of `config` and a tokenizer with these
    /// special tokens, in the order that the seed gives.
    pub fn new(
        examples: &'a DocumentFile,
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
    pub fn at(&mut self, step: u64) -> Result<Step<DocumentMicroBatch>, TrainError> {
        let drawn = self.batches.at(step).into_iter().map(|index| self.examples.example(index));
        let mut documents: Vec<Example> = drawn.collect::<Result<_, _>>()?;
        // Like lengths go together; the step's gradient is the same in any order.
        documents.sort_by_key(|document| (document.longest(), document.slices.len()));
        let passes = passes(&documents, self.settings.tokens_per_pass(), Example::tokens);
        Ok(Step {
            micro_batches: passes.map(|pass| self.micro_batch(pass)).collect::<Result<_, _>>()?,
            terms: documents.len(),
            tokens: documents.iter().map(Example::tokens).sum(),
        })
    }

    fn micro_batch(&self, documents: &[Example]) -> Result<DocumentMicroBatch, TrainError> {
        let (mut rows, mut starts, mut ends) = (vec![], vec![], vec![]);
        for document in documents {
            for slice in &document.slices {
                rows.push(self.input.row(&slice.input_ids, document.question_end));
                starts.push(&slice.starts[..]);
                ends.push(&slice.ends[..]);
            }
        }
        let batch = Batch::of_sequences(&rows, self.positions)?;
        Ok(DocumentMicroBatch {
            starts: marks(&starts, batch.length())?,
            ends: marks(&ends, batch.length())?,
            batch,
            rows_of_documents: documents.iter().map(|document| document.slices.len() as i64).collect(),
        })
    }
}

/// A question-answering model in training on documents.
pub struct DocumentObjective {
    /// The model.
    pub model: QuestionAnswering,
}

impl Objective for DocumentObjective {
    type MicroBatch = DocumentMicroBatch;

    fn parameters(&self) -> &Parameters {
        self.model.parameters()
    }

    /// One term per document.
    fn learn(&self, micro_batch: &DocumentMicroBatch, backward: Backward) -> Result<(), TrainError> {
        let device = self.parameters().device();
        let batch = micro_batch.batch.to_device(device)?;
        let (logits, tape) = self.model.training_forward(&batch)?;
        let loss = |logits: &Tensor, right: &Tensor| -> Result<Tensor, TrainError> {
            or_loss_sum(logits, &upload(right, device)?, &micro_batch.rows_of_documents)
        };
        let sum = loss(&logits.start, &micro_batch.starts)?.f_add(&loss(&logits.end, &micro_batch.ends)?)?;
        backward(&sum.f_div_scalar(2.0)?)?;
        Ok(tape.backward()?)
    }

    /// Nothing: models are compared by their predictions, made after training.
    fn evaluate(&self, _interrupt: &Interrupt) -> Result<Vec<(&'static str, f64)>, TrainError> {
        Ok(Vec::new())
    }
}

/// The sum over documents of log Σ exp(all) − log Σ exp(right).
///
/// `logits`: `[rows, length]` f32, padding at minus infinity; `right`: `[rows, length]` bool, true for at
/// least one token of each document; `rows_of_documents`: how many rows each document has, in order.
pub fn or_loss_sum(logits: &Tensor, right: &Tensor, rows_of_documents: &[i64]) -> Result<Tensor, TrainError> {
    let right_only = logits.f_masked_fill(&right.f_logical_not()?, f64::NEG_INFINITY)?;
    let all = logits.f_split_with_sizes(rows_of_documents, 0)?; // each [rows of document, length]
    let right = right_only.f_split_with_sizes(rows_of_documents, 0)?;
    let norm = |document: &Tensor| document.f_logsumexp([0, 1], false); // []
    let mut sum = Tensor::f_zeros([], (logits.kind(), logits.device()))?;
    for (all, right) in all.iter().zip(&right) {
        sum = sum.f_add(&(norm(all)?.f_sub(&norm(right)?)?))?;
    }
    Ok(sum)
}

/// `[rows, length]` bool, true at each row's positions.
fn marks(positions: &[&[usize]], length: i64) -> Result<Tensor, TrainError> {
    let width = length as usize;
    let mut marks = vec![false; positions.len() * width];
    for (row, positions) in marks.chunks_mut(width.max(1)).zip(positions) {
        for position in *positions {
            if let Some(mark) = row.get_mut(*position) {
                *mark = true;
            }
        }
    }
    Ok(Tensor::f_from_slice(&marks)?.f_view([positions.len() as i64, length])?)
}

#[cfg(test)]
mod tests {
    use tch::{Kind, Reduction};

    use super::*;

    #[test]
    fn one_slice_with_one_place_is_cross_entropy() {
        tch::set_num_threads(1);
        tch::manual_seed(3);
        let logits = Tensor::randn([4, 9], (Kind::Float, tch::Device::Cpu));
        let labels = [0_usize, 8, 3, 3];
        let right = marks(&labels.each_ref().map(std::slice::from_ref), 9).unwrap();
        let found = or_loss_sum(&logits, &right, &[1; 4]).unwrap();
        let labels = Tensor::from_slice(&labels.map(|label| label as i64));
        let expected = logits.cross_entropy_loss(&labels, None::<&Tensor>, Reduction::Sum, -100, 0.0);
        assert!((found - expected).abs().double_value(&[]) < 1e-5);
    }

    #[test]
    fn padding_counts_nowhere() {
        tch::set_num_threads(1);
        let row = |values: &[f32]| Tensor::from_slice(values).unsqueeze(0);
        let right = |position| marks(&[&[position]], 2).unwrap();
        let short = or_loss_sum(&row(&[1.0, 2.0]), &right(0), &[1]).unwrap();
        let padded = row(&[1.0, 2.0, f32::NEG_INFINITY]);
        let long = or_loss_sum(&padded, &marks(&[&[0]], 3).unwrap(), &[1]).unwrap();
        assert_eq!(short, long);
    }
}
