//! Answering questions: from a model folder and a data set to its n-best answers.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use super::decode::{DecodeSettings, Decoder};
use super::{Answers, QaError, independent};
use crate::corpus::{QaDataset, Task};
use crate::interrupt::Interrupt;
use crate::model::{Batch, Head, Mode, Precision, QuestionAnswering, QuestionInput};
use crate::text::documents::{self, DocumentSettings};
use crate::text::passes::passes;
use crate::text::windows::{self, WINDOW_KEYS, Window};
use crate::text::{Case, Protocol, Slices, TokenId, Tokenizer, WindowSettings, truncated};
use crate::train::settings::{DOCUMENT_KEYS, PRECISION_KEY, PROTOCOL_KEYS, concat_keys};

/// How questions are answered: windows, then span decoding over all of them. The fields are described
/// in [`PREDICT_KEYS`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct PredictSettings {
    pub max_length: usize,
    pub doc_stride: usize,
    pub max_question_length: usize,
    pub n_best_size: usize,
    pub max_answer_length: usize,
    pub per_device_eval_batch_size: usize,
    pub precision: Precision,
    pub protocol: Protocol,
    pub do_lowercase: bool,
    pub slices: Slices,
    pub max_document_length: usize,
}

/// Every key of [`PredictSettings`] with its meaning.
pub const PREDICT_KEYS: &[(&str, &str)] = &concat_keys::<11>(&[
    &WINDOW_KEYS,
    &PROTOCOL_KEYS,
    &DOCUMENT_KEYS,
    &[
        ("n_best_size", "starts and ends considered per window, and answers kept per question"),
        ("max_answer_length", "tokens of the longest answer"),
        ("per_device_eval_batch_size", "windows of max_length per forward pass; more if shorter"),
        PRECISION_KEY,
    ],
]);

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
            protocol: Protocol::default(),
            do_lowercase: false,
            slices: Slices::default(),
            max_document_length: 4096,
        }
    }
}

impl PredictSettings {
    /// How the questions of `task` are answered where nothing else is said: for TriviaQA as by the
    /// Longformer's script, for the others by the defaults.
    pub fn for_task(task: Task) -> Self {
        let defaults = Self::default();
        match task {
            Task::TriviaQa => {
                Self { max_length: 4096, doc_stride: 4096, max_question_length: 55, ..defaults }
            }
            _ => defaults,
        }
    }

    /// Checks every value; the error, [`QaError::Setting`] or [`TextError::Setting`], names the key.
    ///
    /// [`TextError::Setting`]: crate::text::TextError::Setting
    pub fn validate(&self) -> Result<(), QaError> {
        for (key, found) in [
            ("max_question_length", self.max_question_length),
            ("n_best_size", self.n_best_size),
            ("max_answer_length", self.max_answer_length),
            ("max_document_length", self.max_document_length),
            ("per_device_eval_batch_size", self.per_device_eval_batch_size),
        ] {
            if found == 0 {
                return Err(QaError::Setting { key, expected: "at least 1", found });
            }
        }
        match self.protocol {
            Protocol::Standard => Ok(self.windows().validate()?),
            Protocol::Sagen2021 => Ok(truncated::check_length(self.max_length)?),
        }
    }

    /// Tokens that share a forward pass, at most.
    pub(super) fn tokens_per_pass(&self) -> usize {
        self.per_device_eval_batch_size.saturating_mul(self.max_length)
    }

    pub(super) fn windows(&self) -> WindowSettings {
        let Self { max_length, doc_stride, max_question_length, .. } = *self;
        WindowSettings { max_length, doc_stride, max_question_length }
    }

    /// How TriviaQA's documents are laid into sequences.
    ///
    /// # Errors
    /// [`TextError::Setting`] for what is not done with documents.
    ///
    /// [`TextError::Setting`]: crate::text::TextError::Setting
    pub fn documents(&self) -> Result<DocumentSettings, QaError> {
        let Self { slices, max_document_length, protocol, do_lowercase, .. } = *self;
        documents::refuse_variants(protocol, do_lowercase)?;
        Ok(DocumentSettings { windows: self.windows(), slices, max_document_length })
    }

