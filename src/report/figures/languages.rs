//! F1 by language, model beside model.

use super::bars::Bars;
use super::figure::{Figure, Topic};
use crate::report::runs::Metric;
use crate::report::tables::Subject;

/// One figure for each task that is asked in several languages; of pairs of languages, those of a
/// language with itself.
pub(super) fn figures(subjects: &[Subject]) -> Vec<Figure> {
    let tasks = subjects.chunk_by(|one, other| one.cell.task == other.cell.task);
    tasks.filter_map(figure).collect()
}

fn figure(task: &[Subject]) -> Option<Figure> {
    let shown: Vec<&Subject> = task.iter().filter(|subject| subject.published_language.is_some()).collect();
    let mut languages: Vec<&str> = Vec::new();
    let mut models: Vec<&str> = Vec::new();
    for subject in &shown {
        if !languages.contains(&subject.language.as_str()) {
            languages.push(&subject.language);
        }
        if !models.contains(&subject.cell.model.as_str()) {
            models.push(&subject.cell.model);
        }
    }
    if languages.len() < 2 || shown.iter().all(|subject| subject.estimate(Metric::F1).is_none()) {
        return None;
    }
    let cell = shown.first()?.cell;
    let of = |model: &str, language: &str| {
        let found = shown.iter().find(|subject| subject.cell.model == model && subject.language == language);
        found.and_then(|subject| subject.estimate(Metric::F1))
    };
    let bars = Bars {
        along: "language".into(),
        up: "F1, %".into(),
        things: languages.iter().map(|language| (*language).to_owned()).collect(),
        series: models
            .iter()
            .map(|model| {
                ((*model).to_owned(), languages.iter().map(|language| of(model, language)).collect())
            })
            .collect(),
    };
    let name = format!("languages-{}", cell.task);
    let caption = "Mean F1 over seeds; avg: mean over the languages. Whiskers: 95 % interval by bootstrap over \
                   questions and seeds.";
    let title = format!("{}, {}", cell.task, cell.protocol);
    Some(Figure::new(&name, Topic::Languages, title, caption.into(), bars.draw(&name)))
}
