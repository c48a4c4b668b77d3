//! The encoder: embeddings, then layers of self-attention and feed-forward, each with a residual sum
//! and LayerNorm after it (`BertEncoder`, `LongformerEncoder` of transformers).

use tch::{TchError, Tensor};

use super::attention::{Plans, SelfAttention};
use super::config::Activation;
use super::embeddings::Embeddings;
use super::layers::{LayerNorm, Linear, Pass, dropout};
use super::parameters::{Builder, Part};
use super::{Batch, Config, ModelError};

/// The tokens whose last hidden state is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted<'a> {
    /// All: `[tokens, hidden_size]`.
    All,
    /// Those at the given places in packed order, `[wanted]`: `[wanted, hidden_size]`.
    At(&'a Tensor),
}

#[derive(Debug)]
pub(super) struct Encoder {
    pub(super) embeddings: Embeddings,
    pub(super) layers: Vec<Layer>,
}

impl Encoder {
    pub(super) fn new(config: &Config, builder: &mut Builder) -> Result<Self, ModelError> {
        let embeddings = Embeddings::new(config, builder)?;
        let layers = (0..config.num_hidden_layers)
            .map(|index| Layer::new(config, index, builder))
            .collect::<Result<_, _>>()?;
        Ok(Self { embeddings, layers })
    }

    /// The last hidden state of the wanted tokens, in 32 bits.
    pub(super) fn forward(&self, batch: &Batch, wanted: Wanted, pass: Pass) -> Result<Tensor, ModelError> {
        let mut plans = Plans::new(batch, pass);
        let mut hidden = self.embeddings.forward(batch, pass)?; // [tokens, hidden_size]
        let last = self.layers.len().saturating_sub(1);
        for (index, layer) in self.layers.iter().enumerate() {
            // What follows the last attention works on each token alone: only the wanted ones need it.
            let wanted = if index == last { wanted } else { Wanted::All };
            hidden = layer.forward(&hidden, wanted, &mut plans, pass)?;
        }
        Ok(hidden)
    }
}

#[derive(Debug)]
pub(super) struct Layer {
    attention: SelfAttention,
    attention_output: Linear,
    attention_norm: LayerNorm,
    intermediate: Linear,
    output: Linear,
    output_norm: LayerNorm,
    activation: Activation,
    dropout: f64,
}

impl Layer {
    fn new(config: &Config, index: i64, builder: &mut Builder) -> Result<Self, ModelError> {
        let (width, inner, eps) = (config.hidden_size, config.intermediate_size, config.layer_norm_eps);
        let part = Part::Encoder;
        let name = |part: &str| format!("encoder.layer.{index}.{part}");
        Ok(Self {
            attention: SelfAttention::new(config, index, builder)?,
            attention_output: builder.linear(part, &name("attention.output.dense"), width, width)?,
            attention_norm: builder.layer_norm(part, &name("attention.output.LayerNorm"), width, eps)?,
            intermediate: builder.linear(part, &name("intermediate.dense"), width, inner)?,
            output: builder.linear(part, &name("output.dense"), inner, width)?,
            output_norm: builder.layer_norm(part, &name("output.LayerNorm"), width, eps)?,
            activation: config.hidden_act,
            dropout: config.hidden_dropout_prob,
        })
    }

    /// `[tokens, hidden_size]` to that of the wanted tokens, in 32 bits.
    pub(super) fn forward(
        &self,
        hidden: &Tensor,
        wanted: Wanted,
        plans: &mut Plans,
        pass: Pass,
    ) -> Result<Tensor, ModelError> {
        let attended = self.attention.forward(hidden, plans, pass)?; // [tokens, hidden_size]
        let (attended, hidden) = match wanted {
            Wanted::All => (attended, hidden.shallow_clone()),
            Wanted::At(places) => (attended.f_index_select(0, places)?, hidden.f_index_select(0, places)?),
        };
        let probability = pass.dropout(self.dropout);
        let attended = dropout(self.attention_output.forward(&attended, pass.precision)?, probability)?;
        let middle = self.attention_norm.forward(&hidden.f_add(&attended)?)?;
        let inner = activate(self.activation, &self.intermediate.forward(&middle, pass.precision)?)?;
        let outer = dropout(self.output.forward(&inner, pass.precision)?, probability)?;
        Ok(self.output_norm.forward(&middle.f_add(&outer)?)?)
    }
}

pub(super) fn activate(activation: Activation, x: &Tensor) -> Result<Tensor, TchError> {
    match activation {
        Activation::Gelu => x.f_gelu("none"),
        Activation::GeluTanh => x.f_gelu("tanh"),
        Activation::Relu => x.f_relu(),
    }
}
