//! The encoder with the question-answering head (`BertForQuestionAnswering`,
//! `RobertaForQuestionAnswering`, `LongformerForQuestionAnswering` of transformers).

use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::attention::Backend;
use super::config::{Architecture, Config};
use super::encoder::{Encoder, Wanted};
use super::layers::{Linear, Mode, Pass, Precision};
use super::parameters::{Builder, Checkpoint, Parameters, Part, Source};
use super::recomputation::{Activations, Tape};
use super::{Attention, Batch, ModelError, folder, weights};
use crate::random::Seed;

/// Where the question-answering head's weights come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// The checkpoint, which was fine-tuned.
    FromCheckpoint,
    /// A seed; any head that the checkpoint has is dropped.
    FromSeed(Seed),
}

/// Scores of each token as the answer's first and last.
#[derive(Debug)]
pub struct SpanLogits {
    /// `[rows, length]`, f32, minus infinity where a row has ended.
    pub start: Tensor,
    /// `[rows, length]`, f32, minus infinity where a row has ended.
    pub end: Tensor,
}

/// An extractive question-answering model.
#[derive(Debug)]
pub struct QuestionAnswering {
    config: Config,
    parameters: Parameters,
    precision: Precision,
    backend: Backend,
    activations: Activations,
    encoder: Encoder,
    outputs: Linear,
}

impl QuestionAnswering {
    /// Loads `config.json` and the weights beside it, strictly.
    pub fn load(folder: &Path, head: Head, device: Device) -> Result<Self, ModelError> {
        Self::load_attending(folder, Attention::default(), head, device)
    }

    /// As [`QuestionAnswering::load`], but attending as `attention` says. A long model that is made
    /// [`Attention::Dense`] is a plain RoBERTa of its length from then on, and is saved as one.
    pub fn load_attending(
        folder: &Path,
        attention: Attention,
        head: Head,
        device: Device,
    ) -> Result<Self, ModelError> {
        let mut config = Config::read(folder)?;
        let mut dropped = vec![];
        if attention == Attention::Dense {
            config = config.dense();
            dropped.push("_global.");
        }
        if let Head::FromSeed(seed) = head {
            tracing::info!("{}: question-answering head drawn from seed {}", folder.display(), seed.0);
            dropped.push("qa_outputs.");
            dropped.extend(config.family.masked_lm.prefixes);
        }
        let source = Source::Checkpoint(Checkpoint::new(weights::read(folder)?, config.family));
        Self::new(config, source, head, &dropped, device)
    }

    /// A model with fresh weights, a function of `config` and `seed`.
    pub fn from_seed(config: Config, seed: Seed, device: Device) -> Result<Self, ModelError> {
        config.check(Path::new("config"))?;
        Self::new(config, Source::Seed(seed), Head::FromSeed(seed), &[], device)
    }

    fn new(
        config: Config,
        source: Source,
        head: Head,
        dropped: &[&str],
        device: Device,
    ) -> Result<Self, ModelError> {
        let mut builder = Builder::new(source, &config, device);
        let encoder = Encoder::new(&config, &mut builder)?;
        if let Head::FromSeed(seed) = head {
            builder.draw_from(seed);
        }
        let outputs = builder.linear(Part::Head, "qa_outputs", config.hidden_size, 2)?;
        let parameters = builder.finish(dropped)?;
        let (precision, backend, activations) =
            (Precision::default(), Backend::Blocks, Activations::default());
        let model = Self { config, parameters, precision, backend, activations, encoder, outputs };
        Ok(model.with_precision(precision))
    }

    /// The same model, computing in `precision`, with the fastest attention that there is for it.
    pub fn with_precision(self, precision: Precision) -> Self {
        let backend = Backend::available(self.parameters.device(), precision.kind(), self.config.head_dim());
        Self { precision, backend, ..self }
    }

    /// The same model, computing attention by `backend`.
    pub fn with_backend(self, backend: Backend) -> Self {
        Self { backend, ..self }
    }

    /// The same model, keeping `activations` between a training pass's way forward and its way back.
    pub fn with_activations(self, activations: Activations) -> Self {
        Self { activations, ..self }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The weights.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Start and end logits of every token.
    pub fn forward(&self, batch: &Batch, mode: Mode) -> Result<SpanLogits, ModelError> {
        batch.check(&self.config)?;
        self.logits_of(&self.encoder.forward(batch, Wanted::All, self.pass(mode))?, batch)
    }

    /// As [`QuestionAnswering::forward`] with [`Mode::Train`], keeping what [`Activations`] says. After the
    /// loss's own backward pass the tape makes the rest of it.
    pub fn training_forward<'a>(&'a self, batch: &'a Batch) -> Result<(SpanLogits, Tape<'a>), ModelError> {
        batch.check(&self.config)?;
        let pass = self.pass(Mode::Train);
        let (hidden, tape) = self.activations.forward(&self.encoder, batch, Wanted::All, pass)?;
        Ok((self.logits_of(&hidden, batch)?, tape))
    }

    /// `hidden`: `[tokens, hidden_size]`.
    fn logits_of(&self, hidden: &Tensor, batch: &Batch) -> Result<SpanLogits, ModelError> {
        let logits = self.outputs.forward(hidden, self.precision)?.f_to_kind(Kind::Float)?; // [tokens, 2]
        let logits = batch.padded(&logits, f64::NEG_INFINITY)?; // [rows, length, 2]
        Ok(SpanLogits { start: logits.f_select(2, 0)?, end: logits.f_select(2, 1)? })
    }

    fn pass(&self, mode: Mode) -> Pass {
        Pass { mode, precision: self.precision, backend: self.backend }
    }

    /// Writes `config.json` and `model.safetensors` into `folder`.
    pub fn save(&self, folder: &Path) -> Result<(), ModelError> {
        folder::save(folder, &self.config, Architecture::QuestionAnswering, &self.parameters)
    }
}
