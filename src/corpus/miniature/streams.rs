//! Where the miniature's randomness comes from: every document has its own stream (its part of the
//! miniature, its number), so that one size can be changed without changing any other document.

use rand_chacha::ChaCha12Rng;

use crate::random::{Purpose, Seed};

/// What a document is drawn for: the first coordinate of its random stream.
#[derive(Clone, Copy)]
pub(super) enum Part {
    WikiTrain = 0,
    WikiValid = 1,
    Train = 2,
    Dev = 3,
    Parallel = 4,
    MlqaDev = 5,
    MlqaTest = 6,
    TydiQaTrain = 7,
    TydiQaDev = 8,
    TriviaQaTrain = 9,
    TriviaQaDev = 10,
}

impl Part {
    pub(super) fn stream(self, seed: Seed, number: usize) -> ChaCha12Rng {
        seed.stream(Purpose::Miniature, &[self as u64, number as u64])
    }
}
