//! A tiny text, tokenizer and model, made on the spot.

use std::fs;
use std::path::{Path, PathBuf};

use longqa::digest::Digest;
use longqa::model::families::LONGFORMER;
use longqa::model::{Config, MaskedLm, QuestionAnswering};
use longqa::random::Seed;
use longqa::text::{Tokenizer, train_tokenizer};
use tch::Device;

/// Tokens that the tiny models read at most.
pub const MAX_LENGTH: usize = 64;

/// Writes a text of `lines` lines, some thirty tokens each.
pub fn text(folder: &Path, lines: usize) -> PathBuf {
    let path = folder.join(format!("{lines}-lines.raw"));
    let line = |number: usize| {
        format!(
            " The river {} meets the river {} near the town of {} .\n",
            number % 17,
            number % 5,
            number % 29
        )
    };
    fs::write(&path, (0..lines).map(line).collect::<String>()).unwrap();
    path
}

/// A model folder with tokenizer and random weights, sliding-window attention, dropout `dropout`.
pub fn long_model(folder: &Path, text: &Path, dropout: f64) -> PathBuf {
    let folder = folder.join("model");
    fs::create_dir_all(&folder).unwrap();
    train_tokenizer::train(&[text.to_owned()], 300, &folder).unwrap();
    let tokenizer = Tokenizer::from_folder(&folder).unwrap();
    let config = Config {
        vocab_size: tokenizer.vocabulary_size() as i64,
        hidden_size: 32,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        intermediate_size: 64,
        hidden_dropout_prob: dropout,
        attention_probs_dropout_prob: dropout,
        max_position_embeddings: MAX_LENGTH as i64 + 2,
        attention_window: Some(vec![16; 2]),
        ..Config::base(&LONGFORMER)
    };
    MaskedLm::from_seed(config, Seed(5), Device::Cpu).unwrap().save(&folder).unwrap();
    tokenizer.save_to(&folder, MAX_LENGTH).unwrap();
    folder
}

/// A fine-tuned model folder as far as its files go: the tokenizer and size of `model`, weights at random.
pub fn answering_model(folder: &Path, model: &Path) -> PathBuf {
    let folder = folder.join("answering");
    fs::create_dir_all(&folder).unwrap();
    let config = Config::read(model).unwrap();
    QuestionAnswering::from_seed(config, Seed(6), Device::Cpu).unwrap().save(&folder).unwrap();
    Tokenizer::from_folder(model).unwrap().save_to(&folder, MAX_LENGTH).unwrap();
    folder
}

/// The digest of a trained model's weights.
pub fn weights(folder: &Path) -> Digest {
    Digest::of_file(&folder.join("model.safetensors")).unwrap()
}
