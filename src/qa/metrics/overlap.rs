//! How well one prediction fits the accepted answers: whether it equals one of them, and the F1 of token
//! counts. All official scripts compute it so, in this order; floating-point division shows it.

use std::collections::HashMap;

use super::rules::Rules;

/// One question's score, the best over its gold answers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct QuestionScore {
    /// Whether the prediction equals a gold answer after normalization.
    pub exact_match: bool,
    /// F1 of token counts, from 0 to 1.
    pub f1: f64,
}

/// The score of one prediction: the best over `answers`, zero if there are none.
pub fn score<'a>(
    rules: Rules,
    prediction: &str,
    answers: impl IntoIterator<Item = &'a str>,
) -> QuestionScore {
    let prediction = rules.normalize(prediction);
    let counts = Counts::of(&prediction);
    answers.into_iter().fold(QuestionScore::default(), |best, answer| {
        let gold = rules.normalize(answer);
        QuestionScore {
            exact_match: best.exact_match || prediction == gold,
            f1: best.f1.max(counts.f1(&Counts::of(&gold))),
        }
    })
}

/// How often each token of a normalized answer occurs.
struct Counts<'a> {
    of: HashMap<&'a str, usize>,
    total: usize,
}

impl<'a> Counts<'a> {
    fn of(normalized: &'a str) -> Self {
        let mut counts = Self { of: HashMap::new(), total: 0 };
        // Normalized text has single spaces and no other white space.
        for token in normalized.split(' ').filter(|token| !token.is_empty()) {
            *counts.of.entry(token).or_default() += 1;
            counts.total += 1;
        }
        counts
    }

    fn f1(&self, gold: &Counts) -> f64 {
        let shared = |(token, count): (&&str, &usize)| (*count).min(gold.of.get(token).copied().unwrap_or(0));
        let same: usize = self.of.iter().map(shared).sum();
        if same == 0 {
            return 0.0;
        }
        let precision = same as f64 / self.total as f64;
        let recall = same as f64 / gold.total as f64;
        (2.0 * precision * recall) / (precision + recall)
    }
}
