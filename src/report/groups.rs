//! Runs that differ in the seed alone, as one number with its deviation and interval; and averages of
//! such groups over languages.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::iter::zip;

use super::runs::{Metric, Outcomes, Question, Run};
use super::statistics::{self, Arm, Difference, Interval, Stratum, Summary};
use crate::experiment::family::FamilyKey;
use crate::experiment::plan::Cell;
use crate::random::Seed;

/// The runs of one model on one task in one language.
#[derive(Debug, Clone)]
pub struct Group<'a> {
    /// What they share; its seed is the first one's.
    pub cell: &'a Cell,
    /// One for each seed, run or not; at least one.
    pub runs: Vec<&'a Run>,
}

/// The groups of `runs`: by task, languages and model, each in the order of first appearance.
pub fn groups(runs: &[Run]) -> Vec<Group<'_>> {
    let languages = |cell: &'_ Cell| (cell.context_language.clone(), cell.language.clone());
    let task_ranks = ranks(runs.iter().map(|run| &run.cell.task));
    let language_ranks = ranks(runs.iter().map(|run| languages(&run.cell)));
    let model_ranks = ranks(runs.iter().map(|run| &run.cell.model));
    let rank =
        |cell: &Cell| (task_ranks[&cell.task], language_ranks[&languages(cell)], model_ranks[&cell.model]);
    let mut sorted: Vec<&Run> = runs.iter().collect();
    sorted.sort_by_key(|run| rank(&run.cell));
    let same = sorted.chunk_by(|one, other| rank(&one.cell) == rank(&other.cell));
    same.map(|runs| Group { cell: &runs[0].cell, runs: runs.to_vec() }).collect()
}

fn ranks<T: Hash + Eq>(values: impl Iterator<Item = T>) -> HashMap<T, usize> {
    let mut ranks = HashMap::new();
    for value in values {
        let next = ranks.len();
        ranks.entry(value).or_insert(next);
    }
    ranks
}

impl<'a> Group<'a> {
    /// What the scores of all its runs are apart from the seed.
    pub fn family(&self) -> FamilyKey {
        self.runs[0].family
    }

    /// Whether any of its runs is finished.
    pub fn was_run(&self) -> bool {
        self.runs.iter().any(|run| run.scores.is_some())
    }

    fn run(&self, seed: Seed) -> Option<&'a Run> {
        self.runs.iter().copied().find(|run| run.cell.seed == seed && run.outcomes.is_some())
    }
}

/// A group, or the mean over several: the languages of one task and model.
#[derive(Debug, Clone)]
pub struct Pool<'a> {
    /// The groups; at least one.
    pub members: Vec<Group<'a>>,
}

/// A number over seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Mean, deviation and number of seeds.
    pub summary: Summary,
    /// The 95 % interval.
    pub interval: Option<Interval>,
}

/// A number over seeds, of some of a pool's questions.
#[derive(Debug)]
pub struct Part {
    /// Mean, deviation and number of seeds.
    pub summary: Summary,
    stratum: Stratum,
}

impl Part {
    /// How many questions there are.
    pub fn questions(&self) -> usize {
        self.stratum.units.len()
    }

    /// With the 95 % interval, all questions drawn alike.
    pub fn estimate(self) -> Estimate {
        let interval = statistics::interval(&Arm(vec![self.stratum])).map(percent);
        Estimate { summary: self.summary, interval }
    }
}

impl<'a> Pool<'a> {
    /// A group by itself.
    pub fn one(group: &Group<'a>) -> Self {
        Self { members: vec![group.clone()] }
    }

    /// The seeds with which every member was run: an average lacks no language.
    pub fn seeds(&self) -> Vec<Seed> {
        let Some((first, others)) = self.members.split_first() else { return Vec::new() };
        let seeds = first.runs.iter().map(|run| run.cell.seed);
        let everywhere =
            |seed: &Seed| first.run(*seed).is_some() && others.iter().all(|group| group.run(*seed).is_some());
        seeds.filter(everywhere).collect()
    }

    /// Questions, once for each language they are asked in; none if nothing was run.
    pub fn questions(&self) -> Option<usize> {
        let seed = *self.seeds().first()?;
        let totals = self.members.iter().filter_map(|group| group.run(seed)?.scores.as_ref());
        Some(totals.map(|scores| scores.total).sum())
    }

    /// The questions themselves, those of every member.
    pub fn all_questions(&self) -> impl Iterator<Item = &Question> {
        let answered =
            self.members.iter().filter_map(|group| group.runs.iter().find_map(|run| run.outcomes.as_ref()));
        answered.flat_map(|outcomes| &outcomes.questions.questions)
    }

    /// What guessing gives, in percent; none if it is not known in every language.
    pub fn chance(&self, metric: Metric) -> Option<f64> {
        let chances: Option<Vec<f64>> =
            self.members.iter().map(|group| group.runs.iter().find_map(|run| run.chance(metric))).collect();
        Some(Summary::of(&chances?)?.mean)
    }

