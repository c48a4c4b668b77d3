//! From bytes to records: one file per data set.
//!
//! [`squad`] reads question answering in the SQuAD v1.1 layout into a [`QaDataset`]; [`joined`], [`mlqa`]
//! and [`tydiqa`] are what becomes of it in the tasks of those names, and a [`Reading`] chooses among them.
//! [`without`] leaves out of one file what another asks too. [`triviaqa`] has a layout of its own.
//! [`wikitext`] is the plain text of masked-language-model pretraining, [`held_out`] divides it.
//! [`miniature`] makes a small set of both from a seed. What is wrong with a file is a [`CorpusError`]
//! that names the place. Nothing here knows about tokens.

pub mod error;
pub mod held_out;
pub mod joined;
pub mod miniature;
pub mod mlqa;
pub mod overlap;
mod paragraphs;
pub mod qa;
pub mod reading;
pub mod squad;
pub mod task;
pub mod triviaqa;
pub mod tydiqa;
pub mod wikitext;
pub mod without;

pub use error::CorpusError;
pub use joined::KeptQuestions;
pub use qa::{Answer, QaDataset, Question};
pub use reading::Reading;
pub use task::Task;
