//! What training and answering took: speed, hours, energy, memory.

use std::collections::HashMap;

use super::table::{Column, Kind, Table, Value};
use crate::experiment::stage::StageKey;
use crate::report::runs::{Record, StageRecord};

/// The measures of a stage that the table shows. One that a stage did not measure is empty.
const TOKENS_PER_SECOND: &str = "tokens_per_second";
const ENERGY_JOULES: &str = "energy_joules";
const PEAK_DEVICE_BYTES: &str = "peak_device_bytes";
const PEAK_RESIDENT_BYTES: &str = "peak_resident_bytes_of_the_process";

/// One row for each kind of stage, model, task and device, all seeds and languages together.
pub(super) fn table(record: &Record) -> Table {
    let note = "Stages of all seeds and languages together: tokens/s is their mean, hours and energy their sum, \
                memory the highest. Hours are those of a stage's last attempt. Empty: not measured.";
    let mut table = Table::new("cost", "Cost of training and answering", columns()).with_note(note);
    for cost in costs(record) {
        table.rows.push(cost.row());
    }
    table
}

fn columns() -> Vec<Column> {
    vec![
        Column::text("stage"),
        Column::text("model"),
        Column::new("task", "task or text", Kind::Text),
        Column::text("device"),
        Column::count("stages"),
        Column::new(TOKENS_PER_SECOND, "tokens/s", Kind::Number(0)),
        Column::new("device_hours", "device hours", Kind::Number(3)),
        Column::new("energy_kwh", "energy, kWh", Kind::Number(3)),
        Column::new("peak_device_gib", "device memory, GiB", Kind::Number(2)),
        Column::new("peak_process_gib", "process memory, GiB", Kind::Number(2)),
    ]
}

/// The stages of one kind, model, task and device.
#[derive(Debug)]
pub struct Cost<'a> {
    /// The stages' kind.
    pub kind: &'a str,
    /// The model.
    pub model: &'a str,
    /// The task, or the text of a pretraining.
    pub task: &'a str,
    /// What they ran on.
    pub device: &'a str,
    stages: Vec<&'a StageRecord>,
}

/// The stages of `record`, by kind, model, task and device, in order.
pub fn costs(record: &Record) -> Vec<Cost<'_>> {
    let mut uses: HashMap<StageKey, (&str, &str)> = HashMap::new();
    for run in &record.runs {
        for key in [run.keys.finetune, run.keys.predict] {
            uses.entry(key).or_insert((&run.cell.model, &run.cell.task));
        }
    }
    for run in &record.pretrainings {
        uses.insert(run.key, (&run.model, &run.corpus));
    }
    let mut costs: Vec<Cost> = Vec::new();
    for kind in ["pretrain", "finetune", "predict"] {
        for stage in record.stages.iter().filter(|stage| stage.kind == kind) {
            let Some(&(model, task)) = uses.get(&stage.key) else { continue };
            let new = Cost { kind, model, task, device: &stage.device, stages: vec![stage] };
            let name = |cost: &Cost| format!("{} {} {} {}", cost.kind, cost.model, cost.task, cost.device);
            match costs.iter_mut().find(|cost| name(cost) == name(&new)) {
                Some(cost) => cost.stages.push(stage),
                None => costs.push(new),
            }
        }
    }
    costs
}

impl Cost<'_> {
    /// Mean over the stages that measured it.
    pub fn tokens_per_second(&self) -> Option<f64> {
        let speeds: Vec<f64> = self.measured(TOKENS_PER_SECOND).flatten().collect();
        (!speeds.is_empty()).then(|| speeds.iter().sum::<f64>() / speeds.len() as f64)
    }

    fn measured(&self, name: &str) -> impl Iterator<Item = Option<f64>> {
        self.stages.iter().map(move |stage| stage.measures.get(name)?.as_f64())
    }

    fn row(&self) -> Vec<Value> {
        let gibibytes = |name| {
            let highest = self.measured(name).flatten().reduce(f64::max);
            Value::from(highest.map(|bytes| bytes / f64::from(1 << 30)))
        };
        // A sum that lacks a stage would be too small.
        let joules: Option<f64> = self.measured(ENERGY_JOULES).sum();
        let seconds: f64 = self.stages.iter().map(|stage| stage.wall_seconds).sum();
        let mut values: Vec<Value> = [self.kind, self.model, self.task, self.device].map(Value::text).into();
        values.push(Some(self.stages.len()).into());
        values.push(self.tokens_per_second().into());
        values.push(Value::Number(seconds / 3600.0));
        values.push(joules.map(|joules| joules / 3.6e6).into());
        values.extend([gibibytes(PEAK_DEVICE_BYTES), gibibytes(PEAK_RESIDENT_BYTES)]);
        values
    }
}
