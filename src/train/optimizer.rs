//! AdamW (Loshchilov and Hutter 2019) over named parameters, with clipping by the global norm,
//! as libtorch's fused kernel does it: one pass over weights, gradients and moments.
//!
//! Nothing is read back from the device: the norm stays there, and a step whose gradient is not
//! finite leaves weights and moments as they were.

use tch::{Kind, Tensor};

use super::TrainError;
use super::settings::Optimization;
use crate::model::weights::Weights;
use crate::model::{ModelError, Parameters, copy_tensor};
use crate::native::{self, AdamWStep, AdamWTensors};

/// AdamW's state beside the parameters it trains.
pub struct AdamW {
    slots: Vec<Slot>,
    /// `[]` f32: steps taken, skipped ones left out.
    steps: Tensor,
    settings: Optimization,
}

struct Slot {
    name: String,
    parameter: Tensor,
    mean: Tensor,
    square: Tensor,
    decay: Decay,
}

#[derive(Clone, Copy, PartialEq)]
enum Decay {
    Weights,
    Nothing,
}

impl Decay {
    /// Biases and LayerNorm are never decayed.
    fn of(name: &str) -> Self {
        let normalizes = name.contains("LayerNorm") || name.contains("layer_norm");
        if normalizes || name.ends_with("bias") { Decay::Nothing } else { Decay::Weights }
    }
}

impl AdamW {
    /// Fresh moments for every parameter.
    pub fn new(parameters: &Parameters, settings: &Optimization) -> Self {
        let slots: Vec<_> = parameters
            .iter()
            .map(|(name, parameter)| Slot {
                name: name.to_owned(),
                parameter: parameter.shallow_clone(),
                mean: parameter.zeros_like().detach(),
                square: parameter.zeros_like().detach(),
                decay: Decay::of(name),
            })
            .collect();
        let device = slots.first().map_or(tch::Device::Cpu, |slot| slot.parameter.device());
        Self { slots, steps: Tensor::zeros([], (Kind::Float, device)), settings: settings.clone() }
    }

    /// One step on the gradients that the backward passes left, which are then dropped. Gives back
    /// the norm of the whole gradient before clipping, `[]` f32 on the device.
    pub fn step(&mut self, learning_rate: f64) -> Result<Tensor, TrainError> {
        let gradients: Vec<_> = self.slots.iter().map(|slot| slot.parameter.grad()).collect();
        let defined: Vec<_> = gradients.iter().filter(|gradient| gradient.defined()).collect();
        let norm = native::gradient_norm(&defined)?;
        let skip = norm.isfinite().logical_not().to_kind(Kind::Float);
        self.steps += 1.0 - &skip;
        let divisor = self.divisor(&norm);
        for decay in [Decay::Weights, Decay::Nothing] {
            self.update(decay, &gradients, &divisor, &skip, learning_rate)?;
        }
        for slot in &self.slots {
            native::drop_gradient(&slot.parameter)?;
        }
        Ok(norm)
    }

    /// What gradients are divided by so that their norm is at most `max_grad_norm`, as
    /// `torch.nn.utils.clip_grad_norm_` does it.
    fn divisor(&self, norm: &Tensor) -> Tensor {
        match self.settings.max_grad_norm {
            0.0 => norm.ones_like(),
            largest => ((norm + 1e-6) / largest).clamp_min(1.0),
        }
    }

    fn update(
        &self,
        decay: Decay,
        gradients: &[Tensor],
        divisor: &Tensor,
        skip: &Tensor,
        learning_rate: f64,
    ) -> Result<(), TrainError> {
        let group = self.slots.iter().zip(gradients);
        let group: Vec<_> =
            group.filter(|(slot, gradient)| slot.decay == decay && gradient.defined()).collect();
        if group.is_empty() {
            return Ok(());
        }
        let tensors = AdamWTensors {
            parameters: &group.iter().map(|(slot, _)| &slot.parameter).collect::<Vec<_>>(),
            gradients: &group.iter().map(|(_, gradient)| *gradient).collect::<Vec<_>>(),
            means: &group.iter().map(|(slot, _)| &slot.mean).collect::<Vec<_>>(),
            squares: &group.iter().map(|(slot, _)| &slot.square).collect::<Vec<_>>(),
            step: &self.steps,
            gradient_divisor: divisor,
            skip,
        };
        let settings = AdamWStep {
            learning_rate,
            beta1: self.settings.adam_beta1,
            beta2: self.settings.adam_beta2,
            epsilon: self.settings.adam_epsilon,
            weight_decay: if decay == Decay::Weights { self.settings.weight_decay } else { 0.0 },
        };
        Ok(tch::no_grad(|| native::fused_adamw(&tensors, &settings))?)
    }

    /// The state by name, under PyTorch's words: `exp_avg.<parameter>`, `exp_avg_sq.<parameter>`
    /// and `step`.
    pub fn state(&self) -> Vec<(String, &Tensor)> {
        let moments = self
            .slots
            .iter()
            .flat_map(|slot| [(mean_name(&slot.name), &slot.mean), (square_name(&slot.name), &slot.square)]);
        moments.chain([("step".to_owned(), &self.steps)]).collect()
    }

