//! The layers every part of the network is made of, and what holds for one pass through it.

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, TchError, Tensor};

use super::attention::Backend;
use crate::native;

/// Whether dropout is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Dropout as configured, drawn from libtorch's generator.
    Train,
    /// No dropout.
    Evaluate,
}

/// The number format of matrix products. Weights, LayerNorm, softmax, residual sums and losses are
/// in 32 bits in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    Float32,
    /// 32-bit floats, of whose factors CUDA's matrix products may read 10 bits of the mantissa; on a CPU the
    /// same as [`Precision::Float32`].
    TensorFloat32,
    /// Matrix products of linear layers and attention in bfloat16, from 32-bit weights, as torch's
    /// autocast does.
    BFloat16,
    /// As [`Precision::BFloat16`] in IEEE's 16 bits: three more of mantissa, but numbers end at 65504 and
    /// 6e-8, so that training scales the loss.
    Float16,
}

impl Precision {
    /// The kind of the factors of a matrix product.
    pub fn kind(self) -> Kind {
        match self {
            Precision::Float32 | Precision::TensorFloat32 => Kind::Float,
            Precision::BFloat16 => Kind::BFloat16,
            Precision::Float16 => Kind::Half,
        }
    }

    /// Allows CUDA's 32-bit matrix products to be TF32, or forbids it: from now on, in the whole process.
    pub fn settle_tf32(self) -> Result<(), TchError> {
        native::allow_tf32(self == Precision::TensorFloat32)
    }
}

/// What holds for one pass through the network.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pass {
    pub(super) mode: Mode,
    pub(super) precision: Precision,
    pub(super) backend: Backend,
}

impl Pass {
    /// The dropout probability in force: `probability` in training, else 0.
    pub(super) fn dropout(self, probability: f64) -> f64 {
        match self.mode {
            Mode::Train => probability,
            Mode::Evaluate => 0.0,
        }
    }
}

/// y = x Wᵀ + b.
#[derive(Debug)]
pub(super) struct Linear {
    /// `[outputs, inputs]`
    pub(super) weight: Tensor,
    /// `[outputs]`
    pub(super) bias: Tensor,
}

impl Linear {
    /// `[…, inputs]` to `[…, outputs]`, in the precision's kind.
    pub(super) fn forward(&self, x: &Tensor, precision: Precision) -> Result<Tensor, TchError> {
        linear(x, &self.weight, &self.bias, precision)
    }
}

/// x Wᵀ + b in the precision's kind.
pub(super) fn linear(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    precision: Precision,
) -> Result<Tensor, TchError> {
    let kind = precision.kind();
    x.f_to_kind(kind)?.f_linear(&weight.f_to_kind(kind)?, Some(bias.f_to_kind(kind)?))
}

/// `[…, inputs]` through several layers by one matrix product: `[…, sum of outputs]`, in the precision's kind.
pub(super) fn linear_of_several(
    x: &Tensor,
    layers: &[&Linear],
    precision: Precision,
) -> Result<Tensor, TchError> {
    let weights: Vec<_> = layers.iter().map(|layer| &layer.weight).collect();
    let biases: Vec<_> = layers.iter().map(|layer| &layer.bias).collect();
    linear(x, &Tensor::f_cat(&weights, 0)?, &Tensor::f_cat(&biases, 0)?, precision)
}

/// Normalization over the last dimension.
#[derive(Debug)]
pub(super) struct LayerNorm {
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
    pub(super) eps: f64,
}

impl LayerNorm {
    /// The same shape, in 32 bits.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let (shape, enable_cudnn) = (self.weight.size(), true);
        x.f_to_kind(Kind::Float)?.f_layer_norm(
            shape,
            Some(&self.weight),
            Some(&self.bias),
            self.eps,
            enable_cudnn,
        )
    }
}

