//! Full attention: every token sees every real token.

use tch::{Kind, Tensor};

use super::super::{Batch, Padding};
use super::{Attend, GlobalProjected, Projected, kernel};

/// Attention of all tokens to all real ones.
#[derive(Debug)]
pub struct Full {
    /// Additive, `[batch, 1, 1, length]`; none without padding.
    mask: Option<Tensor>,
}

impl Full {
    /// For `batch`; `kind` is that of queries, keys and values.
    pub fn new(batch: &Batch, kind: Kind) -> Self {
        Self { mask: real_keys(batch, kind) }
    }
}

/// The additive mask that hides padded keys, `[batch, 1, 1, length]`; none without padding.
pub(super) fn real_keys(batch: &Batch, kind: Kind) -> Option<Tensor> {
    match batch.padding() {
        Padding::Absent => None,
        Padding::Present => {
            Some(kernel::additive(&batch.attention_mask, kind).view([batch.size(), 1, 1, batch.length()]))
        }
    }
}

impl Attend for Full {
    fn attend(&self, local: &Projected, _global: Option<&GlobalProjected>, dropout: f64) -> Tensor {
        let [query, key, value] = [&local.query, &local.key, &local.value].map(|x| x.transpose(1, 2));
        kernel::attend(&query, &key, &value, self.mask.as_ref(), dropout).transpose(1, 2)
    }
}
