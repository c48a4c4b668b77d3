//! Randomness without state: every random choice is a function of (seed, purpose, indices).
//!
//! Nothing about a generator needs saving, so a resumed run draws what one never stopped would
//! have drawn, and work can be split among threads in any way. The streams are ChaCha12, keyed by
//! the SHA-256 of their coordinates.

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha12Rng;
use serde::{Deserialize, Serialize};

use crate::digest::Hasher;

/// The seed of a run, as the user names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

/// What a random stream is for. Two purposes never share a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Initial values of a parameter; index: the parameter's place in the model.
    Initialization,
    /// The order of training examples; index: epoch.
    Shuffle,
    /// Which tokens are masked for training; indices: epoch, block.
    TrainingMask,
    /// Which tokens are masked for evaluation; index: block.
    EvaluationMask,
    /// Dropout inside libtorch; indices: optimizer step, micro-batch.
    Dropout,
    /// The built-in miniature corpus; indices: its part, document.
    Miniature,
    /// Resampling for confidence intervals.
    Bootstrap,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Purpose::Initialization => "initialization",
            Purpose::Shuffle => "shuffle",
            Purpose::TrainingMask => "training-mask",
            Purpose::EvaluationMask => "evaluation-mask",
            Purpose::Dropout => "dropout",
            Purpose::Miniature => "miniature",
            Purpose::Bootstrap => "bootstrap",
        }
    }
}

impl Seed {
    /// The stream for `purpose` at the given coordinates.
    pub fn stream(self, purpose: Purpose, at: &[u64]) -> ChaCha12Rng {
        let mut hasher = Hasher::default();
        hasher.field(b"longqa-random-1").field(&self.0.to_le_bytes());
        hasher.field(purpose.name().as_bytes());
        for index in at {
            hasher.field(&index.to_le_bytes());
        }
        ChaCha12Rng::from_seed(*hasher.digest().bytes())
    }

    /// The number to seed libtorch's own generator with, for `purpose` at the given coordinates.
    pub fn for_libtorch(self, purpose: Purpose, at: &[u64]) -> i64 {
        // libtorch takes a signed number and shows it; keep it positive.
        (self.stream(purpose, at).next_u64() >> 1) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_each_coordinate_and_on_nothing_else() {
        let first = |seed, purpose, at: &[u64]| Seed(seed).stream(purpose, at).next_u64();
        let here = first(42, Purpose::Shuffle, &[1, 2]);
        assert_eq!(here, first(42, Purpose::Shuffle, &[1, 2]));
        assert_ne!(here, first(43, Purpose::Shuffle, &[1, 2]));
        assert_ne!(here, first(42, Purpose::Dropout, &[1, 2]));
        assert_ne!(here, first(42, Purpose::Shuffle, &[2, 1]));
        assert_ne!(here, first(42, Purpose::Shuffle, &[1]));
    }

    /// A change of this number changes every published run.
    #[test]
    fn streams_stay_the_same_from_release_to_release() {
        assert_eq!(Seed(42).for_libtorch(Purpose::Dropout, &[7, 0]), 1001963061927497136);
    }
}
