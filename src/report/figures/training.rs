//! The course of pretraining and of fine-tuning.

use std::collections::{BTreeMap, HashMap};

use super::figure::{Figure, Topic};
use super::lines::{Lines, Mark, Series};
use crate::experiment::stage::StageKey;
use crate::report::runs::{Point, Record};

/// Loss and bits per character of pretraining, loss of fine-tuning for each task.
pub(super) fn figures(record: &Record) -> Vec<Figure> {
    let mut figures = Vec::new();
    figures.extend(pretraining_loss(record));
    figures.extend(bits_per_character(record));
    figures.extend(finetuning_loss(record));
    figures
}

fn mark(step: u64, y: f64) -> Mark {
    Mark { x: step as f64, y, interval: None }
}

fn curve(record: &Record, key: StageKey) -> &[Point] {
    let stage = record.stages.iter().find(|stage| stage.key == key);
    stage.map_or(&[], |stage| stage.curve.as_slice())
}

fn figure(name: &str, title: String, caption: &str, up: &str, series: Vec<Series>) -> Option<Figure> {
    let series: Vec<Series> = series.into_iter().filter(|series| !series.points.is_empty()).collect();
    let lines = Lines { along: "optimizer steps".into(), up: up.into(), series };
    (!lines.series.is_empty())
        .then(|| Figure::new(name, Topic::Training, title, caption.into(), lines.draw()))
}

fn pretraining_loss(record: &Record) -> Option<Figure> {
    let series = record.pretrainings.iter().map(|run| Series {
        label: run.model.clone(),
        points: curve(record, run.key)
            .iter()
            .filter_map(|point| Some(mark(point.step, point.loss?)))
            .collect(),
    });
    let caption = "Mean cross-entropy of masked tokens between two entries of the log, training text.";
    figure(
        "pretraining-loss",
        "Loss of pretraining".into(),
        caption,
        "loss, nats per masked token",
        series.collect(),
    )
}

/// A figure for each text: bits of different texts do not compare.
fn bits_per_character(record: &Record) -> Vec<Figure> {
    let mut corpora: BTreeMap<&str, Vec<Series>> = BTreeMap::new();
    for run in &record.pretrainings {
        let points = run.evaluations.iter().map(|point| mark(point.step, point.bits_per_character));
        let label = format!("{}, blocks of {}", run.model, run.max_length);
        corpora.entry(&run.corpus).or_default().push(Series { label, points: points.collect() });
    }
    let caption = "Loss / ln 2 per token of held-out text. Models with different tokenizers do not compare.";
    let draw = |(corpus, series): (&str, Vec<Series>)| {
        let title = format!("Bits per character on {corpus}");
        figure(&format!("bpc-{corpus}"), title, caption, "bits per character", series)
    };
    corpora.into_iter().filter_map(draw).collect()
}

/// A model and the stages that trained it, one for each seed.
type Trained<'a> = (&'a str, Vec<StageKey>);

/// A figure for each task that has trainings of its own, a line for each model: the mean over seeds.
fn finetuning_loss(record: &Record) -> Vec<Figure> {
    let mut tasks: Vec<(&str, Vec<Trained>)> = Vec::new();
    let mut first_task: HashMap<StageKey, &str> = HashMap::new();
    for run in &record.runs {
        let (task, model, key) = (run.cell.task.as_str(), run.cell.model.as_str(), run.keys.finetune);
        if *first_task.entry(key).or_insert(task) != task {
            continue;
        }
        let at = tasks.iter().position(|(name, _)| *name == task).unwrap_or_else(|| {
            tasks.push((task, Vec::new()));
            tasks.len() - 1
        });
        let models = &mut tasks[at].1;
        match models.iter_mut().find(|(name, _)| *name == model) {
            Some((_, keys)) if keys.contains(&key) => {}
            Some((_, keys)) => keys.push(key),
            None => models.push((model, vec![key])),
        }
    }
    let caption = "Mean training loss between two entries of the log, mean over seeds.";
    let draw = |(task, models): (&str, Vec<(&str, Vec<StageKey>)>)| {
        let series = models
            .iter()
            .map(|(model, keys)| Series { label: (*model).to_owned(), points: mean(record, keys) })
            .collect();
        let title = format!("Loss of fine-tuning for {task}");
        figure(&format!("finetuning-{task}"), title, caption, "loss, nats", series)
    };
    tasks.into_iter().filter_map(draw).collect()
}

/// The mean loss at each step over the trainings that logged it.
fn mean(record: &Record, keys: &[StageKey]) -> Vec<Mark> {
    let mut steps: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for key in keys {
        for point in curve(record, *key) {
            if let Some(loss) = point.loss {
                steps.entry(point.step).or_default().push(loss);
            }
        }
    }
    steps
        .into_iter()
        .map(|(step, losses)| mark(step, losses.iter().sum::<f64>() / losses.len() as f64))
        .collect()
}
