//! Two ways of laying questions and contexts into sequences and of finding answers in them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The rules by which a model is trained on questions and answers them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Overlapping windows, n-best spans, answers as stretches of the original text.
    #[default]
    Standard,
    /// What Sagen (2021) did: what does not fit is cut off, start and end are chosen independently among
    /// all tokens, answers are decoded tokens, and questions whose answer cannot be mapped to tokens
    /// are left out of training and evaluation.
    #[serde(rename = "sagen-2021")]
    Sagen2021,
}

impl Protocol {
    /// Its name in settings and tables.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Standard => "standard",
            Protocol::Sagen2021 => "sagen-2021",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
