//! The definition of sliding-window attention with global tokens, written down as one dense matrix
//! of scores. What the fast implementations are tested against.

use tch::{Kind, Tensor};

use super::super::{Batch, layers};
use super::{Attend, GlobalProjected, Projected};

/// Dense attention under a mask.
#[derive(Debug)]
pub struct Reference<'a> {
    batch: &'a Batch,
    /// Which key each query sees through the local projections, `[batch, 1, length, length]`, bool.
    seen: Tensor,
}

impl<'a> Reference<'a> {
    /// For `batch`, each token seeing `window / 2` positions on either side.
    pub fn new(batch: &'a Batch, window: i64) -> Self {
        let positions = Tensor::arange(batch.length(), (Kind::Int64, batch.input_ids.device()));
        let distance = (positions.unsqueeze(0) - positions.unsqueeze(1)).abs();
        let band = distance.less_equal(window / 2); // [length, length]
        let key_is_global = batch.global_attention.unsqueeze(1); // [batch, 1, length]
        let key_is_real = batch.attention_mask.unsqueeze(1); // [batch, 1, length]
        let seen = band.unsqueeze(0).logical_or(&key_is_global).logical_and(&key_is_real);
        Self { batch, seen: seen.unsqueeze(1) }
    }
}

impl Attend for Reference<'_> {
    fn attend(&self, local: &Projected, global: Option<&GlobalProjected>, dropout: f64) -> Tensor {
        let mut result = dense(&local.query, &local.key, &local.value, &self.seen, dropout);
        if let Some((global, globals)) = global.zip(self.batch.globals()) {
            // A query for every token, though only those of global tokens are used.
            let query = globals.replace(&local.query.zeros_like(), &global.query);
            let all = self.batch.attention_mask.unsqueeze(1).unsqueeze(1); // [batch, 1, 1, length]
            let rows = dense(&query, &global.key, &global.value, &all, dropout);
            let is_global = self.batch.global_attention.unsqueeze(-1).unsqueeze(-1);
            result = rows.where_self(&is_global, &result);
        }
        let is_padding = self.batch.attention_mask.logical_not().unsqueeze(-1).unsqueeze(-1);
        result.masked_fill(&is_padding, 0.0)
    }
}

/// `[batch, length, heads, head_dim]` each; `seen` broadcasts to `[batch, heads, length, length]`.
fn dense(query: &Tensor, key: &Tensor, value: &Tensor, seen: &Tensor, dropout: f64) -> Tensor {
    let head_dim = query.size()[3] as f64;
    let scores = Tensor::einsum("bihd,bjhd->bhij", &[query, key], None::<i64>) / head_dim.sqrt();
    let probabilities = scores.masked_fill(&seen.logical_not(), -1e30).softmax(-1, scores.kind());
    Tensor::einsum("bhij,bjhd->bihd", &[&layers::dropout(probabilities, dropout), value], None::<i64>)
}
