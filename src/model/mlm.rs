//! The encoder with the masked-language-model head (`BertForMaskedLM`, `RobertaForMaskedLM`,
//! `LongformerForMaskedLM` of transformers). The decoder is the word embedding; the head works on masked
//! tokens only.

use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::attention::Backend;
use super::config::{Activation, Architecture, Config};
use super::encoder::{Encoder, Wanted, activate};
use super::families::HeadActivation;
use super::layers::{LayerNorm, Linear, Mode, Pass, Precision, linear};
use super::parameters::{Builder, Checkpoint, Parameters, Part, Source};
use super::recomputation::{Activations, Tape};
use super::{Batch, MaskedPositions, ModelError, folder, vocabulary_loss, weights};
use crate::native::Vocabulary;
use crate::random::Seed;

/// A masked language model.
#[derive(Debug)]
pub struct MaskedLm {
    config: Config,
    parameters: Parameters,
    precision: Precision,
    backend: Backend,
    activations: Activations,
    encoder: Encoder,
    dense: Linear,
    activation: Activation,
    norm: LayerNorm,
    bias: Tensor,
}

impl MaskedLm {
    /// Loads `config.json` and the weights beside it, strictly.
    pub fn load(folder: &Path, device: Device) -> Result<Self, ModelError> {
        let config = Config::read(folder)?;
        let checkpoint = Checkpoint::new(weights::read(folder)?, config.family);
        Self::new(config, Source::Checkpoint(checkpoint), None, device)
    }

    /// As [`MaskedLm::load`], but a checkpoint that holds no tensor of the head gets one drawn from `seed`.
    pub fn load_or_draw_head(folder: &Path, seed: Seed, device: Device) -> Result<Self, ModelError> {
        let config = Config::read(folder)?;
        let checkpoint = Checkpoint::new(weights::read(folder)?, config.family);
        let fresh_head = checkpoint.lacks(config.family.masked_lm.prefixes).then_some(seed);
        if fresh_head.is_some() {
            let folder = folder.display();
            tracing::warn!("{folder}: no masked-language-model head; drawn from seed {}", seed.0);
        }
        Self::new(config, Source::Checkpoint(checkpoint), fresh_head, device)
    }

    /// A model with fresh weights, a function of `config` and `seed`.
    pub fn from_seed(config: Config, seed: Seed, device: Device) -> Result<Self, ModelError> {
        config.check(Path::new("config"))?;
        Self::new(config, Source::Seed(seed), None, device)
    }

    fn new(
        config: Config,
        source: Source,
        fresh_head: Option<Seed>,
        device: Device,
    ) -> Result<Self, ModelError> {
        let mut builder = Builder::new(source, &config, device);
        let encoder = Encoder::new(&config, &mut builder)?;
        if let Some(seed) = fresh_head {
            builder.draw_from(seed);
        }
        let (head, width) = (&config.family.masked_lm, config.hidden_size);
        let bias = builder.head_bias(head.bias, config.vocab_size)?;
        let dense = builder.linear(Part::Head, head.dense, width, width)?;
        let norm = builder.layer_norm(Part::Head, head.norm, width, config.layer_norm_eps)?;
        let activation = match head.activation {
            HeadActivation::Encoder => config.hidden_act,
            HeadActivation::Gelu => Activation::Gelu,
        };
        let parameters = builder.finish(&[])?;
        let precision = Precision::default();
        let model = Self {
            config,
            parameters,
            precision,
            backend: Backend::Blocks,
            activations: Activations::default(),
            encoder,
            dense,
            activation,
            norm,
            bias,
        };
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

    /// The last hidden states as a rectangle, `[rows, length, hidden_size]`, f32, 0 where a row has ended.
    pub fn hidden(&self, batch: &Batch, mode: Mode) -> Result<Tensor, ModelError> {
        batch.check(&self.config)?;
        let hidden = self.encoder.forward(batch, Wanted::All, self.pass(mode))?;
        Ok(batch.padded(&hidden, 0.0)?)
    }

    /// The logits of the tokens at the given places among all tokens, row after row: `[places]` to
    /// `[places, vocab_size]`, f32.
    pub fn logits(&self, batch: &Batch, places: &Tensor, mode: Mode) -> Result<Tensor, ModelError> {
        let inner = self.inner(&self.hidden_at(batch, places, mode)?)?;
        let decoder = &self.encoder.embeddings.words;
        Ok(linear(&inner, decoder, &self.bias, self.precision)?.f_to_kind(Kind::Float)?)
    }

    /// The sum over the masked tokens of −ln of the probability given to the original token: a
    /// scalar, f32; 0 when nothing is masked. Its backward pass can be made once.
    pub fn loss_sum(
        &self,
        batch: &Batch,
        masked: &MaskedPositions,
        mode: Mode,
    ) -> Result<Tensor, ModelError> {
        let hidden = self.hidden_at(batch, &masked.index, mode)?;
        self.loss_of(&hidden, &self.encoder.embeddings.words, masked)
    }

    /// As [`MaskedLm::loss_sum`] with [`Mode::Train`], keeping what [`Activations`] says. After the loss's own
    /// backward pass the tape makes the rest of it.
    pub fn training_loss_sum<'a>(
        &'a self,
        batch: &'a Batch,
        masked: &MaskedPositions,
    ) -> Result<(Tensor, Tape<'a>), ModelError> {
        batch.check(&self.config)?;
        let places = batch.packed(&masked.index)?;
        let pass = self.pass(Mode::Train);
        let (hidden, tape) = self.activations.forward(&self.encoder, batch, Wanted::At(&places), pass)?;
        let loss = self.loss_of(&hidden, tape.words(), masked)?;
        Ok((loss, tape))
    }

