//! Which row of the position embedding a token has: BERT's way of counting, and RoBERTa's.

/// How tokens are numbered: which row of the position embedding each has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Positions {
    /// 0, 1, 2, …, whatever the tokens are.
    FromZero,
    /// From the row after `padding_id`'s; a token that happens to be padding has padding's row and
    /// takes no number.
    After {
        /// The model's padding.
        padding_id: i64,
    },
}

impl Positions {
    /// The first token's row.
    pub(super) fn first_row(self) -> i64 {
        match self {
            Positions::FromZero => 0,
            Positions::After { padding_id } => padding_id + 1,
        }
    }

    /// The row that padding has, which is no token's.
    pub(super) fn padding_row(self) -> Option<i64> {
        match self {
            Positions::FromZero => None,
            Positions::After { padding_id } => Some(padding_id),
        }
    }

    /// The row of each of `tokens`, in order.
    pub(super) fn rows(self, tokens: &[i64]) -> impl Iterator<Item = i64> {
        let mut next = self.first_row();
        tokens.iter().map(move |id| match self.padding_row() {
            Some(padding) if *id == padding => padding,
            _ => {
                next += 1;
                next - 1
            }
        })
    }
}
