//! TriviaQA's documents as sequences.

use serde::{Deserialize, Serialize};

/// How much of a document that does not fit into one sequence is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Slices {
    /// Its beginning, as much as fits.
    #[default]
    First,
    /// All of it, in windows that overlap.
    Strided,
}
