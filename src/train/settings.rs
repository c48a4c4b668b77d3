//! What a training run is told: plain structs with the names that users of the original scripts
//! know, defaults of the original recipes, and one `validate()` each.
//!
//! The command line and experiment files are built from these structs: every field is a flag and a
//! key, and [`PRETRAIN_KEYS`] and [`FINETUNE_KEYS`] say what each one means.

use serde::{Deserialize, Serialize};

use super::TrainError;
use super::micro_batch::MicroBatch;
use crate::corpus::Task;
use crate::model::{Activations, Attention, Precision};
use crate::random::Seed;
use crate::text::documents::refuse_variants;
use crate::text::windows::WINDOW_KEYS;
use crate::text::{
    DocumentSettings, ExampleSettings, MaskingSettings, Protocol, Slices, WindowSettings, truncated,
};

/// Continued masked-language-model pretraining; defaults as in the Longformer conversion recipe
/// (Beltagy et al. 2020) with the values that Sagen (2021) used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PretrainSettings {
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub optimization: Optimization,
    #[allow(missing_docs)]
    pub micro_batch: MicroBatch,
    #[allow(missing_docs)]
    pub max_steps: u64,
    #[allow(missing_docs)]
    pub model_max_length: usize,
    #[allow(missing_docs)]
    pub mlm_probability: f64,
    #[allow(missing_docs)]
    pub per_device_eval_batch_size: usize,
    #[allow(missing_docs)]
    pub eval_steps: u64,
    #[allow(missing_docs)]
    pub copy_proj_layers: bool,
}

/// Fine-tuning on span-extraction question answering; defaults as in `run_squad.py` with the
/// batch size and epochs of Sagen (2021).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FinetuneSettings {
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub optimization: Optimization,
    #[allow(missing_docs)]
    pub num_train_epochs: f64,
    #[allow(missing_docs)]
    pub max_length: usize,
    #[allow(missing_docs)]
    pub doc_stride: usize,
    #[allow(missing_docs)]
    pub max_question_length: usize,
    #[allow(missing_docs)]
    pub protocol: Protocol,
    #[allow(missing_docs)]
    pub do_lowercase: bool,
    #[allow(missing_docs)]
    pub attention: Attention,
    #[allow(missing_docs)]
    pub slices: Slices,
    #[allow(missing_docs)]
    pub max_document_length: usize,
    #[allow(missing_docs)]
    pub max_answer_spans: usize,
}

/// What both kinds of training share. The fields are described in [`PRETRAIN_KEYS`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Optimization {
    pub seed: Seed,
    pub learning_rate: f64,
    pub weight_decay: f64,
    pub adam_beta1: f64,
    pub adam_beta2: f64,
    pub adam_epsilon: f64,
    pub max_grad_norm: f64,
    pub warmup_steps: u64,
    pub per_device_train_batch_size: usize,
    pub gradient_accumulation_steps: usize,
    pub precision: Precision,
    pub activation_recomputation: bool,
    pub logging_steps: u64,
    pub save_steps: u64,
    pub save_total_limit: usize,
}

/// `precision`, wherever it stands.
pub const PRECISION_KEY: (&str, &str) =
    ("precision", "of matrix products, over float32 weights: float32, tensorfloat32, bfloat16 or float16");

const SHARED_KEYS: [(&str, &str); 15] = [
    ("seed", "seed of every random choice of this run"),
    ("learning_rate", "highest learning rate, reached after the warm-up"),
    ("weight_decay", "decoupled weight decay; biases and LayerNorm are never decayed"),
    ("adam_beta1", "decay of AdamW's running mean of gradients"),
    ("adam_beta2", "decay of AdamW's running mean of squared gradients"),
    ("adam_epsilon", "AdamW's epsilon"),
    ("max_grad_norm", "the gradient is scaled down to this norm; 0 turns clipping off"),
    ("warmup_steps", "optimizer steps of linear warm-up; then linear decay to 0"),
    (
        "per_device_train_batch_size",
        "sequences of full length per forward and backward pass; more if shorter",
    ),
    ("gradient_accumulation_steps", "full passes per optimizer step"),
    PRECISION_KEY,
    ("activation_recomputation", "compute each layer anew on the way back: less memory, a third more work"),
    ("logging_steps", "optimizer steps between two log lines"),
    ("save_steps", "optimizer steps between two checkpoints"),
    ("save_total_limit", "checkpoints kept, the newest ones"),
];

