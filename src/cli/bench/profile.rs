//! Where a training step's time goes: its three phases, and the parts that can be timed alone.

use std::time::Instant;

use tch::{Device, Kind, Tensor};

use super::ceiling::{Spread, synchronize};
use crate::model::attention::{Backend, GlobalProjected, Projected};
use crate::model::{Batch, Config, MaskedPositions, Precision, vocabulary_loss};
use crate::native::Vocabulary;

/// What a step is made of.
pub struct Parts<'a> {
    pub config: &'a Config,
    pub batch: &'a Batch,
    pub masked: &'a MaskedPositions,
    pub precision: Precision,
    pub backend: Backend,
    pub repeats: u32,
}

impl Parts<'_> {
    /// Seconds of the parts alone, forward and backward, over all layers.
    pub fn alone(&self) -> anyhow::Result<Vec<(&'static str, f64)>> {
        Ok(vec![
            ("linear layers", self.linear_layers()?),
            ("attention core", self.attention()?),
            ("head's product and loss", self.head_and_loss()?),
        ])
    }

    fn device(&self) -> Device {
        self.batch.device()
    }

    fn random(&self, shape: &[i64]) -> anyhow::Result<Tensor> {
        Ok(Tensor::f_randn(shape, (self.precision.kind(), self.device()))?)
    }

    /// What follows the last layer's attention is done for the masked tokens alone.
    fn linear_layers(&self) -> anyhow::Result<f64> {
        let &Config { hidden_size: width, intermediate_size: inner, .. } = self.config;
        let (tokens, masked) = (self.batch.tokens(), self.masked.len());
        let layers = self.config.num_hidden_layers as f64;
        let projections = self.product(tokens, width, 3 * width)?;
        let after = |tokens| -> anyhow::Result<f64> {
            let [attended, up, down] = [(width, width), (width, inner), (inner, width)];
            let product = |(inputs, outputs)| self.product(tokens, inputs, outputs);
            Ok(product(attended)? + product(up)? + product(down)?)
        };
        Ok(layers * projections + (layers - 1.0) * after(tokens)? + after(masked)?)
    }

    /// A linear layer's products: forward, the inputs' gradient, the weights'.
    fn product(&self, tokens: i64, inputs: i64, outputs: i64) -> anyhow::Result<f64> {
        let (x, weight) = (self.random(&[tokens, inputs])?, self.random(&[outputs, inputs])?);
        let gradient = self.random(&[tokens, outputs])?;
        self.median(|| {
            let _result = x.f_matmul(&weight.f_transpose(0, 1)?)?;
            let _of_inputs = gradient.f_matmul(&weight)?;
            let _of_weights = gradient.f_transpose(0, 1)?.f_matmul(&x)?;
            Ok(())
        })
    }

    fn attention(&self) -> anyhow::Result<f64> {
        let Config { num_attention_heads: heads, attention_probs_dropout_prob: dropout, .. } = *self.config;
        let (tokens, globals) = (self.batch.tokens(), self.batch.count_globals());
        let leaf = |tokens| -> anyhow::Result<Tensor> {
            Ok(self.random(&[tokens, heads, self.config.head_dim()])?.f_set_requires_grad(true)?)
        };
        let local = Projected { query: leaf(tokens)?, key: leaf(tokens)?, value: leaf(tokens)? };
        let window = self.config.window(0);
        let global = match window {
            Some(_) if globals > 0 => {
                Some(GlobalProjected { query: leaf(globals)?, key: leaf(tokens)?, value: leaf(tokens)? })
            }
            _ => None,
        };
        let plan = self.backend.plan(self.batch, window, self.precision.kind())?;
        let weights = self.random(&[tokens, heads, self.config.head_dim()])?;
        let mut leaves = vec![&local.query, &local.key, &local.value];
        if let Some(GlobalProjected { query, key, value }) = &global {
            leaves.extend([query, key, value]);
        }
        let seconds = self.median(|| {
            let result = plan.attend(&local, global.as_ref(), dropout)?;
            let sum = result.f_mul(&weights)?.f_sum(Kind::Float)?;
            let _gradients = Tensor::f_run_backward(&[sum], &leaves, false, false)?;
            Ok(())
        })?;
        Ok(seconds * self.config.num_hidden_layers as f64)
    }

    fn head_and_loss(&self) -> anyhow::Result<f64> {
        let &Config { hidden_size: width, vocab_size: words, .. } = self.config;
        let leaf =
            |shape: &[i64]| Tensor::f_randn(shape, (Kind::Float, self.device()))?.f_set_requires_grad(true);
        let (hidden, weight, bias) =
            (leaf(&[self.masked.len(), width])?, leaf(&[words, width])?, leaf(&[words])?);
        let vocabulary = Vocabulary { weight: &weight, bias: &bias };
        self.median(|| {
            let loss = vocabulary_loss::sum(&hidden, &vocabulary, &self.masked.labels, self.precision)?;
            let _gradients = Tensor::f_run_backward(&[loss], &[&hidden, &weight, &bias], false, false)?;
            Ok(())
        })
    }

    /// The median time of `work`, after once without a clock.
    fn median(&self, work: impl Fn() -> anyhow::Result<()>) -> anyhow::Result<f64> {
        let timed = || -> anyhow::Result<f64> {
            synchronize(self.device())?;
            let started = Instant::now();
            work()?;
            synchronize(self.device())?;
            Ok(started.elapsed().as_secs_f64())
        };
        timed()?;
        let seconds = (0..self.repeats).map(|_| timed()).collect::<anyhow::Result<_>>()?;
        Ok(Spread::of(seconds).median)
    }
}
