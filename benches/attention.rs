//! Self-attention from 512 to 16,384 tokens, in tokens per second: *blocks* (sliding window of 512)
//! against *dense* (every token sees every token, libtorch's fused kernel), forward and forward with
//! backward; and *blocks* with 16 global tokens. 12 heads of 64, one sequence, 32-bit floats.

#![allow(missing_docs)] // criterion's macro makes a public function

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use longqa::model::attention::{Attend, Blocks, Full, GlobalProjected, Projected};
use longqa::model::{Batch, Positions, Sequence};
use tch::{Device, Kind, Tensor, no_grad};

const WINDOW: i64 = 512;
const HEADS: i64 = 12;
const HEAD_DIM: i64 = 64;
const LENGTHS: [usize; 6] = [512, 1024, 2048, 4096, 8192, 16384];
const NO_DROPOUT: f64 = 0.0;

fn batch(length: usize, globals: usize) -> Batch {
    let row = Sequence { input_ids: vec![5; length], global: (0..globals).collect(), second_segment: None };
    Batch::of_sequences(&[row], Positions::FromZero).expect("a row of real tokens")
}

fn leaf(tokens: i64) -> Tensor {
    Tensor::randn([tokens, HEADS, HEAD_DIM], (Kind::Float, Device::Cpu)).set_requires_grad(true)
}

fn local(length: usize) -> Projected {
    let length = length as i64;
    Projected { query: leaf(length), key: leaf(length), value: leaf(length) }
}

fn global(batch: &Batch) -> Option<GlobalProjected> {
    let (tokens, globals) = (batch.tokens(), batch.count_globals());
    (globals > 0).then(|| GlobalProjected { query: leaf(globals), key: leaf(tokens), value: leaf(tokens) })
}

fn forward(plan: &dyn Attend, local: &Projected, global: Option<&GlobalProjected>) {
    drop(no_grad(|| black_box(plan.attend(local, global, NO_DROPOUT).unwrap())));
}

fn forward_and_backward(plan: &dyn Attend, local: &Projected, global: Option<&GlobalProjected>) {
    let sum = plan.attend(local, global, NO_DROPOUT).unwrap().sum(Kind::Float);
    black_box(Tensor::run_backward(&[sum], &[&local.query, &local.key, &local.value], false, false));
}

fn attention(criterion: &mut Criterion) {
    type Pass = fn(&dyn Attend, &Projected, Option<&GlobalProjected>);
    let passes: [(&str, Pass); 2] = [("forward", forward), ("forward_and_backward", forward_and_backward)];
    for (pass_name, pass) in passes {
        let mut group = criterion.benchmark_group(format!("attention/{pass_name}"));
        group
            .sample_size(10)
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(2));
        for length in LENGTHS {
            group.throughput(Throughput::Elements(length as u64));
            let local = local(length);
            for (name, globals) in [("blocks", 0), ("blocks_with_16_globals", 16)] {
                let batch = batch(length, globals);
                let global = global(&batch);
                let plan = Blocks::new(&batch, WINDOW, Kind::Float).unwrap();
                group.bench_function(BenchmarkId::new(name, length), |bencher| {
                    bencher.iter(|| pass(&plan, &local, global.as_ref()));
                });
            }
            let plan = Full::new(&batch(length, 0), Kind::Float).unwrap();
            group.bench_function(BenchmarkId::new("dense", length), |bencher| {
                bencher.iter(|| pass(&plan, &local, None));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, attention);
criterion_main!(benches);