/// Keys that change nothing in the weights that a run ends with: how often it saves its state, and what it
/// computes anew to save memory. They may change between a stop and going on.
pub const NEUTRAL_KEYS: [&str; 3] = ["activation_recomputation", "save_steps", "save_total_limit"];

/// Every key of [`PretrainSettings`] with its meaning.
pub const PRETRAIN_KEYS: &[(&str, &str)] = &concat_keys::<22>(&[&OWN_PRETRAIN_KEYS, &SHARED_KEYS]);

const OWN_PRETRAIN_KEYS: [(&str, &str); 7] = [
    (
        "micro_batch",
        "fixed, or auto: the most sequences per pass that fit on the GPU, as many per step as before",
    ),
    ("max_steps", "optimizer steps"),
    ("model_max_length", "tokens per sequence, <s> and </s> included"),
    ("mlm_probability", "share of tokens to predict (of them 80 % masked, 10 % random, 10 % kept)"),
    ("per_device_eval_batch_size", "sequences per forward pass of the evaluation"),
    ("eval_steps", "optimizer steps between two evaluations; 0 evaluates before and after only"),
    ("copy_proj_layers", "copy the local q/k/v into the global projections at the end"),
];

/// Every key of [`FinetuneSettings`] with its meaning.
pub const FINETUNE_KEYS: &[(&str, &str)] = &concat_keys::<25>(&[
    &[("num_train_epochs", "passes over the training windows")],
    &WINDOW_KEYS,
    &PROTOCOL_KEYS,
    &DOCUMENT_KEYS,
    &[
        ("attention", "sliding-window+global, or dense: full attention without global projections"),
        ("max_answer_spans", "TriviaQA: places of the answer in a document that count, the first ones"),
    ],
    &SHARED_KEYS,
]);

/// `protocol` and what belongs to it, wherever they stand.
pub const PROTOCOL_KEYS: [(&str, &str); 2] = [
    ("protocol", "standard, or sagen-2021: the original work's truncation, decoding and left-out questions"),
    ("do_lowercase", "turn questions and contexts to lower case before they are tokenized"),
];

/// How long documents are read, wherever it is set.
pub const DOCUMENT_KEYS: [(&str, &str); 2] = [
    ("slices", "TriviaQA: first, the beginning of a document that fits; strided, all of it in windows"),
    ("max_document_length", "TriviaQA: tokens of a document that are read"),
];

/// The lists one after the other; `N` is the number of keys in all.
pub(crate) const fn concat_keys<const N: usize>(
    lists: &[&[(&'static str, &'static str)]],
) -> [(&'static str, &'static str); N] {
    let mut keys = [("", ""); N];
    let (mut list, mut count) = (0, 0);
    while list < lists.len() {
        let mut at = 0;
        while at < lists[list].len() {
            keys[count] = lists[list][at];
            at += 1;
            count += 1;
        }
        list += 1;
    }
    assert!(count == N, "N is the number of keys in all lists");
    keys
}

impl Default for Optimization {
    fn default() -> Self {
        Self {
            seed: Seed(42),
            learning_rate: 3e-5,
            weight_decay: 0.0,
            adam_beta1: 0.9,
            adam_beta2: 0.999,
            adam_epsilon: 1e-8,
            max_grad_norm: 1.0,
            warmup_steps: 0,
            per_device_train_batch_size: 8,
            gradient_accumulation_steps: 4,
            precision: Precision::Float32,
            activation_recomputation: false,
            logging_steps: 50,
            save_steps: 500,
            save_total_limit: 2,
        }
    }
}

impl Default for PretrainSettings {
    fn default() -> Self {
        Self {
            optimization: Optimization {
                weight_decay: 0.01,
                warmup_steps: 500,
                per_device_train_batch_size: 1,
                gradient_accumulation_steps: 64,
                ..Optimization::default()
            },
            micro_batch: MicroBatch::Fixed,
            max_steps: 6000,
            model_max_length: 4096,
            mlm_probability: 0.15,
            per_device_eval_batch_size: 1,
            eval_steps: 50,
            copy_proj_layers: true,
        }
    }
}

