//! BERT (Devlin et al. 2019): `BertForMaskedLM` and `BertForQuestionAnswering` of transformers.

use super::family::{Family, HeadActivation, MaskedLmHead, Numbering};

/// BERT, and what was distilled from it with its layout (MiniLM).
pub const BERT: Family = Family {
    model_type: "bert",
    class: "Bert",
    prefix: "bert.",
    numbering: Numbering::FromZero,
    masked_lm: MaskedLmHead {
        prefixes: &["cls.predictions."],
        dense: "cls.predictions.transform.dense",
        activation: HeadActivation::Encoder,
        norm: "cls.predictions.transform.LayerNorm",
        bias: "cls.predictions.bias",
        decoder: "cls.predictions.decoder",
    },
    // The head for next-sentence prediction.
    unused: &["cls.seq_relationship."],
    pad_token_id: 0,
    bos_token_id: None,
    eos_token_id: None,
};
