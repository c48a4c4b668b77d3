//! Recomputed activations give the bits of kept ones. A program of its own with one test, because
//! libtorch's random generator is the process's.

use longqa::model::families::{Family, LONGFORMER, ROBERTA};
use longqa::model::{
    Activations, Batch, Config, MaskedLm, MaskedPositions, Parameters, Precision, QuestionAnswering,
    Sequence, Tape,
};
use longqa::random::Seed;
use tch::{Device, Tensor};

const GLOBALS: usize = 3;

fn config(family: &'static Family) -> Config {
    let windows = (*family == LONGFORMER).then(|| vec![8, 16, 8, 16]);
    Config {
        vocab_size: 90,
        hidden_size: 32,
        num_hidden_layers: 4,
        num_attention_heads: 4,
        intermediate_size: 48,
        max_position_embeddings: 64,
        hidden_dropout_prob: 0.1,
        attention_probs_dropout_prob: 0.1,
        attention_window: windows,
        ..Config::base(family)
    }
}

fn batch(config: &Config) -> Batch {
    let globals = config.attention_window.as_ref().map_or(0, |_| GLOBALS);
    let row = |length: i64| Sequence {
        input_ids: (0..length).map(|position| 2 + (position * position * 7 + length) % 80).collect(),
        global: (0..globals).collect(),
        second_segment: None,
    };
    Batch::of_sequences(&[row(50), row(23)], config.positions()).unwrap()
}

/// The losses of two passes with dropout, and the gradients that they left together, by name.
#[derive(Debug, PartialEq)]
struct Learned {
    losses: [f64; 2],
    gradients: Vec<(String, Option<Vec<f32>>)>,
}

impl Learned {
    fn by<'a>(parameters: &Parameters, pass: impl Fn() -> (Tensor, Tape<'a>)) -> Self {
        let losses = [11, 12].map(|seed| {
            tch::manual_seed(seed);
            let (loss, tape) = pass();
            (&loss * 0.3).backward();
            tape.backward().unwrap();
            loss.double_value(&[])
        });
        assert_ne!(losses[0], losses[1], "dropout is on");
        let values = |gradient: Tensor| Vec::<f32>::try_from(gradient.flatten(0, -1)).unwrap();
        let gradients = parameters.iter().map(|(name, parameter)| {
            (name.to_owned(), Some(parameter.grad()).filter(Tensor::defined).map(values))
        });
        Self { losses, gradients: gradients.collect() }
    }

    fn assert_same_bits(&self, other: &Self) {
        assert_eq!(self.losses, other.losses);
        for (ours, theirs) in self.gradients.iter().zip(&other.gradients) {
            assert!(ours == theirs, "the gradient of {}", ours.0);
        }
    }
}

#[test]
fn a_pass_that_computes_layers_anew_learns_the_same_bits() {
    tch::set_num_threads(1);
    let both = [Activations::Kept, Activations::Recomputed];
    for family in [&ROBERTA, &LONGFORMER] {
        for precision in [Precision::Float32, Precision::BFloat16] {
            let config = config(family);
            let batch = batch(&config);
            let masked = MaskedPositions::new(&[3, 40, 49, 60], &[7, 8, 9, 10]).unwrap();
            let [kept, recomputed] = both.map(|activations| {
                let model = MaskedLm::from_seed(config.clone(), Seed(1), Device::Cpu).unwrap();
                let model = model.with_precision(precision).with_activations(activations);
                Learned::by(model.parameters(), || model.training_loss_sum(&batch, &masked).unwrap())
            });
            kept.assert_same_bits(&recomputed);

            let [kept, recomputed] = both.map(|activations| {
                let model = QuestionAnswering::from_seed(config.clone(), Seed(1), Device::Cpu).unwrap();
                let model = model.with_precision(precision).with_activations(activations);
                Learned::by(model.parameters(), || {
                    let (logits, tape) = model.training_forward(&batch).unwrap();
                    (
                        logits.start.logsumexp([0, 1], false) - logits.end.select(1, 5).sum(tch::Kind::Float),
                        tape,
                    )
                })
            });
            kept.assert_same_bits(&recomputed);
        }
    }
}
