//! From bytes to records: one file per data set.
//!
//! [`squad`] reads question answering in the SQuAD v1.1 layout into a [`QaDataset`]; [`wikitext`]
//! is the plain text of masked-language-model pretraining. [`miniature`] makes a small set of both
//! from a seed. What is wrong with a file is a [`CorpusError`] that names the place. Nothing here
//! knows about tokens.

pub mod error;
pub mod miniature;
pub mod qa;
pub mod squad;
pub mod task;
pub mod triviaqa;
pub mod wikitext;

pub use error::CorpusError;
pub use qa::{Answer, QaDataset, Question};
pub use task::Task;
