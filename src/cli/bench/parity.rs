//! `longqa bench parity`: attention as this device computes it against its definition in 32 bits on the CPU.

use std::io;

use anyhow::ensure;
use rand::Rng;
use tch::{Device, Kind, TchError, Tensor};

use super::super::Context;
use crate::device;
use crate::model::attention::{Attend, Backend, Blocks, Flash, Full, GlobalProjected, Projected, Reference};
use crate::model::{Batch, ModelError, Positions, Sequence};
use crate::random::{Purpose, Seed};

/// Check each way of computing attention against its definition on the CPU
///
/// Random queries, keys and values through every implementation that this device has, in each number
/// format; results and gradients are compared with those of the written-down definition in float32 on the
/// CPU, which is given the same rounded numbers. A CSV row per case; exit code 1 if an error
/// ‖ours − reference‖ / ‖reference‖ is over the bound of its format.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  longqa bench parity
  longqa bench parity --device cuda --seed $RANDOM > parity.csv")]
pub struct Parity {
    /// What inputs are drawn from
    #[arg(long, default_value_t = 42)]
    seed: u64,
}

/// A number format, and the largest relative error that its rounding explains: several times what was seen
/// on a CPU.
struct Format {
    name: &'static str,
    kind: Kind,
    bound: f64,
}

const FORMATS: [Format; 3] = [
    Format { name: "float32", kind: Kind::Float, bound: 1e-5 },
    Format { name: "bfloat16", kind: Kind::BFloat16, bound: 1.5e-2 },
    Format { name: "float16", kind: Kind::Half, bound: 2e-3 },
];

const HEADS: i64 = 2;

/// Which tokens of each row are global.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Pattern {
    None,
    Prefix,
    Scattered,
}

/// Rows of tokens and how they are attended.
#[derive(Debug, Clone)]
struct Case {
    lengths: &'static [usize],
    window: Option<i64>,
    head_dim: i64,
    globals: Pattern,
}

/// The largest errors of one case, and of which gradient the second is.
struct Errors {
    result: f64,
    gradient: f64,
    worst: &'static str,
}

const LEAVES: [&str; 6] = ["query", "key", "value", "global query", "global key", "global value"];

impl Parity {
    pub fn run(&self, context: &Context) -> anyhow::Result<()> {
        let device = context.device;
        let mut writer = csv::Writer::from_writer(io::stdout().lock());
        writer.write_record([
            "device",
            "path",
            "format",
            "lengths",
            "window",
            "head_dim",
            "globals",
            "result_error",
            "gradient_error",
            "worst_gradient",
            "bound",
            "outcome",
        ])?;
        let (mut checked, mut missed) = (0, 0);
        for (index, case) in cases().iter().enumerate() {
            for format in &FORMATS {
                context.interrupt.check()?;
                let seed = [index as u64, format.kind as u64];
                for (path, outcome) in case.check(format.kind, device, Seed(self.seed), &seed)? {
                    let is_met = matches!(&outcome, Ok(errors) if errors.within(format.bound));
                    checked += 1;
                    missed += usize::from(!is_met);
                    let [result, gradient, worst, word] = match outcome {
                        Ok(Errors { result, gradient, worst }) => {
                            let word = if is_met { "met" } else { "missed" };
                            [format!("{result:.2e}"), format!("{gradient:.2e}"), worst.into(), word.into()]
                        }
                        Err(error) => [String::new(), String::new(), String::new(), error.to_string()],
                    };
                    let lengths: Vec<_> = case.lengths.iter().map(usize::to_string).collect();
                    writer.write_record([
                        device::name(device),
                        path.to_owned(),
                        format.name.to_owned(),
                        lengths.join("+"),
                        case.window.map_or_else(|| "all".to_owned(), |window| window.to_string()),
                        case.head_dim.to_string(),
                        format!("{:?}", case.globals).to_lowercase(),
                        result,
                        gradient,
                        worst,
                        format!("{:.1e}", format.bound),
                        word,
                    ])?;
                    writer.flush()?;
                }
            }
        }
        ensure!(missed == 0, "{missed} of {checked} checks missed their bound");
        tracing::info!("all {checked} checks met their bounds");
        Ok(())
    }
}

