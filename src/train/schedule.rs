//! The learning rate: linear warm-up, then linear decay to zero (transformers'
//! `get_linear_schedule_with_warmup`).

/// Learning rate by optimizer step.
#[derive(Debug, Clone, Copy)]
pub struct LinearSchedule {
    /// The highest rate.
    pub learning_rate: f64,
    /// Steps until it is reached.
    pub warmup_steps: u64,
    /// Steps in all; the rate is zero there.
    pub max_steps: u64,
}

impl LinearSchedule {
    /// The rate of optimizer step `step`, counted from 0: the first warm-up step has rate 0.
    pub fn at(&self, step: u64) -> f64 {
        let factor = if step < self.warmup_steps {
            step as f64 / self.warmup_steps as f64
        } else {
            let left = self.max_steps.saturating_sub(step) as f64;
            left / self.max_steps.saturating_sub(self.warmup_steps).max(1) as f64
        };
        self.learning_rate * factor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_falls_and_ends_at_zero() {
        let schedule = LinearSchedule { learning_rate: 1.0, warmup_steps: 4, max_steps: 12 };
        let rates: Vec<f64> = [0, 1, 4, 8, 12, 13].map(|step| schedule.at(step)).to_vec();
        assert_eq!(rates, [0.0, 0.25, 1.0, 0.5, 0.0, 0.0]);
    }

    #[test]
    fn without_warm_up_the_first_step_has_the_full_rate() {
        let schedule = LinearSchedule { learning_rate: 3e-5, warmup_steps: 0, max_steps: 10 };
        assert_eq!(schedule.at(0), 3e-5);
    }

    #[test]
    fn a_warm_up_longer_than_the_run_only_rises() {
        let schedule = LinearSchedule { learning_rate: 1.0, warmup_steps: 10, max_steps: 5 };
        assert_eq!(schedule.at(4), 0.4);
    }
}
