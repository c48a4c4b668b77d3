//! The settings of the stages that no other folder owns. What each field means is said once, in the
//! `KEYS` of its struct.

use serde::{Deserialize, Serialize};

use super::settings_table::SettingsTable;
use crate::corpus::miniature::MiniatureSettings;
use crate::model::Config;
use crate::model::convert::LongSettings;
use crate::model::families::ROBERTA;
use crate::qa::predict::{PREDICT_KEYS, PredictSettings};
use crate::random::Seed;

/// A model from nothing: a RoBERTa of this size with random weights. The names are those of
/// Hugging Face's `config.json`; the vocabulary size is the tokenizer's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct InitializeSettings {
    pub seed: Seed,
    pub hidden_size: i64,
    pub num_hidden_layers: i64,
    pub num_attention_heads: i64,
    pub intermediate_size: i64,
    pub max_position_embeddings: i64,
    pub hidden_dropout_prob: f64,
    pub attention_probs_dropout_prob: f64,
    pub initializer_range: f64,
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
            initializer_range: 0.02,
        }
    }
}

impl InitializeSettings {
    /// The network that they describe, with roberta-base's vocabulary.
    pub fn config(&self) -> Config {
        Config {
            hidden_size: self.hidden_size,
            num_hidden_layers: self.num_hidden_layers,
            num_attention_heads: self.num_attention_heads,
            intermediate_size: self.intermediate_size,
            max_position_embeddings: self.max_position_embeddings,
            hidden_dropout_prob: self.hidden_dropout_prob,
            attention_probs_dropout_prob: self.attention_probs_dropout_prob,
            initializer_range: self.initializer_range,
            ..Config::base(&ROBERTA)
        }
    }
}

impl SettingsTable for InitializeSettings {
    const KEYS: &'static [(&'static str, &'static str)] = &[
        ("seed", "seed of the initial weights"),
        ("hidden_size", "width of the hidden states"),
        ("num_hidden_layers", "encoder layers"),
        ("num_attention_heads", "attention heads per layer"),
        ("intermediate_size", "width of the feed-forward layers"),
        ("max_position_embeddings", "positions, two more than the tokens of the longest input"),
        ("hidden_dropout_prob", "dropout of embeddings and hidden states"),
        ("attention_probs_dropout_prob", "dropout of attention probabilities"),
        ("initializer_range", "standard deviation of the initial weights"),
    ];
}

impl SettingsTable for LongSettings {
    const KEYS: &'static [(&'static str, &'static str)] = &[
        ("max_position", "tokens of the longest input"),
        ("attention_window", "tokens that a token sees, both sides together"),
    ];
}

impl SettingsTable for PredictSettings {
    const KEYS: &'static [(&'static str, &'static str)] = PREDICT_KEYS;
}

/// A tokenizer trained on a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct TokenizerSettings {
    pub vocabulary_size: usize,
}

impl Default for TokenizerSettings {
    fn default() -> Self {
        Self { vocabulary_size: 30_000 }
    }
}

impl SettingsTable for TokenizerSettings {
    const KEYS: &'static [(&'static str, &'static str)] =
        &[("vocabulary_size", "tokens, special ones included")];
}

/// The built-in, generated data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct GenerateSettings {
    pub seed: Seed,
    #[serde(flatten)]
    pub sizes: MiniatureSettings,
}

impl Default for GenerateSettings {
    fn default() -> Self {
        Self { seed: Seed(42), sizes: MiniatureSettings::default() }
    }
}

impl SettingsTable for GenerateSettings {
    const KEYS: &'static [(&'static str, &'static str)] = &[
        ("seed", "seed of the generated text"),
        ("wiki_train_articles", "articles of the training text"),
        ("wiki_valid_articles", "articles of the validation text"),
        ("train_documents", "documents of the training questions"),
        ("dev_documents", "documents of the development questions"),
        ("parallel_documents", "documents told in every language"),
        (
            "mlqa_dev_documents",
            "documents of MLQA's development set, told and asked in every pair of languages",
        ),
        ("mlqa_test_documents", "documents of MLQA's test set"),
        ("tydiqa_train_questions", "training questions of TyDi QA, one for each document"),
        ("tydiqa_dev_questions", "development questions of TyDi QA"),
        ("triviaqa_train_questions", "training questions of TriviaQA, with two documents each"),
        ("triviaqa_dev_questions", "development questions of TriviaQA, every second one verified"),
        ("min_facts", "the fewest facts of a document"),
        ("max_facts", "the most facts of a document"),
        ("questions_per_document", "questions of each document"),
        ("question_languages", "languages of the training and development questions"),
    ];
}

/// A text in two parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct HeldOutSettings {
    pub held_out: f64,
}

impl Default for HeldOutSettings {
    fn default() -> Self {
        Self { held_out: 0.1 }
    }
}

impl SettingsTable for HeldOutSettings {
    const KEYS: &'static [(&'static str, &'static str)] =
        &[("held_out", "share of the text that is not trained on")];
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_key_is_described<T: SettingsTable>() {
        let mut described: Vec<_> = T::KEYS.iter().map(|(key, _)| key.to_string()).collect();
        described.sort();
        assert_eq!(described, T::default_table().keys().cloned().collect::<Vec<_>>());
    }

    #[test]
    fn every_key_is_described_and_no_other() {
        every_key_is_described::<InitializeSettings>();
        every_key_is_described::<LongSettings>();
        every_key_is_described::<PredictSettings>();
        every_key_is_described::<TokenizerSettings>();
        every_key_is_described::<GenerateSettings>();
        every_key_is_described::<HeldOutSettings>();
    }
}
