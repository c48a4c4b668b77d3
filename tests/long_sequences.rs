//! Sequences sixteen times as long as the recipe's, from conversion to a trained model.

use std::fs;

use longqa::interrupt::Interrupt;
use longqa::model::convert::{self, LongSettings};
use longqa::model::families::ROBERTA;
use longqa::model::{Config, MaskedLm};
use longqa::random::Seed;
use longqa::text::{Tokenizer, blocks, train_tokenizer};
use longqa::train::METRICS;
use longqa::train::pretrain::{self, PretrainInputs};
use longqa::train::run::Session;
use longqa::train::settings::{Optimization, PretrainSettings};
use tch::Device;

mod support;
use support::tiny;

const LENGTH: usize = 65_536;

#[test]
fn a_model_converted_to_65536_tokens_takes_a_training_step() {
    tch::set_num_threads(1);
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let text = tiny::text(folder.path(), 8000);
    fs::create_dir(at("short")).unwrap();
    train_tokenizer::train(std::slice::from_ref(&text), 300, &at("short")).unwrap();
    let tokenizer = Tokenizer::from_folder(&at("short")).unwrap();
    let config = Config {
        vocab_size: tokenizer.vocabulary_size() as i64,
        hidden_size: 16,
        num_hidden_layers: 2,
        num_attention_heads: 1,
        intermediate_size: 32,
        max_position_embeddings: 66,
        ..Config::base(&ROBERTA)
    };
    MaskedLm::from_seed(config, Seed(1), Device::Cpu).unwrap().save(&at("short")).unwrap();
    let long = LongSettings { max_position: LENGTH as i64, attention_window: 64 };
    convert::to_longformer(&at("short"), &long, &at("long")).unwrap();

    let interrupt = Interrupt::default();
    let of_length = |name: &str| blocks::build(&text, &tokenizer, LENGTH, &at(name), &interrupt).unwrap();
    let (train, evaluation) = (of_length("train.blocks"), of_length("evaluation.blocks"));
    assert!(!train.is_empty());
    let settings = PretrainSettings {
        optimization: Optimization {
            gradient_accumulation_steps: 1,
            activation_recomputation: true,
            ..PretrainSettings::default().optimization
        },
        max_steps: 1,
        model_max_length: LENGTH,
        ..PretrainSettings::default()
    };
    let inputs = PretrainInputs { model: &at("long"), train: &train, evaluation: &evaluation };
    let mut session = Session { interrupt: &interrupt, clock: &|| 0.0, observe: &mut |_| {} };
    pretrain::run(&inputs, &settings, &at("out"), &at("out"), Device::Cpu, &mut session).unwrap();
    let trained = Config::read(&at("out")).unwrap();
    assert_eq!(trained.max_length(), LENGTH as i64);
    let metrics = fs::read_to_string(at("out").join(METRICS)).unwrap();
    assert!(metrics.contains("grad_norm") && !metrics.contains("null"), "{metrics}");
}
