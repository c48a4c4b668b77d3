//! F1 by where in its document the answer stands and by how long the document is, short models
//! against long ones: the question of the whole work, in English and in the other languages.

use super::figure::Figure;
use super::lines::{Lines, Mark, Series};
use crate::report::groups::{Group, Pool};
use crate::report::runs::{Metric, Question};
use crate::report::tables::{PARTS, part_of};

/// Documents are divided into this many classes of length, with as many questions in each.
const LENGTHS: usize = 5;

const ENGLISH: &str = "en";

/// Two figures for each set of questions that models answered by the same rules, in English and in
/// the other languages.
pub(super) fn figures(groups: &[Group]) -> Vec<Figure> {
    let mut figures = Vec::new();
    for set in sets(groups) {
        let (english, others): (Vec<&Group>, Vec<&Group>) =
            set.iter().partition(|group| group.cell.language == ENGLISH);
        for (here, languages) in [(english, "English"), (others, "the other languages")] {
            let series = pools(&here);
            let Some((pool, _)) = series.first() else { continue };
            let cell = pool.members[0].cell;
            let name =
                if languages == "English" { cell.task.clone() } else { format!("{}-others", cell.task) };
            let about = format!("{}, questions in {languages}, {}", cell.kind, cell.rules);
            figures.extend(by_position(&name, &about, &series));
            figures.extend(by_length(&name, &about, &series));
        }
    }
    figures
}

/// The groups of each set of tasks that ask the same questions by the same rules, whatever the window.
pub(super) fn sets<'a, 'b>(groups: &'b [Group<'a>]) -> Vec<Vec<&'b Group<'a>>> {
    let mut sets: Vec<(String, Vec<&Group>)> = Vec::new();
    for task in groups.chunk_by(|one, other| one.cell.task == other.cell.task) {
        let mut asked: Vec<String> = task
            .iter()
            .map(|group| {
                let cell = group.cell;
                format!("{} {:?} {}", cell.language, cell.context_language, cell.evaluated_on)
            })
            .collect();
        asked.sort();
        asked.dedup();
        let questions = format!("{} {} {asked:?}", task[0].cell.kind, task[0].cell.rules);
        match sets.iter_mut().find(|(name, _)| *name == questions) {
            Some((_, set)) => set.extend(task),
            None => sets.push((questions, task.iter().collect())),
        }
    }
    sets.into_iter().map(|(_, set)| set).collect()
}

/// For each task and model, all its languages that were run, and what to call it.
fn pools<'a>(groups: &[&Group<'a>]) -> Vec<(Pool<'a>, String)> {
    let mut pools: Vec<(Pool, String)> = Vec::new();
    for group in groups.iter().filter(|group| group.runs.iter().any(|run| run.scores.is_some())) {
        let same = |cell: &crate::experiment::plan::Cell| {
            cell.task == group.cell.task && cell.model == group.cell.model
        };
        match pools.iter_mut().find(|(pool, _)| same(pool.members[0].cell)) {
            Some((pool, _)) => pool.members.push((*group).clone()),
            None => pools.push((Pool::one(group), format!("{}, {}", group.cell.model, group.cell.protocol))),
        }
    }
    pools
}

fn by_position(name: &str, about: &str, pools: &[(Pool, String)]) -> Option<Figure> {
    let middle = |part: usize| 100.0 * (part as f64 + 0.5) / PARTS as f64;
    let chart = chart(
        "place of the answer, % of the document",
        pools,
        (0..PARTS)
            .map(|part| (middle(part), move |question: &Question| part_of(question) == Some(part)))
            .collect(),
    )?;
    let caption = format!(
        "Mean F1 of the questions whose answer begins in each tenth of its document ({about}). Whiskers: \
         95 % interval by bootstrap over questions and seeds."
    );
    let title = format!("F1 by where the answer stands: {about}");
    Some(Figure::new(&format!("position-{name}"), title, caption, chart.draw()))
}

fn by_length(name: &str, about: &str, pools: &[(Pool, String)]) -> Option<Figure> {
    let mut lengths: Vec<usize> =
        pools.first()?.0.all_questions().filter_map(|question| question.context_length).collect();
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
    let chart = chart("length of the document, thousand characters", pools, classes.collect())?;
    let caption = format!(
        "Mean F1 in five classes of document length, each with about as many questions ({about}). Whiskers: \
         95 % interval by bootstrap over questions and seeds."
    );
    let title = format!("F1 by length of the document: {about}");
    Some(Figure::new(&format!("length-{name}"), title, caption, chart.draw()))
}

/// F1 of each pool over those questions that belong to each place along; none if there are no two
/// places with questions.
fn chart<Belongs: Fn(&Question) -> bool>(
    along: &str,
    pools: &[(Pool, String)],
    places: Vec<(f64, Belongs)>,
) -> Option<Lines> {
    let series = pools.iter().map(|(pool, label)| {
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
