//! `longqa bench train-step`: masked-LM training steps on random weights and random tokens.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::ensure;
use clap::ValueEnum;
use rand::Rng;
use tch::{Device, Kind, TchError, Tensor};

use super::super::Context;
use super::ceiling::{self, Spread, synchronize};
use super::profile::Parts;
use super::row::Row;
use crate::device;
use crate::experiment::provenance::Provenance;
use crate::model::attention::Backend;
use crate::model::families::LONGFORMER;
use crate::model::flops::MaskedLmStep;
use crate::model::{Batch, Config, MaskedLm, MaskedPositions, Mode, Precision, Sequence};
use crate::native;
use crate::process;
use crate::random::{Purpose, Seed};
use crate::train::AdamW;
use crate::train::settings::Optimization;

const SEED: Seed = Seed(42);
const MASKED: f64 = 0.15;
const LEARNING_RATE: f64 = 1e-5;

/// Time masked-LM training steps (forward, backward, clipping, AdamW) with random weights and tokens
///
/// Prints one `name: value` line per figure: of tokens per second the median, the slowest and the
/// fastest step; operations per second of the whole model (head on masked tokens only), and of the part
/// whose results are used; both as shares of the rate of a large matrix product, timed before and after.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  longqa bench train-step --layers 2                     # a CPU's size
  longqa bench train-step --layers 2 --precision bfloat16 --csv train-step.csv
  longqa bench train-step --model xlm-roberta-base --micro-batch 8 --precision bfloat16
  python3 benches/peers/compare_train_step.py            # beside PyTorch programs, in turn")]
pub struct TrainStep {
    /// Whose sizes and vocabulary; of either RoBERTa the long model that is made of it
    #[arg(long, value_enum, default_value_t = Sizes::RobertaBase)]
    model: Sizes,
    /// Encoder layers
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(i64).range(1..=1000))]
    layers: i64,
    /// Tokens per sequence
    #[arg(long, default_value_t = 4096, value_parser = clap::value_parser!(i64).range(1..=1 << 20))]
    seq: i64,
    /// Sequences per step
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i64).range(1..=1 << 16))]
    micro_batch: i64,
    /// Attention window, both sides together
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(i64).range(2..=1 << 20))]
    window: i64,
    /// Global tokens at the head of each sequence
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..=1 << 20))]
    global_tokens: i64,
    /// float32, tensorfloat32, bfloat16 or float16
    #[arg(long, default_value = "float32", value_parser = precision)]
    precision: Precision,
    /// How attention is computed
    #[arg(long, value_enum, default_value_t = Way::Auto)]
    attention: Way,
    /// Steps that are timed
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// Steps before those
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    warmup: u32,
    /// libtorch's threads [default: all cores]
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
    threads: Option<i32>,
    /// Also tell where the time goes: the phases of a step, and parts of it timed alone
    #[arg(long)]
    profile: bool,
    /// Also append the figures as a row to this file
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

/// Published models by name.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Sizes {
    RobertaBase,
    XlmRobertaBase,
    #[value(name = "longformer-base-4096")]
    LongformerBase4096,
}

/// Ways to compute attention.
#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum Way {
    /// The fastest sliding window that this device and precision have
    Auto,
    /// Sliding window, by blocks of queries; any device
    Blocks,
    /// Sliding window, by libtorch's flash attention; CUDA
    Flash,
    /// Every token sees every token
    Dense,
}

fn precision(name: &str) -> Result<Precision, serde_json::Error> {
    serde_json::from_value(name.into())
}

