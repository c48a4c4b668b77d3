//! Every implementation of attention computes what the reference does, forward and backward.

use proptest::prelude::*;
use tch::{Device, Kind, Tensor};

use super::super::{Batch, Positions, Sequence};
use super::{Attend, Blocks, Flash, Full, GlobalProjected, Projected, Reference};

/// Rows of tokens, a window, and a number to seed values with.
#[derive(Debug, Clone)]
struct Case {
    rows: Vec<Sequence>,
    window: i64,
    heads: i64,
    seed: i64,
    /// None, or too little to drop anything: dropout has its own path through the kernel.
    dropout: f64,
}

/// Where global tokens stand in a row.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Globals {
    Anywhere,
    /// The row's first ones, if any.
    First,
}

fn row(globals: Globals) -> impl Strategy<Value = Sequence> {
    let length = prop_oneof![1usize..40, 100usize..400];
    let share = prop_oneof![Just(0.0), Just(0.02), Just(0.3), Just(1.0)];
    (length, share, 0usize..12).prop_flat_map(move |(length, share, first)| {
        prop::collection::vec(prop::bool::weighted(share), length).prop_map(move |marks| {
            let global = |position: &usize| match globals {
                Globals::Anywhere => marks[*position],
                Globals::First => *position < first,
            };
            Sequence {
                input_ids: vec![5; length],
                global: (0..length).filter(global).collect(),
                second_segment: None,
            }
        })
    })
}

fn case(globals: Globals) -> impl Strategy<Value = Case> {
    let window = prop_oneof![(1i64..10).prop_map(|half| 2 * half), (10i64..150).prop_map(|half| 2 * half)];
    (prop::collection::vec(row(globals), 1..4), window, 1i64..3, any::<u32>()).prop_map(
        |(rows, window, heads, seed)| Case {
            rows,
            window,
            heads,
            seed: i64::from(seed),
            dropout: if seed % 3 == 0 { 1e-12 } else { 0.0 },
        },
    )
}

impl Case {
    fn batch(&self) -> Batch {
        Batch::of_sequences(&self.rows, Positions::FromZero).unwrap()
    }

    /// Leaves: local query, key, value, then global query, key, value.
    fn projections(&self, batch: &Batch) -> Vec<Tensor> {
        let (tokens, globals) = (batch.tokens(), batch.count_globals());
        [tokens, tokens, tokens, globals, tokens, tokens]
            .into_iter()
            .enumerate()
            .map(|(index, tokens)| {
                let shape = [tokens, self.heads, 8];
                // Any numbers will do that differ and are of order one.
                let phase = Tensor::arange(shape.iter().product::<i64>(), (Kind::Double, Device::Cpu)) * 1.7
                    + (self.seed + 1000 * index as i64) as f64;
                let values = (phase.square() * 0.37).sin().to_kind(Kind::Float).view(shape) * 1.5;
                values.set_requires_grad(true)
            })
            .collect()
    }
}

/// The result, and the gradients of a weighted sum of it.
fn run(plan: &dyn Attend, batch: &Batch, leaves: &[Tensor], dropout: f64) -> Vec<Tensor> {
    let leaf = |index: usize| leaves[index].shallow_clone();
    let local = Projected { query: leaf(0), key: leaf(1), value: leaf(2) };
    let has_globals = batch.globals().is_some();
    let global = has_globals.then(|| GlobalProjected { query: leaf(3), key: leaf(4), value: leaf(5) });
    let result = plan.attend(&local, global.as_ref(), dropout).unwrap();
    let weights = Tensor::arange(result.numel() as i64, (Kind::Float, Device::Cpu)).sin().view_as(&result);
    let used = if has_globals { leaves } else { &leaves[..3] };
    let gradients = Tensor::run_backward(&[(&result * weights).sum(Kind::Float)], used, false, false);
    // What was not needed at all, for want of a token that is not global, has no gradient.
    let gradients = gradients.into_iter().zip(used).map(|(gradient, of)| match gradient.defined() {
        true => gradient,
        false => of.zeros_like(),
    });
    std::iter::once(result).chain(gradients).collect()
}

/// `window` as the reference is told it.
fn assert_equal(
    case: &Case,
    ours: &dyn Attend,
    window: Option<i64>,
    dropout: f64,
) -> Result<(), TestCaseError> {
    let batch = case.batch();
    let leaves = case.projections(&batch);
    let ours = run(ours, &batch, &leaves, dropout);
    let theirs = run(&Reference::new(&batch, window).unwrap(), &batch, &leaves, 0.0);
    for (index, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        prop_assert_eq!(ours.size(), theirs.size());
        if theirs.numel() == 0 {
            continue;
        }
        let scale = theirs.abs().max().double_value(&[]).max(1.0);
        let difference = (ours - theirs).abs().max().double_value(&[]);
        prop_assert!(difference <= 2e-5 * scale, "part {}: {} of {}", index, difference, scale);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn blocks_compute_the_definition_forward_and_backward(case in case(Globals::Anywhere)) {
        let blocks = Blocks::new(&case.batch(), case.window, Kind::Float).unwrap();
        assert_equal(&case, &blocks, Some(case.window), case.dropout)?;
    }

    /// By the CPU's stand-in for its kernel.
    #[test]
    fn flash_computes_the_definition_forward_and_backward(case in case(Globals::First)) {
        let (batch, window) = (case.batch(), Some(case.window));
        prop_assert!(Flash::takes(&batch, window));
        assert_equal(&case, &Flash::new(&batch, window), window, 0.0)?;
    }

    #[test]
    fn full_attention_computes_the_definition_forward_and_backward(mut case in case(Globals::Anywhere)) {
        case.rows.iter_mut().for_each(|row| row.global.clear());
        let batch = case.batch();
        assert_equal(&case, &Full::new(&batch, Kind::Float).unwrap(), None, case.dropout)?;
        prop_assert!(Flash::takes(&batch, None));
        assert_equal(&case, &Flash::new(&batch, None), None, 0.0)?;
    }
}

#[test]
fn scattered_global_tokens_are_not_for_flash() {
    let row =
        |global: &[usize]| Sequence { input_ids: vec![5; 9], global: global.to_vec(), second_segment: None };
    let takes = |rows: &[Sequence], window| {
        Flash::takes(&Batch::of_sequences(rows, Positions::FromZero).unwrap(), window)
    };
    assert!(takes(&[row(&[1, 0]), row(&[])], Some(4)));
    assert!(!takes(&[row(&[0, 1]), row(&[1])], Some(4)));
    assert!(!takes(&[row(&[0])], None));
}

#[test]
fn dropout_is_right_on_average() {
    let draws = 400;
    let row = Sequence { input_ids: vec![5; 200], global: vec![0, 90], second_segment: None };
    let batch = Batch::of_sequences(&[row], Positions::FromZero).unwrap();
    let leaf = |tokens| Tensor::randn([tokens, 2, 8], (Kind::Float, Device::Cpu));
    let local = Projected { query: leaf(200), key: leaf(200), value: leaf(200) };
    let global = GlobalProjected { query: leaf(2), key: leaf(200), value: leaf(200) };
    let plan = Blocks::new(&batch, 16, Kind::Float).unwrap();
    let exact = plan.attend(&local, Some(&global), 0.0).unwrap();
    let mut sum = exact.zeros_like();
    for _ in 0..draws {
        sum += plan.attend(&local, Some(&global), 0.3).unwrap();
    }
    let error = (sum / f64::from(draws) - &exact).norm().double_value(&[]) / exact.norm().double_value(&[]);
    assert!(error > 0.0 && error < 0.08, "{error}");
}
