//! How often a source is asked again, and after how long a pause.

use std::thread;
use std::time::{Duration, Instant};

use crate::digest::Digest;
use crate::interrupt::{Interrupt, Interrupted};

/// Pauses that double from `first` up to `longest`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// How many transfers in a row may fail without one new byte before the next source is asked.
    pub attempts: u32,
    /// The pause after the first failure.
    pub first: Duration,
    /// The longest pause of our own choice.
    pub longest: Duration,
    /// The longest pause that a server may ask for (Retry-After); beyond it the next source is asked.
    pub patience: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            attempts: 6,
            first: Duration::from_millis(500),
            longest: Duration::from_secs(30),
            patience: Duration::from_secs(300),
        }
    }
}

impl Backoff {
    /// The pause after the `failures`th failure in a row (from 1), or none: give this source up.
    ///
    /// `asked` is the server's Retry-After. `spread` moves our own pauses apart by up to a quarter,
    /// so that a hundred jobs that failed together do not come back together.
    pub(super) fn pause(&self, failures: u32, asked: Option<Duration>, spread: f64) -> Option<Duration> {
        if failures >= self.attempts || asked.is_some_and(|asked| asked > self.patience) {
            return None;
        }
        let doubled = self.first.saturating_mul(1 << (failures - 1).min(16)).min(self.longest);
        Some(doubled.mul_f64(0.75 + 0.5 * spread.clamp(0.0, 1.0)).max(asked.unwrap_or_default()))
    }
}

/// A number in [0, 1) that differs from process to process and from file to file.
pub(super) fn spread(of: &str) -> f64 {
    let digest = Digest::of_bytes(format!("{} {of}", std::process::id()).as_bytes());
    f64::from(digest.bytes()[0]) / 256.0
}

/// Waits, unless the user asks to stop.
pub(super) fn wait(pause: Duration, interrupt: &Interrupt) -> Result<(), Interrupted> {
    let end = Instant::now() + pause;
    loop {
        interrupt.check()?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(Duration::from_millis(100)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_then_end() {
        let backoff = Backoff {
            attempts: 5,
            first: Duration::from_secs(1),
            longest: Duration::from_secs(3),
            patience: Duration::from_secs(60),
        };
        let seconds = |failures| backoff.pause(failures, None, 0.5).map(|pause| pause.as_secs_f64());
        assert_eq!([1, 2, 3, 4, 5].map(seconds), [Some(1.0), Some(2.0), Some(3.0), Some(3.0), None]);
    }

    #[test]
    fn a_server_may_ask_for_a_longer_pause_within_reason() {
        let backoff = Backoff::default();
        let asked = |seconds| backoff.pause(1, Some(Duration::from_secs(seconds)), 0.0);
        assert_eq!(asked(20), Some(Duration::from_secs(20)));
        assert_eq!(asked(0), Some(Duration::from_millis(375)));
        assert_eq!(asked(86_400), None);
    }

    #[test]
    fn a_wait_ends_when_the_user_asks() {
        let interrupt = Interrupt::default();
        interrupt.request();
        assert!(wait(Duration::from_secs(3600), &interrupt).is_err());
    }
}
