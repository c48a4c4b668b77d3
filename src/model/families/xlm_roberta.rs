//! XLM-R (Conneau et al. 2020): RoBERTa's network with a multilingual vocabulary.

use super::family::Family;
use super::roberta::ROBERTA;

/// XLM-R.
pub const XLM_ROBERTA: Family = Family { model_type: "xlm-roberta", class: "XLMRoberta", ..ROBERTA };
