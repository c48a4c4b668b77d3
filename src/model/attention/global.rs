//! The global tokens' own rows: each sees every real token.

use tch::Tensor;

use super::super::{Batch, Globals};
use super::{GlobalProjected, full, kernel};

/// `local` (`[batch, length, heads, head_dim]`) with the rows of global tokens replaced by what
/// they gather from all real tokens.
pub(super) fn replace_rows(
    local: &Tensor,
    global: &GlobalProjected,
    globals: &Globals,
    mask: Option<&Tensor>,
    dropout: f64,
) -> Tensor {
    let [query, key, value] = [&global.query, &global.key, &global.value].map(|x| x.transpose(1, 2));
    let rows = kernel::attend(&query, &key, &value, mask, dropout).transpose(1, 2); // [batch, slots, heads, head_dim]
    globals.replace(local, &rows)
}

/// The additive mask of [`replace_rows`], if it needs one.
pub(super) fn mask(batch: &Batch, kind: tch::Kind) -> Option<Tensor> {
    batch.globals().and_then(|_| full::real_keys(batch, kind))
}