    pub(super) fn decode(&self) -> DecodeSettings {
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

/// Answers the questions of `dataset` with the fine-tuned model in folder `model`: all of them, or under
/// [`Protocol::Sagen2021`] those that it does not leave out.
///
/// # Errors
/// A setting that makes no sense, a folder that is no question-answering model, a tokenizer of another vocabulary, windows longer
/// than the model reaches, a model that gives no number, [`QaError::Interrupted`].
pub fn answer(
    model: &Path,
    dataset: &QaDataset,
    settings: &PredictSettings,
    device: Device,
    interrupt: &Interrupt,
    observe: &mut dyn FnMut(Progress),
) -> Result<Answers, QaError> {
    let (tokenizer, network) = open(model, settings, device)?;
    let question_input = QuestionInput::of(network.config(), tokenizer.special());
    let most_tokens = settings.tokens_per_pass();
    match settings.protocol {
        Protocol::Standard => {
            let windows = windows::of_dataset(dataset, &tokenizer, &settings.windows())?;
            let mut decoder = Decoder::new(dataset, settings.decode())?;
            score_windows(&network, question_input, &windows, most_tokens, interrupt, observe, &mut decoder)?;
            Ok(Answers::best_of(decoder.finish()))
        }
        Protocol::Sagen2021 => {
            let truncated = truncated::of_dataset(dataset, &tokenizer, settings.max_length)?;
            let sequences = &truncated.sequences;
            let inputs = sequences.iter().map(|sequence| (&sequence.input_ids[..], sequence.question_end));
            let mut answers = independent::Gathered::new(dataset, &tokenizer, sequences);
            let take = |index, start: &[f32], end: &[f32]| answers.add(index, start, end);
            score(
                &network,
                question_input,
                &inputs.collect::<Vec<_>>(),
                most_tokens,
                interrupt,
                observe,
                take,
            )?;
            Ok(Answers { left_out: truncated.left_out, ..Answers::best_of(answers.finish()) })
        }
    }
}

/// The fine-tuned model and its tokenizer, which fit each other and the settings.
pub(super) fn open(
    folder: &Path,
    settings: &PredictSettings,
    device: Device,
) -> Result<(Tokenizer, QuestionAnswering), QaError> {
    settings.validate()?;
    let tokenizer = Tokenizer::from_folder(folder)?.with_case(Case::of_setting(settings.do_lowercase));
    settings.precision.settle_tf32()?;
    let network =
        QuestionAnswering::load(folder, Head::FromCheckpoint, device)?.with_precision(settings.precision);
    tokenizer.check_vocabulary_size(network.config().vocab_size as usize, folder)?;
    network.config().check_length(settings.max_length)?;
    Ok((tokenizer, network))
}

/// Runs the model over `windows` and hands their logits to `decoder`.
pub(super) fn score_windows(
    network: &QuestionAnswering,
    question_input: QuestionInput,
    windows: &[Window],
    most_tokens: usize,
    interrupt: &Interrupt,
    observe: &mut dyn FnMut(Progress),
    decoder: &mut Decoder,
) -> Result<(), QaError> {
    let inputs: Vec<_> = windows.iter().map(|window| (&window.input_ids[..], window.question_end)).collect();
    let take = |index: usize, start: &[f32], end: &[f32]| decoder.add(&windows[index], start, end);
    score(network, question_input, &inputs, most_tokens, interrupt, observe, take)
}

/// Runs the model over `inputs`, each a sequence and the end of its question, and gives `take` the index and
/// the start and end logits of each. Sequences of like length share a forward pass of `most_tokens` tokens.
fn score(
    network: &QuestionAnswering,
    question_input: QuestionInput,
    inputs: &[(&[TokenId], usize)],
    most_tokens: usize,
    interrupt: &Interrupt,
    observe: &mut dyn FnMut(Progress),
    mut take: impl FnMut(usize, &[f32], &[f32]) -> Result<(), QaError>,
) -> Result<(), QaError> {
    let mut by_length: Vec<_> = inputs.iter().enumerate().collect();
    // The longest first, so that a batch that does not fit in memory fails at once.
    by_length.sort_by_key(|(_, (input_ids, _))| std::cmp::Reverse(input_ids.len()));
    let device = network.parameters().device();
    let mut done = 0;
    for pass in passes(&by_length, most_tokens, |(_, (input_ids, _))| input_ids.len()) {
        interrupt.check()?;
        let row = |(_, (input_ids, question_end)): &(_, &(&[TokenId], usize))| {
            question_input.row(input_ids, *question_end)
        };
        let rows: Vec<_> = pass.iter().map(row).collect();
        let batch = Batch::of_sequences(&rows, network.config().positions())?.to_device(device)?;
        let logits = tch::no_grad(|| network.forward(&batch, Mode::Evaluate))?;
        let (starts, ends) = (rows_of(&logits.start)?, rows_of(&logits.end)?);
        for (((index, (input_ids, _)), start), end) in pass.iter().zip(&starts).zip(&ends) {
            let length = input_ids.len();
            take(*index, &start[..length], &end[..length])?;
        }
        done += pass.len();
        observe(Progress { done, windows: inputs.len() });
    }
    Ok(())
}

/// `[batch, length]` f32 on any device to one vector per row.
fn rows_of(logits: &Tensor) -> Result<Vec<Vec<f32>>, QaError> {
    Ok(Vec::try_from(logits)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::TextError;

    #[test]
    fn a_setting_that_leaves_no_answer_is_refused_by_its_key() {
        PredictSettings::default().validate().unwrap();
        let key = |change: fn(&mut PredictSettings)| {
            let mut settings = PredictSettings::default();
            change(&mut settings);
            match settings.validate() {
                Err(QaError::Setting { key, .. } | QaError::Text(TextError::Setting { key, .. })) => key,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(key(|settings| settings.n_best_size = 0), "n_best_size");
        assert_eq!(key(|settings| settings.max_answer_length = 0), "max_answer_length");
        assert_eq!(key(|settings| settings.per_device_eval_batch_size = 0), "per_device_eval_batch_size");
        assert_eq!(key(|settings| settings.max_question_length = 0), "max_question_length");
        assert_eq!(key(|settings| settings.doc_stride = 0), "doc_stride");
        assert_eq!(key(|settings| settings.max_length = 68), "max_length");
    }
}
