//! Which models stand in one chart: those that were asked the same questions by the same rules and are
//! relatives, a short model and the long ones made from it.

use std::collections::HashMap;

use crate::corpus::Task;
use crate::experiment::family::{Families, Questions};
use crate::experiment::plan::Cell;
use crate::report::groups::{Group, Pool};
use crate::text::Protocol;

const ENGLISH: &str = "en";

/// The models of one chart.
pub(super) struct Set<'a> {
    /// The first task, relatives and languages, for a file name.
    pub name: String,
    /// The same for people.
    pub about: String,
    /// Each model with its window, all its languages together, and what to call it.
    pub lines: Vec<(Pool<'a>, String)>,
}

/// What is asked in all languages of a task, and by which rules.
#[derive(PartialEq)]
struct Asked<'a> {
    kind: Task,
    rules: Protocol,
    languages: Vec<(&'a str, Option<&'a str>, &'a str, Option<Questions<'a>>)>,
}

/// The sets of all groups that were run, English apart from the other languages.
pub(super) fn sets<'a>(groups: &[Group<'a>], families: &'a Families) -> Vec<Set<'a>> {
    let mut same_questions: Vec<(Asked, Vec<&Group>)> = Vec::new();
    for task in groups.chunk_by(|one, other| one.cell.task == other.cell.task) {
        let asked = asked(task, families);
        match same_questions.iter_mut().find(|(other, _)| *other == asked) {
            Some((_, set)) => set.extend(task),
            None => same_questions.push((asked, task.iter().collect())),
        }
    }
    let mut sets = Vec::new();
    for (_, set) in same_questions {
        let run: Vec<&Group> = set.into_iter().filter(|group| group.was_run()).collect();
        let (english, others): (Vec<&Group>, Vec<&Group>) =
            run.into_iter().partition(|group| group.cell.language == ENGLISH);
        sets.extend(relatives(&english, "English", ""));
        sets.extend(relatives(&others, "the other languages", "-other-languages"));
    }
    sets
}

fn asked<'a>(task: &[Group<'a>], families: &'a Families) -> Asked<'a> {
    let mut languages: Vec<_> = Vec::new();
    for group in task {
        let cell = group.cell;
        let context = cell.context_language.as_deref();
        let here =
            (cell.language.as_str(), context, cell.evaluated_on.as_str(), families.asked(group.family()));
        if !languages.contains(&here) {
            languages.push(here);
        }
    }
    languages.sort_by_key(|(language, context, file, _)| (*language, *context, *file));
    Asked { kind: task[0].cell.kind, rules: task[0].cell.rules, languages }
}

/// A set for each short model with what was made from it, and one for all models without relatives.
fn relatives<'a>(groups: &[&Group<'a>], languages: &str, suffix: &str) -> Vec<Set<'a>> {
    let bases: HashMap<&str, &str> = groups
        .iter()
        .filter_map(|group| Some((group.cell.model.as_str(), group.cell.base_model.as_deref()?)))
        .collect();
    let root = |cell: &'a Cell| {
        let mut model = cell.model.as_str();
        // No further than there are models: a file of runs may say that two are made from each other.
        for _ in 0..bases.len() {
            model = bases.get(model).unwrap_or(&model);
        }
        model
    };
    let mut trees: Vec<(&str, Vec<&Group<'a>>)> = Vec::new();
    for group in groups {
        let root = root(group.cell);
        match trees.iter_mut().find(|(name, _)| *name == root) {
            Some((_, tree)) => tree.push(group),
            None => trees.push((root, vec![group])),
        }
    }
    let is_alone = |tree: &[&Group]| tree.windows(2).all(|pair| pair[0].cell.model == pair[1].cell.model);
    let (alone, trees): (Vec<_>, Vec<_>) = trees.into_iter().partition(|(_, tree)| is_alone(tree));
    let alone: Vec<&Group> = alone.into_iter().flat_map(|(_, tree)| tree).collect();
    let mut sets: Vec<Set> = trees
        .into_iter()
        .filter_map(|(root, tree)| set((root, " and what was made from it"), &tree, languages, suffix))
        .collect();
    let others = if sets.is_empty() { "all" } else { "other" };
    sets.extend(set((others, " models"), &alone, languages, suffix));
    sets
}

fn set<'a>(
    (models, more): (&str, &str),
    groups: &[&Group<'a>],
    languages: &str,
    suffix: &str,
) -> Option<Set<'a>> {
    let first = groups.first()?.cell;
    let mut pools: Vec<Pool> = Vec::new();
    for group in groups {
        let same = |cell: &Cell| cell.task == group.cell.task && cell.model == group.cell.model;
        match pools.iter_mut().find(|pool| same(pool.members[0].cell)) {
            Some(pool) => pool.members.push((*group).clone()),
            None => pools.push(Pool::one(group)),
        }
    }
    let short = |pool: &Pool| format!("{}, {}", pool.members[0].cell.model, pool.members[0].cell.protocol);
    let label = |pool: &Pool| {
        let is_taken = pools.iter().filter(|other| short(other) == short(pool)).count() > 1;
        let task = if is_taken { format!(" ({})", pool.members[0].cell.task) } else { String::new() };
        short(pool) + &task
    };
    let labels: Vec<String> = pools.iter().map(label).collect();
    Some(Set {
        name: format!("{}-{models}{suffix}", first.task),
        about: format!("{}, {} rules, {models}{more}, questions in {languages}", first.kind, first.rules),
        lines: pools.into_iter().zip(labels).collect(),
    })
}
