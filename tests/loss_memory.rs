//! The loss over XLM-R's vocabulary never holds the logits of all masked tokens. A program of its own,
//! because the peak is that of the process.

#![cfg(target_os = "linux")]

use longqa::model::families::XLM_ROBERTA;
use longqa::model::{Batch, Config, MaskedLm, MaskedPositions, Mode, Sequence};
use longqa::random::Seed;
use tch::Device;

mod support;
use support::memory::peak;

const WORDS: i64 = 250_002;
const MASKED: i64 = 1536;

#[test]
fn the_logits_of_all_masked_tokens_are_never_held() {
    tch::set_num_threads(1);
    let config = Config {
        vocab_size: WORDS,
        hidden_size: 8,
        num_hidden_layers: 1,
        num_attention_heads: 1,
        intermediate_size: 8,
        max_position_embeddings: MASKED + 2,
        ..Config::base(&XLM_ROBERTA)
    };
    let model = MaskedLm::from_seed(config, Seed(1), Device::Cpu).unwrap();
    let row = Sequence { input_ids: vec![5; MASKED as usize], global: vec![], second_segment: None };
    let batch = Batch::of_sequences(&[row], model.config().positions()).unwrap();
    let places: Vec<i64> = (0..MASKED).collect();
    let masked = MaskedPositions::new(&places, &places).unwrap();
    let before = peak();
    model.loss_sum(&batch, &masked, Mode::Train).unwrap().backward();
    let grown = peak() - before;
    let logits = (MASKED * WORDS * 4) as u64;
    println!("{logits} bytes of logits, {grown} bytes of memory");
    // Logits, softmax and its gradient in one piece would be three times all logits.
    assert!(grown < logits + logits / 4, "{grown} bytes of memory for {logits} bytes of logits");
}
