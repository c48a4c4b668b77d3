//! The training loop, top to bottom, for every objective.
//!
//! An optimizer step is a pure function of (weights, moments, step): its data come from the step's
//! number, libtorch's generator is seeded from it, so a run that was killed and started again ends
//! with the bits of one that never stopped.

use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use tch::{Kind, Tensor};

use super::checkpoint::{Checkpoints, TrainerState};
use super::log::Log;
use super::log_window::LogWindow;
use super::schedule::LinearSchedule;
use super::settings::Optimization;
use super::{AdamW, TrainError};
use crate::digest::Digest;
use crate::durable;
use crate::interrupt::{Interrupt, Interrupted};
use crate::model::Parameters;
use crate::random::Purpose;

/// What is learned: a loss over host-side micro-batches, and how well it goes.
pub trait Objective {
    /// The data of one forward and backward pass, still on the host.
    type MicroBatch: Send;

    /// What the optimizer trains.
    fn parameters(&self) -> &Parameters;

    /// Gives the sum (not the mean) of the loss terms of one micro-batch, `[]` f32, dropout on, to
    /// `backward`, and sees to it that every parameter has its gradient when it comes back.
    fn learn(&self, micro_batch: &Self::MicroBatch, backward: Backward) -> Result<(), TrainError>;

    /// Named figures on held-out data; none if there is nothing to evaluate on.
    fn evaluate(&self, interrupt: &Interrupt) -> Result<Vec<(&'static str, f64)>, TrainError>;
}

/// Makes the backward pass of a sum of loss terms.
pub type Backward<'a> = &'a mut dyn FnMut(&Tensor) -> Result<(), TrainError>;

/// The data of one optimizer step.
pub struct Step<M> {
    /// One forward and backward pass each.
    pub micro_batches: Vec<M>,
    /// Loss terms in all micro-batches together: their sum is divided by it.
    pub terms: usize,
    /// Tokens in all micro-batches together, padding left out.
    pub tokens: usize,
}

/// How long to run, and how often to look.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Optimizer, batch and logging settings.
    pub optimization: Optimization,
    /// Optimizer steps.
    pub max_steps: u64,
    /// Steps between two evaluations; 0: before the first step and after the last one only.
    pub eval_steps: u64,
    /// Names everything the run depends on; checkpoints of another identity are refused.
    pub identity: Digest,
}

/// What happens during a run, as it happens.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The run goes on from a checkpoint.
    Resumed {
        /// Optimizer steps done before.
        step: u64,
    },
    /// An optimizer step ended.
    Stepped {
        /// Steps done.
        step: u64,
        /// Steps in all.
        max_steps: u64,
    },
    /// A log line, or an evaluation: named figures.
    Measured {
        /// Steps done.
        step: u64,
        /// Names as in `metrics.jsonl`.
        figures: Vec<(&'static str, f64)>,
    },
}

/// What a run is given from outside: the wish to stop, the time, and somebody who listens.
pub struct Session<'a> {
    /// Asked before every step.
    pub interrupt: &'a Interrupt,
    /// Seconds since 1970.
    pub clock: &'a dyn Fn() -> f64,
    /// Told of every event.
    pub observe: &'a mut dyn FnMut(&Event),
}