    /// The last hidden state at `places`, `[places, hidden_size]`, f32.
    fn hidden_at(&self, batch: &Batch, places: &Tensor, mode: Mode) -> Result<Tensor, ModelError> {
        batch.check(&self.config)?;
        self.encoder.forward(batch, Wanted::At(&batch.packed(places)?), self.pass(mode))
    }

    /// `hidden`: that of the masked tokens; `words`: the word embedding.
    fn loss_of(
        &self,
        hidden: &Tensor,
        words: &Tensor,
        masked: &MaskedPositions,
    ) -> Result<Tensor, ModelError> {
        let vocabulary = Vocabulary { weight: words, bias: &self.bias };
        Ok(vocabulary_loss::sum(&self.inner(hidden)?, &vocabulary, &masked.labels, self.precision)?)
    }

    /// What the decoder is given, `[places, hidden_size]`, f32.
    fn inner(&self, hidden: &Tensor) -> Result<Tensor, ModelError> {
        let dense = self.dense.forward(hidden, self.precision)?;
        Ok(self.norm.forward(&activate(self.activation, &dense)?)?)
    }

    /// Writes `config.json` and `model.safetensors` into `folder`.
    pub fn save(&self, folder: &Path) -> Result<(), ModelError> {
        folder::save(folder, &self.config, Architecture::MaskedLm, &self.parameters)
    }

