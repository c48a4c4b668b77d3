//! Intervals by bootstrap over questions and seeds (Efron & Tibshirani 1993, ch. 13 and 16).
//!
//! Every model is fine-tuned once with each seed and every run answers the same questions: a crossed
//! design. A resample draws as many questions as there are, with replacement, and as many seeds;
//! each drawn run is scored on the drawn questions, so a resample is the experiment done again with
//! other questions and other seeds. With one seed it is questions alone. Two models are compared on
//! the same drawn questions (paired), each with its own drawn seeds.
//!
//! An average over languages is the mean over several strata. A question that is asked in several
//! languages is one unit: drawn in one, it is drawn in all.
//!
//! The draws depend on the number of resample, questions and seeds and on nothing else: the same
//! results have the same intervals everywhere, and every comparison is made on common draws.

use std::iter::zip;

use rand::Rng;
use rayon::prelude::*;

use crate::random::{Purpose, Seed};

/// How often an experiment is drawn again.
pub const RESAMPLES: u64 = 2000;

/// Any number would do; this one is part of every published interval.
const SEED: Seed = Seed(2021);

/// The questions of one language.
#[derive(Debug, Clone, PartialEq)]
pub struct Stratum {
    /// What each question is a case of, from 0; shared among strata.
    pub units: Vec<usize>,
    /// For each seed, each question's score.
    pub scores: Vec<Vec<f64>>,
}

/// What one model scored: a stratum, or several to take the mean over. All have the same seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct Arm(pub Vec<Stratum>);

/// Where the middle 95 % of resamples lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The 2.5th percentile.
    pub low: f64,
    /// The 97.5th percentile.
    pub high: f64,
}

/// How far one model is from another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The first's score less the second's.
    pub mean: f64,
    /// Where the middle 95 % of resampled differences lie.
    pub interval: Interval,
    /// Twice the share of resamples on the far side of nothing, `2 · (count + 1) / (resamples + 1)`:
    /// small where chance does not explain the difference, never zero.
    pub p: f64,
}

/// The 95 % interval of an arm's score; none without questions.
pub fn interval(arm: &Arm) -> Option<Interval> {
    let drawn: Vec<f64> = resample(&[arm], RESAMPLES)?.into_iter().flatten().collect();
    Some(middle(drawn))
}

/// The first arm's score less the second's; none without questions. Both have the same units.
pub fn difference(first: &Arm, second: &Arm) -> Option<Difference> {
    let drawn: Vec<f64> =
        resample(&[first, second], RESAMPLES)?.iter().map(|scores| scores[0] - scores[1]).collect();
    let count = |far: fn(f64) -> bool| drawn.iter().filter(|value| far(**value)).count();
    let far = count(|value| value <= 0.0).min(count(|value| value >= 0.0));
    let p = (2.0 * (far + 1) as f64 / (drawn.len() + 1) as f64).min(1.0);
    Some(Difference { mean: first.score() - second.score(), interval: middle(drawn), p })
}

impl Arm {
    fn seeds(&self) -> usize {
        self.0.first().map_or(0, |stratum| stratum.scores.len())
    }

    /// The score as it was measured: every question and every seed once.
    fn score(&self) -> f64 {
        let units = units_of(&[self]);
        self.drawn(&vec![1.0; units], &vec![1.0; self.seeds()])
    }

    /// The score with each unit and each seed counted as often as it was drawn. A language of which
    /// nothing was drawn is not in the mean.
    fn drawn(&self, units: &[f64], seeds: &[f64]) -> f64 {
        let total_seeds: f64 = seeds.iter().sum();
        let (mut sum, mut strata) = (0.0, 0.0);
        for stratum in &self.0 {
            let times: f64 = stratum.units.iter().map(|&unit| units[unit]).sum();
            if times == 0.0 {
                continue;
            }
            let of_seed = |scores: &[f64]| -> f64 {
                zip(&stratum.units, scores).map(|(&unit, score)| units[unit] * score).sum()
            };
            let scores: f64 = zip(seeds, &stratum.scores)
                .filter(|(times, _)| **times > 0.0)
                .map(|(times, scores)| times * of_seed(scores))
                .sum();
            sum += scores / (times * total_seeds);
            strata += 1.0;
        }
        if strata == 0.0 { 0.0 } else { sum / strata }
    }
}

fn units_of(arms: &[&Arm]) -> usize {
    let units = arms.iter().flat_map(|arm| &arm.0).flat_map(|stratum| &stratum.units);
    units.max().map_or(0, |last| last + 1)
}

/// The score of each arm in each resample; none without questions or seeds.
fn resample(arms: &[&Arm], resamples: u64) -> Option<Vec<Vec<f64>>> {
    let units = units_of(arms);
    if units == 0 || arms.iter().any(|arm| arm.seeds() == 0) {
        return None;
    }
    let one = |times: &mut Vec<f64>, number: u64| {
        let mut stream = SEED.stream(Purpose::Bootstrap, &[units as u64, number]);
        let mut draw = |times: &mut [f64]| {
            times.fill(0.0);
            (0..times.len()).for_each(|_| times[stream.random_range(0..times.len())] += 1.0);
        };
        draw(times);
        let scores = arms.iter().map(|arm| {
            let mut seeds = vec![0.0; arm.seeds()];
            draw(&mut seeds);
            arm.drawn(times, &seeds)
        });
        scores.collect()
    };
    Some((0..resamples).into_par_iter().map_init(|| vec![0.0; units], one).collect())
}

