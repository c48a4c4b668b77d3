//! The real bodies of stages: thin calls into the folders that know how.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::Value;
use tch::Device;

use super::manifest::Measures;
use super::meter::Meter;
use super::outcome::{self, Evaluation, PretrainOutcome};
use super::run::{Execute, Place};
use super::settings::{GenerateSettings, InitializeSettings, TokenizerSettings};
use super::stage::{Copied, Fetched, Role, Stage, Work};
use super::works::{Answering, Finetuning, Preparing};
use super::{ExperimentError, StageFailure, data, overlap, score};
use crate::corpus::{Task, miniature};
use crate::digest::Digest;
use crate::durable::{self, WriteError};
use crate::fetch::{Fetcher, Lock};
use crate::model::attention::Backend;
use crate::model::convert::to_longformer;
use crate::model::{Config, MaskedLm, Precision};
use crate::process;
use crate::qa::{documents, predict};
use crate::text::{BlockFile, Tokenizer, blocks, examples, train_tokenizer};
use crate::train::finetune::{self, FinetuneInputs, TriviaInputs};
use crate::train::pretrain::{self, PretrainInputs};
use crate::train::run::{Event, Session};
use crate::train::settings::PretrainSettings;
use crate::train::{METRICS, wall_clock};

/// The file that a blocks stage leaves.
const BLOCKS: &str = "tokens.blocks";
/// The file of answers that a predict stage leaves.
pub const PREDICTIONS: &str = "predictions.json";

/// Runs stages on this machine.
pub struct Local {
    /// Brings remote files.
    pub fetcher: Fetcher,
    /// What remote files there are.
    pub lock: Lock,
    /// What models compute on.
    pub device: Device,
}

impl Execute for Local {
    fn execute(&self, stage: &Stage, place: &Place) -> Result<Measures, StageFailure> {
        match &stage.work {
            Work::Fetch(fetched) => self.fetch(fetched, place)?,
            Work::Copy(copied) => copy(copied, place)?,
            Work::Miniature(GenerateSettings { seed, sizes }) => {
                miniature::write(*seed, sizes, place.output)?;
            }
            Work::Without(expected) => return data::leave_out(*expected, &stage.title, place),
            Work::HeldOut(settings) => return data::hold_out(settings, &stage.title, place),
            Work::TrainTokenizer(TokenizerSettings { vocabulary_size }) => {
                let texts = [place.input(Role::Text)?.to_owned()];
                train_tokenizer::train(&texts, *vocabulary_size, place.output)?;
            }
            Work::Initialize(settings) => self.initialize(settings, place)?,
            Work::Convert(settings) => to_longformer(place.input(Role::Model)?, settings, place.output)?,
            Work::Blocks(settings) => cut(settings.block_length, place)?,
            Work::Pretrain(settings) => {
                let precision = settings.optimization.precision;
                return self.measured(precision, place, || self.pretrain(settings, place));
            }
            Work::Overlap(comparing) => return overlap::compare(comparing, place),
            Work::Prepare(preparing) => prepare(preparing, place)?,
            Work::Finetune(finetuning) => {
                let precision = finetuning.settings.optimization.precision;
                return self.measured(precision, place, || self.finetune(finetuning, place));
            }
            Work::Predict(answering) => {
                let precision = answering.settings.precision;
                return self.measured(precision, place, || self.predict(answering, place));
            }
            Work::Score(scoring) => score::score(scoring, place)?,
        }
        Ok(Measures::new())
    }
}

impl Local {
    /// What `body` measures, and what it takes of the device; `attention` names the implementation that its
    /// model computes with.
    fn measured(
        &self,
        precision: Precision,
        place: &Place,
        body: impl FnOnce() -> Result<Measures, StageFailure>,
    ) -> Result<Measures, StageFailure> {
        let config = Config::read(place.input(Role::Model)?)?;
        let attention = Backend::available(self.device, precision.kind(), config.head_dim());
        let meter = Meter::start(self.device);
        let mut measures = body()?;
        meter.read_into(&mut measures);
        measures.insert("attention".into(), attention.to_string().into());
        Ok(measures)
    }

