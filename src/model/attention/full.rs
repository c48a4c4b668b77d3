//! Full attention: every token sees every token of its row.

use tch::{Kind, TchError, Tensor};

use super::super::Batch;
use super::rectangle::Rectangle;
use super::{Attend, GlobalProjected, Projected, kernel};

/// Attention of all tokens of a row to each other.
#[derive(Debug)]
pub struct Full {
    rectangle: Rectangle,
    /// Additive, `[rows, 1, 1, length]`; none if all rows are equally long.
    mask: Option<Tensor>,
}

impl Full {
    /// For `batch`; `kind` is that of queries, keys and values.
    pub fn new(batch: &Batch, kind: Kind) -> Result<Self, TchError> {
        let rectangle = Rectangle::new(batch)?;
        Ok(Self { mask: occupied_keys(&rectangle, kind)?, rectangle })
    }
}

/// The additive mask that hides cells without a token, `[rows, 1, 1, length]`; none if there are none.
pub(super) fn occupied_keys(rectangle: &Rectangle, kind: Kind) -> Result<Option<Tensor>, TchError> {
    let shape = [rectangle.rows(), 1, 1, rectangle.length()];
    rectangle.occupied().map(|occupied| kernel::additive(occupied, kind)?.f_view(shape)).transpose()
}

impl Attend for Full {
    fn attend(
        &self,
        local: &Projected,
        _global: Option<&GlobalProjected>,
        dropout: f64,
    ) -> Result<Tensor, TchError> {
        let cells = |tokens| self.rectangle.cells(tokens)?.f_transpose(1, 2);
        let (query, key, value) = (cells(&local.query)?, cells(&local.key)?, cells(&local.value)?);
        let result = kernel::attend(&query, &key, &value, self.mask.as_ref(), dropout)?;
        self.rectangle.tokens(&result.f_transpose(1, 2)?)
    }
}
