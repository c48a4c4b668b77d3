//! Dynamic loss scaling for 16-bit floats (Micikevicius et al. 2018, section 3.2).
//!
//! Gradients below 6e-8 are zero in float16, so the loss is multiplied before the backward pass and the
//! gradients are divided after it. The factor is found by trying, with the constants of torch's GradScaler:
//! it halves whenever a gradient overflows, and doubles after 2000 steps without overflow. It never
//! leaves the device.

use tch::{Device, Kind, TchError, Tensor};

use super::TrainError;
use crate::model::weights::Weights;
use crate::model::{ModelError, copy_tensor};

const INITIAL: f64 = 65536.0;
const GROWTH: f64 = 2.0;
const BACKOFF: f64 = 0.5;
const GROWTH_INTERVAL: i64 = 2000;

/// Below this factor an overflow is no longer the scale's doing: the gradient itself is out of range.
pub(super) const FLOOR: f64 = 1.0;

/// The factor, and how long it has held.
pub(super) struct LossScale {
    /// `[]` f32
    factor: Tensor,
    /// `[]` i32: steps without overflow since the factor last changed.
    good_steps: Tensor,
}

impl LossScale {
    pub(super) fn new(device: Device) -> Result<Self, TchError> {
        Ok(Self {
            factor: Tensor::f_full([], INITIAL, (Kind::Float, device))?,
            good_steps: Tensor::f_zeros([], (Kind::Int, device))?,
        })
    }

    pub(super) fn factor(&self) -> &Tensor {
        &self.factor
    }

    /// Takes notice of a step; `overflowed`: `[]` f32, 0 if it was good.
    pub(super) fn update(&mut self, overflowed: &Tensor) -> Result<(), TrainError> {
        let Self { factor, good_steps } = self;
        let _same =
            factor.f_internal_amp_update_scale_(good_steps, overflowed, GROWTH, BACKOFF, GROWTH_INTERVAL)?;
        Ok(())
    }

    /// The state by name, as checkpoints hold it.
    pub(super) fn state(&self) -> [(&'static str, &Tensor); 2] {
        [("loss_scale", &self.factor), ("loss_scale_good_steps", &self.good_steps)]
    }

    pub(super) fn restore(&self, state: &Weights) -> Result<(), ModelError> {
        self.state().iter().try_for_each(|(name, tensor)| copy_tensor(state, name, tensor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_halves_on_an_overflow_and_doubles_after_two_thousand_good_steps() {
        let mut scale = LossScale::new(Device::Cpu).unwrap();
        let [good, bad] = [0f32, 1.0].map(Tensor::from);
        let mut after = |steps: u32, overflowed: &Tensor| {
            (0..steps).for_each(|_| scale.update(overflowed).unwrap());
            scale.factor().double_value(&[])
        };
        assert_eq!(after(1, &bad), INITIAL / 2.0);
        assert_eq!(after(1999, &good), INITIAL / 2.0);
        assert_eq!(after(1, &bad), INITIAL / 4.0, "and the count begins anew");
        assert_eq!(after(1999, &good), INITIAL / 4.0);
        assert_eq!(after(1, &good), INITIAL / 2.0);
    }
}
