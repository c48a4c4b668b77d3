//! Sliding-window attention in blocks of queries: each block against the keys around it and the
//! global keys, by one call of the fused kernel. Time and memory grow linearly with the length.
//!
//! A block of `block` queries sees the `block + 2 · half` keys from `half` before its first query to
//! `half` after its last; a mask, made once for a batch, cuts the band out of that rectangle. The
//! rows of a batch are laid end to end with `half` zeros at either end, so that the overlapping
//! rectangles of keys are one strided view; keys that belong to a neighbouring row are masked.
//! Global keys are masked in the rectangles and appended to each, so that they are seen once by all.

use tch::{Kind, TchError, Tensor};

use super::super::Batch;
use super::global::Slots;
use super::rectangle::Rectangle;
use super::{Attend, GlobalProjected, Projected, kernel};

/// Queries in a block, at least: with a small window, shorter blocks would leave nothing to multiply.
const SHORTEST_BLOCK: i64 = 64;
/// Queries in a block, at most: longer ones look at more keys outside the band. For a window of 512
/// this was 4 % faster in a training step on a CPU than 256, and as fast as 64.
const LONGEST_BLOCK: i64 = 128;

/// Blocks of queries over a batch.
#[derive(Debug)]
pub struct Blocks {
    rectangle: Rectangle,
    grid: Grid,
    slots: Option<Slots>,
    /// Additive, `[rows · blocks, 1, block, keys]`; none if every query sees every key.
    mask: Option<Tensor>,
}

/// How a row of tokens is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Grid {
    length: i64,
    /// Queries in a block.
    block: i64,
    /// Blocks in a row; the last one may reach past the row's end.
    blocks: i64,
    /// Positions seen on either side.
    half: i64,
    /// Keys before a block's first query, and after its last.
    margin: i64,
}

impl Grid {
    fn cover(length: i64, window: i64) -> Self {
        let half = window / 2;
        let block = half.clamp(SHORTEST_BLOCK, LONGEST_BLOCK);
        if length <= block + 2 * half {
            // One block is the whole row, its keys too.
            return Self { length, block: length, blocks: 1, half, margin: 0 };
        }
        Self { length, block, blocks: (length + block - 1) / block, half, margin: half }
    }

    /// Keys around a block.
    fn span(&self) -> i64 {
        self.block + 2 * self.margin
    }

    /// How far the last block reaches past the row's end.
    fn excess(&self) -> i64 {
        self.blocks * self.block - self.length
    }

    /// Whether the band covers all keys of a block.
    fn band_is_everything(&self) -> bool {
        self.blocks == 1 && self.length <= self.half + 1
    }

    /// Queries, `[rows, length, heads, head_dim]` to `[rows · blocks, block, heads, head_dim]`.
    fn queries(&self, cells: &Tensor) -> Result<Tensor, TchError> {
        let (_rows, _length, heads, head_dim) = cells.size4()?;
        pad_rows(cells, 0, self.excess())?.f_reshape([-1, self.block, heads, head_dim])
    }

    /// Keys or values, `[rows, length, heads, head_dim]` to `[rows · blocks, span, heads, head_dim]`.
    fn neighbourhoods(&self, cells: &Tensor) -> Result<Tensor, TchError> {
        if self.blocks == 1 {
            return Ok(cells.shallow_clone());
        }
        let one_row = cells.size().first() == Some(&1);
        let stream = if one_row {
            pad_rows(cells, self.margin, self.margin + self.excess())?.f_squeeze_dim(0)?
        } else {
            let rows = pad_rows(cells, 0, self.excess())?.f_flatten(0, 1)?;
            pad_rows(&rows.f_unsqueeze(0)?, self.margin, self.margin)?.f_squeeze_dim(0)?
        }; // [rows · blocks · block + 2 · margin, heads, head_dim]
        stream.f_unfold(0, self.span(), self.block)?.f_permute([0, 3, 1, 2])
    }

    /// Results, `[rows · blocks, block, heads, head_dim]` back to `[rows, length, heads, head_dim]`.
    fn rows(&self, blocks: &Tensor) -> Result<Tensor, TchError> {
        let (_blocks, _block, heads, head_dim) = blocks.size4()?;
        let padded = blocks.f_reshape([-1, self.blocks * self.block, heads, head_dim])?;
        padded.f_narrow(1, 0, self.length)
    }