impl Default for FinetuneSettings {
    fn default() -> Self {
        Self {
            optimization: Optimization::default(),
            num_train_epochs: 3.0,
            max_length: 384,
            doc_stride: 128,
            max_question_length: 64,
            protocol: Protocol::default(),
            do_lowercase: false,
            attention: Attention::default(),
            slices: Slices::default(),
            max_document_length: 4096,
            max_answer_spans: 64,
        }
    }
}

impl Optimization {
    /// Sequences per optimizer step.
    pub fn batch_size(&self) -> usize {
        self.per_device_train_batch_size * self.gradient_accumulation_steps
    }

    /// As many sequences per optimizer step, `size` of them per pass; `size` divides them.
    pub fn in_passes_of(&self, size: usize) -> Self {
        Self {
            per_device_train_batch_size: size,
            gradient_accumulation_steps: self.batch_size() / size,
            ..self.clone()
        }
    }

    /// What a training pass keeps of each layer.
    pub fn activations(&self) -> Activations {
        if self.activation_recomputation { Activations::Recomputed } else { Activations::Kept }
    }

    fn validate(&self) -> Result<(), TrainError> {
        positive("learning_rate", self.learning_rate)?;
        positive("adam_epsilon", self.adam_epsilon)?;
        not_negative("weight_decay", self.weight_decay)?;
        not_negative("max_grad_norm", self.max_grad_norm)?;
        for (key, value) in [("adam_beta1", self.adam_beta1), ("adam_beta2", self.adam_beta2)] {
            require(key, (0.0..1.0).contains(&value), "at least 0 and below 1", value)?;
        }
        at_least_one("per_device_train_batch_size", self.per_device_train_batch_size as u64)?;
        at_least_one("gradient_accumulation_steps", self.gradient_accumulation_steps as u64)?;
        at_least_one("logging_steps", self.logging_steps)?;
        at_least_one("save_steps", self.save_steps)?;
        at_least_one("save_total_limit", self.save_total_limit as u64)
    }
}

impl PretrainSettings {
    /// Checks every value; the error names the key.
    pub fn validate(&self) -> Result<(), TrainError> {
        self.optimization.validate()?;
        at_least_one("max_steps", self.max_steps)?;
        at_least_one("per_device_eval_batch_size", self.per_device_eval_batch_size as u64)?;
        require("model_max_length", self.model_max_length >= 3, "at least 3 tokens", self.model_max_length)?;
        let probability = self.mlm_probability;
        require("mlm_probability", probability > 0.0 && probability < 1.0, "between 0 and 1", probability)
    }

    /// How tokens are chosen and replaced.
    pub fn masking(&self) -> MaskingSettings {
        MaskingSettings { probability: self.mlm_probability, ..MaskingSettings::default() }
    }
}

impl FinetuneSettings {
    /// What `task` is trained with where nothing else is said: for TriviaQA the values of the Longformer
    /// paper (Beltagy et al. 2020, Table 14), for the others the defaults.
    pub fn for_task(task: Task) -> Self {
        let defaults = Self::default();
        match task {
            Task::TriviaQa => Self {
                optimization: Optimization {
                    learning_rate: 3e-5,
                    warmup_steps: 1000,
                    per_device_train_batch_size: 1,
                    gradient_accumulation_steps: 32,
                    ..defaults.optimization
                },
                num_train_epochs: 5.0,
                max_length: 4096,
                doc_stride: 4096,
                max_question_length: 55,
                ..defaults
            },
            _ => defaults,
        }
    }

    /// Tokens that share a forward and backward pass, at most.
    pub fn tokens_per_pass(&self) -> usize {
        self.optimization.per_device_train_batch_size.saturating_mul(self.max_length)
    }

