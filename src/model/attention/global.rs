//! The global tokens in rows of equally many slots: what all others see, and their own view of the rest.

use tch::{Kind, TchError, Tensor};

use super::super::Batch;
use super::super::batch::upload;
use super::rectangle::Rectangle;
use super::{GlobalProjected, full, kernel};

/// The global tokens of a batch, gathered into equally many slots per row.
#[derive(Debug)]
pub(super) struct Slots {
    rows: i64,
    /// As many as the most global tokens in one row, or a few more.
    slots: i64,
    /// For each slot its token, `[rows · slots]`, i64; an empty one names the first token.
    token_of_slot: Tensor,
    /// For each global token its slot, `[globals]`, i64.
    slot_of_token: Tensor,
    /// True where a slot holds a token, `[rows, slots]`, bool.
    present: Tensor,
    /// Additive, `[rows, 1, 1, length]`: what global tokens do not see.
    mask: Option<Tensor>,
}

impl Slots {
    /// None if no row has a global token.
    pub(super) fn new(batch: &Batch, rectangle: &Rectangle, kind: Kind) -> Result<Option<Self>, TchError> {
        let Some(globals) = batch.globals() else { return Ok(None) };
        // GPUs' fused kernels want rows of masks to begin at multiples of 16 bytes.
        let slots = (globals.longest as usize).next_multiple_of(8);
        let (mut token_of_slot, mut slot_of_token, mut present) = (vec![], vec![], vec![]);
        for (index, row) in batch.rows().iter().enumerate() {
            for slot in 0..slots {
                let is_filled = slot < row.globals.len();
                token_of_slot.push(if is_filled { slot_of_token.len() as i64 } else { 0 });
                present.push(is_filled);
                if is_filled {
                    slot_of_token.push((index * slots + slot) as i64);
                }
            }
        }
        let (rows, slots, device) = (rectangle.rows(), slots as i64, batch.device());
        Ok(Some(Self {
            rows,
            slots,
            token_of_slot: upload(&Tensor::f_from_slice(&token_of_slot)?, device)?,
            slot_of_token: upload(&Tensor::f_from_slice(&slot_of_token)?, device)?,
            present: upload(&Tensor::f_from_slice(&present)?.f_view([rows, slots])?, device)?,
            mask: full::occupied_keys(rectangle, kind)?,
        }))
    }

    /// True where a slot holds a token, `[rows, slots]`, bool.
    pub(super) fn present(&self) -> &Tensor {
        &self.present
    }

    /// The global tokens' vectors, which come first in `tokens`: `[tokens, …]` to `[rows, slots, …]`.
    pub(super) fn select(&self, tokens: &Tensor) -> Result<Tensor, TchError> {
        let mut shape = tokens.size();
        shape.splice(0..1, [self.rows, self.slots]);
        tokens.f_index_select(0, &self.token_of_slot)?.f_view(shape.as_slice())
    }

    /// What the global tokens gather, `[globals, heads, head_dim]`: each sees its whole row.
    pub(super) fn attend(
        &self,
        global: &GlobalProjected,
        rectangle: &Rectangle,
        dropout: f64,
    ) -> Result<Tensor, TchError> {
        let query = self.select(&global.query)?.f_transpose(1, 2)?;
        let key = rectangle.cells(&global.key)?.f_transpose(1, 2)?;
        let value = rectangle.cells(&global.value)?.f_transpose(1, 2)?;
        let result = kernel::attend(&query, &key, &value, self.mask.as_ref(), dropout)?;
        result.f_transpose(1, 2)?.f_flatten(0, 1)?.f_index_select(0, &self.slot_of_token)
    }
}
