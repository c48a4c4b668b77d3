//! Token ids to the encoder's input: word, position and token-type embedding, LayerNorm, dropout
//! (`BertEmbeddings`, `RobertaEmbeddings`, `LongformerEmbeddings` of transformers).

use tch::{TchError, Tensor};

use super::layers::{LayerNorm, Pass, dropout};
use super::parameters::{Builder, Part};
use super::{Batch, Config, ModelError};

#[derive(Debug)]
pub(super) struct Embeddings {
    /// `[vocab_size, hidden_size]`
    pub(super) words: Tensor,
    /// `[max_position_embeddings, hidden_size]`
    positions: Tensor,
    /// `[type_vocab_size, hidden_size]`
    token_types: Tensor,
    norm: LayerNorm,
    padding_id: i64,
    positions_padding: Option<i64>,
    dropout: f64,
}

impl Embeddings {
    pub(super) fn new(config: &Config, builder: &mut Builder) -> Result<Self, ModelError> {
        let (width, padding_id) = (config.hidden_size, config.pad_token_id);
        let positions_padding = config.positions().padding_row();
        Ok(Self {
            words: builder.embedding(
                "embeddings.word_embeddings",
                config.vocab_size,
                width,
                Some(padding_id),
            )?,
            positions: builder.embedding(
                "embeddings.position_embeddings",
                config.max_position_embeddings,
                width,
                positions_padding,
            )?,
            token_types: builder.embedding(
                "embeddings.token_type_embeddings",
                config.type_vocab_size,
                width,
                None,
            )?,
            norm: builder.layer_norm(Part::Encoder, "embeddings.LayerNorm", width, config.layer_norm_eps)?,
            padding_id,
            positions_padding,
            dropout: config.hidden_dropout_prob,
        })
    }

    /// The batch's tokens, `[tokens, hidden_size]`, in 32 bits.
    pub(super) fn forward(&self, batch: &Batch, pass: Pass) -> Result<Tensor, TchError> {
        let words = embed(&self.words, &batch.input_ids, Some(self.padding_id))?;
        let positions = embed(&self.positions, &batch.position_ids, self.positions_padding)?;
        let token_types = match &batch.token_types {
            Some(ids) => embed(&self.token_types, ids, None)?,
            // Every token is of type 0: one row, broadcast, is what a look-up would give.
            None => self.token_types.f_narrow(0, 0, 1)?,
        };
        let sum = words.f_add(&token_types)?.f_add(&positions)?;
        dropout(self.norm.forward(&sum)?, pass.dropout(self.dropout))
    }
}

/// Rows of `table`; the row of `padding` learns nothing.
fn embed(table: &Tensor, ids: &Tensor, padding: Option<i64>) -> Result<Tensor, TchError> {
    const NO_PADDING: i64 = -1;
    Tensor::f_embedding(table, ids, padding.unwrap_or(NO_PADDING), false, false)
}
