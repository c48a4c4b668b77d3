//! AdamW (Loshchilov and Hutter 2019) over named parameters, with clipping by the global norm,
//! as libtorch's fused kernel does it: one pass over weights, gradients and moments.
//!
//! Nothing is read back from the device: the norm stays there, and a step whose gradient is not
//! finite leaves weights and moments as they were. In float16 the loss is scaled; the kernel divides
//! gradients by the scale and the clipping at once.

use tch::{Kind, TchError, Tensor};

use super::TrainError;
use super::loss_scale::LossScale;
use super::settings::Optimization;
use crate::model::weights::Weights;
use crate::model::{ModelError, Parameters, Precision, copy_tensor};
use crate::native::{self, AdamWStep, AdamWTensors};

/// AdamW's state beside the parameters it trains.
pub struct AdamW {
    slots: Vec<Slot>,
    /// `[]` f32: steps taken, skipped ones left out.
    steps: Tensor,
    /// In float16 only.
    loss_scale: Option<LossScale>,
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
    ///
    /// # Errors
    /// libtorch's: the device has no memory for them.
    pub fn new(parameters: &Parameters, settings: &Optimization) -> Result<Self, TrainError> {
        let slot = |(name, parameter): (&str, &Tensor)| {
            Ok(Slot {
                name: name.to_owned(),
                parameter: parameter.shallow_clone(),
                mean: parameter.f_zeros_like()?.f_detach()?,
                square: parameter.f_zeros_like()?.f_detach()?,
                decay: Decay::of(name),
            })
        };
        let slots = parameters.iter().map(slot).collect::<Result<Vec<_>, TchError>>()?;
        let device = slots.first().map_or(tch::Device::Cpu, |slot| slot.parameter.device());
        let is_scaled = settings.precision == Precision::Float16;
        Ok(Self {
            slots,
            steps: Tensor::f_zeros([], (Kind::Float, device))?,
            loss_scale: is_scaled.then(|| LossScale::new(device)).transpose()?,
            settings: settings.clone(),
        })
    }

    /// Adds the gradients of `loss`, `[]` f32, to those that the next step is made of.
    pub fn backward(&self, loss: &Tensor) -> Result<(), TrainError> {
        match &self.loss_scale {
            Some(scale) => loss.f_mul(scale.factor())?.f_backward()?,
            None => loss.f_backward()?,
        }
        Ok(())
    }

    /// What the next loss is multiplied by, `[]` f32 on the device; none where losses are not scaled.
    pub fn loss_scale(&self) -> Option<&Tensor> {
        self.loss_scale.as_ref().map(LossScale::factor)
    }

    /// One step on the gradients that [`AdamW::backward`] left, which are then dropped. Gives back
    /// the norm of the whole gradient before clipping, `[]` f32 on the device; where it is not finite, the
    /// step has changed nothing but the loss scale.
    pub fn step(&mut self, learning_rate: f64) -> Result<Tensor, TrainError> {
        let gradients: Vec<_> = self.slots.iter().map(|slot| slot.parameter.grad()).collect();
        let defined: Vec<_> = gradients.iter().filter(|gradient| gradient.defined()).collect();
        let norm = native::gradient_norm(&defined)?;
        let is_finite = norm.f_isfinite()?;
        let skip = is_finite.f_logical_not()?.f_to_kind(Kind::Float)?;
        let _same = self.steps.f_add_(&is_finite)?;
        let (norm, divisor) = match self.loss_scale() {
            Some(scale) => {
                let norm = norm.f_div(scale)?;
                let divisor = self.clipping(&norm)?.f_mul(scale)?;
                (norm, divisor)
            }
            None => {
                let divisor = self.clipping(&norm)?;
                (norm, divisor)
            }
        };
        for decay in [Decay::Weights, Decay::Nothing] {
            self.update(decay, &gradients, &divisor, &skip, learning_rate)?;
        }
        for slot in &self.slots {
            native::drop_gradient(&slot.parameter)?;
        }
        if let Some(scale) = &mut self.loss_scale {
            scale.update(&skip)?;
        }
        Ok(norm)
    }