/// The name that a command line has for `value`.
fn name_of(value: impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// What the timed steps left behind.
struct Measured {
    seconds: Spread,
    /// Rates of matrix products before and after the steps.
    matmul: [f64; 2],
    peak_memory: Option<u64>,
    masked: i64,
}

/// A model on its data, between two steps.
struct Training {
    model: MaskedLm,
    optimizer: AdamW,
    batch: Batch,
    masked: MaskedPositions,
    /// The last gradient's, on the device.
    norm: Tensor,
}

impl Training {
    fn step(&mut self) -> anyhow::Result<()> {
        let loss = self.forward()?;
        self.optimizer.backward(&loss)?;
        self.norm = self.optimizer.step(LEARNING_RATE)?;
        Ok(())
    }

    fn forward(&self) -> anyhow::Result<Tensor> {
        let sum = self.model.loss_sum(&self.batch, &self.masked, Mode::Train)?;
        Ok(sum.f_div_scalar(self.masked.len() as f64)?)
    }

    /// Median seconds of the phases of a step, each waited for.
    fn phases(&mut self, steps: u32) -> anyhow::Result<[(&'static str, f64); 3]> {
        let device = self.batch.device();
        let mut seconds: [Vec<f64>; 3] = Default::default();
        for _ in 0..steps {
            let started = Instant::now();
            let loss = self.forward()?;
            synchronize(device)?;
            let forward = started.elapsed();
            self.optimizer.backward(&loss)?;
            synchronize(device)?;
            let backward = started.elapsed();
            self.norm = self.optimizer.step(LEARNING_RATE)?;
            synchronize(device)?;
            let all = started.elapsed();
            for (kept, phase) in seconds.iter_mut().zip([forward, backward - forward, all - backward]) {
                kept.push(phase.as_secs_f64());
            }
        }
        let [forward, backward, optimizer] = seconds.map(|seconds| Spread::of(seconds).median);
        Ok([("forward", forward), ("backward", backward), ("clipping and AdamW", optimizer)])
    }
}

impl TrainStep {
    pub fn run(&self, context: &Context) -> anyhow::Result<()> {
        if let Some(threads) = self.threads {
            tch::set_num_threads(threads);
        }
        let backend = self.backend(context.device)?;
        let mut training = self.training(backend, context.device)?;
        let measured = self.measure(&mut training, context)?;
        let row = self.row(&measured, backend, context.device, jiff::Timestamp::now());
        row.print()?;
        if self.profile {
            self.print_profile(&mut training, backend)?;
        }
        self.csv.as_deref().map_or(Ok(()), |path| row.append_to(path))
    }

    fn backend(&self, device: Device) -> anyhow::Result<Backend> {
        let fastest = Backend::available(device, self.precision.kind(), self.config().head_dim());
        match self.attention {
            Way::Auto | Way::Dense => Ok(fastest),
            Way::Blocks => Ok(Backend::Blocks),
            Way::Flash => {
                let found = || format!("{} in {}", device::name(device), self.precision_name());
                ensure!(
                    fastest == Backend::Flash,
                    "--attention flash: expected a CUDA device in half precision, found {}",
                    found()
                );
                Ok(fastest)
            }
        }
    }

    fn measure(&self, training: &mut Training, context: &Context) -> anyhow::Result<Measured> {
        let device = context.device;
        let before = ceiling::matmul_rate(self.precision.kind(), device)?;
        for _ in 0..self.warmup {
            context.interrupt.check()?;
            training.step()?;
        }
        synchronize(device)?;
        reset_peak_memory(device)?;
        let mut seconds = Vec::new();
        for _ in 0..self.steps {
            context.interrupt.check()?;
            let started = Instant::now();
            training.step()?;
            synchronize(device)?;
            seconds.push(started.elapsed().as_secs_f64());
        }
        let peak_memory = peak_memory_bytes(device)?;
        let after = ceiling::matmul_rate(self.precision.kind(), device)?;
        ensure!(training.norm.double_value(&[]).is_finite(), "the gradient of the last step is not finite");
        let masked = training.masked.len();
        Ok(Measured { seconds: Spread::of(seconds), matmul: [before, after], peak_memory, masked })
    }

    fn training(&self, backend: Backend, device: Device) -> anyhow::Result<Training> {
        self.precision.settle_tf32()?;
        tch::manual_seed(SEED.for_libtorch(Purpose::Dropout, &[]));
        let model = MaskedLm::from_seed(self.config(), SEED, device)?;
        let model = model.with_precision(self.precision).with_backend(backend);
        let settings = Optimization { precision: self.precision, ..Optimization::default() };
        let optimizer = AdamW::new(model.parameters(), &settings)?;
        let (batch, masked) = self.data(device)?;
        let norm = Tensor::f_zeros([], (Kind::Float, device))?;
        Ok(Training { model, optimizer, batch, masked, norm })
    }

    fn print_profile(&self, training: &mut Training, backend: Backend) -> anyhow::Result<()> {
        let phases = training.phases(self.steps)?;
        let parts = Parts {
            config: training.model.config(),
            batch: &training.batch,
            masked: &training.masked,
            precision: self.precision,
            backend,
            repeats: self.steps,
        };
        let alone = parts.alone()?;
        let step: f64 = phases.iter().map(|(_, seconds)| seconds).sum();
        let optimizer = phases.last().map_or(0.0, |(_, seconds)| *seconds);
        let rest = step - optimizer - alone.iter().map(|(_, seconds)| seconds).sum::<f64>();
        let mut out = io::stdout().lock();
        for (stage, seconds) in phases.into_iter().chain(alone).chain([("rest, mostly elementwise", rest)]) {
            writeln!(out, "profile, {stage}: {seconds:.6} s, {:.1} % of a step", 100.0 * seconds / step)?;
        }
        Ok(())
    }

    fn config(&self) -> Config {
        let base = Config::base(&LONGFORMER);
        let long = Config {
            vocab_size: match self.model {
                Sizes::RobertaBase | Sizes::LongformerBase4096 => base.vocab_size,
                Sizes::XlmRobertaBase => 250_002,
            },
            num_hidden_layers: self.layers,
            max_position_embeddings: self.seq + base.pad_token_id + 1,
            attention_window: Some(vec![self.window; self.layers as usize]),
            ..base
        };
        match self.attention {
            Way::Dense => long.dense(),
            Way::Auto | Way::Blocks | Way::Flash => long,
        }
    }

    /// Random tokens without padding, and which of them are to be predicted.
    fn data(&self, device: Device) -> anyhow::Result<(Batch, MaskedPositions)> {
        let config = self.config();
        let mut stream = SEED.stream(Purpose::TrainingMask, &[]);
        let global: Vec<usize> = (0..self.global_tokens as usize).collect();
        let rows: Vec<Sequence> = (0..self.micro_batch)
            .map(|_| Sequence {
                input_ids: (0..self.seq).map(|_| stream.random_range(4..config.vocab_size)).collect(),
                global: global.clone(),
                second_segment: None,
            })
            .collect();
        let ids: Vec<i64> = rows.iter().flat_map(|row| &row.input_ids).copied().collect();
        let places: Vec<i64> = (0..ids.len() as i64).filter(|_| stream.random_bool(MASKED)).collect();
        let labels: Vec<i64> = places.iter().map(|&place| ids[place as usize]).collect();
        let batch = Batch::of_sequences(&rows, config.positions())?;
        let masked = MaskedPositions::new(&places, &labels)?;
        Ok((batch.to_device(device)?, masked.to_device(device)?))
    }

    fn row(&self, measured: &Measured, backend: Backend, device: Device, now: jiff::Timestamp) -> Row {
        let machine = Provenance::gather(device);
        let config = self.config();
        let Spread { median: seconds, min, max } = measured.seconds;
        let tokens = (self.micro_batch * self.seq) as f64;
        let rates = measured.seconds.rates(tokens);
        let step = MaskedLmStep {
            tokens,
            length: self.seq as f64,
            globals: self.global_tokens as f64,
            masked: measured.masked as f64,
        };
        let [model, used] =
            [step.operations(&config), step.used_operations(&config)].map(|operations| operations / seconds);
        let [before, after] = measured.matmul;
        let matmul = (before + after) / 2.0;
        let device = match device {
            Device::Cpu => machine.processor.unwrap_or(machine.device),
            _ => machine.device,
        };
        let attention = match self.attention {
            Way::Dense => format!("dense {backend}"),
            Way::Auto | Way::Blocks | Way::Flash => backend.to_string(),
        };
        let peak = measured.peak_memory.map(|bytes| bytes as f64 / f64::from(1 << 20));
        Row(vec![
            ("date", format!("{now:.0}")),
            ("system", "longqa".to_owned()),
            ("version", machine.build.version),
            ("revision", machine.build.revision.unwrap_or_default()),
            ("libtorch", machine.build.libtorch),
            ("device", device),
            ("threads", machine.threads.to_string()),
            ("model", name_of(self.model)),
            ("layers", self.layers.to_string()),
            ("seq", self.seq.to_string()),
            ("micro_batch", self.micro_batch.to_string()),
            ("window", self.window.to_string()),
            ("global_tokens", self.global_tokens.to_string()),
            ("precision", self.precision_name()),
            ("attention", attention),
            ("warmup", self.warmup.to_string()),
            ("steps", self.steps.to_string()),
            ("seconds_per_step", format!("{seconds:.6}")),
            ("seconds_per_step_min", format!("{min:.6}")),
            ("seconds_per_step_max", format!("{max:.6}")),
            ("tokens_per_second", format!("{:.2}", rates.median)),
            ("tokens_per_second_min", format!("{:.2}", rates.min)),
            ("tokens_per_second_max", format!("{:.2}", rates.max)),
            ("model_gflop_per_second", format!("{:.2}", model / 1e9)),
            ("used_gflop_per_second", format!("{:.2}", used / 1e9)),
            ("matmul_gflop_per_second_before", format!("{:.2}", before / 1e9)),
            ("matmul_gflop_per_second_after", format!("{:.2}", after / 1e9)),
            ("share_of_matmul_rate", format!("{:.4}", model / matmul)),
            ("used_share_of_matmul_rate", format!("{:.4}", used / matmul)),
            ("peak_memory_mib", peak.map_or_else(String::new, |mib| format!("{mib:.1}"))),
            // Known to profilers alone.
            ("launches_per_step", String::new()),
        ])
    }

    fn precision_name(&self) -> String {
        format!("{:?}", self.precision).to_lowercase()
    }
}

fn reset_peak_memory(device: Device) -> Result<(), TchError> {
    match device {
        Device::Cuda(number) => native::reset_peak_memory(number),
        _ => Ok(()),
    }
}

/// What tensors held at most since it was reset, on a GPU; elsewhere, this process since its start.
fn peak_memory_bytes(device: Device) -> Result<Option<u64>, TchError> {
    match device {
        Device::Cuda(number) => Ok(Some(native::device_memory(number)?.peak_allocated)),
        _ => Ok(process::peak_resident_bytes()),
    }
}
