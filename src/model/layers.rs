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
    let train = true;
    match x.device() {
        // `dropout` itself keeps a mask of floats on the CPU; this one keeps a mask of bytes.
        Device::Cpu => Ok(x.f_native_dropout(probability, train)?.0),
        _ => x.f_dropout(probability, train),
    }
}