fn middle(mut drawn: Vec<f64>) -> Interval {
    drawn.sort_unstable_by(f64::total_cmp);
    Interval { low: quantile(&drawn, 0.025), high: quantile(&drawn, 0.975) }
}

/// By linear interpolation between the two values around it. `sorted` is not empty.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha12Rng;

    use super::*;

    fn plain(scores: Vec<Vec<f64>>) -> Arm {
        Arm(vec![Stratum { units: (0..scores[0].len()).collect(), scores }])
    }

    fn noise(seed: u64) -> ChaCha12Rng {
        Seed(seed).stream(Purpose::Bootstrap, &[])
    }

    #[test]
    fn a_resample_is_the_mean_over_the_questions_and_seeds_drawn() {
        let mut random = noise(1);
        let table = |questions: usize, random: &mut ChaCha12Rng| -> Vec<Vec<f64>> {
            (0..3).map(|_| (0..questions).map(|_| random.random()).collect()).collect()
        };
        // A language with every question, one with the first, the third and the last again.
        let units = [vec![0, 1, 2, 3, 4], vec![0, 2, 4]];
        let strata = units.clone().map(|units| Stratum { scores: table(units.len(), &mut random), units });
        let arm = Arm(strata.to_vec());
        let fast = resample(&[&arm], 50).unwrap();
        for (number, scores) in fast.iter().enumerate() {
            let mut stream = SEED.stream(Purpose::Bootstrap, &[5, number as u64]);
            let questions: Vec<usize> = (0..5).map(|_| stream.random_range(0..5)).collect();
            let seeds: Vec<usize> = (0..3).map(|_| stream.random_range(0..3)).collect();
            let mut means = Vec::new();
            for stratum in &strata {
                let mut drawn = Vec::new();
                for question in &questions {
                    for seed in &seeds {
                        let place = stratum.units.iter().position(|unit| unit == question);
                        drawn.extend(place.map(|place| stratum.scores[*seed][place]));
                    }
                }
                if !drawn.is_empty() {
                    means.push(drawn.iter().sum::<f64>() / drawn.len() as f64);
                }
            }
            let slow = means.iter().sum::<f64>() / means.len() as f64;
            assert!((scores[0] - slow).abs() < 1e-12, "{number}: {} and {slow}", scores[0]);
        }
    }

    #[test]
    fn percentiles_lie_between_the_values_around_them() {
        let values: Vec<f64> = (0..=100).map(f64::from).collect();
        assert_eq!(middle(values), Interval { low: 2.5, high: 97.5 });
        assert_eq!(quantile(&[7.0], 0.3), 7.0);
    }

    #[test]
    fn nothing_to_draw_from_has_no_interval() {
        assert_eq!(interval(&Arm(Vec::new())), None);
        assert_eq!(interval(&plain(vec![vec![]])), None);
        assert_eq!(interval(&plain(vec![vec![0.5; 4]])), Some(Interval { low: 0.5, high: 0.5 }));
    }

    #[test]
    fn a_model_does_not_differ_from_itself_and_does_from_one_that_is_always_worse() {
        let mut random = noise(2);
        let scores: Vec<f64> = (0..60).map(|_| random.random()).collect();
        let worse = scores.iter().map(|score| score - 0.1).collect();
        let (model, worse) = (plain(vec![scores]), plain(vec![worse]));
        let same = difference(&model, &model).unwrap();
        assert_eq!((same.mean, same.interval, same.p), (0.0, Interval { low: 0.0, high: 0.0 }, 1.0));
        // Paired, the questions' own difficulty does not count.
        let better = difference(&model, &worse).unwrap();
        assert!((better.mean - 0.1).abs() < 1e-12 && better.interval.low > 0.0999, "{better:?}");
        assert_eq!(better.p, 2.0 / 2001.0);
    }

    /// Questions of random difficulty and runs of random quality, both normal around 0.5: the true
    /// score is known, and about 95 of 100 intervals hold it. Percentiles of few seeds are known to
    /// be somewhat too narrow.
    #[test]
    fn nineteen_intervals_of_twenty_hold_the_true_score() {
        let mut random = noise(3);
        let mut normal = || (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
        let trials = 200;
        let held = (0..trials).filter(|_| {
            let difficulty: Vec<f64> = (0..40).map(|_| 0.3 * normal()).collect();
            let run = |quality: f64| difficulty.iter().map(|question| 0.5 + question + quality).collect();
            let arm = plain((0..5).map(|_| 0.02 * normal()).map(run).collect());
            let found = middle(resample(&[&arm], 300).unwrap().concat());
            found.low <= 0.5 && 0.5 <= found.high
        });
        let share = held.count() as f64 / f64::from(trials);
        assert!((0.90..=0.98).contains(&share), "{share}");
    }
}
