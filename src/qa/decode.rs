//! From start and end logits to answers: the n-best search of BERT's `run_squad.py` over all windows
//! of a question.
//!
//! Given windows in any order, each with two logits per token; gives back each question's best
//! answers with their probabilities. In each window the `n_best` best starts meet the `n_best` best
//! ends. Both are ranked among the tokens of the context alone (`run_squad.py` ranks all tokens and
//! then drops those outside, which can leave nothing), and a start counts only in the window that
//! gives its token the most context. An answer is a stretch of the original text.
//!
//! Equal scores are told apart by place, the earlier start first and then the shorter answer, so
//! that the result depends neither on threads nor on the order of windows.

use std::cmp::Ordering;
use std::collections::HashSet;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::QaError;
use super::characters::Characters;
use super::predictions::NbestPredictions;
use crate::corpus::QaDataset;
use crate::text::CharSpan;
use crate::text::windows::Window;

/// How wide and how far to search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DecodeSettings {
    /// How many starts and how many ends of each window are tried, and how many answers are kept.
    pub n_best: usize,
    /// The longest answer, in tokens.
    pub max_answer_length: usize,
}

impl Default for DecodeSettings {
    fn default() -> Self {
        Self { n_best: 20, max_answer_length: 30 }
    }
}

impl DecodeSettings {
    /// Refuses a setting under which no answer exists.
    ///
    /// # Errors
    /// [`QaError::Setting`], naming the key.
    pub fn validate(&self) -> Result<(), QaError> {
        for (key, found) in [("n_best", self.n_best), ("max_answer_length", self.max_answer_length)] {
            if found == 0 {
                return Err(QaError::Setting { key, expected: "at least 1", found });
            }
        }
        Ok(())
    }
}

/// One candidate answer, as `nbest_predictions.json` holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NbestAnswer {
    /// A stretch of the context as it stands there.
    pub text: String,
    /// Softmax of `start_logit + end_logit` over the candidates of the question.
    pub probability: f64,
    /// The score of the answer's first token.
    pub start_logit: f64,
    /// The score of the answer's last token.
    pub end_logit: f64,
}

/// Gathers windows one by one; keeps `n_best` candidates of each, never its logits.
pub struct Decoder<'a> {
    dataset: &'a QaDataset,
    settings: DecodeSettings,
    contexts: Vec<Characters<'a>>,
    /// For each question, the best candidates of the windows seen so far.
    candidates: Vec<Vec<Candidate>>,
}

/// An answer in the making. Tokens are counted from the start of the context.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    score: f64,
    first: usize,
    last: usize,
    span: CharSpan,
    start_logit: f64,
    end_logit: f64,
}

impl<'a> Decoder<'a> {
    /// Starts with no window seen.
    ///
    /// # Errors
    /// [`QaError::Setting`].
    pub fn new(dataset: &'a QaDataset, settings: DecodeSettings) -> Result<Self, QaError> {
        settings.validate()?;
        Ok(Self {
            dataset,
            settings,
            contexts: dataset.contexts.par_iter().map(|context| Characters::of(context)).collect(),
            candidates: vec![Vec::new(); dataset.questions.len()],
        })
    }

    /// Adds one window with a start and an end logit for each of its `input_ids`.
    ///
    /// # Errors
    /// [`QaError::ForeignWindow`], [`QaError::Length`] and [`QaError::Offsets`] for a window that does not
    /// fit its data set or its logits; [`QaError::NotFinite`] for a NaN or infinite logit in the context.
    pub fn add(&mut self, window: &Window, start_logits: &[f32], end_logits: &[f32]) -> Result<(), QaError> {
        let questions = self.dataset.questions.len();
        let foreign = || QaError::ForeignWindow { expected: questions, found: window.question };
        let question = self.dataset.questions.get(window.question).ok_or_else(foreign)?;
        let context = self.contexts.get(question.context).ok_or_else(foreign)?;
        let kept = self.candidates.get_mut(window.question).ok_or_else(foreign)?;
        let tokens = ContextTokens::of(window, start_logits, end_logits, &question.id)?;
        let mut candidates = tokens.candidates(&self.settings);
        candidates.sort_unstable_by(Candidate::better_first);
        // What is not among a window's own best is not among the question's best: its betters in the
        // window, with other texts, are candidates of the question too.
        let best = distinct(&candidates, context, self.settings.n_best).map_err(|span| QaError::Offsets {
            id: question.id.clone(),
            start: span.start,
            end: span.end,
            length: context.length(),
        })?;
        kept.extend(best.into_iter().map(|(candidate, _)| candidate));
        Ok(())
    }

    /// Where the best answer of each question stands in its context, as far as windows were seen; none
    /// where no window has a candidate.
    pub fn best_spans(&self) -> Vec<Option<CharSpan>> {
        let best = |candidates: &Vec<Candidate>| {
            candidates.iter().min_by(|one, other| one.better_first(other)).map(|best| best.span)
        };
        self.candidates.iter().map(best).collect()
    }

