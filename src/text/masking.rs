//! Hides tokens of a block for the masked-language-model task, as `transformers`'
//! `DataCollatorForLanguageModeling` does: each token that is not special is chosen with a
//! probability of 15 %; of those chosen, 80 % become the mask token, 10 % any token of the whole
//! vocabulary, 10 % stay. The model has to name the original at every chosen position.
//!
//! Which tokens are chosen is a pure function of (seed, epoch, block): it does not matter who asks,
//! or in which order. Evaluation leaves the epoch out, so that its loss is comparable from step to
//! step.

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::special::SpecialTokens;
use super::token::TokenId;
use super::tokenizer::Tokenizer;
use crate::random::{Purpose, Seed};

/// How often tokens are chosen, and what becomes of them. All are probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MaskingSettings {
    /// That a token is chosen.
    pub probability: f64,
    /// That a chosen token becomes the mask token.
    pub replace_with_mask: f64,
    /// That a chosen token becomes a random one.
    pub replace_with_random: f64,
}

impl Default for MaskingSettings {
    fn default() -> Self {
        Self { probability: 0.15, replace_with_mask: 0.8, replace_with_random: 0.1 }
    }
}

/// What masking needs to know of a tokenizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaskingVocabulary {
    /// Random tokens are drawn from `0..size`.
    pub size: usize,
    /// The tokens that are never chosen, the mask token among them.
    pub special: SpecialTokens,
}

impl From<&Tokenizer> for MaskingVocabulary {
    fn from(tokenizer: &Tokenizer) -> Self {
        Self { size: tokenizer.vocabulary_size(), special: *tokenizer.special() }
    }
}

/// A block with some of its tokens hidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskedBlock {
    /// What the model reads; as long as the block.
    pub input_ids: Vec<TokenId>,
    /// Where the model is asked, ascending indices into `input_ids`; may be empty.
    pub positions: Vec<usize>,
    /// The block's own tokens at `positions`.
    pub labels: Vec<TokenId>,
}

/// Masks block number `index` for the given epoch of training.
pub fn for_training(
    block: &[TokenId],
    vocabulary: &MaskingVocabulary,
    settings: &MaskingSettings,
    seed: Seed,
    epoch: u64,
    index: u64,
) -> MaskedBlock {
    mask(block, vocabulary, settings, seed.stream(Purpose::TrainingMask, &[epoch, index]))
}

/// Masks block number `index` for evaluation, the same at every evaluation.
pub fn for_evaluation(
    block: &[TokenId],
    vocabulary: &MaskingVocabulary,
    settings: &MaskingSettings,
    seed: Seed,
    index: u64,
) -> MaskedBlock {
    mask(block, vocabulary, settings, seed.stream(Purpose::EvaluationMask, &[index]))
}

