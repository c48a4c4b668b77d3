//! Sliding-window attention in blocks of queries: each block against the keys around it and the
//! global keys, by one call of the fused kernel. Time and memory grow linearly with the length.
//!
//! A block of `block` queries sees the `block + 2 · half` keys from `half` before its first query to
//! `half` after its last; a mask, made once for a batch, cuts the band out of that rectangle. The
//! rows of a batch are laid end to end with `half` zeros at either end, so that the overlapping
//! rectangles of keys are one strided view; keys that belong to a neighbouring row are masked.
//! Global keys are masked in the rectangles and appended to each, so that they are seen once by all.

use tch::{Kind, Tensor};

use super::super::{Batch, Globals, Padding};
use super::{Attend, GlobalProjected, Projected, global, kernel};

/// Queries in a block, at least: with a small window, shorter blocks would leave nothing to multiply.
const SHORTEST_BLOCK: i64 = 64;
/// Queries in a block, at most: longer ones look at more keys outside the band.
const LONGEST_BLOCK: i64 = 256;

/// Blocks of queries over a batch.
#[derive(Debug)]
pub struct Blocks<'a> {
    batch: &'a Batch,
    grid: Grid,
    /// Additive, `[batch · blocks, 1, block, keys]`; none if every query sees every key.
    mask: Option<Tensor>,
    /// Additive, `[batch, 1, 1, length]`, for the global tokens' own rows.
    global_mask: Option<Tensor>,
    /// True for padded tokens, `[batch, length, 1, 1]`; none without padding.
    is_padding: Option<Tensor>,
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

    /// Queries, `[batch, length, heads, head_dim]` to `[batch · blocks, block, heads, head_dim]`.
    fn queries(&self, tokens: &Tensor) -> Tensor {
        let (_batch, _length, heads, head_dim) = tokens.size4().expect("projections have four dimensions");
        pad_rows(tokens, 0, self.excess()).view([-1, self.block, heads, head_dim])
    }

    /// Keys or values, `[batch, length, heads, head_dim]` to `[batch · blocks, span, heads, head_dim]`.
    fn neighbourhoods(&self, tokens: &Tensor) -> Tensor {
        if self.blocks == 1 {
            return tokens.shallow_clone();
        }
        let one_row = tokens.size().first() == Some(&1);
        let stream = if one_row {
            pad_rows(tokens, self.margin, self.margin + self.excess()).squeeze_dim(0)
        } else {
            let rows = pad_rows(tokens, 0, self.excess()).flatten(0, 1);
            pad_rows(&rows.unsqueeze(0), self.margin, self.margin).squeeze_dim(0)
        }; // [batch · blocks · block + 2 · margin, heads, head_dim]
        stream.unfold(0, self.span(), self.block).permute([0, 3, 1, 2])
    }

    /// Results, `[batch · blocks, block, heads, head_dim]` back to `[batch, length, heads, head_dim]`.
    fn rows(&self, blocks: &Tensor) -> Tensor {
        let (_blocks, _block, heads, head_dim) = blocks.size4().expect("results have four dimensions");
        blocks.reshape([-1, self.blocks * self.block, heads, head_dim]).narrow(1, 0, self.length)
    }

    /// Which key of its neighbourhood each query sees, given which keys can be seen in the band at
    /// all: `[batch, length]` to `[batch · blocks, block, span]`, bool.
    fn band(&self, visible: &Tensor) -> Tensor {
        let keys = if self.blocks == 1 {
            visible.unsqueeze(1)
        } else {
            let padding = [self.margin, self.margin + self.excess()];
            visible.constant_pad_nd(padding).unfold(1, self.span(), self.block)
        }; // [batch, blocks, span]
        let keys = keys.reshape([-1, 1, self.span()]);
        let options = (Kind::Int64, visible.device());
        // Both counted from the block's first query.
        let query = Tensor::arange(self.block, options).unsqueeze(1);
        let key = Tensor::arange(self.span(), options) - self.margin;
        let near = (query - key).abs().less_equal(self.half); // [block, span]
        near.unsqueeze(0).logical_and(&keys)
    }
}