    /// Every question's best answers, best first, in the data set's order. A question for which no
    /// window has a candidate gets one empty answer, where `run_squad.py` writes `empty`.
    pub fn finish(self) -> NbestPredictions {
        let Self { dataset, settings, contexts, candidates } = self;
        let questions = dataset
            .questions
            .par_iter()
            .zip(candidates)
            .map(|(question, mut candidates)| {
                candidates.sort_by(Candidate::better_first);
                let best = contexts
                    .get(question.context)
                    .and_then(|context| distinct(&candidates, context, settings.n_best).ok())
                    .unwrap_or_default();
                (question.id.clone(), with_probabilities(&best))
            })
            .collect();
        NbestPredictions { questions }
    }
}

impl Candidate {
    fn better_first(&self, other: &Self) -> Ordering {
        // Scores are sums of finite numbers of single precision: always comparable.
        let by_score = other.score.partial_cmp(&self.score).unwrap_or(Ordering::Equal);
        by_score.then((self.first, self.last).cmp(&(other.first, other.last)))
    }
}

/// The context's part of a window, and its logits.
struct ContextTokens<'a> {
    first_token: usize,
    offsets: &'a [CharSpan],
    may_start: &'a [bool],
    start_logits: &'a [f32],
    end_logits: &'a [f32],
}

impl<'a> ContextTokens<'a> {
    fn of(window: &'a Window, start: &'a [f32], end: &'a [f32], id: &str) -> Result<Self, QaError> {
        let length = |part, expected, found| QaError::Length { id: id.to_owned(), part, expected, found };
        let expected = window.input_ids.len();
        let context = window.context_position..window.context_position + window.context_offsets.len();
        let of_context = |part, logits: &'a [f32]| {
            if logits.len() != expected {
                return Err(length(part, expected, logits.len()));
            }
            logits.get(context.clone()).ok_or_else(|| length("input_ids", context.end, expected))
        };
        let (start_logits, end_logits) = (of_context("start logits", start)?, of_context("end logits", end)?);
        let (offsets, may_start) = (&window.context_offsets, &window.has_most_context);
        if may_start.len() != offsets.len() {
            return Err(length("has_most_context", offsets.len(), may_start.len()));
        }
        for (part, logits) in [("start", start_logits), ("end", end_logits)] {
            if let Some(place) = logits.iter().position(|logit| !logit.is_finite()) {
                let position = context.start + place;
                return Err(QaError::NotFinite { id: id.to_owned(), part, position, found: logits[place] });
            }
        }
        Ok(Self { first_token: window.first_context_token, offsets, may_start, start_logits, end_logits })
    }

    /// Every admissible pair of a good start and a good end.
    fn candidates(&self, settings: &DecodeSettings) -> Vec<Candidate> {
        let starts = best_of(self.start_logits, |token| self.may_start[token], settings.n_best);
        let ends = best_of(self.end_logits, |_| true, settings.n_best);
        let mut candidates = Vec::new();
        for &start in &starts {
            for &end in ends
                .iter()
                .filter(|end| (start..start.saturating_add(settings.max_answer_length)).contains(end))
            {
                let span = CharSpan { start: self.offsets[start].start, end: self.offsets[end].end };
                // A token may stand for no character at all; an answer may not.
                if span.start >= span.end {
                    continue;
                }
                let (start_logit, end_logit) =
                    (f64::from(self.start_logits[start]), f64::from(self.end_logits[end]));
                candidates.push(Candidate {
                    score: start_logit + end_logit,
                    first: self.first_token + start,
                    last: self.first_token + end,
                    span,
                    start_logit,
                    end_logit,
                });
            }
        }
        candidates
    }
}

/// The indices of the `count` largest values among those admitted; of equal values the earlier one.
fn best_of(values: &[f32], admitted: impl Fn(usize) -> bool, count: usize) -> Vec<usize> {
    let better = |a: &usize, b: &usize| {
        let by_value = values[*b].partial_cmp(&values[*a]).unwrap_or(Ordering::Equal);
        by_value.then(a.cmp(b))
    };
    let mut best: Vec<usize> = (0..values.len()).filter(|index| admitted(*index)).collect();
    if best.len() > count {
        best.select_nth_unstable_by(count, better);
        best.truncate(count);
    }
    best
}

/// The first `count` candidates with texts of their own, or the span that is no stretch of the context.
fn distinct<'a>(
    candidates: &[Candidate],
    context: &Characters<'a>,
    count: usize,
) -> Result<Vec<(Candidate, &'a str)>, CharSpan> {
    let mut seen = HashSet::with_capacity(count);
    let mut kept = Vec::with_capacity(count.min(candidates.len()));
    for candidate in candidates {
        if kept.len() == count {
            break;
        }
        let text = context.slice(candidate.span).ok_or(candidate.span)?;
        if seen.insert(text) {
            kept.push((*candidate, text));
        }
    }
    Ok(kept)
}

fn with_probabilities(best: &[(Candidate, &str)]) -> Vec<NbestAnswer> {
    let Some((first, _)) = best.first() else {
        return vec![NbestAnswer { text: String::new(), probability: 1.0, start_logit: 0.0, end_logit: 0.0 }];
    };
    let weights: Vec<f64> = best.iter().map(|(candidate, _)| (candidate.score - first.score).exp()).collect();
    let total: f64 = weights.iter().sum();
    let answer = |((candidate, text), weight): (&(Candidate, &str), f64)| NbestAnswer {
        text: (*text).to_owned(),
        probability: weight / total,
        start_logit: candidate.start_logit,
        end_logit: candidate.end_logit,
    };
    best.iter().zip(weights).map(answer).collect()
}
