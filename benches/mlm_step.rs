//! One masked-LM training step (forward, backward, AdamW) of a small Longformer.
//! `longqa bench train-step` measures the full width; this bench is for comparing changes.

// criterion_group! makes a public function without a doc line.
#![allow(missing_docs)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use longqa::model::families::LONGFORMER;
use longqa::model::{Batch, Config, MaskedLm, MaskedPositions, Mode, Precision, Sequence};
use longqa::random::Seed;
use longqa::train::AdamW;
use longqa::train::settings::Optimization;
use tch::Device;

const LENGTH: i64 = 2048;

fn train_step(criterion: &mut Criterion) {
    let config = Config {
        vocab_size: 8192,
        hidden_size: 256,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        intermediate_size: 1024,
        max_position_embeddings: LENGTH + 2,
        attention_window: Some(vec![256; 2]),
        ..Config::base(&LONGFORMER)
    };
    let ids: Vec<i64> = (0..LENGTH).map(|place| 4 + place * 7919 % 8000).collect();
    let places: Vec<i64> = (0..LENGTH).step_by(7).collect();
    let labels: Vec<i64> = places.iter().map(|&place| ids[place as usize]).collect();
    let row = Sequence { input_ids: ids, global: vec![], second_segment: None };
    let batch = Batch::of_sequences(&[row], config.positions()).unwrap();
    let masked = MaskedPositions::new(&places, &labels).unwrap();

    let mut group = criterion.benchmark_group("mlm-step");
    group.throughput(Throughput::Elements(LENGTH as u64)).sample_size(10);
    for (name, precision) in [("float32", Precision::Float32), ("bfloat16", Precision::BFloat16)] {
        let model =
            MaskedLm::from_seed(config.clone(), Seed(1), Device::Cpu).unwrap().with_precision(precision);
        let mut optimizer = AdamW::new(model.parameters(), &Optimization::default()).unwrap();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                model.loss_sum(&batch, &masked, Mode::Train).unwrap().backward();
                optimizer.step(1e-5).unwrap()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, train_step);
criterion_main!(benches);
