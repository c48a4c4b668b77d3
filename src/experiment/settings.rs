//! The settings of the stages that no other folder owns, and the laying of one table of settings
//! over another.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::model::Precision;
use crate::random::Seed;

/// A model from nothing: a RoBERTa of this size with random weights. The names are those of
/// Hugging Face's `config.json`; the vocabulary size is the tokenizer's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct InitializeSettings {
    pub seed: Seed,
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    pub max_position_embeddings: usize,
    pub hidden_dropout_prob: f64,
    pub attention_probs_dropout_prob: f64,
}

impl Default for InitializeSettings {
    fn default() -> Self {
        Self {
            seed: Seed(42),
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            max_position_embeddings: 514,
            hidden_dropout_prob: 0.1,
            attention_probs_dropout_prob: 0.1,
        }
    }
}

/// Every key of [`InitializeSettings`] with its meaning.
pub const INITIALIZE_KEYS: &[(&str, &str)] = &[
    ("seed", "seed of the initial weights"),
    ("hidden_size", "width of the hidden states"),
    ("num_hidden_layers", "encoder layers"),
    ("num_attention_heads", "attention heads per layer"),
    ("intermediate_size", "width of the feed-forward layers"),
    ("max_position_embeddings", "positions, two more than the tokens of the longest input"),
    ("hidden_dropout_prob", "dropout of embeddings and hidden states"),
    ("attention_probs_dropout_prob", "dropout of attention probabilities"),
];

/// Conversion of a short model to a Longformer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct ConvertSettings {
    pub max_position: usize,
    pub attention_window: usize,
}

impl Default for ConvertSettings {
    fn default() -> Self {
        Self { max_position: 4096, attention_window: 512 }
    }
}

/// Every key of [`ConvertSettings`] with its meaning.
pub const CONVERT_KEYS: &[(&str, &str)] = &[
    ("max_position", "tokens of the longest input"),
    ("attention_window", "tokens that a token sees, both sides together"),
];

/// Span decoding over all windows of a question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct PredictSettings {
    pub max_length: usize,
    pub doc_stride: usize,
    pub max_question_length: usize,
    pub n_best_size: usize,
    pub max_answer_length: usize,
    pub per_device_eval_batch_size: usize,
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

/// Every key of [`PredictSettings`] with its meaning.
pub const PREDICT_KEYS: &[(&str, &str)] = &[
    ("max_length", "tokens per window, question and special tokens included"),
    ("doc_stride", "tokens between the starts of two windows"),
    ("max_question_length", "question tokens kept"),
    ("n_best_size", "starts and ends considered per window"),
    ("max_answer_length", "tokens of the longest answer"),
    ("per_device_eval_batch_size", "windows per forward pass"),
    ("precision", "float32, or bfloat16 matrix products over float32 weights"),
];

/// A tokenizer trained on a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct TokenizerSettings {
    pub vocabulary_size: usize,
}

impl Default for TokenizerSettings {
    fn default() -> Self {
        Self { vocabulary_size: 30_000 }
    }
}

/// Every key of [`TokenizerSettings`] with its meaning.
pub const TOKENIZER_KEYS: &[(&str, &str)] = &[("vocabulary_size", "tokens, special ones included")];

/// The built-in, generated data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct MiniatureSettings {
    pub seed: Seed,
}

impl Default for MiniatureSettings {
    fn default() -> Self {
        Self { seed: Seed(42) }
    }
}

/// Every key of [`MiniatureSettings`] with its meaning.
pub const MINIATURE_KEYS: &[(&str, &str)] = &[("seed", "seed of the generated text")];

/// A table of settings of the experiment file, and where it stands there.
pub(super) struct Layer<'a> {
    /// The tables around its keys, `models.tiny.pretrain`.
    pub section: String,
    /// Its keys and values.
    pub table: &'a toml::Table,
}

/// A value of a wrong type.
#[derive(Debug)]
pub(super) struct WrongType {
    /// The key with all tables around it.
    pub key: String,
    /// What was expected, in the deserializer's words.
    pub message: String,
    /// The value as written.
    pub found: String,
}

/// The defaults of `T` with each layer's keys laid over them, later layers over earlier ones.
pub(super) fn overlay<T: Default + DeserializeOwned>(layers: &[Layer]) -> Result<T, WrongType> {
    let mut all = toml::Table::new();
    for layer in layers {
        for (key, value) in layer.table {
            // Each key alone first: a deserializer's message about the whole does not name the key.
            let alone = toml::Table::from_iter([(key.clone(), value.clone())]);
            if let Err(error) = alone.try_into::<T>() {
                return Err(WrongType {
                    key: format!("{}.{key}", layer.section),
                    message: error.message().to_owned(),
                    found: value.to_string(),
                });
            }
            all.insert(key.clone(), value.clone());
        }
    }
    all.try_into().map_err(|error| WrongType {
        key: layers.last().map(|layer| layer.section.clone()).unwrap_or_default(),
        message: error.message().to_owned(),
        found: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::settings::{FinetuneSettings, PretrainSettings};

    fn layer<'a>(section: &str, table: &'a toml::Table) -> Layer<'a> {
        Layer { section: section.into(), table }
    }

    #[test]
    fn later_layers_win_and_what_none_names_keeps_its_default() {
        let base: toml::Table = toml::from_str("learning_rate = 1e-3\nmax_steps = 10").unwrap();
        let own: toml::Table = toml::from_str("max_steps = 20").unwrap();
        let settings: PretrainSettings =
            overlay(&[layer("pretrain", &base), layer("models.a.pretrain", &own)]).unwrap();
        assert_eq!(settings.max_steps, 20);
        assert_eq!(settings.optimization.learning_rate, 1e-3);
        assert_eq!(settings.model_max_length, PretrainSettings::default().model_max_length);
    }

    #[test]
    fn a_whole_number_will_do_for_a_fraction() {
        let table: toml::Table = toml::from_str("num_train_epochs = 2\nmax_grad_norm = 1").unwrap();
        let settings: FinetuneSettings = overlay(&[layer("finetune", &table)]).unwrap();
        assert_eq!((settings.num_train_epochs, settings.optimization.max_grad_norm), (2.0, 1.0));
    }

    #[test]
    fn a_wrong_type_is_reported_by_its_key() {
        let table: toml::Table = toml::from_str("max_steps = 3\nlearning_rate = \"fast\"").unwrap();
        let error = overlay::<PretrainSettings>(&[layer("pretrain", &table)]).unwrap_err();
        assert_eq!(error.key, "pretrain.learning_rate");
        assert_eq!(error.found, "\"fast\"");
    }
}
