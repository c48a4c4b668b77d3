//! RoBERTa (Liu et al. 2019): `RobertaForMaskedLM` and `RobertaForQuestionAnswering` of transformers.

use super::family::{Family, HeadActivation, MaskedLmHead, Numbering};

/// RoBERTa.
pub const ROBERTA: Family = Family {
    model_type: "roberta",
    class: "Roberta",
    prefix: "roberta.",
    numbering: Numbering::AfterPadding,
    masked_lm: MaskedLmHead {
        prefixes: &["lm_head."],
        dense: "lm_head.dense",
        activation: HeadActivation::Gelu,
        norm: "lm_head.layer_norm",
        bias: "lm_head.bias",
        decoder: "lm_head.decoder",
    },
    unused: &[],
    pad_token_id: 1,
    bos_token_id: Some(0),
    eos_token_id: Some(2),
};