/// Zeroes each element with `probability` and scales the others by 1 / (1 − `probability`).
pub(super) fn dropout(x: Tensor, probability: f64) -> Result<Tensor, TchError> {
    if probability == 0.0 {
        return Ok(x);
    }
    match x.device() {
        Device::Cpu => native::dropout(&x, probability),
        _ => x.f_dropout(probability, true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [(Kind, f64); 3] = [(Kind::Float, 2e-6), (Kind::BFloat16, 1e-2), (Kind::Half, 1e-3)];

    /// Numbers of order one, of which none is 0; 37 to a row, so that no row is a whole number of lanes.
    fn numbers(kind: Kind) -> Tensor {
        let numbers = Tensor::arange(500 * 37, (Kind::Float, Device::Cpu)).view([500, 37]);
        ((&numbers * &numbers * 0.37).sin() * 1.5 + 2.0).to_kind(kind).set_requires_grad(true)
    }

    fn gradient(result: &Tensor, of: &Tensor) -> Tensor {
        let weights = Tensor::arange(result.numel() as i64, (Kind::Float, Device::Cpu)).cos();
        let sum = (result.to_kind(Kind::Float).flatten(0, -1) * weights).sum(Kind::Float);
        Tensor::run_backward(&[sum], &[of], false, false).remove(0).to_kind(Kind::Float)
    }

    fn assert_near(ours: &Tensor, theirs: &Tensor, bound: f64) {
        let error = (ours - theirs).norm().double_value(&[]) / theirs.norm().double_value(&[]);
        assert!(error < bound, "{error}, at most {bound}");
    }

    #[test]
    fn dropout_keeps_its_share_and_its_gradient_drops_the_same() {
        for (kind, bound) in KINDS {
            let x = numbers(kind);
            tch::manual_seed(3);
            let dropped = dropout(x.shallow_clone(), 0.3).unwrap();
            let kept = dropped.not_equal(0.0);
            let share = kept.to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
            // Five standard deviations of 18,500 draws.
            assert!((share - 0.7).abs() < 0.017, "{share}");
            let columns = kept.to_kind(Kind::Double).mean_dim(0, false, Kind::Double);
            assert!(columns.min().double_value(&[]) > 0.6 && columns.max().double_value(&[]) < 0.8);
            let factor = kept.to_kind(Kind::Float) / 0.7;
            assert_near(&dropped.to_kind(Kind::Float), &(x.detach().to_kind(Kind::Float) * &factor), bound);
            let x2 = numbers(Kind::Float);
            assert_near(&gradient(&dropped, &x), &gradient(&(&x2 * &factor), &x2), bound);

            tch::manual_seed(3);
            assert_eq!(dropout(x.shallow_clone(), 0.3).unwrap(), dropped);
            assert_ne!(dropout(x, 0.3).unwrap(), dropped);
        }
    }

    #[test]
    fn dropout_behind_a_softmax_is_both_one_after_the_other() {
        for (kind, bound) in KINDS {
            let scores = numbers(kind);
            let kept = native::softmax_dropout(&scores, 0.3).unwrap();
            assert_eq!(kept.kind(), kind);
            let factor = kept.not_equal(0.0).to_kind(Kind::Float) / 0.7;
            // From the same numbers, rounded alike.
            let exact = scores.detach().to_kind(Kind::Float).copy().set_requires_grad(true);
            let both = exact.softmax(-1, Kind::Float) * &factor;
            assert_near(&kept.to_kind(Kind::Float), &both, bound);
            assert_near(&gradient(&kept, &scores), &gradient(&both, &exact), bound);
        }
    }

    #[test]
    fn what_is_not_finite_stays_so() {
        let scores = Tensor::from_slice(&[1.0f32, f32::NAN, -1e30, 2.0]).view([1, 4]);
        let kept = native::softmax_dropout(&scores, 1e-9).unwrap();
        assert!(bool::try_from(kept.isnan().any()).unwrap());
        let hidden = Tensor::from_slice(&[1.0f32, -1e30, 2.0]).view([1, 3]);
        let kept = native::softmax_dropout(&hidden, 1e-9).unwrap();
        assert_eq!(kept.double_value(&[0, 1]), 0.0);
    }
}
