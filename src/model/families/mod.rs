//! The families of encoders: what sets each apart from the others, in one small file.
//!
//! All of them are one network (BERT's, which RoBERTa left as it was), so a family is a table of
//! names and conventions and no code. `docs/guide.md` says how to add one. What is not here is
//! the tokenizer's: the special tokens, and how a question stands beside its context, in
//! [`SpecialTokens`](crate::text::SpecialTokens).

mod bert;
mod family;
mod longformer;
mod roberta;
mod xlm_roberta;

pub use bert::BERT;
pub use family::{Family, HeadActivation, MaskedLmHead, Numbering};
pub use longformer::LONGFORMER;
pub use roberta::ROBERTA;
pub use xlm_roberta::XLM_ROBERTA;

/// Every family.
pub const ALL: [&Family; 4] = [&BERT, &ROBERTA, &XLM_ROBERTA, &LONGFORMER];
