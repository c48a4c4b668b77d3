//! softmax(Q Kᵀ / √d + mask) V, by the fastest way the device has.

use tch::{Device, Kind, TchError, Tensor};

use crate::native;

/// The score added where a key must not be seen. Finite, so that a query that sees no key at all
/// gives numbers (to be thrown away) and not NaN, which would survive in gradients; far below any
/// score, so that its weight is exactly zero beside a key that is seen.
fn unseen(kind: Kind) -> f64 {
    match kind {
        // Its largest number is 65,504.
        Kind::Half => -3e4,
        _ => -1e30,
    }
}

/// The mask to add to scores: 0 where `seen`, else far below any score.
pub(super) fn additive(seen: &Tensor, kind: Kind) -> Result<Tensor, TchError> {
    seen.f_zeros_like()?.f_to_kind(kind)?.f_masked_fill(&seen.f_logical_not()?, unseen(kind))
}

/// `query`: `[rows, heads, queries, head_dim]`; `key`, `value`: `[rows, heads, keys, head_dim]`;
/// `mask`: of their kind, broadcast to `[rows, heads, queries, keys]`. Gives `query`'s shape.
pub(super) fn attend(
    query: &Tensor,
    key: &Tensor,
    value: &Tensor,
    mask: Option<&Tensor>,
    dropout: f64,
) -> Result<Tensor, TchError> {
    if dropout > 0.0 && query.device() == Device::Cpu {
        return attend_with_dropout(query, key, value, mask, dropout);
    }
    let is_causal = false;
    let default_scale = None;
    let grouped_queries = false;
    Tensor::f_scaled_dot_product_attention(
        query,
        key,
        value,
        mask,
        dropout,
        is_causal,
        default_scale,
        grouped_queries,
    )
}

/// libtorch's fused kernel for CPUs knows no dropout, and what it falls back to walks over the scores
/// several times more than needed.
fn attend_with_dropout(
    query: &Tensor,
    key: &Tensor,
    value: &Tensor,
    mask: Option<&Tensor>,
    dropout: f64,
) -> Result<Tensor, TchError> {
    let head_dim = query.size().last().copied().unwrap_or(1) as f64;
    let scaled = query.f_mul_scalar(head_dim.powf(-0.5))?;
    let mut scores = scaled.f_matmul(&key.f_transpose(-2, -1)?)?; // [rows, heads, queries, keys]
    if let Some(mask) = mask {
        // In place: the product's own gradient does not need the product.
        let _same = scores.f_add_(mask)?;
    }
    native::softmax_dropout(&scores, dropout)?.f_matmul(value)
}
