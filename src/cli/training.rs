//! What `pretrain` and `finetune` share: a session whose events are shown.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};
use indicatif::{ProgressBar, ProgressStyle};

use super::Context;
use crate::interrupt::Interrupt;
use crate::process_lock::ProcessLock;
use crate::train::run::{Event, Session};
use crate::train::{TrainError, wall_clock};

/// Refuses to write over the model that is read: it would be lost, and a stopped run, which must find
/// what it began with, could not go on.
pub fn refuse_to_replace(model: &Path, output: &Path) -> anyhow::Result<()> {
    if let (Ok(read), Ok(written)) = (model.canonicalize(), output.canonicalize()) {
        ensure!(
            read != written,
            "--output_dir: expected another folder than --model's, found {}",
            output.display()
        );
    }
    Ok(())
}

/// Takes `output` for this process, waiting for another that trains into it: two would mix their
/// checkpoints. The lock lies beside the folder, which others may copy or hash.
pub fn claim(output: &Path, interrupt: &Interrupt) -> anyhow::Result<ProcessLock> {
    fs::create_dir_all(output).with_context(|| format!("--output_dir: {}", output.display()))?;
    let mut lock = output.canonicalize()?.into_os_string();
    lock.push(".lock");
    let work = format!("training into {}", output.display());
    let waiting = |message: &str| tracing::warn!("{message}");
    Ok(ProcessLock::acquire(Path::new(&lock), &work, waiting, interrupt)?)
}

/// Runs `work` in a session that shows its progress on stderr.
pub fn in_session(
    context: &Context,
    work: impl FnOnce(&mut Session) -> Result<(), TrainError>,
) -> Result<(), TrainError> {
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{bar:30} step {pos}/{len}  {elapsed_precise} (left {eta_precise})")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let outcome = work(&mut Session {
        interrupt: &context.interrupt,
        clock: &wall_clock,
        observe: &mut |event| show(event, &bar),
    });
    bar.finish_and_clear();
    outcome
}

fn show(event: &Event, bar: &ProgressBar) {
    match event {
        Event::Resumed { step } => {
            bar.set_position(*step);
            bar.reset_eta();
            bar.suspend(|| tracing::info!("going on from the checkpoint at step {step}"));
        }
        Event::Stepped { step, max_steps } => {
            bar.set_length(*max_steps);
            bar.set_position(*step);
        }
        Event::Measured { step, figures } => {
            let figures: Vec<_> = figures.iter().map(|(name, value)| format!("{name} {value:.6}")).collect();
            if !figures.is_empty() {
                bar.suspend(|| tracing::info!("step {step}: {}", figures.join(", ")));
            }
        }
    }
}
