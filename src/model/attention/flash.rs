//! Attention by variable-length flash kernels, on the packed tokens as they lie.
//!
//! Each token that is not global sees the others of its row within the window, and all global tokens of
//! its row: two sets of keys without a common one, merged by log-sum-exp. The others form rows of their
//! own, in which distances are those of the whole row wherever the global tokens stand at its beginning,
//! as the question does in every task here; [`Flash::takes`] says for which batches that holds. The global
//! tokens' own view of the row is made of the same two sets.

use tch::{TchError, Tensor};

use super::super::Batch;
use super::{Attend, GlobalProjected, Projected};
use crate::native::{PackedKeys, Stretch, packed_attention};

/// Flash attention over a batch whose global tokens stand at the beginning of each row.
#[derive(Debug)]
pub struct Flash<'a> {
    batch: &'a Batch,
    window: Option<i64>,
}

/// Keys and values of one kind of tokens.
struct Part<'a> {
    key: Tensor,
    value: Tensor,
    stretch: &'a Stretch,
}

impl<'a> Part<'a> {
    fn keys(&self) -> PackedKeys<'_> {
        PackedKeys { key: &self.key, value: &self.value, stretch: self.stretch }
    }
}

impl<'a> Flash<'a> {
    /// Each token sees `window / 2` positions on either side, or its whole row without a window. The
    /// batch must be one that [`Flash::takes`].
    pub fn new(batch: &'a Batch, window: Option<i64>) -> Self {
        Self { batch, window }
    }

    /// Whether the global tokens of each row, if any, are its first ones. Without windows there must
    /// be none, so that the rows lie there whole.
    pub fn takes(batch: &Batch, window: Option<i64>) -> bool {
        let is_prefix = |globals: &[usize]| globals.last().is_none_or(|last| last + 1 == globals.len());
        match window {
            None => batch.globals().is_none(),
            Some(_) => batch.rows().iter().all(|row| is_prefix(&row.globals)),
        }
    }

    /// The keys and values of the global tokens, and of the others.
    fn parts(&self, key: &Tensor, value: &Tensor, globals: &'a Stretch) -> Result<[Part<'a>; 2], TchError> {
        let (count, tokens) = (self.batch.count_globals(), self.batch.tokens());
        let part = |start, length, stretch| -> Result<Part<'a>, TchError> {
            Ok(Part {
                key: key.f_narrow(0, start, length)?,
                value: value.f_narrow(0, start, length)?,
                stretch,
            })
        };
        Ok([part(0, count, globals)?, part(count, tokens - count, self.batch.others())?])
    }
}

impl Attend for Flash<'_> {
    fn attend(
        &self,
        local: &Projected,
        global: Option<&GlobalProjected>,
        dropout: f64,
    ) -> Result<Tensor, TchError> {
        let side = self.window.map(|window| window / 2);
        let others = self.batch.others();
        let Some((global, globals)) = global.zip(self.batch.globals()) else {
            let keys = PackedKeys { key: &local.key, value: &local.value, stretch: others };
            return packed_attention(&local.query, others, &keys, side, None, dropout);
        };
        let [of_globals, of_others] = self.parts(&global.key, &global.value, globals)?;
        let far = (of_others.key.size3()?.0 > 0).then(|| of_others.keys());
        let seen_by_globals =
            packed_attention(&global.query, globals, &of_globals.keys(), None, far.as_ref(), dropout)?;
        if far.is_none() {
            return Ok(seen_by_globals);
        }
        let [of_globals, of_others] = self.parts(&local.key, &local.value, globals)?;
        let query = local.query.f_narrow(0, self.batch.count_globals(), of_others.key.size3()?.0)?;
        let seen_by_others =
            packed_attention(&query, others, &of_others.keys(), side, Some(&of_globals.keys()), dropout)?;
        Tensor::f_cat(&[seen_by_globals, seen_by_others], 0)
    }
}
