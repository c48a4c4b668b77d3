//! What a stage takes of a GPU: the memory of its tensors and the energy.

use tch::Device;

use super::manifest::Measures;
use crate::device::{self, Gpu};
use crate::native;

/// Measures from its start on. Of a CPU, and where GPU or driver do not tell, it says nothing.
pub struct Meter {
    gpu: Option<(usize, Gpu)>,
    millijoules: Option<u64>,
}

impl Meter {
    /// Begins, on what a stage is about to compute on.
    pub fn start(device: Device) -> Self {
        let gpu = match device {
            Device::Cuda(number) => described(number).map(|gpu| (number, gpu)),
            _ => None,
        };
        if let Some((number, gpu)) = &gpu {
            told(gpu, native::reset_peak_memory(*number));
        }
        let millijoules = gpu.as_ref().and_then(|(_, gpu)| told(gpu, native::gpu_millijoules(gpu)));
        Self { gpu, millijoules }
    }

    /// Adds what was measured up to now. The energy is all that the GPU has consumed meanwhile, for
    /// other processes too.
    pub fn read_into(&self, measures: &mut Measures) {
        let Some((number, gpu)) = &self.gpu else { return };
        if let Some(memory) = told(gpu, native::device_memory(*number)) {
            measures.insert("peak_device_bytes".into(), memory.peak_allocated.into());
        }
        let now = || told(gpu, native::gpu_millijoules(gpu));
        // Reloading the driver sets the counter back.
        let taken = self.millijoules.and_then(|before| now()?.checked_sub(before));
        if let Some(millijoules) = taken {
            measures.insert("energy_joules".into(), (millijoules as f64 / 1000.0).into());
        }
    }
}

fn described(number: usize) -> Option<Gpu> {
    device::gpus().ok()?.into_iter().nth(number)
}

fn told<T, E: std::fmt::Display>(gpu: &Gpu, answer: Result<T, E>) -> Option<T> {
    answer.inspect_err(|error| tracing::debug!("{} does not tell: {error}", gpu.name)).ok()
}
