//! One layer's self-attention: projections around an [`Attend`].

use tch::Tensor;

use super::super::layers::{Linear, Pass};
use super::super::parameters::{Builder, Part};
use super::super::{Batch, Config, ModelError};
use super::{Attend, Blocks, Full, GlobalProjected, Projected};

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

    /// `[batch, length, hidden_size]` to the same shape, in the precision's kind.
    pub(in super::super) fn forward(&self, hidden: &Tensor, plans: &mut Plans, pass: Pass) -> Tensor {
        // Once for all projections; they find nothing left to convert.
        let hidden = hidden.to_kind(pass.precision.kind());
        let project = |linear: &Linear, x: &Tensor| {
            let (batch, length, _width) = x.size3().expect("a hidden state has three dimensions");
            linear.forward(x, pass.precision).view([batch, length, self.heads, self.head_dim])
        };
        let local = Projected {
            query: project(&self.local.query, &hidden),
            key: project(&self.local.key, &hidden),
            value: project(&self.local.value, &hidden),
        };
        let global =
            self.sliding.as_ref().zip(plans.batch.globals()).map(|(sliding, globals)| GlobalProjected {
                query: project(&sliding.global.query, &globals.select(&hidden)),
                key: project(&sliding.global.key, &hidden),
                value: project(&sliding.global.value, &hidden),
            });
        let plan = plans.of(self.sliding.as_ref().map(|sliding| sliding.window));
        plan.attend(&local, global.as_ref(), pass.dropout(self.dropout)).flatten(2, 3)
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
    fn of(&mut self, window: Option<i64>) -> &dyn Attend {
        let index = self.made.iter().position(|(of, _)| *of == window).unwrap_or_else(|| {
            let kind = self.pass.precision.kind();
            let plan: Box<dyn Attend + 'a> = match window {
                Some(window) => Box::new(Blocks::new(self.batch, window, kind)),
                None => Box::new(Full::new(self.batch, kind)),
            };
            self.made.push((window, plan));
            self.made.len() - 1
        });
        self.made[index].1.as_ref()
    }
}
