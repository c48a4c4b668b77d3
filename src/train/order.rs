//! Which examples an optimizer step sees: a new random order each epoch, as a function of the seed
//! and the epoch alone.

use rand::seq::SliceRandom;

use super::settings::Optimization;
use crate::random::{Purpose, Seed};

/// An endless sequence of examples, epoch after epoch.
#[derive(Debug, Clone)]
pub struct Order {
    examples: usize,
    seed: Seed,
    epoch: u64,
    shuffled: Vec<usize>,
}

/// The examples of each optimizer step; the last step of an epoch may have fewer than the others.
#[derive(Debug, Clone)]
pub struct Batches {
    order: Order,
    /// Examples of an epoch.
    examples: u64,
    /// Examples of a step.
    size: u64,
    epochs: f64,
}

impl Batches {
    /// The batches of `examples` examples (at least one) in the order that the seed gives.
    pub fn new(examples: usize, optimization: &Optimization, epochs: f64) -> Self {
        let order = Order::new(examples, optimization.seed);
        Self { order, examples: examples as u64, size: optimization.batch_size() as u64, epochs }
    }

    /// Optimizer steps for all epochs.
    pub fn max_steps(&self) -> u64 {
        (self.epochs * self.steps_per_epoch() as f64).ceil() as u64
    }

    fn steps_per_epoch(&self) -> u64 {
        self.examples.div_ceil(self.size)
    }

    /// The examples of optimizer step `step`, counted from 0.
    pub fn at(&mut self, step: u64) -> Vec<usize> {
        let (epoch, place) = (step / self.steps_per_epoch(), step % self.steps_per_epoch());
        let (first, last) = (epoch * self.examples, (epoch + 1) * self.examples);
        let from = first + place * self.size;
        self.order.draws(from, last.min(from + self.size)).iter().map(|draw| draw.example).collect()
    }
}

/// An example in an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// Passes over the data before this one.
    pub epoch: u64,
    /// The example's index.
    pub example: usize,
}

impl Order {
    /// The order of `examples` (at least one) for `seed`.
    pub fn new(examples: usize, seed: Seed) -> Self {
        assert!(examples > 0, "an order of nothing");
        Self { examples, seed, epoch: 0, shuffled: shuffled(examples, seed, 0) }
    }

    /// The draws `from..to` of the sequence, counted over all epochs.
    pub fn draws(&mut self, from: u64, to: u64) -> Vec<Draw> {
        (from..to).map(|draw| self.at(draw)).collect()
    }

    fn at(&mut self, draw: u64) -> Draw {
        let epoch = draw / self.examples as u64;
        if epoch != self.epoch {
            self.shuffled = shuffled(self.examples, self.seed, epoch);
            self.epoch = epoch;
        }
        Draw { epoch, example: self.shuffled[(draw % self.examples as u64) as usize] }
    }
}

fn shuffled(examples: usize, seed: Seed, epoch: u64) -> Vec<usize> {
    let mut order: Vec<_> = (0..examples).collect();
    order.shuffle(&mut seed.stream(Purpose::Shuffle, &[epoch]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_epoch_has_every_example_once_in_another_order() {
        let mut order = Order::new(50, Seed(1));
        let epochs = [order.draws(0, 50), order.draws(50, 100)];
        for (number, epoch) in epochs.iter().enumerate() {
            let mut seen: Vec<_> = epoch.iter().map(|draw| draw.example).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..50).collect::<Vec<_>>());
            assert!(epoch.iter().all(|draw| draw.epoch == number as u64));
        }
        let examples = |epoch: &[Draw]| epoch.iter().map(|draw| draw.example).collect::<Vec<_>>();
        assert_ne!(examples(&epochs[0]), examples(&epochs[1]));
    }

    #[test]
    fn each_epochs_batches_have_every_example_once() {
        let optimization = Optimization {
            per_device_train_batch_size: 2,
            gradient_accumulation_steps: 2,
            ..Optimization::default()
        };
        let mut batches = Batches::new(10, &optimization, 1.5);
        assert_eq!(batches.max_steps(), 5);
        let sizes: Vec<usize> = (0..5).map(|step| batches.at(step).len()).collect();
        assert_eq!(sizes, [4, 4, 2, 4, 4]);
        let mut epoch: Vec<usize> = (0..3).flat_map(|step| batches.at(step)).collect();
        epoch.sort_unstable();
        assert_eq!(epoch, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn a_later_draw_needs_no_earlier_one() {
        let all = Order::new(7, Seed(3)).draws(0, 40);
        assert_eq!(Order::new(7, Seed(3)).draws(23, 31), all[23..31]);
        assert_ne!(Order::new(7, Seed(4)).draws(0, 40), all);
    }
}