    fn fetch(&self, fetched: &Fetched, place: &Place) -> Result<(), StageFailure> {
        let entries = self.lock.select(&[&fetched.name])?;
        for found in self.fetcher.fetch(&entries, place.interrupt)? {
            for (name, digest) in &found.unverified {
                tracing::warn!("unverified: {name} has sha256 {digest}");
            }
            if found.path.is_dir() {
                take_folder(&found.path, place.output)?;
            } else if let Some(name) = &fetched.file {
                take(&found.path, &place.output.join(name))?;
            }
        }
        Ok(())
    }

    fn initialize(&self, settings: &InitializeSettings, place: &Place) -> Result<(), StageFailure> {
        let tokenizer = Tokenizer::from_folder(place.input(Role::Tokenizer)?)?;
        let special = tokenizer.special();
        let config = Config {
            vocab_size: i64::try_from(tokenizer.vocabulary_size())?,
            pad_token_id: special.pad.0.into(),
            bos_token_id: Some(special.bos.0.into()),
            eos_token_id: Some(special.eos.0.into()),
            ..settings.config()
        };
        let longest = usize::try_from(config.max_length())?;
        MaskedLm::from_seed(config, settings.seed, Device::Cpu)?.save(place.output)?;
        Ok(tokenizer.save_to(place.output, longest)?)
    }

    fn pretrain(&self, settings: &PretrainSettings, place: &Place) -> Result<Measures, StageFailure> {
        let open = |role| -> Result<BlockFile, StageFailure> {
            Ok(BlockFile::open(&place.input(role)?.join(BLOCKS))?)
        };
        let (train, evaluation) = (open(Role::Train)?, open(Role::Evaluate)?);
        let inputs =
            PretrainInputs { model: place.input(Role::Model)?, train: &train, evaluation: &evaluation };
        in_session(place, |session| {
            pretrain::run(&inputs, settings, place.state, place.output, self.device, session)
        })?;
        let log = keep_log(place)?;
        let evaluations = log.iter().filter_map(|line| {
            Some(Evaluation {
                step: line.get("step")?.as_u64()?,
                bits_per_character: line.get("bits_per_character")?.as_f64()?,
            })
        });
        outcome::write_pretraining(place.output, &PretrainOutcome { evaluations: evaluations.collect() })?;
        Ok(measures(&log))
    }

    fn finetune(&self, finetuning: &Finetuning, place: &Place) -> Result<Measures, StageFailure> {
        let (model, train_file) = (place.input(Role::Model)?, place.input(Role::Train)?);
        let settings = &finetuning.settings;
        if finetuning.questions.task == Task::TriviaQa {
            let inputs = TriviaInputs { model, train_file, examples: place.input(Role::Examples)? };
            in_session(place, |session| {
                let (state, output) = (place.state, place.output);
                finetune::run_triviaqa(&inputs, settings, state, output, self.device, session, &mut |_| {})
            })?;
            return Ok(measures(&keep_log(place)?));
        }
        let train = finetuning.questions.read(train_file)?;
        let questions = &finetuning.questions;
        let inputs = FinetuneInputs { model, train: &train, train_file, questions };
        in_session(place, |session| {
            finetune::run(&inputs, settings, place.state, place.output, self.device, session)
        })?;
        Ok(measures(&keep_log(place)?))
    }

    fn predict(&self, answering: &Answering, place: &Place) -> Result<Measures, StageFailure> {
        let Answering { settings, questions } = answering;
        let (model, file) = (place.input(Role::Model)?, place.input(Role::Evaluate)?);
        let (device, interrupt) = (self.device, place.interrupt);
        let show = |done: usize, all: usize| {
            place.progress.set_length(all as u64);
            place.progress.set_position(done as u64);
        };
        let answers = if questions.task == Task::TriviaQa {
            let mut show = |progress: documents::Progress| show(progress.done, progress.documents);
            documents::answer(model, file, settings, device, interrupt, &mut show)?
        } else {
            let mut show = |progress: predict::Progress| show(progress.done, progress.windows);
            predict::answer(model, &questions.read(file)?, settings, device, interrupt, &mut show)?
        };
        answers.write(place.output)?;
        Ok(Measures::new())
    }
}

