//! What a user sees of a run: how many stages, which one, how far, how long still.
//!
//! On a terminal two bars stand at the bottom, the run's and the stage's; elsewhere each stage gives
//! one line when it begins and one when it ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{
    HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle,
};
use tracing::{error, info, warn};

use super::ExperimentError;
use super::manifest::Manifest;
use super::stage::{Stage, Work};

/// How long stages of each kind took.
#[derive(Debug, Default)]
pub struct Pace {
    seconds: HashMap<String, (f64, u32)>,
}

/// An estimate of seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Estimate {
    /// Of all of them.
    All(f64),
    /// Of those whose kind has been seen; there are others.
    AtLeast(f64),
}

impl Pace {
    /// Takes one finished stage into account.
    pub fn learn(&mut self, manifest: &Manifest) {
        let (sum, count) = self.seconds.entry(manifest.kind.clone()).or_default();
        *sum += manifest.wall_seconds;
        *count += 1;
    }

    /// How long `stages` will take, if each takes what its kind takes on average.
    pub fn seconds<'a>(&self, stages: impl Iterator<Item = &'a Stage>) -> Estimate {
        let mut total = 0.0;
        let mut all_known = true;
        for stage in stages {
            match self.seconds.get(stage.work.kind()) {
                Some((sum, count)) => total += sum / f64::from(*count),
                None => all_known = false,
            }
        }
        if all_known { Estimate::All(total) } else { Estimate::AtLeast(total) }
    }
}

const OVERALL: &str = "stages {wide_bar} {pos}/{len}, {elapsed} gone, {left}";
const STAGE: &str = "{prefix} {wide_bar} {human_pos}/{human_len} {msg} {eta} left";

/// When an estimate was made, and what it was.
type Deadline = Arc<Mutex<Option<(Instant, Estimate)>>>;

/// The two bars of a run.
pub struct Display {
    bars: MultiProgress,
    overall: ProgressBar,
    stage: ProgressBar,
    deadline: Deadline,
    total: usize,
}

impl Display {
    /// For a run of `total` stages; shows nothing when there are none.
    pub fn new(total: usize) -> Self {
        let bars = MultiProgress::new();
        let deadline = Deadline::default();
        let (overall, stage) = if total == 0 {
            (ProgressBar::hidden(), ProgressBar::hidden())
        } else {
            (bars.add(ProgressBar::new(total as u64)), bars.add(ProgressBar::new(0)))
        };
        overall.set_style(overall_style(deadline.clone()));
        stage.set_style(stage_style());
        if !bars.is_hidden() && total > 0 {
            overall.enable_steady_tick(Duration::from_secs(1));
        }
        Self { bars, overall, stage, deadline, total }
    }

    /// The bar of the stage that runs; its body sets length, position and message.
    pub fn bar(&self) -> &ProgressBar {
        &self.stage
    }

    /// Stage number `number` begins; `left` is the estimate for it and all after it.
    pub fn begin(&self, number: usize, stage: &Stage, left: Estimate) {
        // Downloads draw bars of their own.
        self.bars.set_draw_target(match stage.work {
            Work::Fetch(_) => ProgressDrawTarget::hidden(),
            _ => ProgressDrawTarget::stderr(),
        });
        self.stage.reset();
        self.stage.set_length(0);
        self.stage.set_message("");
        self.stage.set_prefix(format!("{} {}", stage.work.kind(), stage.title));
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), left));
        let left = match left {
            Estimate::All(seconds) => format!("; about {} left", human(seconds)),
            Estimate::AtLeast(_) => String::new(),
        };
        self.say(|| {
            info!(
                "stage {number} of {}: {} {} ({}){left}",
                self.total,
                stage.work.kind(),
                stage.title,
                stage.key
            )
        });
    }

    /// The stage is done.
    pub fn finished(&self, stage: &Stage, seconds: f64) {
        self.overall.inc(1);
        self.say(|| info!("done in {seconds:.1} s: {} {}", stage.work.kind(), stage.title));
    }

    /// The stage failed.
    pub fn failed(&self, failure: &ExperimentError) {
        self.overall.inc(1);
        self.say(|| error!("{failure}"));
    }

    /// The stage cannot run because one before it failed.
    pub fn left_out(&self, stage: &Stage) {
        self.overall.inc(1);
        self.say(|| warn!("left out, a stage before it failed: {} {}", stage.work.kind(), stage.title));
    }

    /// A comparison of training and evaluation failed: the rest is not run.
    pub fn refused(&self) {
        self.say(|| error!("a comparison of training and evaluation failed: nothing is trained"));
    }

    /// Another process has the stage.
    pub fn waiting(&self, stage: &Stage) {
        let (kind, key) = (stage.work.kind(), stage.key);
        self.say(|| info!("another process is making {kind} {key}; waiting for it"));
    }

    /// A log line must not fall between the bars.
    fn say(&self, line: impl FnOnce()) {
        self.bars.suspend(line);
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.stage.finish_and_clear();
        self.overall.finish_and_clear();
    }
}

fn overall_style(deadline: Deadline) -> ProgressStyle {
    let left = move |_: &ProgressState, text: &mut dyn std::fmt::Write| {
        let known = *deadline.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = match known {
            Some((since, Estimate::All(seconds))) => {
                write!(text, "about {} left", human(seconds - since.elapsed().as_secs_f64()))
            }
            Some((since, Estimate::AtLeast(seconds))) if seconds > since.elapsed().as_secs_f64() => {
                write!(text, "more than {} left", human(seconds - since.elapsed().as_secs_f64()))
            }
            _ => text.write_str("time left not known yet"),
        };
    };
    style(OVERALL).with_key("left", left)
}

fn stage_style() -> ProgressStyle {
    style(STAGE)
}

fn style(template: &str) -> ProgressStyle {
    // A test holds the templates to be well formed.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn human(seconds: f64) -> HumanDuration {
    HumanDuration(Duration::from_secs_f64(seconds.max(0.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::settings::TokenizerSettings;
    use crate::experiment::stage::BlocksSettings;

    #[test]
    fn time_left_is_the_mean_of_each_kind_and_says_when_a_kind_is_new() {
        let tokenizer = Stage::new("t".into(), Work::TrainTokenizer(TokenizerSettings::default()), vec![]);
        let blocks = Stage::new("b".into(), Work::Blocks(BlocksSettings { block_length: 8 }), vec![]);
        let mut pace = Pace::default();
        pace.seconds.insert("train-tokenizer".into(), (6.0, 2));
        assert_eq!(pace.seconds([&tokenizer, &tokenizer].into_iter()), Estimate::All(6.0));
        assert_eq!(pace.seconds([&tokenizer, &blocks].into_iter()), Estimate::AtLeast(3.0));
    }

    #[test]
    fn every_template_is_well_formed() {
        for template in [OVERALL, STAGE] {
            ProgressStyle::with_template(template).unwrap();
        }
    }
}
