//! From bytes to records: one file per data set.
//!
//! Nothing here knows about tokens.

pub mod qa;

pub use qa::{Answer, QaDataset, Question};
