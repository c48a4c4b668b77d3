//! Training with little memory: layers whose activations are computed again on the way back (Chen et al.
//! 2016, "Training Deep Nets with Sublinear Memory Cost").
//!
//! The way forward keeps of each layer its input and where the random generator stood. The way back goes
//! through the layers from the last to the first: it computes each one again, dropout included, and takes the
//! gradient through it. Loss and gradients are those of a pass that kept everything, bit for bit.

use tch::Tensor;

use super::attention::Plans;
use super::encoder::{Encoder, Layer, Wanted};
use super::layers::Pass;
use super::{Batch, ModelError};
use crate::native::{self, GeneratorState};

/// What a training pass keeps of each layer between its way forward and its way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activations {
    /// Everything the way back needs.
    #[default]
    Kept,
    /// The layer's input; the rest is computed again. A third more work, a fraction of the memory.
    Recomputed,
}

/// The rest of a backward pass, to be made after that of the loss.
#[derive(Debug)]
#[must_use = "without it the recomputed layers get no gradient"]
pub struct Tape<'a> {
    /// The word embedding as the head is to see it.
    words: Tensor,
    recomputed: Option<Recomputed<'a>>,
}

#[derive(Debug)]
struct Recomputed<'a> {
    encoder: &'a Encoder,
    plans: Plans<'a>,
    pass: Pass,
    /// The first layer's input, with the graph behind it.
    embedded: Tensor,
    layers: Vec<Recorded<'a>>,
    /// What the loss was computed from; its gradient is where the way back begins.
    output: Tensor,
}

/// A layer on the way forward.
#[derive(Debug)]
struct Recorded<'a> {
    layer: &'a Layer,
    input: Tensor,
    generator: GeneratorState,
}

impl Activations {
    /// The last hidden state of the wanted tokens, in 32 bits.
    pub(super) fn forward<'a>(
        self,
        encoder: &'a Encoder,
        batch: &'a Batch,
        wanted: Wanted,
        pass: Pass,
    ) -> Result<(Tensor, Tape<'a>), ModelError> {
        let words = &encoder.embeddings.words;
        match (self, encoder.layers.split_last()) {
            (Activations::Recomputed, Some((last, others))) => {
                let mut plans = Plans::new(batch, pass);
                let embedded = encoder.embeddings.forward(batch, pass)?;
                let mut hidden = embedded.detach();
                let mut layers = Vec::with_capacity(others.len());
                for layer in others {
                    let generator = GeneratorState::beside(&hidden)?;
                    let output = tch::no_grad(|| layer.forward(&hidden, Wanted::All, &mut plans, pass))?;
                    layers.push(Recorded { layer, input: hidden, generator });
                    hidden = output;
                }
                // The way back would begin with the last layer: there is no use in computing it again.
                let output = leaf(&hidden);
                let hidden = last.forward(&output, wanted, &mut plans, pass)?;
                let recomputed = Recomputed { encoder, plans, pass, embedded, layers, output };
                Ok((hidden, Tape { words: leaf(words), recomputed: Some(recomputed) }))
            }
            _ => {
                let hidden = encoder.forward(batch, wanted, pass)?;
                Ok((hidden, Tape { words: words.shallow_clone(), recomputed: None }))
            }
        }
    }
}

impl Tape<'_> {
    pub(super) fn words(&self) -> &Tensor {
        &self.words
    }

    /// Adds what is still missing to the parameters' gradients.
    pub fn backward(self) -> Result<(), ModelError> {
        let Some(Recomputed { encoder, mut plans, pass, embedded, layers, output }) = self.recomputed else {
            return Ok(());
        };
        let mut gradient = output.grad();
        drop(output);
        for Recorded { layer, input, generator } in layers.into_iter().rev() {
            let input = leaf(&input);
            generator.restore_beside(&input)?;
            let output = layer.forward(&input, Wanted::All, &mut plans, pass)?;
            native::backward(&[&output], &[&gradient])?;
            gradient = input.grad();
        }
        // A pass that keeps everything adds both gradients of the word embedding up before it adds them to
        // those of earlier passes. In another order the sum would be rounded differently.
        let of_head = self.words.grad();
        match of_head.defined() {
            true => native::backward(&[&embedded, &encoder.embeddings.words], &[&gradient, &of_head])?,
            false => native::backward(&[&embedded], &[&gradient])?,
        }
        Ok(())
    }
}

/// The same values, as the beginning of a graph of its own.
fn leaf(tensor: &Tensor) -> Tensor {
    tensor.detach().set_requires_grad(true)
}