/// Every head width with short and long windows, rows shorter and longer than the window, and each pattern
/// of global tokens; then the size that models are trained at.
fn cases() -> Vec<Case> {
    const ROWS: [&[usize]; 2] = [&[1, 65, 300], &[777]];
    let mut cases = Vec::new();
    for lengths in ROWS {
        for head_dim in [32, 64, 128] {
            cases.push(Case { lengths, window: None, head_dim, globals: Pattern::None });
            for window in [2, 64, 512] {
                for globals in [Pattern::None, Pattern::Prefix, Pattern::Scattered] {
                    cases.push(Case { lengths, window: Some(window), head_dim, globals });
                }
            }
        }
    }
    for globals in [Pattern::None, Pattern::Prefix] {
        cases.push(Case { lengths: &[4096], window: Some(512), head_dim: 64, globals });
    }
    cases
}

impl Case {
    /// The errors of each implementation that takes this case on `device`.
    fn check(
        &self,
        kind: Kind,
        device: Device,
        seed: Seed,
        at: &[u64],
    ) -> anyhow::Result<Vec<(&'static str, Result<Errors, ModelError>)>> {
        let batch = self.batch(seed, at)?;
        tch::manual_seed(seed.for_libtorch(Purpose::Initialization, at));
        let leaves = self.leaves(&batch, kind);
        let weights = Tensor::randn([batch.tokens(), HEADS, self.head_dim], (kind, Device::Cpu));
        let expected = run(&Reference::new(&batch, self.window)?, &batch, &leaves, &weights, Kind::Float)?;
        let batch = batch.to_device(device)?;
        let leaves = leaves.iter().map(|leaf| leaf.f_to_device(device)).collect::<Result<Vec<_>, _>>()?;
        let weights = weights.f_to_device(device)?;
        let errors = |plan: Result<Box<dyn Attend + '_>, TchError>| -> Result<Errors, ModelError> {
            Errors::between(&run(plan?.as_ref(), &batch, &leaves, &weights, kind)?, &expected)
        };

        let mut checked = Vec::new();
        checked.push(match self.window {
            Some(window) => ("blocks", errors(Blocks::new(&batch, window, kind).map(boxed))),
            None => ("full", errors(Full::new(&batch, kind).map(boxed))),
        });
        // A CPU has a stand-in for the kernel, in 32 bits.
        let has_flash = match device {
            Device::Cpu => kind == Kind::Float,
            _ => Backend::available(device, kind, self.head_dim) == Backend::Flash,
        };
        if has_flash && Flash::takes(&batch, self.window) {
            let name = if device == Device::Cpu { "flash's stand-in" } else { "flash" };
            checked.push((name, errors(Ok(boxed(Flash::new(&batch, self.window))))));
        }
        Ok(checked)
    }

    fn batch(&self, seed: Seed, at: &[u64]) -> Result<Batch, ModelError> {
        let mut stream = seed.stream(Purpose::Initialization, at);
        let rows: Vec<Sequence> = (1..)
            .zip(self.lengths)
            .map(|(number, &length)| {
                let prefix = (7 * number).min(length);
                let global = match self.globals {
                    Pattern::None => Vec::new(),
                    Pattern::Prefix => (0..prefix).collect(),
                    Pattern::Scattered => (0..length).filter(|_| stream.random_bool(0.05)).collect(),
                };
                Sequence { input_ids: vec![0; length], global, second_segment: None }
            })
            .collect();
        Batch::of_sequences(&rows, Positions::FromZero)
    }

    /// Random projections in the order of [`LEAVES`].
    fn leaves(&self, batch: &Batch, kind: Kind) -> Vec<Tensor> {
        let (tokens, globals) = (batch.tokens(), batch.count_globals());
        let of = |tokens| Tensor::randn([tokens, HEADS, self.head_dim], (kind, Device::Cpu));
        [tokens, tokens, tokens, globals, tokens, tokens].map(of).into()
    }
}

