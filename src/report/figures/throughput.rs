//! Tokens per second of every kind of stage.

use super::bars::lying;
use super::figure::{Figure, Topic};
use crate::report::runs::Record;
use crate::report::tables::costs;

/// The figure; none if no stage measured its speed.
pub(super) fn figure(record: &Record) -> Option<Figure> {
    let costs = costs(record);
    let bars: Vec<(String, f64)> = costs
        .iter()
        .filter_map(|cost| {
            let label = format!("{} {} on {} ({})", cost.kind, cost.model, cost.task, cost.device);
            Some((label, cost.tokens_per_second()?))
        })
        .collect();
    let caption = "Mean over the stages of all seeds and languages.".to_owned();
    let title = "Tokens per second".to_owned();
    (!bars.is_empty()).then(|| {
        Figure::new("throughput", Topic::Throughput, title, caption, lying("throughput", &bars, "tokens/s"))
    })
}