/// Files that are read-only in the cache are linked, so that a checkpoint lies on the disk once.
fn take(from: &Path, to: &Path) -> Result<(), WriteError> {
    durable::share(from, to).map(drop).map_err(|source| WriteError { path: to.to_owned(), source })
}

fn take_folder(from: &Path, to: &Path) -> Result<(), StageFailure> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target)?;
            take_folder(&entry.path(), &target)?;
        } else {
            take(&entry.path(), &target)?;
        }
    }
    Ok(())
}

fn copy(copied: &Copied, place: &Place) -> Result<(), StageFailure> {
    for file in &copied.files {
        let from = if copied.from.is_dir() { copied.from.join(&file.path) } else { copied.from.clone() };
        let to = place.output.join(&file.path);
        fs::create_dir_all(durable::parent(&to))?;
        fs::copy(&from, &to).map_err(|source| ExperimentError::Read { path: from.clone(), source })?;
        let found = Digest::of_file(&to)?;
        if found != file.sha256 {
            let changed = format!("{}: changed while the experiment ran", from.display());
            return Err(format!("{changed}: expected sha256 {}, found {found}", file.sha256).into());
        }
    }
    Ok(())
}

fn cut(block_length: usize, place: &Place) -> Result<(), StageFailure> {
    let source = place.input(Role::Text)?;
    let tokenizer = Tokenizer::from_folder(place.input(Role::Tokenizer)?)?;
    place.progress.set_length(fs::metadata(source)?.len());
    let target = place.output.join(BLOCKS);
    let watch = |bytes| place.progress.inc(bytes);
    blocks::build_watched(source, &tokenizer, block_length, &target, place.interrupt, watch)?;
    Ok(())
}

fn prepare(preparing: &Preparing, place: &Place) -> Result<(), StageFailure> {
    let tokenizer = Tokenizer::from_folder(place.input(Role::Tokenizer)?)?;
    let mut watch = |progress: examples::Progress| {
        place.progress.set_length(progress.documents as u64);
        place.progress.set_position(progress.done as u64);
    };
    let (questions, settings) = (place.input(Role::Train)?, preparing.settings());
    examples::cached(place.output, questions, &tokenizer, &settings, place.interrupt, &mut watch)?;
    Ok(())
}

/// Trains with the stage's bar showing steps and the newest loss.
fn in_session<E>(place: &Place, work: impl FnOnce(&mut Session) -> Result<(), E>) -> Result<(), E> {
    let bar = place.progress;
    let mut observe = |event: &Event| match event {
        Event::Resumed { step } => {
            bar.set_position(*step);
            bar.reset_eta();
        }
        Event::Stepped { step, max_steps } => {
            bar.set_length(*max_steps);
            bar.set_position(*step);
        }
        Event::Measured { figures, .. } => {
            for (name, value) in figures {
                if matches!(*name, "loss" | "bits_per_character") {
                    bar.set_message(format!("{name} {value:.4}"));
                }
            }
        }
    };
    work(&mut Session { interrupt: place.interrupt, clock: &wall_clock, observe: &mut observe })
}

/// Moves the run's figures into `output/logs`, where TensorBoard finds them; gives back its lines.
fn keep_log(place: &Place) -> Result<Vec<Value>, StageFailure> {
    let logs = place.output.join("logs");
    fs::create_dir_all(&logs)?;
    for entry in fs::read_dir(place.state)? {
        let path = entry?.path();
        if let (true, Some(name)) = (path.is_file(), path.file_name()) {
            fs::copy(&path, logs.join(name))?;
        }
    }
    let text = match fs::read_to_string(logs.join(METRICS)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        text => text?,
    };
    Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

fn measures(log: &[Value]) -> Measures {
    let speeds: Vec<f64> = log.iter().filter_map(|line| line.get("tokens_per_second")?.as_f64()).collect();
    let mut measures = Measures::new();
    if !speeds.is_empty() {
        let mean = speeds.iter().sum::<f64>() / speeds.len() as f64;
        measures.insert("tokens_per_second".into(), mean.into());
    }
    if let Some(bytes) = process::peak_resident_bytes() {
        measures.insert("peak_resident_bytes_of_the_process".into(), bytes.into());
    }
    measures
}
