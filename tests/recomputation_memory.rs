//! Recomputed activations take less memory than kept ones. A program of its own, because the peak is
//! that of the process.

#![cfg(target_os = "linux")]

use longqa::model::families::LONGFORMER;
use longqa::model::{Activations, Batch, Config, MaskedLm, MaskedPositions, Sequence};
use longqa::random::Seed;
use tch::Device;

mod support;
use support::memory::peak;

const TOKENS: i64 = 4096;
const LAYERS: i64 = 12;
const WIDTH: i64 = 64;

#[test]
fn a_pass_that_computes_layers_anew_holds_a_fraction() {
    tch::set_num_threads(1);
    let config = Config {
        vocab_size: 100,
        hidden_size: WIDTH,
        num_hidden_layers: LAYERS,
        num_attention_heads: 2,
        intermediate_size: 4 * WIDTH,
        max_position_embeddings: TOKENS + 2,
        attention_window: Some(vec![64; LAYERS as usize]),
        ..Config::base(&LONGFORMER)
    };
    let row = Sequence { input_ids: vec![5; TOKENS as usize], global: vec![], second_segment: None };
    let batch = Batch::of_sequences(&[row], config.positions()).unwrap();
    let masked = MaskedPositions::new(&[7, 9], &[7, 9]).unwrap();
    let model = MaskedLm::from_seed(config, Seed(1), Device::Cpu).unwrap();
    let grown_by = |model: &MaskedLm| {
        let before = peak();
        let (loss, tape) = model.training_loss_sum(&batch, &masked).unwrap();
        loss.backward();
        tape.backward().unwrap();
        peak() - before
    };
    // The smaller one first: a peak never falls.
    let model = model.with_activations(Activations::Recomputed);
    let recomputed = grown_by(&model);
    let kept = recomputed + grown_by(&model.with_activations(Activations::Kept));
    println!("{recomputed} bytes with layers computed anew, {kept} with all kept");
    assert!(2 * recomputed < kept, "{recomputed} bytes against {kept}");
}
