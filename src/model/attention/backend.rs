//! Which implementation of attention a model computes with.

use std::fmt;

use tch::{Device, Kind, TchError, Tensor};

use super::super::{Batch, ModelError, Positions, Sequence};
use super::{Attend, Blocks, Flash, Full, GlobalProjected, Projected};

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
        if !device.is_cuda() || !matches!(kind, Kind::Half | Kind::BFloat16) {
            return Backend::Blocks;
        }
        match flash_works(device, kind, head_dim) {
            Ok(()) => Backend::Flash,
            Err(error) => {
                tracing::warn!("no flash attention for {kind:?} with heads of {head_dim}: {error}");
                Backend::Blocks
            }
        }
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

/// One head's window over a few tokens of which one is global, forward and backward.
fn flash_works(device: Device, kind: Kind, head_dim: i64) -> Result<(), ModelError> {
    let row = Sequence { input_ids: vec![0; 8], global: vec![0], second_segment: None };
    let batch = Batch::of_sequences(&[row], Positions::FromZero)?.to_device(device)?;
    let zeros = |tokens: i64| -> Result<Tensor, TchError> {
        Tensor::f_zeros([tokens, 1, head_dim], (kind, device))?.f_set_requires_grad(true)
    };
    let local = Projected { query: zeros(8)?, key: zeros(8)?, value: zeros(8)? };
    let global = GlobalProjected { query: zeros(1)?, key: zeros(8)?, value: zeros(8)? };
    let result = Flash::new(&batch, Some(2)).attend(&local, Some(&global), 0.0)?;
    result.f_sum(Kind::Float)?.f_backward()?;
    Ok(())
}
