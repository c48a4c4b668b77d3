//! The definition of sliding-window attention with global tokens, written down as one dense matrix
//! of scores. What the fast implementations are tested against.

use tch::{Device, Kind, TchError, Tensor};

use super::super::{Batch, layers};
use super::{Attend, GlobalProjected, Projected};

/// Dense attention under a mask, over all tokens of a batch at once.
#[derive(Debug)]
pub struct Reference {
    /// Which key each query sees through the local projections, `[tokens, tokens]`, bool.
    near: Tensor,
    /// Which key is of the same row, `[tokens, tokens]`, bool.
    same_row: Tensor,
    globals: i64,
}

impl Reference {
    /// For `batch`, each token seeing `window / 2` positions on either side, or its whole row.
    pub fn new(batch: &Batch, window: Option<i64>) -> Result<Self, TchError> {
        // The row and the position of each token, in packed order.
        let mut places = vec![(0, 0); batch.tokens() as usize];
        for (cell, token) in batch.places().into_iter().enumerate() {
            if let Some(token) = token {
                places[token as usize] = (cell as i64 / batch.length(), cell as i64 % batch.length());
            }
        }
        let (rows, positions): (Vec<i64>, Vec<i64>) = places.into_iter().unzip();
        let pairs = |values: &[i64]| -> Result<Tensor, TchError> {
            let values = Tensor::f_from_slice(values)?;
            values.f_unsqueeze(1)?.f_sub(&values.f_unsqueeze(0)?)
        };
        let same_row = pairs(&rows)?.f_eq(0)?;
        let near = match window {
            None => same_row.shallow_clone(),
            Some(window) => {
                let band = pairs(&positions)?.f_abs()?.f_less_equal(window / 2)?;
                let tokens = Tensor::f_arange(batch.tokens(), (Kind::Int64, Device::Cpu))?;
                let key_is_global = tokens.f_less(batch.count_globals())?;
                band.f_logical_or(&key_is_global)?.f_logical_and(&same_row)?
            }
        };
        let device = batch.device();
        Ok(Self {
            near: near.f_to(device)?,
            same_row: same_row.f_to(device)?,
            globals: batch.count_globals(),
        })
    }
}

impl Attend for Reference {
    fn attend(
        &self,
        local: &Projected,
        global: Option<&GlobalProjected>,
        dropout: f64,
    ) -> Result<Tensor, TchError> {
        let result = dense(&local.query, &local.key, &local.value, &self.near, dropout)?;
        let Some(global) = global else { return Ok(result) };
        let seen = self.same_row.f_narrow(0, 0, self.globals)?;
        let of_globals = dense(&global.query, &global.key, &global.value, &seen, dropout)?;
        let others = result.size3()?.0 - self.globals;
        Tensor::f_cat(&[of_globals, result.f_narrow(0, self.globals, others)?], 0)
    }
}

/// `[queries, heads, head_dim]` against `[keys, heads, head_dim]`; `seen`: `[queries, keys]`.
fn dense(
    query: &Tensor,
    key: &Tensor,
    value: &Tensor,
    seen: &Tensor,
    dropout: f64,
) -> Result<Tensor, TchError> {
    let head_dim = query.size3()?.2 as f64;
    let scores = Tensor::f_einsum("ihd,jhd->hij", &[query, key], None::<i64>)?;
    let scores = scores.f_mul_scalar(head_dim.powf(-0.5))?.f_masked_fill(&seen.f_logical_not()?, -1e30)?;
    let probabilities = layers::dropout(scores.f_softmax(-1, scores.kind())?, dropout)?;
    Tensor::f_einsum("hij,jhd->ihd", &[&probabilities, value], None::<i64>)
}