    /// Takes the state from what [`AdamW::state`] gave; every tensor must be there in its shape.
    pub fn restore(&self, state: &Weights) -> Result<(), ModelError> {
        for slot in &self.slots {
            copy_tensor(state, &mean_name(&slot.name), &slot.mean)?;
            copy_tensor(state, &square_name(&slot.name), &slot.square)?;
        }
        copy_tensor(state, "step", &self.steps)
    }
}

fn mean_name(parameter: &str) -> String {
    format!("exp_avg.{parameter}")
}

fn square_name(parameter: &str) -> String {
    format!("exp_avg_sq.{parameter}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Batch, Config, MaskedLm, MaskedPositions, Mode, ModelType, Sequence};
    use crate::random::Seed;
    use tch::Device;

    fn model() -> MaskedLm {
        let config = Config {
            vocab_size: 11,
            hidden_size: 8,
            num_hidden_layers: 1,
            num_attention_heads: 2,
            intermediate_size: 16,
            hidden_dropout_prob: 0.0,
            attention_probs_dropout_prob: 0.0,
            max_position_embeddings: 10,
            ..Config::base(ModelType::Roberta)
        };
        MaskedLm::from_seed(config, Seed(1), Device::Cpu).unwrap()
    }

    fn backward(model: &MaskedLm, scale: f64) {
        let row = Sequence { input_ids: vec![0, 5, 6, 2], global: vec![] };
        let batch = Batch::of_sequences(&[row], 1).unwrap();
        let masked = MaskedPositions::new(&[1, 2], &[7, 8]).unwrap();
        (model.loss_sum(&batch, &masked, Mode::Train).unwrap() * scale).backward();
    }

    fn values(tensor: &Tensor) -> Vec<f64> {
        Vec::try_from(tensor.to_kind(Kind::Double).flatten(0, -1)).unwrap()
    }

    /// Algorithm 2 of Loshchilov and Hutter on numbers, with clipping of the gradient before it.
    fn by_hand(
        weights: &mut [f64],
        steps: &[Vec<f64>],
        divisors: &[f64],
        decay: f64,
        settings: &Optimization,
        rate: f64,
    ) {
        let (b1, b2) = (settings.adam_beta1, settings.adam_beta2);
        for (at, weight) in weights.iter_mut().enumerate() {
            let (mut mean, mut square) = (0.0, 0.0);
            for (step, (gradients, divisor)) in steps.iter().zip(divisors).enumerate() {
                let gradient = gradients[at] / divisor;
                *weight -= rate * decay * *weight;
                mean = b1 * mean + (1.0 - b1) * gradient;
                square = b2 * square + (1.0 - b2) * gradient * gradient;
                let power = step as i32 + 1;
                let root = (square / (1.0 - b2.powi(power))).sqrt();
                *weight -= rate * (mean / (1.0 - b1.powi(power))) / (root + settings.adam_epsilon);
            }
        }
    }

    #[test]
    fn two_clipped_steps_are_those_of_the_paper_and_norms_are_not_decayed() {
        let settings = Optimization { weight_decay: 0.5, max_grad_norm: 0.1, ..Optimization::default() };
        let rate = 0.01;
        let model = model();
        let mut optimizer = AdamW::new(model.parameters(), &settings);
        let names = ["roberta.embeddings.LayerNorm.weight", "lm_head.dense.weight", "lm_head.bias"];
        let before: Vec<_> = names.map(|name| values(model.parameters().get(name).unwrap())).into();
        let (mut gradients, mut divisors) = (vec![vec![]; names.len()], vec![]);
        for _ in 0..2 {
            backward(&model, 1.0);
            for (kept, name) in gradients.iter_mut().zip(names) {
                kept.push(values(&model.parameters().get(name).unwrap().grad()));
            }
            let norm = optimizer.step(rate).unwrap().double_value(&[]);
            assert!(norm > settings.max_grad_norm, "{norm} would not be clipped");
            divisors.push((norm + 1e-6) / settings.max_grad_norm);
        }
        for ((name, mut expected), gradients) in names.iter().zip(before).zip(&gradients) {
            let decay = if *name == "lm_head.dense.weight" { settings.weight_decay } else { 0.0 };
            by_hand(&mut expected, gradients, &divisors, decay, &settings, rate);
            for (ours, expected) in values(model.parameters().get(name).unwrap()).iter().zip(expected) {
                assert!((ours - expected).abs() < 1e-6, "{name}: {ours}, by hand {expected}");
            }
        }
    }

    #[test]
    fn a_step_without_finite_gradient_changes_neither_weights_nor_moments() {
        let model = model();
        let mut optimizer = AdamW::new(model.parameters(), &Optimization::default());
        backward(&model, 1.0);
        let _norm = optimizer.step(0.01).unwrap();
        let state = |optimizer: &AdamW| {
            optimizer.state().iter().map(|(_, tensor)| values(tensor)).collect::<Vec<_>>()
        };
        let weights = || model.parameters().iter().map(|(_, tensor)| values(tensor)).collect::<Vec<_>>();
        let before = (state(&optimizer), weights());
        backward(&model, f64::NAN);
        assert!(optimizer.step(0.01).unwrap().double_value(&[]).is_nan());
        assert_eq!((state(&optimizer), weights()), before);
    }
}