    /// A metric in percent; none if nothing was run.
    pub fn estimate(&self, metric: Metric) -> Option<Estimate> {
        let of_seed = |seed: &Seed| -> Option<f64> {
            let values: Option<Vec<f64>> =
                self.members.iter().map(|group| group.run(*seed)?.value(metric)).collect();
            Some(Summary::of(&values?)?.mean)
        };
        let values: Vec<f64> = self.seeds().iter().filter_map(of_seed).collect();
        let summary = Summary::of(&values)?;
        let mut units = Units::default();
        let arm = self.arm(metric, &mut units, |_| true);
        Some(Estimate { summary, interval: statistics::interval(&arm).map(percent) })
    }

    /// A metric in percent over those questions that are `wanted`, whatever their language; none if
    /// there are none.
    pub fn part(&self, metric: Metric, wanted: impl Fn(&Question) -> bool) -> Option<Part> {
        let seeds = self.seeds();
        let mut numbers = Units::default();
        let mut part = Stratum { units: Vec::new(), scores: vec![Vec::new(); seeds.len()] };
        for group in &self.members {
            for (seed, scores) in zip(&seeds, &mut part.scores) {
                let outcomes = group.run(*seed)?.outcomes.as_ref()?;
                let answered = zip(&outcomes.questions.questions, outcomes.values(metric));
                let kept = answered.filter(|(question, _)| wanted(question));
                if *seed == seeds[0] {
                    part.units.extend(kept.clone().map(|(question, _)| numbers.of(&question.id)));
                }
                scores.extend(kept.map(|(_, score)| *score));
            }
        }
        let means: Option<Vec<f64>> =
            part.scores.iter().map(|scores| Some(100.0 * Summary::of(scores)?.mean)).collect();
        Some(Part { summary: Summary::of(&means?)?, stratum: part })
    }

    /// How far this pool is from another with the same languages in the same order, in percent,
    /// over the questions that both have; and how many these are.
    pub fn difference(&self, other: &Self, metric: Metric) -> Option<(Difference, usize)> {
        let (mine, theirs) = (self.ids(), other.ids());
        let mut units = Units::default();
        let first = self.arm(metric, &mut units, |place| theirs[place.0].contains(place.1));
        let second = other.arm(metric, &mut units, |place| mine[place.0].contains(place.1));
        let found = statistics::difference(&first, &second)?;
        let questions = first.0.iter().map(|stratum| stratum.units.len()).sum();
        let found = Difference { mean: 100.0 * found.mean, interval: percent(found.interval), p: found.p };
        Some((found, questions))
    }

    /// For each member, the ids of its questions.
    fn ids(&self) -> Vec<HashSet<&'a str>> {
        let Some(&seed) = self.seeds().first() else { return vec![HashSet::new(); self.members.len()] };
        let ids = |group: &Group<'a>| -> HashSet<&'a str> {
            let outcomes = group.run(seed).and_then(|run| run.outcomes.as_ref());
            let questions = outcomes.into_iter().flat_map(|outcomes| &outcomes.questions.questions);
            questions.map(|question| question.id.as_str()).collect()
        };
        self.members.iter().map(ids).collect()
    }

    /// The scores of those questions that are `wanted`, by the member's place and the question's id.
    fn arm(&self, metric: Metric, units: &mut Units<'a>, wanted: impl Fn((usize, &str)) -> bool) -> Arm {
        let seeds = self.seeds();
        let strata = self.members.iter().enumerate().map(|(member, group)| {
            let outcomes: Vec<&Outcomes> =
                seeds.iter().filter_map(|seed| group.run(*seed)?.outcomes.as_ref()).collect();
            let kept = |question: &Question| wanted((member, &question.id));
            let scores = outcomes.iter().map(|outcomes| {
                let answered = zip(&outcomes.questions.questions, outcomes.values(metric));
                answered.filter(|(question, _)| kept(question)).map(|(_, score)| *score).collect()
            });
            let questions = outcomes.first().map(|outcomes| &outcomes.questions.questions);
            let questions = questions.into_iter().flatten().filter(|question| kept(question));
            Stratum {
                units: questions.map(|question| units.of(&question.id)).collect(),
                scores: scores.collect(),
            }
        });
        Arm(strata.collect())
    }
}

/// Numbers for questions: the same id, the same number.
#[derive(Default)]
struct Units<'a>(HashMap<&'a str, usize>);

impl<'a> Units<'a> {
    fn of(&mut self, id: &'a str) -> usize {
        let next = self.0.len();
        *self.0.entry(id).or_insert(next)
    }
}

fn percent(interval: Interval) -> Interval {
    Interval { low: 100.0 * interval.low, high: 100.0 * interval.high }
}
