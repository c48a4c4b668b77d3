//! The encoder with the masked-language-model head (`RobertaForMaskedLM`, `LongformerForMaskedLM`
//! of transformers). The decoder is the word embedding; the head works on masked tokens only.

use std::path::Path;

use tch::{Device, Kind, Reduction, Tensor};

use super::config::{Architecture, Config};
use super::encoder::{Encoder, Wanted};
use super::layers::{LayerNorm, Linear, Mode, Pass, Precision, linear};
use super::parameters::{Builder, Checkpoint, Parameters, Part, Source};
use super::{Batch, MaskedPositions, ModelError, folder, weights};
use crate::random::Seed;

/// A masked language model.
#[derive(Debug)]
pub struct MaskedLm {
    config: Config,
    parameters: Parameters,
    precision: Precision,
    encoder: Encoder,
    dense: Linear,
    norm: LayerNorm,
    bias: Tensor,
}

impl MaskedLm {
    /// Loads `config.json` and the weights beside it, strictly.
    pub fn load(folder: &Path, device: Device) -> Result<Self, ModelError> {
        let config = Config::read(folder)?;
        Self::new(config, Source::Checkpoint(Checkpoint::new(weights::read(folder)?)), device)
    }

    /// A model with fresh weights, a function of `config` and `seed`.
    pub fn from_seed(config: Config, seed: Seed, device: Device) -> Result<Self, ModelError> {
        config.check(Path::new("config"))?;
        Self::new(config, Source::Seed(seed), device)
    }

    fn new(config: Config, source: Source, device: Device) -> Result<Self, ModelError> {
        let mut builder = Builder::new(source, config.model_type.prefix(), config.initializer_range, device);
        let encoder = Encoder::new(&config, &mut builder)?;
        let width = config.hidden_size;
        let bias = builder.head_bias("lm_head.bias", config.vocab_size)?;
        let dense = builder.linear(Part::Head, "lm_head.dense", width, width)?;
        let norm = builder.layer_norm(Part::Head, "lm_head.layer_norm", width, config.layer_norm_eps)?;
        let parameters = builder.finish(&[])?;
        Ok(Self { config, parameters, precision: Precision::default(), encoder, dense, norm, bias })
    }

    /// The same model, computing in `precision`.
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The weights.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The last hidden states, `[batch, length, hidden_size]`, f32.
    pub fn hidden(&self, batch: &Batch, mode: Mode) -> Result<Tensor, ModelError> {
        batch.check(&self.config)?;
        Ok(self.encoder.forward(batch, Wanted::All, self.pass(mode)))
    }

    /// The logits of the tokens at the given places among the `batch · length` tokens, `[places]` to
    /// `[places, vocab_size]`, f32.
    pub fn logits(&self, batch: &Batch, places: &Tensor, mode: Mode) -> Result<Tensor, ModelError> {
        batch.check(&self.config)?;
        let pass = self.pass(mode);
        let hidden = self.encoder.forward(batch, Wanted::At(places), pass);
        let inner = self.dense.forward(&hidden, pass.precision).gelu("none");
        let decoder = &self.encoder.embeddings.words;
        let logits = linear(&self.norm.forward(&inner), decoder, &self.bias, pass.precision);
        Ok(logits.to_kind(Kind::Float))
    }

    /// The sum over the masked tokens of −ln of the probability given to the original token: a
    /// scalar, f32; 0 when nothing is masked.
    pub fn loss_sum(
        &self,
        batch: &Batch,
        masked: &MaskedPositions,
        mode: Mode,
    ) -> Result<Tensor, ModelError> {
        const NO_LABEL_IS_IGNORED: i64 = -100;
        let logits = self.logits(batch, &masked.index, mode)?;
        let no_weight = None::<Tensor>;
        Ok(logits.cross_entropy_loss(&masked.labels, no_weight, Reduction::Sum, NO_LABEL_IS_IGNORED, 0.0))
    }

    /// Writes `config.json` and `model.safetensors` into `folder`.
    pub fn save(&self, folder: &Path) -> Result<(), ModelError> {
        folder::save(folder, &self.config, Architecture::MaskedLm, &self.parameters)
    }

    fn pass(&self, mode: Mode) -> Pass {
        Pass { mode, precision: self.precision }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, random_batch};
    use super::*;

    #[test]
    fn the_head_on_masked_tokens_gives_what_the_head_on_all_would() {
        for config in [testing::roberta(), testing::longformer()] {
            let model = MaskedLm::from_seed(config, Seed(1), Device::Cpu).unwrap();
            let batch = random_batch(model.config(), &[13, 40], 3);
            let every = Tensor::arange(80, (Kind::Int64, Device::Cpu));
            let some = Tensor::from_slice(&[3i64, 41, 79, 12]);
            let of_all = model.logits(&batch, &every, Mode::Evaluate).unwrap().index_select(0, &some);
            let of_some = model.logits(&batch, &some, Mode::Evaluate).unwrap();
            assert!(of_some.allclose(&of_all, 1e-5, 1e-6, false));
        }
    }

    #[test]
    fn nothing_masked_costs_nothing() {
        let model = MaskedLm::from_seed(testing::longformer(), Seed(1), Device::Cpu).unwrap();
        let batch = random_batch(model.config(), &[9], 0);
        let masked = MaskedPositions::new(&[], &[], Device::Cpu).unwrap();
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
        let masked = MaskedPositions::new(&index, &labels, Device::Cpu).unwrap();
        let loss = model.loss_sum(&batch, &masked, Mode::Train).unwrap().double_value(&[]) / 64.0;
        let chance = (model.config().vocab_size as f64).ln();
        assert!((loss - chance).abs() < 0.2, "{loss} against {chance}");
    }

    #[test]
    fn an_input_that_does_not_fit_is_refused_before_any_work() {
        let model = MaskedLm::from_seed(testing::roberta(), Seed(1), Device::Cpu).unwrap();
        let long = random_batch(model.config(), &[model.config().max_length() as usize + 1], 0);
        assert!(matches!(model.hidden(&long, Mode::Evaluate), Err(ModelError::Batch { what: "length", .. })));
        let unknown = Batch::new(1, &[model.config().vocab_size], &[true], &[false], Device::Cpu).unwrap();
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
