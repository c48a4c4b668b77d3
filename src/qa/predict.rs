//! Answering questions: from a model folder and a data set to its n-best answers.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use super::decode::{DecodeSettings, Decoder};
use super::{NbestPredictions, QaError};
use crate::corpus::QaDataset;
use crate::interrupt::Interrupt;
use crate::model::{Batch, GlobalPolicy, Head, Mode, Precision, QuestionAnswering};
use crate::text::windows::{self, Window};
use crate::text::{Tokenizer, WindowSettings};

/// How questions are answered: windows, then span decoding over all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PredictSettings {
    /// Tokens per window, question and special tokens included.
    pub max_length: usize,
    /// Tokens between the starts of two windows (BERT's meaning, not the overlap).
    pub doc_stride: usize,
    /// Question tokens kept.
    pub max_question_length: usize,
    /// Starts and ends considered per window, and answers kept per question.
    pub n_best_size: usize,
    /// Tokens of the longest answer.
    pub max_answer_length: usize,
    /// Windows per forward pass.
    pub per_device_eval_batch_size: usize,
    /// The number format of matrix products.
    pub precision: Precision,
}

impl Default for PredictSettings {
    fn default() -> Self {
        Self {
            max_length: 384,
            doc_stride: 128,
            max_question_length: 64,
            n_best_size: 20,
            max_answer_length: 30,
            per_device_eval_batch_size: 8,
            precision: Precision::Float32,
        }
    }
}

impl PredictSettings {
    fn windows(&self) -> WindowSettings {
        let Self { max_length, doc_stride, max_question_length, .. } = *self;
        WindowSettings { max_length, doc_stride, max_question_length }
    }

    fn decode(&self) -> DecodeSettings {
        DecodeSettings { n_best: self.n_best_size, max_answer_length: self.max_answer_length }
    }
}

/// How far answering is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Windows scored.
    pub done: usize,
    /// Windows in all.
    pub windows: usize,
}

/// Answers all questions of `dataset` with the fine-tuned model in folder `model`.
///
/// # Errors
/// A folder that is no question-answering model, a tokenizer of another vocabulary, windows longer
/// than the model reaches, a model that gives no number, [`QaError::Interrupted`].
pub fn answer(
    model: &Path,
    dataset: &QaDataset,
    settings: &PredictSettings,
    device: Device,
    interrupt: &Interrupt,
    observe: &mut dyn FnMut(Progress),
) -> Result<NbestPredictions, QaError> {
    let tokenizer = Tokenizer::from_folder(model)?;
    let network =
        QuestionAnswering::load(model, Head::FromCheckpoint, device)?.with_precision(settings.precision);
    tokenizer.check_vocabulary_size(network.config().vocab_size as usize, model)?;
    network.config().check_length(settings.max_length)?;
    let windows = windows::of_dataset(dataset, &tokenizer, &settings.windows())?;
    let mut decoder = Decoder::new(dataset, settings.decode())?;
    score_windows(&network, &windows, settings.per_device_eval_batch_size, interrupt, observe, &mut decoder)?;
    Ok(decoder.finish())
}

/// Runs the model over `windows` and hands their logits to `decoder`. Windows of like length share a
/// forward pass of `batch_size` rows.
fn score_windows(
    network: &QuestionAnswering,
    windows: &[Window],
    batch_size: usize,
    interrupt: &Interrupt,
    observe: &mut dyn FnMut(Progress),
    decoder: &mut Decoder,
) -> Result<(), QaError> {
    let mut by_length: Vec<&Window> = windows.iter().collect();
    // The longest first, so that a batch that does not fit in memory fails at once.
    by_length.sort_by_key(|window| std::cmp::Reverse(window.input_ids.len()));
    let policy = GlobalPolicy::of(network.config());
    let device = network.parameters().device();
    let mut done = 0;
    for chunk in by_length.chunks(batch_size.max(1)) {
        interrupt.check()?;
        let rows: Vec<_> = chunk.iter().map(|window| policy.sequence(window)).collect();
        let batch = Batch::of_sequences(&rows, network.config().pad_token_id, device)?;
        let logits = tch::no_grad(|| network.forward(&batch, Mode::Evaluate))?;
        let (starts, ends) = (rows_of(&logits.start)?, rows_of(&logits.end)?);
        for ((window, start), end) in chunk.iter().zip(&starts).zip(&ends) {
            let length = window.input_ids.len();
            decoder.add(window, &start[..length], &end[..length])?;
        }
        done += chunk.len();
        observe(Progress { done, windows: windows.len() });
    }
    Ok(())
}

/// `[batch, length]` f32 on any device to one vector per row.
fn rows_of(logits: &Tensor) -> Result<Vec<Vec<f32>>, QaError> {
    Ok(Vec::try_from(logits)?)
}