/// Trains `objective` for `plan.max_steps` steps, going on from the newest checkpoint in `work`.
///
/// `step_at` gives the data of a step from its number; it runs ahead on a thread of its own. `work` is this
/// run's alone: what a killed one left half-written there is removed.
pub fn run<O: Objective>(
    objective: &O,
    mut step_at: impl FnMut(u64) -> Result<Step<O::MicroBatch>, TrainError> + Send,
    plan: &Plan,
    work: &Path,
    session: &mut Session,
) -> Result<(), TrainError> {
    let settings = &plan.optimization;
    let schedule = LinearSchedule {
        learning_rate: settings.learning_rate,
        warmup_steps: settings.warmup_steps,
        max_steps: plan.max_steps,
    };
    durable::remove_leftovers(work)?;
    let checkpoints = Checkpoints::new(work, settings.save_total_limit, plan.identity);
    let mut optimizer = AdamW::new(objective.parameters(), settings)?;
    let resumed = checkpoints.restore_latest(objective.parameters(), &optimizer)?;
    if let Some(state) = &resumed {
        (session.observe)(&Event::Resumed { step: state.step });
    }
    let mut log = Log::open(work, resumed.as_ref().map(|state| state.step), session.clock)?;
    let mut state = resumed.unwrap_or_else(TrainerState::at_the_start);
    let first = state.step;
    if first == 0 {
        let size = settings.per_device_train_batch_size as f64;
        log.record(first, vec![("per_device_train_batch_size", size)], session)?;
    }
    let mut window = LogWindow::resume(&state);
    let is_due = |step: u64, every: u64| every > 0 && step.is_multiple_of(every) || step == plan.max_steps;

    thread::scope(|scope| {
        let (feed, steps) = sync_channel(2);
        scope.spawn(move || (first..plan.max_steps).try_for_each(|step| feed.send(step_at(step))));
        loop {
            if state.evaluation_due {
                match objective.evaluate(session.interrupt) {
                    Ok(figures) => {
                        log.record(state.step, figures, session)?;
                        state.evaluation_due = false;
                    }
                    // It stays due, and the next run begins with it.
                    Err(TrainError::Interrupted(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            // Asked once: a wish that came between saving and stopping would stop without saving.
            let interrupted = session.interrupt.requested();
            if state.step > first && (interrupted || is_due(state.step, settings.save_steps)) {
                window.read_back(&mut state, &checkpoints)?;
                log.sync()?;
                checkpoints.save(&state, objective.parameters(), &optimizer)?;
            }
            if state.step == plan.max_steps && !state.evaluation_due {
                return Ok(());
            }
            if interrupted {
                return Err(Interrupted.into());
            }

            let started = (session.clock)();
            let data = next(&steps)?;
            let loss = accumulate(objective, &optimizer, &data, settings, state.step)?;
            let learning_rate = schedule.at(state.step);
            let norm = optimizer.step(learning_rate)?;
            window.push(&loss, &norm, optimizer.loss_scale(), data.tokens)?;
            state.step += 1;
            state.evaluation_due = is_due(state.step, plan.eval_steps);

            let logs = is_due(state.step, settings.logging_steps);
            // Evaluating and saving wait for the device; that is still the time of the steps before.
            if logs || state.evaluation_due || is_due(state.step, settings.save_steps) {
                window.read_back(&mut state, &checkpoints)?;
            }
            window.add_seconds((session.clock)() - started);
            (session.observe)(&Event::Stepped { step: state.step, max_steps: plan.max_steps });
            if logs {
                log.record(state.step, window.take_figures(learning_rate), session)?;
            }
        }
    })
}

fn next<M>(steps: &Receiver<Result<Step<M>, TrainError>>) -> Result<Step<M>, TrainError> {
    // The feeding thread sends every step of the range; it can be gone early only by a panic.
    steps.recv().unwrap_or_else(|_| panic!("the thread that prepares batches is gone"))
}

/// Forward and backward over the micro-batches: gradients of the mean over all terms of the step.
fn accumulate<O: Objective>(
    objective: &O,
    optimizer: &AdamW,
    step: &Step<O::MicroBatch>,
    settings: &Optimization,
    number: u64,
) -> Result<Tensor, TrainError> {
    let mut total = Tensor::f_zeros([], (Kind::Float, objective.parameters().device()))?;
    for (index, micro_batch) in step.micro_batches.iter().enumerate() {
        tch::manual_seed(settings.seed.for_libtorch(Purpose::Dropout, &[number, index as u64]));
        // A step of a few short blocks may have no masked token at all: its loss is 0, not 0 / 0.
        let terms = step.terms.max(1) as f64;
        objective.learn(micro_batch, &mut |sum| {
            let loss = sum.f_div_scalar(terms)?;
            optimizer.backward(&loss)?;
            let _same = total.f_add_(&loss.f_detach()?)?;
            Ok(())
        })?;
    }
    Ok(total)
}
