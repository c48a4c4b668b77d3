//! Token ids to the encoder's input: word, position and token-type embedding, LayerNorm, dropout
//! (`RobertaEmbeddings`, `LongformerEmbeddings` of transformers).

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
    dropout: f64,
}

impl Embeddings {
    pub(super) fn new(config: &Config, builder: &mut Builder) -> Result<Self, ModelError> {
        let (width, padding_id) = (config.hidden_size, config.pad_token_id);
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
                Some(padding_id),
            )?,
            token_types: builder.embedding(
                "embeddings.token_type_embeddings",
                config.type_vocab_size,
                width,
                None,
            )?,
            norm: builder.layer_norm(Part::Encoder, "embeddings.LayerNorm", width, config.layer_norm_eps)?,
            padding_id,
            dropout: config.hidden_dropout_prob,
        })
    }

    /// The batch's tokens, `[tokens, hidden_size]`, in 32 bits.
    pub(super) fn forward(&self, batch: &Batch, pass: Pass) -> Result<Tensor, TchError> {
        let embed =
            |table: &Tensor, ids: &Tensor| Tensor::f_embedding(table, ids, self.padding_id, false, false);
        let words = embed(&self.words, &batch.input_ids)?;
        let positions = embed(&self.positions, &batch.position_ids)?;
        // Every token is of type 0: one row, broadcast, is what a look-up would give.
        let sum = words.f_add(&self.token_types.f_narrow(0, 0, 1)?)?.f_add(&positions)?;
        dropout(self.norm.forward(&sum)?, pass.dropout(self.dropout))
    }
}
