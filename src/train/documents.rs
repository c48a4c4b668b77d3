//! The objective of TriviaQA: of all places of the answer in a document, any may be found.
//!
//! The loss of a document is −(log Σ exp over the right tokens − log Σ exp over all tokens), for starts and
//! for ends, the mean of both (Clark & Gardner 2018, section 2.2; the Longformer's
//! `or_softmax_cross_entropy_loss_one_doc`). Both sums run over all slices of the document together,
//! padding left out, so that slices compete with one another.

use tch::Tensor;

use super::TrainError;
use super::order::Batches;
use super::run::{Objective, Step};
use super::settings::FinetuneSettings;
use super::spans::mask_out;
use crate::interrupt::Interrupt;
use crate::model::{Batch, GlobalPolicy, Mode, Parameters, QuestionAnswering, Sequence};
use crate::text::DocumentFile;
use crate::text::documents::Example;

/// Whole documents of one forward pass and the answers in them, on the host.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DocumentMicroBatch {
    /// The slices of all documents.
    rows: Vec<Sequence>,
    /// For each row, the positions of right starts.
    starts: Vec<Vec<usize>>,
    /// For each row, the positions of right ends.
    ends: Vec<Vec<usize>>,
    /// How many rows each document has.
    rows_of_documents: Vec<i64>,
}

/// Documents for fine-tuning, at which step.
pub struct DocumentSteps<'a> {
    examples: &'a DocumentFile,
    policy: GlobalPolicy,
    settings: &'a FinetuneSettings,
    batches: Batches,
}

impl<'a> DocumentSteps<'a> {
    /// All `examples` (at least one), in the order that the seed gives.
    pub fn new(examples: &'a DocumentFile, policy: GlobalPolicy, settings: &'a FinetuneSettings) -> Self {
        let batches = Batches::new(examples.len(), &settings.optimization, settings.num_train_epochs);
        Self { examples, policy, settings, batches }
    }

    /// Optimizer steps for all epochs.
    pub fn max_steps(&self) -> u64 {
        self.batches.max_steps()
    }

    /// The data of optimizer step `step`, counted from 0.
    pub fn at(&mut self, step: u64) -> Result<Step<DocumentMicroBatch>, TrainError> {
        let drawn = self.batches.at(step).into_iter().map(|index| self.examples.example(index));
        let mut documents: Vec<Example> = drawn.collect::<Result<_, _>>()?;
        // Like lengths go together: less padding, and the step's gradient is the same.
        documents.sort_by_key(|document| (document.longest(), document.slices.len()));
        let chunks = documents.chunks(self.settings.optimization.per_device_train_batch_size);
        Ok(Step {
            micro_batches: chunks.map(|chunk| self.micro_batch(chunk)).collect(),
            terms: documents.len(),
            tokens: documents.iter().map(Example::tokens).sum(),
        })
    }

    fn micro_batch(&self, documents: &[Example]) -> DocumentMicroBatch {
        let mut batch = DocumentMicroBatch::default();
        for document in documents {
            for slice in &document.slices {
                batch.rows.push(self.policy.row(&slice.input_ids, document.question_end));
                batch.starts.push(slice.starts.clone());
                batch.ends.push(slice.ends.clone());
            }
            batch.rows_of_documents.push(document.slices.len() as i64);
        }
        batch
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
    fn loss_sum(&self, micro_batch: &DocumentMicroBatch) -> Result<Tensor, TrainError> {
        let device = self.parameters().device();
        let batch = Batch::of_sequences(&micro_batch.rows, self.model.config().pad_token_id, device)?;
        let logits = self.model.forward(&batch, Mode::Train)?;
        let padding = batch.attention_mask.logical_not();
        let loss = |logits: &Tensor, right: &[Vec<usize>]| -> Result<Tensor, TrainError> {
            let right = marks(right, batch.length())?.f_to_device(device)?;
            or_loss_sum(&mask_out(logits, &padding), &right, &micro_batch.rows_of_documents)
        };
        Ok((loss(&logits.start, &micro_batch.starts)? + loss(&logits.end, &micro_batch.ends)?) / 2.0)
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
        sum = sum.f_add(&(norm(all)? - norm(right)?))?;
    }
    Ok(sum)
}

/// `[rows, length]` bool, true at each row's positions.
fn marks(positions: &[Vec<usize>], length: i64) -> Result<Tensor, TrainError> {
    let width = length as usize;
    let mut marks = vec![false; positions.len() * width];
    for (row, positions) in marks.chunks_mut(width.max(1)).zip(positions) {
        for position in positions {
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
        let right = marks(&labels.map(|label| vec![label]), 9).unwrap();
        let found = or_loss_sum(&logits, &right, &[1; 4]).unwrap();
        let labels = Tensor::from_slice(&labels.map(|label| label as i64));
        let expected = logits.cross_entropy_loss(&labels, None::<&Tensor>, Reduction::Sum, -100, 0.0);
        assert!((found - expected).abs().double_value(&[]) < 1e-5);
    }

    #[test]
    fn padding_counts_nowhere() {
        tch::set_num_threads(1);
        let row = |values: &[f32]| Tensor::from_slice(values).unsqueeze(0);
        let right = |position| marks(&[vec![position]], 2).unwrap();
        let short = or_loss_sum(&row(&[1.0, 2.0]), &right(0), &[1]).unwrap();
        let padded = row(&[1.0, 2.0, f32::NEG_INFINITY]);
        let long = or_loss_sum(&padded, &marks(&[vec![0]], 3).unwrap(), &[1]).unwrap();
        assert_eq!(short, long);
    }
}