/// `[batch, length, heads, head_dim]` with zeros before and after each row.
fn pad_rows(tokens: &Tensor, before: i64, after: i64) -> Tensor {
    match (before, after) {
        (0, 0) => tokens.shallow_clone(),
        _ => tokens.constant_pad_nd([0, 0, 0, 0, before, after]),
    }
}

impl<'a> Blocks<'a> {
    /// For `batch`, each token seeing `window / 2` positions on either side; `kind` is that of
    /// queries, keys and values.
    pub fn new(batch: &'a Batch, window: i64, kind: Kind) -> Self {
        let grid = Grid::cover(batch.length(), window);
        let seen = match (batch.globals(), batch.padding()) {
            (None, Padding::Absent) if grid.band_is_everything() => None,
            (None, _) => Some(grid.band(&batch.attention_mask)),
            (Some(globals), _) => {
                let local = batch.attention_mask.logical_and(&batch.global_attention.logical_not());
                let near = grid.band(&local);
                let far = repeat(&globals.present, grid.blocks).unsqueeze(1); // [batch · blocks, 1, slots]
                Some(Tensor::cat(&[near, far.expand([-1, grid.block, -1], false)], 2))
            }
        };
        let is_padding = match batch.padding() {
            Padding::Absent => None,
            Padding::Present => {
                Some(batch.attention_mask.logical_not().view([batch.size(), batch.length(), 1, 1]))
            }
        };
        Self {
            batch,
            grid,
            mask: seen.map(|seen| kernel::additive(&seen, kind).unsqueeze(1)),
            global_mask: global::mask(batch, kind),
            is_padding,
        }
    }

    /// The keys or values each block sees, `[batch · blocks, heads, keys, head_dim]`.
    fn seen_by_blocks(&self, tokens: &Tensor, globals: Option<&Globals>) -> Tensor {
        let near = self.grid.neighbourhoods(tokens); // [batch · blocks, span, heads, head_dim]
        let seen = match globals {
            None => near,
            Some(globals) => Tensor::cat(&[near, repeat(&globals.select(tokens), self.grid.blocks)], 1),
        };
        seen.transpose(1, 2)
    }
}

/// `[batch, …]` to `[batch · times, …]`, each row `times` times over.
fn repeat(rows: &Tensor, times: i64) -> Tensor {
    let mut shape = rows.size();
    shape.insert(1, times);
    rows.unsqueeze(1).expand(shape.as_slice(), false).flatten(0, 1)
}

