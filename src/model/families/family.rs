//! What a family is told by.

/// What sets one family of encoders apart from the others, in the words of transformers.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// The value of `model_type` in `config.json`.
    pub model_type: &'static str,
    /// What its classes' names begin with, for `architectures`.
    pub class: &'static str,
    /// What its encoder's tensor names begin with, with the dot.
    pub prefix: &'static str,
    /// How tokens are numbered for the position embedding.
    pub numbering: Numbering,
    /// The head for masked language modelling.
    pub masked_lm: MaskedLmHead,
    /// What the names of tensors begin with that a checkpoint may hold and no model here uses, beside
    /// the encoder's pooler.
    pub unused: &'static [&'static str],
    /// `pad_token_id` where the configuration does not say.
    pub pad_token_id: i64,
    /// `bos_token_id` where the configuration does not say.
    pub bos_token_id: Option<i64>,
    /// `eos_token_id` where the configuration does not say.
    pub eos_token_id: Option<i64>,
}

/// Which row of the position embedding the first token of a sequence has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// Row 0, and every token the next one.
    FromZero,
    /// The row behind that of `pad_token_id`, which padding has wherever it stands.
    AfterPadding,
}

/// Names in the head for masked language modelling: dense layer, activation, LayerNorm, and the word
/// embedding again with a bias of its own.
#[derive(Debug, PartialEq, Eq)]
pub struct MaskedLmHead {
    /// What the names of its tensors begin with.
    pub prefixes: &'static [&'static str],
    /// The dense layer.
    pub dense: &'static str,
    /// What follows the dense layer.
    pub activation: HeadActivation,
    /// The LayerNorm.
    pub norm: &'static str,
    /// The bias of the logits.
    pub bias: &'static str,
    /// The layer that is tied: its weight is the word embedding, its bias the one above.
    pub decoder: &'static str,
}

/// The activation in a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadActivation {
    /// That of the encoder, `hidden_act`.
    Encoder,
    /// gelu, whatever the encoder has.
    Gelu,
}
