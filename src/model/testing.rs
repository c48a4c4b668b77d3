//! Small models and batches for this folder's tests.

use serde_json::json;
use std::path::Path;

use rand::Rng;

use super::{Batch, Config, Sequence, families};
use crate::random::{Purpose, Seed};

/// Two layers, width 32, 62 positions.
pub(super) fn roberta() -> Config {
    config(json!({"model_type": "roberta"}))
}

/// The same of every family that is not long, with two segments.
pub(super) fn short_families() -> Vec<Config> {
    let short = families::ALL.into_iter().filter(|family| **family != families::LONGFORMER);
    short.map(|family| config(json!({"model_type": family.model_type, "type_vocab_size": 2}))).collect()
}

/// The same with windows of 8 and 16.
pub(super) fn longformer() -> Config {
    config(json!({"model_type": "longformer", "attention_window": [8, 16]}))
}

fn config(with: serde_json::Value) -> Config {
    let sizes = json!({
        "vocab_size": 90, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 48, "max_position_embeddings": 64, "type_vocab_size": 1, "layer_norm_eps": 1e-5,
    });
    let mut map = sizes.as_object().unwrap().clone();
    map.extend(with.as_object().unwrap().clone());
    Config::from_json(map, Path::new("config.json")).unwrap()
}

/// Rows of the given lengths with random tokens, the first `globals` of each row global.
pub(super) fn random_rows(config: &Config, lengths: &[usize], globals: usize) -> Vec<Sequence> {
    let mut stream = Seed(5).stream(Purpose::Miniature, &[lengths.len() as u64]);
    let mut row = |&length: &usize| Sequence {
        input_ids: (0..length).map(|_| stream.random_range(2..config.vocab_size)).collect(),
        global: (0..globals.min(length)).collect(),
        second_segment: (config.type_vocab_size > 1).then_some(length / 2),
    };
    lengths.iter().map(&mut row).collect()
}

/// [`random_rows`] as a batch.
pub(super) fn random_batch(config: &Config, lengths: &[usize], globals: usize) -> Batch {
    Batch::of_sequences(&random_rows(config, lengths, globals), config.positions()).unwrap()
}