    /// Which key of its neighbourhood each query sees, given which keys can be seen in the band at
    /// all: `[rows, length]` to `[rows · blocks, block, span]`, bool.
    fn band(&self, visible: &Tensor) -> Result<Tensor, TchError> {
        let keys = if self.blocks == 1 {
            visible.f_unsqueeze(1)?
        } else {
            let padding = [self.margin, self.margin + self.excess()];
            visible.f_constant_pad_nd(padding)?.f_unfold(1, self.span(), self.block)?
        }; // [rows, blocks, span]
        let keys = keys.f_reshape([-1, 1, self.span()])?;
        let options = (Kind::Int64, visible.device());
        // Both counted from the block's first query.
        let query = Tensor::f_arange(self.block, options)?.f_unsqueeze(1)?;
        let key = Tensor::f_arange(self.span(), options)?.f_sub_scalar(self.margin)?;
        let near = query.f_sub(&key)?.f_abs()?.f_less_equal(self.half)?; // [block, span]
        near.f_unsqueeze(0)?.f_logical_and(&keys)
    }
}

/// `[rows, length, heads, head_dim]` with zeros before and after each row.
fn pad_rows(cells: &Tensor, before: i64, after: i64) -> Result<Tensor, TchError> {
    match (before, after) {
        (0, 0) => Ok(cells.shallow_clone()),
        _ => cells.f_constant_pad_nd([0, 0, 0, 0, before, after]),
    }
}

impl Blocks {
    /// For `batch`, each token seeing `window / 2` positions on either side; `kind` is that of
    /// queries, keys and values.
    pub fn new(batch: &Batch, window: i64, kind: Kind) -> Result<Self, TchError> {
        let rectangle = Rectangle::new(batch)?;
        let grid = Grid::cover(batch.length(), window);
        let slots = Slots::new(batch, &rectangle, kind)?;
        let seen = match &slots {
            None if rectangle.occupied().is_none() && grid.band_is_everything() => None,
            None => Some(grid.band(&rectangle.holds_other(batch)?)?),
            Some(slots) => {
                let near = grid.band(&rectangle.holds_other(batch)?)?;
                let far = repeat(slots.present(), grid.blocks)?.f_unsqueeze(1)?; // [rows · blocks, 1, slots]
                Some(Tensor::f_cat(&[near, far.f_expand([-1, grid.block, -1], false)?], 2)?)
            }
        };
        let mask = seen.map(|seen| kernel::additive(&seen, kind)?.f_unsqueeze(1)).transpose()?;
        Ok(Self { rectangle, grid, slots, mask })
    }

    /// The keys or values each block sees, `[rows · blocks, heads, keys, head_dim]`.
    fn seen_by_blocks(&self, tokens: &Tensor) -> Result<Tensor, TchError> {
        let near = self.grid.neighbourhoods(&self.rectangle.cells(tokens)?)?; // [rows · blocks, span, heads, head_dim]
        let seen = match &self.slots {
            None => near,
            Some(slots) => Tensor::f_cat(&[near, repeat(&slots.select(tokens)?, self.grid.blocks)?], 1)?,
        };
        seen.f_transpose(1, 2)
    }
}

/// `[rows, …]` to `[rows · times, …]`, each row `times` times over.
fn repeat(rows: &Tensor, times: i64) -> Result<Tensor, TchError> {
    let mut shape = rows.size();
    shape.insert(1, times);
    rows.f_unsqueeze(1)?.f_expand(shape.as_slice(), false)?.f_flatten(0, 1)
}

impl Attend for Blocks {
    fn attend(
        &self,
        local: &Projected,
        global: Option<&GlobalProjected>,
        dropout: f64,
    ) -> Result<Tensor, TchError> {
        let query = self.grid.queries(&self.rectangle.cells(&local.query)?)?.f_transpose(1, 2)?;
        let key = self.seen_by_blocks(&local.key)?;
        let value = self.seen_by_blocks(&local.value)?;
        let blocks = kernel::attend(&query, &key, &value, self.mask.as_ref(), dropout)?; // [rows · blocks, heads, block, head_dim]
        let others = self.rectangle.others(&self.grid.rows(&blocks.f_transpose(1, 2)?)?)?;
        match global.zip(self.slots.as_ref()) {
            None => Ok(others),
            Some((global, slots)) => {
                Tensor::f_cat(&[slots.attend(global, &self.rectangle, dropout)?, others], 0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_covers_every_query_once() {
        for (length, window) in
            [(1, 2), (65, 2), (66, 2), (67, 2), (512, 512), (769, 512), (4095, 512), (5000, 4096)]
        {
            let grid = Grid::cover(length, window);
            assert!(
                grid.blocks * grid.block >= length && (grid.blocks - 1) * grid.block < length,
                "{grid:?}"
            );
            assert!(grid.blocks == 1 || grid.span() == grid.block + window, "{grid:?}");
        }
    }
}