impl Attend for Blocks<'_> {
    fn attend(&self, local: &Projected, global: Option<&GlobalProjected>, dropout: f64) -> Tensor {
        let globals = self.batch.globals();
        let query = self.grid.queries(&local.query).transpose(1, 2);
        let key = self.seen_by_blocks(&local.key, globals);
        let value = self.seen_by_blocks(&local.value, globals);
        let blocks = kernel::attend(&query, &key, &value, self.mask.as_ref(), dropout); // [batch · blocks, heads, block, head_dim]
        let mut result = self.grid.rows(&blocks.transpose(1, 2));
        if let Some(is_padding) = &self.is_padding {
            result = result.masked_fill(is_padding, 0.0);
        }
        match global.zip(globals) {
            Some((global, globals)) => {
                global::replace_rows(&result, global, globals, self.global_mask.as_ref(), dropout)
            }
            None => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tch::Device;

    use super::super::Reference;
    use super::*;

    /// A batch's marks, a window, and a number to seed values with.
    #[derive(Debug, Clone)]
    struct Case {
        length: usize,
        attention_mask: Vec<bool>,
        global_attention: Vec<bool>,
        window: i64,
        heads: i64,
        seed: i64,
    }

    /// Marks of one row: how likely a token is padding, and how likely global.
    fn marks(length: usize) -> impl Strategy<Value = (Vec<bool>, Vec<bool>)> {
        let share = prop_oneof![Just(0.0), Just(0.02), Just(0.3), Just(1.0)];
        (share.clone(), share).prop_flat_map(move |(padding, global)| {
            (
                prop::collection::vec(prop::bool::weighted(1.0 - padding), length),
                prop::collection::vec(prop::bool::weighted(global), length),
            )
        })
    }

    fn case() -> impl Strategy<Value = Case> {
        let length = prop_oneof![1usize..40, 100usize..400];
        let window =
            prop_oneof![(1i64..10).prop_map(|half| 2 * half), (10i64..150).prop_map(|half| 2 * half)];
        (length, window, 1usize..4, 1i64..3, any::<u32>()).prop_flat_map(
            |(length, window, rows, heads, seed)| {
                prop::collection::vec(marks(length), rows).prop_map(move |rows| {
                    let (real, global): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
                    Case {
                        length,
                        attention_mask: real.concat(),
                        global_attention: global.concat(),
                        window,
                        heads,
                        seed: i64::from(seed),
                    }
                })
            },
        )
    }

    impl Case {
        fn batch(&self) -> Batch {
            let ids = vec![5; self.attention_mask.len()];
            let rows = ids.len() / self.length;
            Batch::new(rows, &ids, &self.attention_mask, &self.global_attention, Device::Cpu).unwrap()
        }

        /// Leaves: local query, key, value, then global query, key, value.
        fn projections(&self, batch: &Batch) -> Vec<Tensor> {
            let slots = batch.globals().map_or(1, |globals| globals.slots);
            let length = self.length as i64;
            [length, length, length, slots, length, length]
                .into_iter()
                .enumerate()
                .map(|(index, tokens)| {
                    let shape = [batch.size(), tokens, self.heads, 8];
                    let elements: i64 = shape.iter().product();
                    // Any numbers will do that differ and are of order one.
                    let phase = Tensor::arange(elements, (Kind::Double, Device::Cpu)) * 1.7
                        + (self.seed + 1000 * index as i64) as f64;
                    (phase.square() * 0.37).sin().to_kind(Kind::Float).view(shape).set_requires_grad(true)
                        * 1.5
                })
                .map(|tensor| tensor.detach().set_requires_grad(true))
                .collect()
        }
    }

    /// The result, and the gradients of a weighted sum of it.
    fn run(plan: &dyn Attend, batch: &Batch, leaves: &[Tensor], dropout: f64) -> Vec<Tensor> {
        let leaf = |index: usize| leaves[index].shallow_clone();
        let local = Projected { query: leaf(0), key: leaf(1), value: leaf(2) };
        let global =
            batch.globals().map(|_| GlobalProjected { query: leaf(3), key: leaf(4), value: leaf(5) });
        let result = plan.attend(&local, global.as_ref(), dropout);
        let weights =
            Tensor::arange(result.numel() as i64, (Kind::Float, Device::Cpu)).sin().view_as(&result);
        let used = if batch.globals().is_some() { leaves } else { &leaves[..3] };
        let gradients = Tensor::run_backward(&[(&result * weights).sum(Kind::Float)], used, false, false);
        std::iter::once(result).chain(gradients).collect()
    }

    fn largest_difference(ours: &Tensor, theirs: &Tensor) -> f64 {
        assert_eq!(ours.size(), theirs.size());
        (ours - theirs).abs().max().double_value(&[])
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]
        #[test]
        fn blocks_compute_the_definition_forward_and_backward(case in case()) {
            let batch = case.batch();
            let leaves = case.projections(&batch);
            let theirs = run(&Reference::new(&batch, case.window), &batch, &leaves, 0.0);
            let blocks = Blocks::new(&batch, case.window, Kind::Float);
            // With dropout, CPUs take another way, which must be the same function when nothing drops.
            for dropout in [0.0, f64::MIN_POSITIVE] {
                let ours = run(&blocks, &batch, &leaves, dropout);
                for (index, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
                    let scale = theirs.abs().max().double_value(&[]).max(1.0);
                    let difference = largest_difference(ours, theirs);
                    prop_assert!(
                        difference <= 2e-5 * scale,
                        "dropout {dropout}, part {index}: {difference} of {scale}"
                    );
                }
            }
        }
    }

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