    /// How TriviaQA's training examples are made.
    ///
    /// # Errors
    /// [`TextError::Setting`](crate::text::TextError::Setting) for what is not done with documents.
    pub fn examples(&self) -> Result<ExampleSettings, TrainError> {
        let Self { slices, max_document_length, max_answer_spans, protocol, do_lowercase, .. } = *self;
        refuse_variants(protocol, do_lowercase)?;
        let documents = DocumentSettings { windows: self.windows(), slices, max_document_length };
        Ok(ExampleSettings { documents, max_answer_spans })
    }

    /// How questions and contexts are laid into windows.
    pub fn windows(&self) -> WindowSettings {
        let Self { max_length, doc_stride, max_question_length, .. } = *self;
        WindowSettings { max_length, doc_stride, max_question_length }
    }

    /// Checks every value; the error names the key.
    pub fn validate(&self) -> Result<(), TrainError> {
        self.optimization.validate()?;
        positive("num_train_epochs", self.num_train_epochs)?;
        at_least_one("max_document_length", self.max_document_length as u64)?;
        at_least_one("max_answer_spans", self.max_answer_spans as u64)?;
        match self.protocol {
            Protocol::Standard => {
                at_least_one("max_question_length", self.max_question_length as u64)?;
                Ok(self.windows().validate()?)
            }
            Protocol::Sagen2021 => Ok(truncated::check_length(self.max_length)?),
        }
    }
}

fn require(key: &'static str, holds: bool, expected: &str, found: impl ToString) -> Result<(), TrainError> {
    if holds {
        return Ok(());
    }
    Err(TrainError::Setting { key, expected: expected.to_owned(), found: found.to_string() })
}

fn positive(key: &'static str, value: f64) -> Result<(), TrainError> {
    require(key, value.is_finite() && value > 0.0, "a number above 0", value)
}

fn not_negative(key: &'static str, value: f64) -> Result<(), TrainError> {
    require(key, value.is_finite() && value >= 0.0, "a number of at least 0", value)
}

fn at_least_one(key: &'static str, value: u64) -> Result<(), TrainError> {
    require(key, value >= 1, "at least 1", value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::TextError;

    fn keys_of(settings: impl Serialize) -> Vec<String> {
        let value = serde_json::to_value(settings).unwrap();
        let mut keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    }

    fn described(keys: &[(&str, &str)]) -> Vec<String> {
        let mut keys: Vec<_> = keys.iter().map(|(key, _)| key.to_string()).collect();
        keys.sort();
        keys
    }

    #[test]
    fn every_key_is_described_and_no_other() {
        assert_eq!(keys_of(PretrainSettings::default()), described(PRETRAIN_KEYS));
        assert_eq!(keys_of(FinetuneSettings::default()), described(FINETUNE_KEYS));
    }

    #[test]
    fn the_defaults_are_valid_and_are_the_recipe() {
        let settings = PretrainSettings::default();
        settings.validate().unwrap();
        FinetuneSettings::default().validate().unwrap();
        assert_eq!(settings.optimization.batch_size(), 64);
        assert_eq!(FinetuneSettings::default().optimization.batch_size(), 32);
    }

    #[test]
    fn triviaqa_has_defaults_of_its_own_and_no_protocol_but_one() {
        let settings = FinetuneSettings::for_task(Task::TriviaQa);
        settings.validate().unwrap();
        assert_eq!(settings.optimization.batch_size(), 32);
        assert_eq!(settings.examples().unwrap().documents.windows.max_question_length, 55);
        assert_eq!(FinetuneSettings::for_task(Task::Squad), FinetuneSettings::default());
        for (key, other) in [
            ("protocol", FinetuneSettings { protocol: Protocol::Sagen2021, ..settings.clone() }),
            ("do_lowercase", FinetuneSettings { do_lowercase: true, ..settings.clone() }),
        ] {
            assert!(
                matches!(other.examples(), Err(TrainError::Text(TextError::Setting { key: found, .. })) if found == key)
            );
        }
    }

    #[test]
    fn a_bad_value_is_refused_by_its_key() {
        let mut settings = FinetuneSettings::default();
        settings.optimization.learning_rate = f64::NAN;
        let message = settings.validate().unwrap_err().to_string();
        assert!(message.contains("learning_rate") && message.contains("NaN"), "{message}");
    }
}