    fn pass(&self, mode: Mode) -> Pass {
        Pass { mode, precision: self.precision, backend: self.backend }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Sequence;
    use super::super::testing::{self, random_batch};
    use super::*;

    #[test]
    fn the_head_on_masked_tokens_gives_what_the_head_on_all_would() {
        for config in [testing::roberta(), testing::longformer()] {
            let model = MaskedLm::from_seed(config, Seed(1), Device::Cpu).unwrap();
            let batch = random_batch(model.config(), &[13, 40], 3);
            let every = Tensor::arange(53, (Kind::Int64, Device::Cpu));
            let some = Tensor::from_slice(&[3i64, 14, 52, 12]);
            let of_all = model.logits(&batch, &every, Mode::Evaluate).unwrap().index_select(0, &some);
            let of_some = model.logits(&batch, &some, Mode::Evaluate).unwrap();
            assert!(of_some.allclose(&of_all, 1e-5, 1e-6, false));
        }
    }

    #[test]
    fn nothing_masked_costs_nothing() {
        let model = MaskedLm::from_seed(testing::longformer(), Seed(1), Device::Cpu).unwrap();
        let batch = random_batch(model.config(), &[9], 0);
        let masked = MaskedPositions::new(&[], &[]).unwrap();
        let loss = model.loss_sum(&batch, &masked, Mode::Train).unwrap();
        assert_eq!(loss.double_value(&[]), 0.0);
        loss.backward();
    }

    #[test]
    fn an_untrained_model_is_as_unsure_as_chance() {
        let model = MaskedLm::from_seed(testing::roberta(), Seed(7), Device::Cpu).unwrap();
        let batch = random_batch(model.config(), &[32, 32], 0);
        let index: Vec<i64> = (0..64).collect();
        let labels: Vec<i64> = (0..64).map(|token| token % 90).collect();
        let masked = MaskedPositions::new(&index, &labels).unwrap();
        let loss = model.loss_sum(&batch, &masked, Mode::Train).unwrap().double_value(&[]) / 64.0;
        let chance = (model.config().vocab_size as f64).ln();
        assert!((loss - chance).abs() < 0.2, "{loss} against {chance}");
    }

    /// The loss, and the gradient of every parameter, put together.
    fn learned(model: &MaskedLm, batches: &[(Batch, MaskedPositions)]) -> (f64, Tensor) {
        let mut total = 0.0;
        for (_, parameter) in model.parameters().iter() {
            crate::native::drop_gradient(parameter).unwrap();
        }
        for (batch, masked) in batches {
            let loss = model.loss_sum(batch, masked, Mode::Evaluate).unwrap();
            loss.backward();
            total += loss.double_value(&[]);
        }
        let gradient = |(_, parameter): (_, &Tensor)| match parameter.grad() {
            gradient if gradient.defined() => gradient.flatten(0, -1),
            _ => parameter.zeros_like().flatten(0, -1),
        };
        (total, Tensor::cat(&model.parameters().iter().map(gradient).collect::<Vec<_>>(), 0))
    }

    fn assert_learns_the_same(
        model: &MaskedLm,
        one: &[(Batch, MaskedPositions)],
        others: &MaskedLm,
        other: &[(Batch, MaskedPositions)],
    ) {
        let (ours, theirs) = (learned(model, one), learned(others, other));
        assert!((ours.0 - theirs.0).abs() < 1e-4 * theirs.0, "{} and {}", ours.0, theirs.0);
        let difference = (&ours.1 - &theirs.1).norm().double_value(&[]) / theirs.1.norm().double_value(&[]);
        assert!(difference < 1e-5, "{difference}");
    }

    fn masked(index: &[i64]) -> MaskedPositions {
        MaskedPositions::new(index, &index.iter().map(|place| 2 + place % 80).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn rows_learn_together_what_each_learns_alone() {
        for config in [testing::roberta(), testing::longformer()] {
            let model = MaskedLm::from_seed(config, Seed(1), Device::Cpu).unwrap();
            let rows = testing::random_rows(model.config(), &[13, 60, 5], 3);
            let alone = |row: usize, places: &[i64]| {
                let (first, last) = (places[0], places[places.len() - 1]);
                let start: i64 = rows[..row].iter().map(|row| row.input_ids.len() as i64).sum();
                assert!(first >= start && last < start + rows[row].input_ids.len() as i64);
                let index: Vec<_> = places.iter().map(|place| place - start).collect();
                let labels = masked(places).labels;
                let batch = Batch::of_sequences(&rows[row..=row], model.config().positions()).unwrap();
                (batch, MaskedPositions { index: Tensor::from_slice(&index), labels })
            };
            let places: [&[i64]; 3] = [&[0, 4, 12], &[13, 15, 40, 72], &[73, 77]];
            let together =
                (Batch::of_sequences(&rows, model.config().positions()).unwrap(), masked(&places.concat()));
            let alone: Vec<_> = places.iter().enumerate().map(|(row, places)| alone(row, places)).collect();
            assert_learns_the_same(&model, &[together], &model, &alone);
        }
    }

    /// By the CPU's stand-in for the flash kernel: question-like batches, and one without global tokens.
    #[test]
    fn flash_and_blocks_learn_the_same() {
        for (config, globals) in
            [(testing::roberta(), 0), (testing::longformer(), 0), (testing::longformer(), 6)]
        {
            let build = || MaskedLm::from_seed(config.clone(), Seed(1), Device::Cpu).unwrap();
            let data = || {
                let batch = random_batch(&config, &[13, 60, 5], globals);
                [(batch, masked(&[0, 4, 12, 13, 15, 40, 72, 73, 77]))]
            };
            let (blocks, flash) = (build(), build().with_backend(Backend::Flash));
            assert_learns_the_same(&flash, &data(), &blocks, &data());
        }
    }

    #[test]
    fn an_input_that_does_not_fit_is_refused_before_any_work() {
        let model = MaskedLm::from_seed(testing::roberta(), Seed(1), Device::Cpu).unwrap();
        let long = random_batch(model.config(), &[model.config().max_length() as usize + 1], 0);
        assert!(matches!(model.hidden(&long, Mode::Evaluate), Err(ModelError::Batch { what: "length", .. })));
        let row =
            Sequence { input_ids: vec![model.config().vocab_size], global: vec![], second_segment: None };
        let unknown = Batch::of_sequences(&[row], model.config().positions()).unwrap();
        assert!(matches!(
            model.hidden(&unknown, Mode::Evaluate),
            Err(ModelError::Batch { what: "token id", .. })
        ));
    }

    #[test]
    fn bfloat16_stays_close_to_32_bits() {
        for config in [testing::roberta(), testing::longformer()] {
            let model = MaskedLm::from_seed(config, Seed(1), Device::Cpu).unwrap();
            let batch = random_batch(model.config(), &[50, 23], 2);
            let exact = model.hidden(&batch, Mode::Evaluate).unwrap();
            let model = model.with_precision(Precision::BFloat16);
            let close = model.hidden(&batch, Mode::Evaluate).unwrap();
            assert_eq!(close.kind(), Kind::Float);
            let error = (&close - &exact).norm().double_value(&[]) / exact.norm().double_value(&[]);
            assert!(error > 0.0 && error < 0.02, "{error}");
            model.hidden(&batch, Mode::Train).unwrap().sum(Kind::Float).backward();
        }
    }
}
