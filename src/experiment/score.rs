//! The body of a score stage: answers against gold ones, by the rules of the task or, where the original
//! work's protocol was followed, by SQuAD's for every task.

use std::path::Path;

use super::StageFailure;
use super::execute::PREDICTIONS;
use super::outcome::{self, Chance, QuestionOutcome, ScoreOutcome};
use super::run::Place;
use super::stage::Role;
use super::works::Scoring;
use crate::corpus::triviaqa::TriviaQa;
use crate::corpus::{QaDataset, Task, miniature, triviaqa};
use crate::qa::metrics::{Evaluation, GoldQuestion};
use crate::qa::{Gold, Predictions, Rules, chance, metrics, predictions};
use crate::text::Protocol;
use crate::text::truncated::LEFT_OUT_FILE;

/// Scores the predictions that `place` has.
pub(super) fn score(scoring: &Scoring, place: &Place) -> Result<(), StageFailure> {
    let file = place.input(Role::Evaluate)?;
    let gold = GoldFile::read(scoring, file)?;
    let folder = place.input(Role::Predictions)?;
    let predictions = Predictions::read(&folder.join(PREDICTIONS))?;
    let left_out = predictions::read_ids(&folder.join(LEFT_OUT_FILE))?;
    let rules = match scoring.protocol {
        Protocol::Sagen2021 => Rules::Squad,
        Protocol::Standard => Rules::of(&scoring.questions, file)?,
    };
    let answers = gold.answers();
    let evaluation = metrics::evaluate(rules, &answers, &predictions, &left_out)?;
    let scores = ScoreOutcome {
        exact_match: evaluation.scores.exact_match,
        f1: evaluation.scores.f1,
        total: evaluation.scores.total,
        left_out: evaluation.left_out(),
        chance: gold.chance()?,
    };
    Ok(outcome::write_scores(place.output, &scores, &gold.outcomes(&answers, &evaluation))?)
}

/// Gold answers: about one context each, or found in any of several documents.
enum GoldFile {
    Contexts(QaDataset),
    Documents(TriviaQa),
}

impl GoldFile {
    fn read(scoring: &Scoring, path: &Path) -> Result<Self, StageFailure> {
        Ok(match scoring.questions.task {
            Task::TriviaQa => Self::Documents(triviaqa::read(path)?),
            _ => Self::Contexts(scoring.questions.read(path)?),
        })
    }

    fn answers(&self) -> Gold<'_> {
        match self {
            Self::Contexts(dataset) => Gold::from(dataset),
            Self::Documents(questions) => Gold::from(questions),
        }
    }

    /// The scores of the questions that count, with the place of the answer where there is one.
    fn outcomes(&self, answers: &Gold, evaluation: &Evaluation) -> Vec<QuestionOutcome> {
        let scored = answers.questions.iter().zip(&evaluation.questions).enumerate();
        let outcome = |(at, (gold, score)): (usize, (&GoldQuestion, &Option<_>))| {
            let score: &metrics::QuestionScore = score.as_ref()?;
            let (answer_start, context_length) = self.place(at);
            Some(QuestionOutcome {
                id: gold.id.clone().into_owned(),
                exact_match: score.exact_match.into(),
                f1: score.f1,
                answer_start,
                context_length,
            })
        };
        scored.filter_map(outcome).collect()
    }

    /// Where the first answer to question number `at` begins, and how long its context is, in characters.
    fn place(&self, at: usize) -> (Option<usize>, Option<usize>) {
        let Self::Contexts(dataset) = self else { return (None, None) };
        let Some(question) = dataset.questions.get(at) else { return (None, None) };
        let start = question.answers.first().map(|answer| answer.start);
        (start, Some(dataset.context_of(question).chars().count()))
    }

    /// Of the miniature alone is it known which spans are of the right kind.
    fn chance(&self) -> Result<Option<Chance>, StageFailure> {
        let Self::Contexts(dataset) = self else { return Ok(None) };
        if dataset.contexts.iter().any(|context| miniature::facts(context).is_empty()) {
            return Ok(None);
        }
        let scores = chance::expected(dataset, miniature::facts)?;
        Ok(Some(Chance { exact_match: scores.exact_match, f1: scores.f1 }))
    }
}
