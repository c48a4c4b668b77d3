//! `longqa bench`: what this machine makes of a training step, and of a text.

mod tokenize;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use rand::Rng;
use tch::{Device, Kind, Tensor};

use super::Context;
use crate::model::{Batch, Config, MaskedLm, MaskedPositions, Mode, ModelType, Precision, Sequence, flops};
use crate::process;
use crate::random::{Purpose, Seed};
use crate::train::AdamW;
use crate::train::settings::Optimization;

/// Measure throughput on this machine
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, clap::Subcommand)]
enum Subject {
    Tokenize(tokenize::Tokenize),
    TrainStep(TrainStep),
}

/// Time masked-LM training steps (forward, backward, AdamW) of a Longformer with random weights
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  longqa bench train-step
  longqa bench train-step --precision bfloat16 --csv train-step.csv
  python3 benches/peers/compare_train_step.py   # beside transformers' Longformer, in turn")]
struct TrainStep {
    /// Encoder layers, of roberta-base's width unless told otherwise
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(i64).range(1..=1000))]
    layers: i64,
    /// Width of the hidden states
    #[arg(long, default_value_t = 768, value_parser = clap::value_parser!(i64).range(64..=1 << 16))]
    hidden_size: i64,
    /// Words of the vocabulary
    #[arg(long, default_value_t = 50265, value_parser = clap::value_parser!(i64).range(5..=1 << 24))]
    vocab_size: i64,
    /// Tokens per sequence
    #[arg(long, default_value_t = 4096, value_parser = clap::value_parser!(i64).range(1..=1 << 20))]
    length: i64,
    /// Attention window, both sides together
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(i64).range(2..=1 << 20))]
    attention_window: i64,
    /// Sequences per step
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i64).range(1..=1 << 16))]
    batch_size: i64,
    /// float32 or bfloat16
    #[arg(long, default_value = "float32")]
    precision: String,
    /// Steps that are timed; one more comes first and is not
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// libtorch's threads [default: all cores]
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
    threads: Option<i32>,
    /// Also append the figures as a row to this file
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

/// Runs the bench that is asked for.
pub fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    match args.subject {
        Subject::Tokenize(bench) => bench.run(context),
        Subject::TrainStep(bench) => bench.run(context),
    }
}

impl TrainStep {
    fn run(&self, context: &Context) -> anyhow::Result<()> {
        if let Some(threads) = self.threads {
            tch::set_num_threads(threads);
        }
        let device = context.device;
        let precision: Precision = serde_json::from_value(self.precision.clone().into())?;
        let config = self.config();
        let model = MaskedLm::from_seed(config.clone(), Seed(42), device)?.with_precision(precision);
        let mut optimizer = AdamW::new(model.parameters(), &Optimization::default());
        let (batch, masked) = self.data(device)?;

        let mut seconds = Vec::new();
        for step in 0..=self.steps {
            context.interrupt.check()?;
            let started = Instant::now();
            let loss = model.loss_sum(&batch, &masked, Mode::Train)? / masked.len() as f64;
            loss.backward();
            let norm = optimizer.step(1e-5)?;
            anyhow::ensure!(norm.double_value(&[]).is_finite(), "the gradient of step {step} is not finite");
            seconds.push(started.elapsed().as_secs_f64());
        }
        let step = median(&mut seconds[1..]);
        let tokens = self.batch_size * self.length;
        let rate = flops::masked_lm_step(&config, tokens, self.length, masked.len()) / step;
        let matmul = matmul_rate(precision.kind(), device);
        let peak = process::peak_resident_bytes().context("/proc/self/status: expected VmHWM in kB")?;
        let figures = [
            ("seconds_per_step", step),
            ("tokens_per_second", tokens as f64 / step),
            ("gflop_per_second", rate / 1e9),
            ("matmul_gflop_per_second", matmul / 1e9),
            ("share_of_matmul_rate", rate / matmul),
            ("peak_memory_mib", peak as f64 / f64::from(1 << 20)),
        ];
        let mut out = io::stdout().lock();
        for (name, value) in figures {
            writeln!(out, "{name}: {value:.3}")?;
        }
        self.append_csv(&figures)
    }

    fn config(&self) -> Config {
        Config {
            vocab_size: self.vocab_size,
            hidden_size: self.hidden_size,
            num_hidden_layers: self.layers,
            num_attention_heads: self.hidden_size / 64,
            intermediate_size: 4 * self.hidden_size,
            max_position_embeddings: self.length + 2,
            attention_window: Some(vec![self.attention_window; self.layers as usize]),
            ..Config::base(ModelType::Longformer)
        }
    }

    /// Random tokens without padding, 15 % of them masked.
    fn data(&self, device: Device) -> anyhow::Result<(Batch, MaskedPositions)> {
        let count = (self.batch_size * self.length) as usize;
        let mut stream = Seed(42).stream(Purpose::TrainingMask, &[]);
        let ids: Vec<i64> = (0..count).map(|_| stream.random_range(4..self.vocab_size)).collect();
        let places: Vec<i64> = (0..count as i64).filter(|_| stream.random_bool(0.15)).collect();
        let labels: Vec<i64> = places.iter().map(|&place| ids[place as usize]).collect();
        let rows = ids.chunks(self.length as usize);
        let rows: Vec<_> = rows.map(|ids| Sequence { input_ids: ids.to_vec(), global: Vec::new() }).collect();
        let batch = Batch::of_sequences(&rows, 1)?.to_device(device)?;
        Ok((batch, MaskedPositions::new(&places, &labels)?.to_device(device)?))
    }

    fn append_csv(&self, figures: &[(&str, f64)]) -> anyhow::Result<()> {
        let Some(path) = &self.csv else { return Ok(()) };
        let is_new = !path.exists();
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let mut writer = csv::Writer::from_writer(file);
        let settings = [
            ("layers", self.layers.to_string()),
            ("hidden_size", self.hidden_size.to_string()),
            ("vocab_size", self.vocab_size.to_string()),
            ("length", self.length.to_string()),
            ("attention_window", self.attention_window.to_string()),
            ("batch_size", self.batch_size.to_string()),
            ("precision", self.precision.clone()),
            ("threads", tch::get_num_threads().to_string()),
        ];
        if is_new {
            writer.write_record(
                settings.iter().map(|(name, _)| *name).chain(figures.iter().map(|(name, _)| *name)),
            )?;
        }
        let values = figures.iter().map(|(_, value)| format!("{value:.6}"));
        writer.write_record(settings.iter().map(|(_, value)| value.clone()).chain(values))?;
        Ok(writer.flush()?)
    }
}

/// The machine's own rate on a product of the encoder's largest shape, 4096 × 768 by 768 × 3072.
fn matmul_rate(kind: Kind, device: Device) -> f64 {
    let [left, right] = [[4096, 768], [768, 3072]].map(|shape| Tensor::randn(shape, (kind, device)));
    let mut seconds: Vec<f64> = (0..10)
        .map(|_| {
            let started = Instant::now();
            let product = left.matmul(&right);
            let _finished = product.double_value(&[0, 0]);
            started.elapsed().as_secs_f64()
        })
        .collect();
    2.0 * 4096.0 * 768.0 * 3072.0 / median(&mut seconds[1..])
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