    /// What gradients are divided by so that their norm is at most `max_grad_norm`, as
    /// `torch.nn.utils.clip_grad_norm_` does it.
    fn clipping(&self, norm: &Tensor) -> Result<Tensor, TchError> {
        match self.settings.max_grad_norm {
            0.0 => norm.f_ones_like(),
            largest => norm.f_add_scalar(1e-6)?.f_div_scalar(largest)?.f_clamp_min(1.0),
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
    /// and `step`; the loss scale's beside them.
    pub fn state(&self) -> Vec<(String, &Tensor)> {
        let moments = self
            .slots
            .iter()
            .flat_map(|slot| [(mean_name(&slot.name), &slot.mean), (square_name(&slot.name), &slot.square)]);
        let scale = self.loss_scale.iter().flat_map(LossScale::state);
        let scale = scale.map(|(name, tensor)| (name.to_owned(), tensor));
        moments.chain([("step".to_owned(), &self.steps)]).chain(scale).collect()
    }

    /// Takes the state from what [`AdamW::state`] gave; every tensor must be there in its shape.
    pub fn restore(&self, state: &Weights) -> Result<(), ModelError> {
        for slot in &self.slots {
            copy_tensor(state, &mean_name(&slot.name), &slot.mean)?;
            copy_tensor(state, &square_name(&slot.name), &slot.square)?;
        }
        self.loss_scale.iter().try_for_each(|scale| scale.restore(state))?;
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
    use crate::model::families::ROBERTA;
    use crate::model::{Batch, Config, MaskedLm, MaskedPositions, Mode, Positions, Sequence};
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
            ..Config::base(&ROBERTA)
        };
        MaskedLm::from_seed(config, Seed(1), Device::Cpu).unwrap()
    }

    fn loss(model: &MaskedLm) -> Tensor {
        let row = Sequence { input_ids: vec![0, 5, 6, 2], global: vec![], second_segment: None };
        let batch = Batch::of_sequences(&[row], Positions::After { padding_id: 1 }).unwrap();
        let masked = MaskedPositions::new(&[1, 2], &[7, 8]).unwrap();
        model.loss_sum(&batch, &masked, Mode::Train).unwrap()
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
        let mut optimizer = AdamW::new(model.parameters(), &settings).unwrap();
        let names = ["roberta.embeddings.LayerNorm.weight", "lm_head.dense.weight", "lm_head.bias"];
        let before: Vec<_> = names.map(|name| values(model.parameters().get(name).unwrap())).into();
        let (mut gradients, mut divisors) = (vec![vec![]; names.len()], vec![]);
        for _ in 0..2 {
            optimizer.backward(&loss(&model)).unwrap();
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
    fn a_scaled_step_is_the_unscaled_one() {
        let after_a_step = |precision| {
            let settings = Optimization { precision, max_grad_norm: 0.1, ..Optimization::default() };
            let model = model();
            let mut optimizer = AdamW::new(model.parameters(), &settings).unwrap();
            optimizer.backward(&loss(&model)).unwrap();
            let norm = optimizer.step(0.01).unwrap().double_value(&[]);
            (norm, model.parameters().iter().map(|(_, tensor)| values(tensor)).collect::<Vec<_>>())
        };
        // The scale is a power of two and the model computes in 32 bits: nothing is rounded otherwise.
        assert_eq!(after_a_step(Precision::Float16), after_a_step(Precision::Float32));
    }

    /// Losses of steps taken on the same data, and how many were skipped among them.
    fn losses(precision: Precision, taken: usize) -> (Vec<f64>, usize) {
        let settings = Optimization { precision, ..Optimization::default() };
        let model = model().with_precision(precision);
        let mut optimizer = AdamW::new(model.parameters(), &settings).unwrap();
        if let Some(scale) = optimizer.loss_scale() {
            let _same = scale.shallow_clone().fill_(2f64.powi(40));
        }
        let (mut losses, mut skipped) = (vec![], 0);
        while losses.len() < taken {
            let loss = loss(&model);
            optimizer.backward(&loss).unwrap();
            match optimizer.step(0.01).unwrap().double_value(&[]).is_finite() {
                true => losses.push(loss.double_value(&[])),
                false => skipped += 1,
            }
        }
        (losses, skipped)
    }

    #[test]
    fn between_steps_that_overflow_float16_learns_what_float32_does() {
        let (exact, none) = losses(Precision::Float32, 20);
        let (short, skipped) = losses(Precision::Float16, 20);
        assert_eq!(none, 0);
        assert!((20..30).contains(&skipped), "{skipped}");
        assert!(exact[19] < 0.5 * exact[0], "{exact:?}");
        for (exact, short) in exact.iter().zip(&short) {
            // Two of float16's roundings; measured: less than half of one.
            assert!((exact - short).abs() < 2f64.powi(-10) * exact, "{exact} and {short}");
        }
    }

    #[test]
    fn a_step_without_finite_gradient_changes_neither_weights_nor_moments() {
        let model = model();
        let mut optimizer = AdamW::new(model.parameters(), &Optimization::default()).unwrap();
        optimizer.backward(&loss(&model)).unwrap();
        let _norm = optimizer.step(0.01).unwrap();
        let state = |optimizer: &AdamW| {
            optimizer.state().iter().map(|(_, tensor)| values(tensor)).collect::<Vec<_>>()
        };
        let weights = || model.parameters().iter().map(|(_, tensor)| values(tensor)).collect::<Vec<_>>();
        let before = (state(&optimizer), weights());
        optimizer.backward(&(loss(&model) * f64::NAN)).unwrap();
        assert!(optimizer.step(0.01).unwrap().double_value(&[]).is_nan());
        assert_eq!((state(&optimizer), weights()), before);
    }
}
