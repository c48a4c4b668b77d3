//! Which published numbers stand on which row of ours.
//!
//! On the row of the same model, task, language and window length, and where both name a part of the
//! data (`dev`, `test`), of the same part. The original work's numbers stand beside its own protocol
//! where that was run. A second published number for one row has a row of its own below, as has a
//! number that belongs to no row of ours.

use super::averages::Subject;
use crate::report::published::Published;
use crate::report::runs::Metric;
use crate::text::Protocol;

/// A published exact match, F1 or both, of one model on one task in one language.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PublishedScore<'a> {
    pub source: &'a str,
    pub model: &'a str,
    pub task: &'a str,
    pub language: &'a str,
    pub protocol: String,
    pub seeds: Option<usize>,
    split: &'a str,
    max_length: Option<usize>,
    exact_match: Option<(f64, Option<f64>)>,
    f1: Option<(f64, Option<f64>)>,
}

impl<'a> PublishedScore<'a> {
    /// The scores among `numbers`. A source may give several of the same thing, one after the other.
    pub fn all(numbers: &'a [Published]) -> Vec<Self> {
        let mut scores: Vec<Self> = Vec::new();
        for number in numbers {
            let Some(metric) = Metric::ALL.into_iter().find(|metric| metric.name() == number.metric) else {
                continue;
            };
            let empty = Self {
                source: &number.source,
                model: &number.model,
                task: &number.task,
                language: &number.language,
                protocol: number.protocol(),
                seeds: number.seeds,
                split: &number.split,
                max_length: number.max_length(),
                exact_match: None,
                f1: None,
            };
            let incomplete = scores.iter().position(|score| {
                let bare = Self { exact_match: None, f1: None, ..score.clone() };
                bare == empty && score.value(metric).is_none()
            });
            let at = incomplete.unwrap_or_else(|| {
                scores.push(empty);
                scores.len() - 1
            });
            let value = Some((number.value, number.sd));
            match metric {
                Metric::ExactMatch => scores[at].exact_match = value,
                Metric::F1 => scores[at].f1 = value,
            }
        }
        scores
    }

    /// The mean of a metric and its deviation.
    pub fn value(&self, metric: Metric) -> Option<(f64, Option<f64>)> {
        match metric {
            Metric::ExactMatch => self.exact_match,
            Metric::F1 => self.f1,
        }
    }

    fn fits(&self, subject: &Subject) -> bool {
        let cell = subject.cell;
        let parts = ["train", "dev", "valid", "test"];
        let words = |text: &str| -> Vec<String> {
            text.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_ascii_lowercase).collect()
        };
        let part = words(&cell.evaluated_on).into_iter().find(|word| parts.contains(&word.as_str()));
        self.model == cell.published_model
            && self.task == cell.published_task
            && subject.published_language.as_deref() == Some(self.language)
            && self.max_length == Some(cell.max_length)
            && part.is_none_or(|part| part == self.split)
    }
}

/// A row of a table of scores.
pub(super) enum Beside<'a, 'b> {
    /// Ours, with a published number if there is one.
    Ours(&'b Subject<'a>, Option<&'b PublishedScore<'b>>),
    /// A further published number for the row above.
    Also(&'b Subject<'a>, &'b PublishedScore<'b>),
    /// A published number without a row of ours.
    Theirs(&'b PublishedScore<'b>),
}

/// The rows of `subjects` with the published numbers on the same tasks.
pub(super) fn beside<'a, 'b>(
    subjects: &[&'b Subject<'a>],
    published: &'b [PublishedScore<'b>],
) -> Vec<Beside<'a, 'b>> {
    let places: Vec<Vec<usize>> = published.iter().map(|score| places(score, subjects)).collect();
    let mut rows = Vec::new();
    for (at, subject) in subjects.iter().enumerate() {
        let mut here =
            published.iter().zip(&places).filter(|(_, places)| places.contains(&at)).map(|(score, _)| score);
        rows.push(Beside::Ours(subject, here.next()));
        rows.extend(here.map(|score| Beside::Also(subject, score)));
    }
    let same_task =
        |score: &PublishedScore| subjects.iter().any(|subject| subject.cell.published_task == score.task);
    let without =
        published.iter().zip(&places).filter(|(score, places)| places.is_empty() && same_task(score));
    rows.extend(without.map(|(score, _)| Beside::Theirs(score)));
    rows
}

fn places(score: &PublishedScore, subjects: &[&Subject]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..subjects.len()).filter(|&at| score.fits(subjects[at])).collect();
    let own = |at: &usize| subjects[*at].cell.rules == Protocol::Sagen2021;
    if score.source == Protocol::Sagen2021.name() && places.iter().any(own) {
        places.retain(own);
    }
    places
}
