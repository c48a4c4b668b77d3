//! What a row of a table is about: a model on a task in one language, or its mean over languages.

use rayon::prelude::*;

use crate::corpus::Task;
use crate::experiment::plan::Cell;
use crate::report::groups::{Estimate, Group, Pool};
use crate::report::runs::Metric;

/// A row's subject.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// The first group's cell.
    pub cell: &'a Cell,
    /// The language of the questions, or what mean it is.
    pub language: String,
    /// The language of the contexts; none where questions and contexts have the same, or in a mean.
    pub context_language: Option<String>,
    /// The name among the published numbers' languages; none if nobody publishes the like.
    pub published_language: Option<String>,
    /// The group, or the groups that the mean is over.
    pub pool: Pool<'a>,
    /// Its scores, in the order of the metrics.
    estimates: [Option<Estimate>; 2],
}

impl Subject<'_> {
    /// A metric in percent; none if nothing was run.
    pub fn estimate(&self, metric: Metric) -> Option<Estimate> {
        let [exact_match, f1] = self.estimates;
        match metric {
            Metric::ExactMatch => exact_match,
            Metric::F1 => f1,
        }
    }
}

/// The published numbers' name of a mean over languages.
const AVERAGE: &str = "avg";

/// All groups in order, and after the groups of a task the means over its languages, for tasks whose
/// official rules know such a mean.
pub fn subjects<'a>(groups: &[Group<'a>]) -> Vec<Subject<'a>> {
    let mut subjects = Vec::new();
    for task in groups.chunk_by(|one, other| one.cell.task == other.cell.task) {
        subjects.extend(task.iter().map(single));
        let mut models: Vec<&String> = Vec::new();
        for group in task {
            if !models.contains(&&group.cell.model) {
                models.push(&group.cell.model);
            }
        }
        for (language, published, belongs) in means(task[0].cell.kind) {
            for model in &models {
                let wanted = |group: &&Group| group.cell.model == **model && belongs(group.cell);
                let members: Vec<Group> = task.iter().filter(wanted).cloned().collect();
                if members.len() > 1 {
                    subjects.push(Subject {
                        cell: members[0].cell,
                        language: (*language).to_owned(),
                        context_language: None,
                        published_language: published.map(str::to_owned),
                        estimates: [None; 2],
                        pool: Pool { members },
                    });
                }
            }
        }
    }
    subjects
        .into_par_iter()
        .map(|subject| Subject {
            estimates: Metric::ALL.map(|metric| subject.pool.estimate(metric)),
            ..subject
        })
        .collect()
}

fn single<'a>(group: &Group<'a>) -> Subject<'a> {
    let cell = group.cell;
    Subject {
        cell,
        language: cell.language.clone(),
        context_language: cell.context_language.clone(),
        published_language: has_one_language(cell).then(|| cell.language.clone()),
        estimates: [None; 2],
        pool: Pool::one(group),
    }
}

fn has_one_language(cell: &Cell) -> bool {
    cell.context_language.as_ref().is_none_or(|context| *context == cell.language)
}

type Mean = (&'static str, Option<&'static str>, fn(&Cell) -> bool);

/// The means of a task: their names, their names among the published numbers, what belongs to them.
fn means(task: Task) -> &'static [Mean] {
    match task {
        Task::Squad | Task::Sq3 | Task::TriviaQa => &[],
        Task::Xquad | Task::Xq3 => &[(AVERAGE, Some(AVERAGE), |_| true)],
        // Where both languages are the same, and over all pairs: the paper's XLT and G-XLT.
        Task::Mlqa => &[(AVERAGE, Some(AVERAGE), has_one_language), ("avg of all pairs", None, |_| true)],
        // The official mean leaves English out, XTREME's does not.
        Task::TydiQa => {
            &[("avg without en", None, |cell| cell.language != "en"), (AVERAGE, Some(AVERAGE), |_| true)]
        }
    }
}
