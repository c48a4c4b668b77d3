//! Token ids to the encoder's input: word, position and token-type embedding, LayerNorm, dropout
//! (`RobertaEmbeddings`, `LongformerEmbeddings` of transformers).

use tch::{Kind, Tensor};

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

    /// `[batch, length]` to `[batch, length, hidden_size]`.
    pub(super) fn forward(&self, batch: &Batch, pass: Pass) -> Tensor {
        let embed =
            |table: &Tensor, ids: &Tensor| Tensor::embedding(table, ids, self.padding_id, false, false);
        let words = embed(&self.words, &batch.input_ids);
        let positions = embed(&self.positions, &position_ids(&batch.input_ids, self.padding_id));
        // Every token is of type 0: one row, broadcast, is what a look-up would give.
        let sum = words + self.token_types.narrow(0, 0, 1) + positions;
        dropout(self.norm.forward(&sum), pass.dropout(self.dropout))
    }
}

/// Real tokens are numbered from `padding_id + 1`, left to right; padding stays `padding_id`.
fn position_ids(input_ids: &Tensor, padding_id: i64) -> Tensor {
    let real = input_ids.not_equal(padding_id).to_kind(Kind::Int64);
    real.cumsum(1, Kind::Int64) * real + padding_id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_anywhere_takes_no_position() {
        let ids = Tensor::from_slice(&[0i64, 5, 1, 6, 2, 1]).view([1, 6]);
        let positions = Vec::<Vec<i64>>::try_from(position_ids(&ids, 1)).unwrap();
        assert_eq!(positions, [[2, 3, 1, 4, 5, 1]]);
    }
}
