//! F1 by where in its document the answer stands and by how long the document is, short models
//! against long ones: the question of the whole work, in English and in the other languages.

use super::figure::{Figure, Topic};
use super::lines::{Lines, Mark, Series};
use super::sets::{Set, sets};
use crate::experiment::family::Families;
use crate::report::groups::Group;
use crate::report::runs::{Metric, Question};
use crate::report::tables::{PARTS, part_of};

/// Documents are divided into this many classes of length, with as many questions in each.
const LENGTHS: usize = 5;

const WHISKERS: &str = "Whiskers: 95 % interval by bootstrap over questions and seeds.";

/// Two figures for each set of models.
pub(super) fn figures(groups: &[Group], families: &Families) -> Vec<Figure> {
    let sets = sets(groups, families);
    sets.iter().filter_map(by_position).chain(sets.iter().filter_map(by_length)).collect()
}

fn by_position(set: &Set) -> Option<Figure> {
    let middle = |part: usize| 100.0 * (part as f64 + 0.5) / PARTS as f64;
    let tenth = |part| (middle(part), move |question: &Question| part_of(question) == Some(part));
    let chart = chart("place of the answer, % of the document", set, (0..PARTS).map(tenth).collect())?;
    let caption = format!(
        "Mean F1 of the questions whose first gold answer begins in each tenth of its document. {WHISKERS}"
    );
    let name = format!("position-{}", set.name);
    Some(Figure::new(&name, Topic::Position, set.about.clone(), caption, chart.draw()))
}

fn by_length(set: &Set) -> Option<Figure> {
    let (first, _) = set.lines.first()?;
    let mut lengths: Vec<usize> =
        first.all_questions().filter_map(|question| question.context_length).collect();
    lengths.sort_unstable();
    let edge = |class: usize| lengths.get(class * lengths.len() / LENGTHS).copied();
    let classes = (0..LENGTHS).filter_map(|class| {
        let (from, to) = (edge(class)?, edge(class + 1).unwrap_or(usize::MAX));
        let middle = lengths[(2 * class + 1) * lengths.len() / (2 * LENGTHS)];
        let inside = move |question: &Question| {
            question.context_length.is_some_and(|length| (from..to).contains(&length))
        };
        (from < to).then_some((middle as f64 / 1000.0, inside))
    });
    let chart = chart("length of the document, thousand characters", set, classes.collect())?;
    let caption = format!(
        "Mean F1 in up to five classes of document length with about as many questions in each, each drawn at \
         its median length. {WHISKERS}"
    );
    let name = format!("length-{}", set.name);
    Some(Figure::new(&name, Topic::Length, set.about.clone(), caption, chart.draw()))
}

/// F1 of each model over those questions that belong to each place along; none if there are no two
/// places with questions.
fn chart<Belongs: Fn(&Question) -> bool>(
    along: &str,
    set: &Set,
    places: Vec<(f64, Belongs)>,
) -> Option<Lines> {
    let series = set.lines.iter().map(|(pool, label)| {
        let points = places.iter().filter_map(|(x, belongs)| {
            let estimate = pool.part(Metric::F1, belongs)?.estimate();
            Some(Mark { x: *x, y: estimate.summary.mean, interval: estimate.interval })
        });
        Series { label: label.clone(), points: points.collect() }
    });
    let series: Vec<Series> = series.filter(|series| !series.points.is_empty()).collect();
    series.iter().any(|series| series.points.len() > 1).then(|| Lines {
        along: along.to_owned(),
        up: "F1, %".to_owned(),
        series,
    })
}
