//! The settings of the stages that no other folder owns, and the laying of one table of settings
//! over another.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::corpus::miniature::MiniatureSettings;
use crate::model::Precision;
use crate::random::Seed;

/// A model from nothing: a RoBERTa of this size with random weights. The names are those of
/// Hugging Face's `config.json`; the vocabulary size is the tokenizer's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InitializeSettings {
    /// Seed of the initial weights.
    pub seed: Seed,
    /// Width of the hidden states.
    pub hidden_size: i64,
    /// Encoder layers.
    pub num_hidden_layers: i64,
    /// Attention heads per layer.
    pub num_attention_heads: i64,
    /// Width of the feed-forward layers.
    pub intermediate_size: i64,
    /// Positions, two more than the tokens of the longest input.
    pub max_position_embeddings: i64,
    /// Dropout of embeddings and hidden states.
    pub hidden_dropout_prob: f64,
    /// Dropout of attention probabilities.
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

/// Conversion of a short model to a Longformer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConvertSettings {
    /// Tokens of the longest input.
    pub max_position: i64,
    /// Tokens that a token sees, both sides together.
    pub attention_window: i64,
}

impl Default for ConvertSettings {
    fn default() -> Self {
        Self { max_position: 4096, attention_window: 512 }
    }
}

/// Span decoding over all windows of a question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PredictSettings {
    /// Tokens per window, question and special tokens included.
    pub max_length: usize,
    /// Tokens between the starts of two windows.
    pub doc_stride: usize,
    /// Question tokens kept.
    pub max_question_length: usize,
    /// Starts and ends considered per window, and answers kept per question.
    pub n_best_size: usize,
    /// Tokens of the longest answer.
    pub max_answer_length: usize,
    /// Windows per forward pass.
    pub per_device_eval_batch_size: usize,
    /// Single precision, or matrix products in bfloat16.
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

/// A tokenizer trained on a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenizerSettings {
    /// Tokens, special ones included.
    pub vocabulary_size: usize,
}

impl Default for TokenizerSettings {
    fn default() -> Self {
        Self { vocabulary_size: 30_000 }
    }
}

/// The built-in, generated data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GenerateSettings {
    /// Seed of the generated text.
    pub seed: Seed,
    /// How much of it there is.
    #[serde(flatten)]
    pub sizes: MiniatureSettings,
}

impl Default for GenerateSettings {
    fn default() -> Self {
        Self { seed: Seed(42), sizes: MiniatureSettings::default() }
    }
}

/// The keys under which the settings of a `T` stand in an experiment file.
pub(super) fn keys_of<T: Default + Serialize>() -> Vec<String> {
    as_table(&T::default()).keys().cloned().collect()
}

/// Settings are flat structs of numbers, names and lists, which TOML holds.
fn as_table(settings: &impl Serialize) -> toml::Table {
    toml::Table::try_from(settings).unwrap_or_default()
}

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
pub(super) fn overlay<T>(layers: &[Layer]) -> Result<T, WrongType>
where
    T: Default + Serialize + DeserializeOwned,
{
    let defaults = as_table(&T::default());
    let mut all = defaults.clone();
    for layer in layers {
        for (key, value) in layer.table {
            // Each key alone first: a deserializer's message about the whole does not name the key.
            let mut alone = defaults.clone();
            alone.insert(key.clone(), value.clone());
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

    /// The defaults of pretraining are not those of each part of it.
    #[test]
    fn an_empty_table_gives_the_defaults() {
        assert_eq!(overlay::<PretrainSettings>(&[]).unwrap(), PretrainSettings::default());
        assert_eq!(overlay::<GenerateSettings>(&[]).unwrap(), GenerateSettings::default());
        assert_eq!(overlay::<PredictSettings>(&[]).unwrap(), PredictSettings::default());
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
