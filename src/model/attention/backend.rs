//! Which implementation of attention a model computes with.

use std::fmt;

use tch::{Device, Kind, Tensor};

use super::super::{Batch, ModelError, Sequence};
use super::{Attend, Blocks, Flash, Full, Projected};

/// An implementation of both kinds of attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// [`Blocks`] and [`Full`]: fused kernels over rows of equal length, on any device.
    Blocks,
    /// [`Flash`], where the batch allows it: CUDA in half precision. (On a CPU a slow stand-in, for tests.)
    Flash,
}

impl Backend {
    /// The fastest that `device` has for numbers of `kind` in heads of `head_dim`, found by trying.
    pub fn available(device: Device, kind: Kind, head_dim: i64) -> Self {
        let has_flash = device.is_cuda() && flash_works(device, kind, head_dim).is_ok();
        if has_flash { Backend::Flash } else { Backend::Blocks }
    }

    /// The plan for sliding attention with the given window, or for full attention.
    pub fn plan<'a>(
        self,
        batch: &'a Batch,
        window: Option<i64>,
        kind: Kind,
    ) -> Result<Box<dyn Attend + 'a>, ModelError> {
        Ok(match (self, window) {
            (Backend::Flash, _) if Flash::takes(batch, window) => Box::new(Flash::new(batch, window)),
            (_, Some(window)) => Box::new(Blocks::new(batch, window, kind)?),
            (_, None) => Box::new(Full::new(batch, kind)?),
        })
    }
}

/// As manifests and `longqa env` name it.
impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Backend::Blocks => "blocks",
            Backend::Flash => "flash",
        })
    }
}

/// One head's window over a few tokens.
fn flash_works(device: Device, kind: Kind, head_dim: i64) -> Result<(), ModelError> {
    let row = Sequence { input_ids: vec![0; 8], global: vec![] };
    let batch = Batch::of_sequences(&[row], -1)?.to_device(device)?;
    let zeros = Tensor::f_zeros([8, 1, head_dim], (kind, device))?;
    let [query, key, value] = [(); 3].map(|()| zeros.shallow_clone());
    let _result = Flash::new(&batch, Some(2)).attend(&Projected { query, key, value }, None, 0.0)?;
    Ok(())
}