fn boxed<'a>(plan: impl Attend + 'a) -> Box<dyn Attend + 'a> {
    Box::new(plan)
}

/// The result in `kind`, and the gradients of its sum weighted by `weights`, one for each leaf; zeros for a
/// leaf that nothing depends on.
fn run(
    plan: &dyn Attend,
    batch: &Batch,
    leaves: &[Tensor],
    weights: &Tensor,
    kind: Kind,
) -> Result<Vec<Tensor>, TchError> {
    let leaf = |leaf: &Tensor| leaf.f_to_kind(kind)?.f_detach_copy()?.f_set_requires_grad(true);
    let leaves = leaves.iter().map(leaf).collect::<Result<Vec<_>, _>>()?;
    let at = |index: usize| leaves[index].shallow_clone();
    let local = Projected { query: at(0), key: at(1), value: at(2) };
    let has_globals = batch.count_globals() > 0;
    let global = has_globals.then(|| GlobalProjected { query: at(3), key: at(4), value: at(5) });
    let result = plan.attend(&local, global.as_ref(), 0.0)?;
    let used = if has_globals { &leaves[..] } else { &leaves[..3] };
    let sum = result.f_mul(&weights.f_to_kind(kind)?)?.f_sum(Kind::Float)?;
    let gradients = Tensor::f_run_backward(&[sum], used, false, false)?;
    let mut found = vec![result];
    for (gradient, leaf) in gradients.into_iter().zip(used) {
        found.push(if gradient.defined() { gradient } else { leaf.f_zeros_like()? });
    }
    Ok(found)
}

impl Errors {
    fn between(found: &[Tensor], expected: &[Tensor]) -> Result<Self, ModelError> {
        let relative = |(found, expected): (&Tensor, &Tensor)| -> Result<f64, TchError> {
            let found = found.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?;
            let expected = expected.f_to_kind(Kind::Double)?;
            let norm = expected.f_norm()?.f_double_value(&[])?;
            let error = found.f_sub(&expected)?.f_norm()?.f_double_value(&[])?;
            Ok(if norm > 0.0 { error / norm } else { error })
        };
        let errors = found.iter().zip(expected).map(relative).collect::<Result<Vec<_>, _>>()?;
        // total_cmp puts NaN above all numbers.
        let worst = errors[1..].iter().zip(LEAVES).max_by(|(a, _), (b, _)| a.total_cmp(b));
        let (gradient, worst) = worst.map_or((0.0, ""), |(error, name)| (*error, name));
        Ok(Self { result: errors[0], gradient, worst })
    }

    /// False for what is not a number.
    fn within(&self, bound: f64) -> bool {
        self.result <= bound && self.gradient <= bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_is_off_by_one_and_what_is_no_number_miss_every_bound() {
        let case = Case { lengths: &[65], window: Some(16), head_dim: 32, globals: Pattern::Prefix };
        let batch = case.batch(Seed(1), &[]).unwrap();
        let leaves = case.leaves(&batch, Kind::Float);
        let weights = Tensor::randn([65, HEADS, 32], (Kind::Float, Device::Cpu));
        let of = |window| {
            let plan = Reference::new(&batch, Some(window)).unwrap();
            run(&plan, &batch, &leaves, &weights, Kind::Float).unwrap()
        };
        let expected = of(16);
        for format in &FORMATS {
            assert!(Errors::between(&expected, &expected).unwrap().within(format.bound));
            assert!(!Errors::between(&of(18), &expected).unwrap().within(format.bound));
            let broken: Vec<_> = expected.iter().map(|tensor| tensor * f64::NAN).collect();
            assert!(!Errors::between(&broken, &expected).unwrap().within(format.bound));
        }
    }
}
