//! `longqa bench batches`: what a run computes on, for another program to compute on the same.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::ensure;

use super::super::Context;
use super::super::reading_flags::ReadingFlags;
use super::super::settings_flags::SettingsFlags;
use crate::corpus::{Reading, Task};
use crate::fetch::Cache;
use crate::qa::hand_out;
use crate::qa::predict::PredictSettings;
use crate::text::{Tokenizer, blocks};
use crate::train::finetune::{self, FinetuneInputs};
use crate::train::hand_out::HandedOut;
use crate::train::pretrain;
use crate::train::settings::{FinetuneSettings, PretrainSettings};

/// Write down what a run begins with and learns from, for another program to do the same
///
/// Of a training run: model/, the model with its new head as transformers opens it, and batches.safetensors,
/// a tensor STEP.PASS.ARGUMENT (17.0.input_ids) for each argument of transformers' model. Of answering:
/// windows.jsonl.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  longqa bench batches finetune --model minilm --train_file dev-v1.1.json --steps 200 --output same
  longqa bench batches predict --model same/model --input xquad.en.json --output same
  python3 benches/peers/compare_finetune.py --out FOLDER   # does all of it, and trains")]
pub struct Batches {
    #[command(subcommand)]
    run: Run,
}

#[derive(Debug, clap::Subcommand)]
enum Run {
    Finetune(Finetune),
    Pretrain(Pretrain),
    Predict(Predict),
}

/// The first steps of longqa finetune with the same model, file and settings
#[derive(Debug, clap::Args)]
struct Finetune {
    /// Model folder: config.json, weights, tokenizer files
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    #[command(flatten)]
    reading: ReadingFlags,
    /// Questions with answers
    #[arg(long = "train_file", alias = "train-file", value_name = "FILE")]
    train_file: PathBuf,
    /// Optimizer steps
    #[arg(long, default_value_t = 200)]
    steps: u64,
    /// Where the files go
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    settings: SettingsFlags<FinetuneSettings>,
}

/// The first steps of longqa pretrain with the same model, text and settings
#[derive(Debug, clap::Args)]
struct Pretrain {
    /// Model folder: config.json, weights, tokenizer files
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Text to train on
    #[arg(long = "train_file_path", alias = "train-file-path", value_name = "FILE")]
    train_file_path: PathBuf,
    /// Optimizer steps
    #[arg(long, default_value_t = 200)]
    steps: u64,
    /// Where the files go
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    settings: SettingsFlags<PretrainSettings>,
}

/// The windows of longqa predict with the same model, file and settings
#[derive(Debug, clap::Args)]
struct Predict {
    /// Folder of a question-answering model
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    #[command(flatten)]
    reading: ReadingFlags,
    /// The questions
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Where the file goes
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    settings: SettingsFlags<PredictSettings>,
}

impl Batches {
    /// Writes the files; of a training run it prints how many sequences an epoch and a step have.
    pub fn run(&self, context: &Context) -> anyhow::Result<()> {
        match &self.run {
            Run::Finetune(finetune) => print(finetune.hand_out()?),
            Run::Pretrain(pretrain) => print(pretrain.hand_out(context)?),
            Run::Predict(predict) => predict.hand_out(),
        }
    }
}

impl Finetune {
    fn hand_out(&self) -> anyhow::Result<HandedOut> {
        let reading = in_windows(&self.reading)?;
        let settings = self.settings.settings_over(&FinetuneSettings::for_task(reading.task))?;
        let train = reading.read(&self.train_file)?;
        let (model, train_file) = (&self.model, &self.train_file);
        let inputs = FinetuneInputs { model, train: &train, train_file, questions: &reading };
        Ok(finetune::hand_out(&inputs, &settings, self.steps, &self.output)?)
    }
}

impl Pretrain {
    fn hand_out(&self, context: &Context) -> anyhow::Result<HandedOut> {
        let settings = self.settings.settings()?;
        settings.validate()?;
        let tokenizer = Tokenizer::from_folder(&self.model)?;
        let (cache, length) = (Cache::default_for_user()?.blocks(), settings.model_max_length);
        let train = blocks::cached(&cache, &self.train_file_path, &tokenizer, length, &context.interrupt)?;
        Ok(pretrain::hand_out(&self.model, &train, &settings, self.steps, &self.output)?)
    }
}

impl Predict {
    fn hand_out(&self) -> anyhow::Result<()> {
        let reading = in_windows(&self.reading)?;
        let settings = self.settings.settings_over(&PredictSettings::for_task(reading.task))?;
        let dataset = reading.read(&self.input)?;
        let path = self.output.join("windows.jsonl");
        Ok(hand_out::write_windows(&self.model, &dataset, &settings, &path)?)
    }
}

/// The documents of TriviaQA have a loss and a search of their own.
fn in_windows(reading: &ReadingFlags) -> anyhow::Result<Reading> {
    let reading = reading.reading();
    ensure!(reading.task != Task::TriviaQa, "--task: expected one with contexts in its file, found triviaqa");
    Ok(reading)
}

fn print(HandedOut { sequences, sequences_per_step }: HandedOut) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "sequences: {sequences}")?;
    Ok(writeln!(out, "sequences_per_step: {sequences_per_step}")?)
}
