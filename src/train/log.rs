//! Where a run's figures go: `metrics.jsonl`, TensorBoard event files, and whoever listens.

use std::path::Path;

use super::TrainError;
use super::events::{self, EventWriter};
use super::metrics::MetricsWriter;
use super::run::{Event, Session};

/// The name of the figures' file in a run's folder.
pub const METRICS: &str = "metrics.jsonl";

type Clock<'a> = &'a dyn Fn() -> f64;

/// The log of one run.
pub(super) struct Log<'a> {
    events: EventWriter<Clock<'a>>,
    metrics: MetricsWriter<Clock<'a>>,
}

impl<'a> Log<'a> {
    /// A new log in `folder`; or, for a run that goes on from a checkpoint at `resumed`, the old one
    /// without what came after that step.
    pub(super) fn open(folder: &Path, resumed: Option<u64>, clock: Clock<'a>) -> Result<Self, TrainError> {
        let (events, metrics) = (folder.join(events::FILE_NAME), folder.join(METRICS));
        Ok(match resumed {
            None => Self {
                events: EventWriter::create(&events, clock)?,
                metrics: MetricsWriter::create(&metrics, clock)?,
            },
            Some(step) => Self {
                events: EventWriter::resume(&events, step, clock)?,
                metrics: MetricsWriter::resume(&metrics, step, clock)?,
            },
        })
    }

    /// Waits until everything recorded is on disk: a checkpoint must not be newer than its log.
    pub(super) fn sync(&self) -> Result<(), TrainError> {
        self.events.sync()?;
        Ok(self.metrics.sync()?)
    }

    /// Records figures measured after `step` optimizer steps.
    pub(super) fn record(
        &mut self,
        step: u64,
        figures: Vec<(&'static str, f64)>,
        session: &mut Session,
    ) -> Result<(), TrainError> {
        if figures.is_empty() {
            return Ok(());
        }
        self.events.write(step, &figures)?;
        self.metrics.write(step, &figures)?;
        (session.observe)(&Event::Measured { step, figures });
        Ok(())
    }
}
