//! The rate that matrix products reach on this machine: what a training step is held against.

use std::time::Instant;

use tch::{Device, Kind, TchError, Tensor};

use crate::native;

const PRODUCTS: usize = 10;

/// Multiplications and additions per second of a large product of random matrices: on a CPU the encoder's
/// largest, 4096 × 768 by 768 × 3072; elsewhere one that fills a GPU.
pub fn matmul_rate(kind: Kind, device: Device) -> Result<f64, TchError> {
    let [rows, inner, columns] = match device {
        Device::Cpu => [4096, 768, 3072],
        _ => [8192; 3],
    };
    let random = |shape: [i64; 2]| Tensor::f_randn(shape, (kind, device));
    let (left, right) = (random([rows, inner])?, random([inner, columns])?);
    let timed = || {
        synchronize(device)?;
        let started = Instant::now();
        let _product = left.f_matmul(&right)?;
        synchronize(device)?;
        Ok(started.elapsed().as_secs_f64())
    };
    timed()?; // wakes threads and libraries
    let seconds = (0..PRODUCTS).map(|_| timed()).collect::<Result<_, TchError>>()?;
    Ok(2.0 * (rows * inner * columns) as f64 / Spread::of(seconds).median)
}

/// Waits until the device has done all it was told.
pub fn synchronize(device: Device) -> Result<(), TchError> {
    match device {
        Device::Cuda(number) => native::synchronize(number),
        _ => Ok(()),
    }
}

/// The middle and the ends of some measurements.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Of an even number, the mean of the two in the middle.
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// Of at least one value.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let last = values.len() - 1;
        let median = (values[last / 2] + values[last.div_ceil(2)]) / 2.0;
        Self { median, min: values[0], max: values[last] }
    }

    /// The same of `numerator / value`.
    pub fn rates(self, numerator: f64) -> Self {
        let [median, max, min] = [self.median, self.min, self.max].map(|value| numerator / value);
        Self { median, min, max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_step_has_the_highest_rate() {
        let seconds = Spread::of(vec![4.0, 1.0, 2.0, 2.0]);
        assert_eq!(seconds, Spread { median: 2.0, min: 1.0, max: 4.0 });
        assert_eq!(seconds.rates(8.0), Spread { median: 4.0, min: 2.0, max: 8.0 });
        assert_eq!(Spread::of(vec![3.0]), Spread { median: 3.0, min: 3.0, max: 3.0 });
        assert_eq!(Spread::of(vec![1.0, 4.0]).median, 2.5);
    }
}
