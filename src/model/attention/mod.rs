//! Self-attention: full, and sliding-window with global tokens, each behind [`Attend`].
//!
//! Sliding-window attention is defined as in transformers' `LongformerSelfAttention` (Beltagy et
//! al. 2020, section 3): a token sees the tokens up to half a window away on either side and all
//! global tokens, each once; a global token sees all tokens, through projections of its own.
//!
//! | implementation | time and memory | for |
//! |---|---|---|
//! | [`Flash`] | the pairs that see each other | both kinds, half precision on CUDA |
//! | [`Full`] | length² | BERT, RoBERTa, XLM-R, elsewhere |
//! | [`Blocks`] | length · (window + globals) | Longformer, elsewhere |
//! | [`Reference`] | length² | the definition written down; tests and benches |

#[cfg(test)]
mod agreement;
mod backend;
mod blocks;
mod flash;
mod full;
mod global;
mod kernel;
mod layer;
mod rectangle;
mod reference;

pub use backend::Backend;
pub use blocks::Blocks;
pub use flash::Flash;
pub use full::Full;
pub(super) use layer::{Plans, SelfAttention};
pub use reference::Reference;

use tch::{TchError, Tensor};

/// A layer's queries, keys and values, each `[tokens, heads, head_dim]` in the batch's packed order.
#[derive(Debug)]
pub struct Projected {
    /// Not yet scaled by 1 / √head_dim.
    pub query: Tensor,
    /// Of every token.
    pub key: Tensor,
    /// Of every token.
    pub value: Tensor,
}

/// The projections through which global tokens see all others.
#[derive(Debug)]
pub struct GlobalProjected {
    /// Of the global tokens alone, `[globals, heads, head_dim]`.
    pub query: Tensor,
    /// Of every token, `[tokens, heads, head_dim]`.
    pub key: Tensor,
    /// Of every token, `[tokens, heads, head_dim]`.
    pub value: Tensor,
}

/// One way to compute attention, made for one batch and shared by all layers of the same window.
pub trait Attend: std::fmt::Debug {
    /// What each token gathers from those it sees, `[tokens, heads, head_dim]`. `global` is given exactly
    /// if the batch has global tokens and the attention is a sliding one. `dropout` is the probability with
    /// which an attention probability is dropped; 0 for none.
    ///
    /// # Errors
    /// Those of libtorch, of which running out of memory is the likely one.
    fn attend(
        &self,
        local: &Projected,
        global: Option<&GlobalProjected>,
        dropout: f64,
    ) -> Result<Tensor, TchError>;
}
