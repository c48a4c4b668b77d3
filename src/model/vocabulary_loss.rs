//! The loss over all words of the vocabulary, a few rows of logits at a time (as fused linear cross-entropy in
//! Liger Kernel, Hsu et al. 2024).
//!
//! The logits of XLM-R's 250,002 words take a megabyte a row, their softmax and its gradient as much again:
//! in one piece they would need more memory than the whole network.

use std::num::NonZeroU32;

use tch::{TchError, Tensor};

use super::layers::Precision;
use crate::native::{self, Vocabulary};

/// The sum over the rows of −ln of the probability that softmax(`hidden` · weightᵀ + bias) gives to
/// the row's label: `[rows, width]` and `[rows]` to `[]`, f32. Its backward pass can be made once.
pub(crate) fn sum(
    hidden: &Tensor,
    vocabulary: &Vocabulary,
    labels: &Tensor,
    precision: Precision,
) -> Result<Tensor, TchError> {
    let words = vocabulary.bias.size1()?;
    let hidden = hidden.f_to_kind(precision.kind())?;
    native::cross_entropy_sum(&hidden, vocabulary, labels, chunk_rows(words))
}

/// Rows whose logits are computed at once. Each chunk passes over the weight's gradient, `width`
/// numbers a word, so with many fewer rows than that it would mostly add up. But its 32-bit logits, of which
/// up to three copies live at a time, should stay small beside the model's own memory: half a gibibyte,
/// 512 rows for XLM-R and 2560 for RoBERTa. (In bfloat16 on a CPU, 256 rows for XLM-R take a fifth longer.)
/// Whole tiles keep products fast.
fn chunk_rows(words: i64) -> NonZeroU32 {
    const LOGITS: i64 = 1 << 27;
    const TILE: u32 = 128;
    let rows = u32::try_from(LOGITS / words.max(1)).unwrap_or(u32::MAX);
    let whole = rows - rows % TILE;
    NonZeroU32::new(if whole == 0 { rows } else { whole }).unwrap_or(NonZeroU32::MIN)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Reduction};

    use super::*;

    const WORDS: i64 = 50;

    struct Case {
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor,
        labels: Tensor,
    }

    impl Case {
        fn random(rows: i64, width: i64, words: i64) -> Self {
            tch::set_num_threads(1);
            tch::manual_seed(rows);
            let leaf =
                |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu)).set_requires_grad(true);
            Self {
                hidden: leaf(&[rows, width]),
                weight: leaf(&[words, width]),
                bias: leaf(&[words]),
                labels: Tensor::randint(words, [rows], (Kind::Int64, Device::Cpu)),
            }
        }

        fn vocabulary(&self) -> Vocabulary<'_> {
            Vocabulary { weight: &self.weight, bias: &self.bias }
        }

        fn chunked(&self, kind: Kind, rows: u32) -> Tensor {
            let rows = NonZeroU32::new(rows).unwrap();
            let hidden = self.hidden.to_kind(kind);
            native::cross_entropy_sum(&hidden, &self.vocabulary(), &self.labels, rows).unwrap()
        }

        /// The definition: all logits at once.
        fn whole(&self, kind: Kind) -> Tensor {
            let [hidden, weight, bias] =
                [&self.hidden, &self.weight, &self.bias].map(|tensor| tensor.to_kind(kind));
            let logits = hidden.linear(&weight, Some(&bias)).to_kind(Kind::Float);
            logits.cross_entropy_loss(&self.labels, None::<&Tensor>, Reduction::Sum, -100, 0.0)
        }

        /// Value and gradients of `loss` / 7.
        fn gradients(&self, loss: Tensor) -> Vec<Tensor> {
            (&loss / 7.0).backward();
            let leaves = [&self.hidden, &self.weight, &self.bias];
            let gradients = leaves.map(|leaf| {
                let gradient = leaf.grad().copy();
                native::drop_gradient(leaf).unwrap();
                gradient
            });
            [loss.detach()].into_iter().chain(gradients).collect()
        }
    }

    fn distance(left: &Tensor, right: &Tensor) -> f64 {
        let [left, right] = [left, right].map(|tensor| tensor.to_kind(Kind::Double));
        (&left - &right).norm().double_value(&[]) / right.norm().double_value(&[]).max(1e-30)
    }

    #[test]
    fn chunks_give_the_value_and_the_gradient_of_the_whole() {
        for (rows, chunk) in [(12, 1), (12, 4), (12, 5), (12, 12), (12, 100), (1, 3)] {
            let case = Case::random(rows, 16, WORDS);
            for (kind, allowed) in [(Kind::Float, 1e-6), (Kind::BFloat16, 1e-2)] {
                let whole = case.gradients(case.whole(kind));
                let chunked = case.gradients(case.chunked(kind, chunk));
                for (whole, chunked) in whole.iter().zip(&chunked) {
                    assert_eq!(chunked.kind(), Kind::Float);
                    let error = distance(chunked, whole);
                    assert!(error < allowed, "{rows} rows by {chunk}, {kind:?}: {error}");
                }
            }
        }
    }

    /// Over many chunks 16-bit sums would drift away from 32-bit ones.
    #[test]
    fn gradients_of_chunks_are_added_up_in_32_bits() {
        let case = Case::random(512, 8, WORDS);
        let exact = case.gradients(case.whole(Kind::Float));
        let one = case.gradients(case.chunked(Kind::BFloat16, 512));
        let many = case.gradients(case.chunked(Kind::BFloat16, 1));
        for index in [1, 2, 3] {
            let (one, many) = (distance(&one[index], &exact[index]), distance(&many[index], &exact[index]));
            assert!(many < 1.2 * one, "{many} in many chunks, {one} in one");
        }
    }

    #[test]
    fn no_row_costs_nothing_and_moves_nothing() {
        let case = Case::random(0, 4, WORDS);
        for result in case.gradients(case.chunked(Kind::Float, 3)) {
            assert_eq!(result.norm().double_value(&[]), 0.0);
        }
    }

    #[test]
    fn without_gradients_the_value_is_the_same() {
        let case = Case::random(9, 4, WORDS);
        let with = case.chunked(Kind::Float, 4);
        let without = tch::no_grad(|| case.chunked(Kind::Float, 4));
        assert!(with.requires_grad() && !without.requires_grad());
        assert_eq!(with.detach(), without);
    }

    #[test]
    fn a_second_backward_pass_is_refused() {
        let case = Case::random(3, 4, WORDS);
        let loss = case.chunked(Kind::Float, 2);
        loss.f_backward().unwrap();
        assert!(loss.f_backward().is_err());
    }

    #[test]
    fn a_chunk_is_bounded_by_its_logits() {
        for (words, rows) in [(90, 1_491_200), (50_265, 2560), (250_002, 512), (1 << 21, 64), (1 << 40, 1)] {
            assert_eq!(chunk_rows(words).get(), rows, "{words} words");
        }
    }
}
