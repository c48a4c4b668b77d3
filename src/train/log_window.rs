//! What was measured since the last log line. Figures of steps stay on the device until they are read
//! back, all in one transfer, so that no step waits for them.

use tch::{Device, Kind, Tensor};

use super::TrainError;
use super::checkpoint::{Checkpoints, TrainerState};
use super::loss_scale::FLOOR;

/// The steps since the last log line.
#[derive(Default)]
pub(super) struct LogWindow {
    /// For each step not read back: loss, gradient norm, and the loss scale if there is one; `[figures]` f32.
    on_device: Vec<Tensor>,
    losses: Vec<f64>,
    norm: f64,
    loss_scale: Option<f64>,
    /// Since the run began.
    skipped_steps: u64,
    failed: Option<Failed>,
    tokens: usize,
    seconds: f64,
}

/// A step that was not finite where nothing will get better by itself.
struct Failed {
    steps_ago: u64,
    loss: f64,
    gradient_norm: f64,
    loss_scale: Option<f64>,
}

impl LogWindow {
    /// Goes on from `state`.
    pub(super) fn resume(state: &TrainerState) -> Self {
        let TrainerState { unlogged_losses, skipped_steps, .. } = state;
        Self { losses: unlogged_losses.clone(), skipped_steps: *skipped_steps, ..Self::default() }
    }

    /// Takes the figures of a step: `[]` f32 each.
    pub(super) fn push(
        &mut self,
        loss: &Tensor,
        norm: &Tensor,
        loss_scale: Option<&Tensor>,
        tokens: usize,
    ) -> Result<(), TrainError> {
        let figures: Vec<_> = [loss, norm].into_iter().chain(loss_scale).collect();
        self.on_device.push(Tensor::f_stack(&figures, 0)?);
        self.tokens += tokens;
        Ok(())
    }

    /// Counts the time of a step.
    pub(super) fn add_seconds(&mut self, seconds: f64) {
        self.seconds += seconds;
    }

    /// Fetches what is on the device, and writes what a checkpoint keeps of it into `state`.
    ///
    /// # Errors
    /// [`TrainError::NotFinite`] if a step was not finite, unless a smaller loss scale may help.
    pub(super) fn read_back(
        &mut self,
        state: &mut TrainerState,
        checkpoints: &Checkpoints,
    ) -> Result<(), TrainError> {
        self.fetch()?;
        if let Some(Failed { steps_ago, loss, gradient_norm, loss_scale }) = self.failed {
            let (step, checkpoint) = (state.step - steps_ago, checkpoints.latest()?);
            return Err(TrainError::NotFinite { step, loss, gradient_norm, loss_scale, checkpoint });
        }
        state.unlogged_losses.clone_from(&self.losses);
        state.skipped_steps = self.skipped_steps;
        Ok(())
    }

    fn fetch(&mut self) -> Result<(), TrainError> {
        if self.on_device.is_empty() {
            return Ok(());
        }
        let figures = Tensor::f_stack(&self.on_device, 0)?.f_to_device(Device::Cpu)?; // [steps, figures]
        self.on_device.clear();
        let steps = Vec::<Vec<f64>>::try_from(figures.to_kind(Kind::Double))?;
        let mut steps_ago = steps.len() as u64;
        for figures in steps {
            steps_ago -= 1;
            let (loss, gradient_norm, loss_scale) = (figures[0], figures[1], figures.get(2).copied());
            (self.norm, self.loss_scale) = (gradient_norm, loss_scale);
            let overflowed = !gradient_norm.is_finite();
            if loss.is_finite() && !overflowed {
                self.losses.push(loss);
            } else if overflowed && loss_scale.is_some_and(|scale| scale >= FLOOR) {
                self.skipped_steps += 1;
            } else {
                self.failed.get_or_insert(Failed { steps_ago, loss, gradient_norm, loss_scale });
            }
        }
        Ok(())
    }

    /// The figures of a log line; the window is empty then.
    pub(super) fn take_figures(&mut self, learning_rate: f64) -> Vec<(&'static str, f64)> {
        let window = std::mem::take(self);
        self.skipped_steps = window.skipped_steps;
        let mut figures = vec![
            ("loss", window.losses.iter().sum::<f64>() / window.losses.len() as f64),
            ("learning_rate", learning_rate),
            ("grad_norm", window.norm),
            ("tokens_per_second", window.tokens as f64 / window.seconds.max(1e-9)),
        ];
        if let Some(loss_scale) = window.loss_scale {
            figures.extend([("loss_scale", loss_scale), ("skipped_steps", window.skipped_steps as f64)]);
        }
        figures
    }
}
