//! One layer's self-attention: projections around an [`Attend`].

use tch::{TchError, Tensor};

use super::super::layers::{self, Linear, Pass};
use super::super::parameters::{Builder, Part};
use super::super::{Batch, Config, ModelError};
use super::{Attend, GlobalProjected, Projected};

/// Self-attention without the output projection (`RobertaSelfAttention`, `LongformerSelfAttention`).
#[derive(Debug)]
pub(in super::super) struct SelfAttention {
    local: Projections,
    sliding: Option<Sliding>,
    heads: i64,
    head_dim: i64,
    dropout: f64,
}

#[derive(Debug)]
struct Projections {
    query: Linear,
    key: Linear,
    value: Linear,
}

#[derive(Debug)]
struct Sliding {
    window: i64,
    global: Projections,
}

impl Projections {
    fn new(config: &Config, layer: i64, suffix: &str, builder: &mut Builder) -> Result<Self, ModelError> {
        let width = config.hidden_size;
        let mut linear = |which: &str| {
            let name = format!("encoder.layer.{layer}.attention.self.{which}{suffix}");
            builder.linear(Part::Encoder, &name, width, width)
        };
        Ok(Self { query: linear("query")?, key: linear("key")?, value: linear("value")? })
    }
}

impl SelfAttention {
    pub(in super::super) fn new(
        config: &Config,
        layer: i64,
        builder: &mut Builder,
    ) -> Result<Self, ModelError> {
        let local = Projections::new(config, layer, "", builder)?;
        let sliding = match config.window(layer) {
            Some(window) => {
                Some(Sliding { window, global: Projections::new(config, layer, "_global", builder)? })
            }
            None => None,
        };
        Ok(Self {
            local,
            sliding,
            heads: config.num_attention_heads,
            head_dim: config.head_dim(),
            dropout: config.attention_probs_dropout_prob,
        })
    }

    /// `[tokens, hidden_size]` to the same shape, in the precision's kind.
    pub(in super::super) fn forward(
        &self,
        hidden: &Tensor,
        plans: &mut Plans,
        pass: Pass,
    ) -> Result<Tensor, ModelError> {
        // Once for all projections; they find nothing left to convert.
        let hidden = hidden.f_to_kind(pass.precision.kind())?;
        let local = self.project(&[&self.local.query, &self.local.key, &self.local.value], &hidden, pass)?;
        let [query, key, value] = local;
        let local = Projected { query, key, value };
        let globals = plans.batch.count_globals();
        let global = match &self.sliding {
            Some(Sliding { global, .. }) if globals > 0 => {
                let [query] = self.project(&[&global.query], &hidden.f_narrow(0, 0, globals)?, pass)?;
                let [key, value] = self.project(&[&global.key, &global.value], &hidden, pass)?;
                Some(GlobalProjected { query, key, value })
            }
            _ => None,
        };
        let plan = plans.of(self.sliding.as_ref().map(|sliding| sliding.window))?;
        Ok(plan.attend(&local, global.as_ref(), pass.dropout(self.dropout))?.f_flatten(1, 2)?)
    }

    /// `[tokens, hidden_size]` through each of the layers, `[tokens, heads, head_dim]`: one matrix product
    /// for all of them.
    fn project<const N: usize>(
        &self,
        layers: &[&Linear; N],
        x: &Tensor,
        pass: Pass,
    ) -> Result<[Tensor; N], TchError> {
        let projected = layers::linear_of_several(x, layers, pass.precision)?; // [tokens, N · hidden_size]
        let projected = projected.f_view([-1, N as i64, self.heads, self.head_dim])?;
        Ok(projected.f_unbind(1)?.try_into().expect("a projection for each layer"))
    }
}

/// The attention plans of one forward pass, one for each window among the layers.
#[derive(Debug)]
pub(in super::super) struct Plans<'a> {
    batch: &'a Batch,
    pass: Pass,
    made: Vec<(Option<i64>, Box<dyn Attend + 'a>)>,
}

impl<'a> Plans<'a> {
    pub(in super::super) fn new(batch: &'a Batch, pass: Pass) -> Self {
        Self { batch, pass, made: vec![] }
    }

    /// The plan for sliding attention with the given window, or for full attention.
    fn of(&mut self, window: Option<i64>) -> Result<&dyn Attend, ModelError> {
        let index = match self.made.iter().position(|(of, _)| *of == window) {
            Some(index) => index,
            None => {
                let plan = self.pass.backend.plan(self.batch, window, self.pass.precision.kind())?;
                self.made.push((window, plan));
                self.made.len() - 1
            }
        };
        Ok(self.made[index].1.as_ref())
    }
}