fn mask(
    block: &[TokenId],
    vocabulary: &MaskingVocabulary,
    settings: &MaskingSettings,
    mut random: impl Rng,
) -> MaskedBlock {
    let expected = (block.len() as f64 * settings.probability * 1.2) as usize;
    let mut masked = MaskedBlock {
        input_ids: block.to_vec(),
        positions: Vec::with_capacity(expected),
        labels: Vec::with_capacity(expected),
    };
    let size = u32::try_from(vocabulary.size).unwrap_or(u32::MAX).max(1);
    for (position, input) in masked.input_ids.iter_mut().enumerate() {
        if vocabulary.special.contains(*input) || random.random::<f64>() >= settings.probability {
            continue;
        }
        masked.positions.push(position);
        masked.labels.push(*input);
        let fate = random.random::<f64>();
        if fate < settings.replace_with_mask {
            *input = vocabulary.special.mask;
        } else if fate < settings.replace_with_mask + settings.replace_with_random {
            *input = TokenId(random.random_range(0..size));
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::super::special::Pairing;
    use super::*;

    const VOCABULARY: MaskingVocabulary = MaskingVocabulary {
        size: 1000,
        special: SpecialTokens {
            bos: TokenId(0),
            pad: TokenId(1),
            eos: TokenId(2),
            unk: TokenId(3),
            mask: TokenId(999),
            pairing: Pairing::OneSegment,
        },
    };
    const SETTINGS: MaskingSettings =
        MaskingSettings { probability: 0.15, replace_with_mask: 0.8, replace_with_random: 0.1 };

    fn block() -> Vec<TokenId> {
        let mut block: Vec<TokenId> = (0..4096).map(|place| TokenId(4 + place * 7 % 990)).collect();
        block[0] = VOCABULARY.special.bos;
        block[4095] = VOCABULARY.special.eos;
        block
    }

    #[test]
    fn tokens_are_chosen_and_replaced_at_the_rates_of_the_recipe() {
        let block = block();
        let (mut chosen, mut hidden, mut kept, mut other) = (0.0, 0.0, 0.0, 0.0);
        for index in 0..100 {
            let masked = for_training(&block, &VOCABULARY, &SETTINGS, Seed(1), 0, index);
            for (&position, &label) in masked.positions.iter().zip(&masked.labels) {
                assert_eq!(block[position], label);
                chosen += 1.0;
                match masked.input_ids[position] {
                    id if id == VOCABULARY.special.mask => hidden += 1.0,
                    id if id == label => kept += 1.0,
                    _ => other += 1.0,
                }
            }
            let untouched = (0..block.len()).filter(|place| !masked.positions.contains(place));
            assert!(untouched.into_iter().all(|place| masked.input_ids[place] == block[place]));
        }
        let total = 100.0 * 4094.0;
        let near = |count: f64, of: f64, rate: f64| {
            let deviation = (of * rate * (1.0 - rate)).sqrt();
            assert!(
                (count - of * rate).abs() < 5.0 * deviation,
                "{count} of {of}, expected a share of {rate}"
            );
        };
        near(chosen, total, 0.15);
        near(hidden, chosen, 0.8);
        near(kept, chosen, 0.1);
        near(other, chosen, 0.1);
    }

    #[test]
    fn special_tokens_are_never_chosen() {
        let all = MaskingSettings { probability: 1.0, ..SETTINGS };
        let mut block = block();
        block[7] = VOCABULARY.special.unk;
        block[8] = VOCABULARY.special.pad;
        block[9] = VOCABULARY.special.mask;
        let masked = for_training(&block, &VOCABULARY, &all, Seed(1), 0, 0);
        let expected: Vec<usize> =
            (0..4096).filter(|&place| !VOCABULARY.special.contains(block[place])).collect();
        assert_eq!(masked.positions, expected);
        assert_eq!(expected.len(), 4096 - 5);
    }

    #[test]
    fn random_tokens_come_from_the_whole_vocabulary() {
        let random = MaskingSettings { probability: 1.0, replace_with_mask: 0.0, replace_with_random: 1.0 };
        let mut seen = vec![false; VOCABULARY.size];
        for index in 0..10 {
            let masked = for_evaluation(&block(), &VOCABULARY, &random, Seed(1), index);
            masked.input_ids.iter().for_each(|id| seen[id.0 as usize] = true);
        }
        assert!(seen.into_iter().all(|seen| seen));
    }

    #[test]
    fn a_mask_depends_on_seed_epoch_and_block_and_not_on_the_order_of_asking() {
        let block = block();
        let of = |seed, epoch, index| for_training(&block, &VOCABULARY, &SETTINGS, Seed(seed), epoch, index);
        let forwards: Vec<MaskedBlock> = (0..5).map(|index| of(1, 2, index)).collect();
        let mut backwards: Vec<MaskedBlock> = (0..5).rev().map(|index| of(1, 2, index)).collect();
        backwards.reverse();
        assert_eq!(forwards, backwards);
        assert_ne!(of(1, 2, 3), of(1, 2, 4));
        assert_ne!(of(1, 2, 3), of(1, 3, 3));
        assert_ne!(of(1, 2, 3), of(2, 2, 3));
        let evaluation = for_evaluation(&block, &VOCABULARY, &SETTINGS, Seed(1), 3);
        assert_ne!(of(1, 2, 3), evaluation);
        assert_eq!(evaluation, for_evaluation(&block, &VOCABULARY, &SETTINGS, Seed(1), 3));
    }
}
