//! Exact match and F1 as the official scripts compute them, to the last digit.
//!
//! [`evaluate()`] compares predictions with [`Gold`] answers by the [`Rules`] of a task. The scripts differ in
//! how they take an answer apart before they compare (`squad`, `mlqa`, [`triviaqa`], all of them through
//! `words`) and in what they print ([`triviaqa`], [`tydiqa`], `printed`); what they compare is the same
//! (`overlap`).

mod evaluate;
mod mlqa;
mod overlap;
mod printed;
mod rules;
mod squad;
pub mod triviaqa;
pub mod tydiqa;
mod words;

pub use evaluate::{Evaluation, Gold, GoldQuestion, Scores, evaluate};
pub use overlap::{QuestionScore, score};
pub use printed::as_python_prints;
pub use rules::Rules;
