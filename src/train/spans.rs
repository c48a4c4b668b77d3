//! The question-answering objective: the start and the end of the answer, each one token of a
//! window (Devlin et al. 2019, section 4.2).

use tch::{Device, Tensor};

use super::TrainError;
use super::order::Batches;
use super::run::{Objective, Step};
use super::settings::FinetuneSettings;
use crate::interrupt::Interrupt;
use crate::model::{Batch, GlobalPolicy, Mode, Parameters, QuestionAnswering, Sequence};
use crate::text::windows::Window;

/// Windows of one forward pass and the answers in them, on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct SpanMicroBatch {
    rows: Vec<Sequence>,
    starts: Vec<i64>,
    ends: Vec<i64>,
}

/// Windows for fine-tuning, at which step.
pub struct SpanSteps<'a> {
    windows: &'a [Window],
    policy: GlobalPolicy,
    settings: &'a FinetuneSettings,
    batches: Batches,
}

impl<'a> SpanSteps<'a> {
    /// All `windows` (at least one), in the order that the seed gives.
    pub fn new(windows: &'a [Window], policy: GlobalPolicy, settings: &'a FinetuneSettings) -> Self {
        let batches = Batches::new(windows.len(), &settings.optimization, settings.num_train_epochs);
        Self { windows, policy, settings, batches }
    }

    /// Optimizer steps for all epochs.
    pub fn max_steps(&self) -> u64 {
        self.batches.max_steps()
    }

    /// The data of optimizer step `step`, counted from 0.
    pub fn at(&mut self, step: u64) -> Step<SpanMicroBatch> {
        let mut windows: Vec<_> =
            self.batches.at(step).into_iter().map(|example| &self.windows[example]).collect();
        // Like lengths go together: less padding, and the step's gradient is the same.
        windows.sort_by_key(|window| window.input_ids.len());
        let chunks = windows.chunks(self.settings.optimization.per_device_train_batch_size);
        Step {
            micro_batches: chunks.map(|chunk| self.micro_batch(chunk)).collect(),
            terms: windows.len(),
            tokens: windows.iter().map(|window| window.input_ids.len()).sum(),
        }
    }

    fn micro_batch(&self, windows: &[&Window]) -> SpanMicroBatch {
        // A window without the answer points at <s>.
        let answers =
            windows.iter().map(|window| window.answer.map_or((0, 0), |span| (span.start, span.end)));
        let (starts, ends) = answers.map(|(start, end)| (start as i64, end as i64)).unzip();
        SpanMicroBatch {
            rows: windows.iter().map(|window| self.policy.sequence(window)).collect(),
            starts,
            ends,
        }
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

    /// Per window the mean of the cross-entropies of start and end over the window's real tokens.
    fn loss_sum(&self, micro_batch: &SpanMicroBatch) -> Result<Tensor, TrainError> {
        let device = self.parameters().device();
        let batch = Batch::of_sequences(&micro_batch.rows, self.model.config().pad_token_id, device)?;
        let logits = self.model.forward(&batch, Mode::Train)?;
        let padding = batch.attention_mask.logical_not();
        let loss = |logits: &Tensor, labels| cross_entropy_sum(&mask_out(logits, &padding), labels, device);
        Ok((loss(&logits.start, &micro_batch.starts)? + loss(&logits.end, &micro_batch.ends)?) / 2.0)
    }

    /// Nothing: models are compared by their predictions, made after training.
    fn evaluate(&self, _interrupt: &Interrupt) -> Result<Vec<(&'static str, f64)>, TrainError> {
        Ok(Vec::new())
    }
}

/// No answer stands in the padding, so the loss does not depend on how far a batch is padded.
pub(super) fn mask_out(logits: &Tensor, padding: &Tensor) -> Tensor {
    logits.masked_fill(padding, f64::NEG_INFINITY)
}

/// `logits`: `[batch, length]` f32, padding at minus infinity; `labels`: `[batch]` positions.
fn cross_entropy_sum(logits: &Tensor, labels: &[i64], device: Device) -> Result<Tensor, TrainError> {
    let labels = Tensor::f_from_slice(labels)?.to_device(device);
    Ok(logits.f_cross_entropy_loss(&labels, None::<&Tensor>, tch::Reduction::Sum, -100, 0.0)?)
}
