//! What guessing gives: the scores of someone who answers every question with a random span of the
//! right kind, computed and not sampled.

use rayon::prelude::*;

use super::QaError;
use super::metrics::{QuestionScore, Rules, Scores, score};
use crate::corpus::{Answer, QaDataset};

/// The expected scores, by SQuAD's rules, of choosing, for each question, one of the spans that `candidates` finds in its
/// context, each as likely as the others. A context without a candidate scores 0.
///
/// # Errors
/// [`QaError::NoQuestions`]; [`QaError::NoGoldAnswer`] for a question without answers.
pub fn expected(
    dataset: &QaDataset,
    candidates: impl Fn(&str) -> Vec<Answer> + Sync,
) -> Result<Scores, QaError> {
    let total = dataset.questions.len();
    if total == 0 {
        return Err(QaError::NoQuestions);
    }
    let spans: Vec<Vec<Answer>> = dataset.contexts.par_iter().map(|context| candidates(context)).collect();
    let means: Vec<(f64, f64)> = dataset
        .questions
        .par_iter()
        .map(|question| {
            if question.answers.is_empty() {
                return Err(QaError::NoGoldAnswer { id: question.id.clone() });
            }
            let spans = spans.get(question.context).map_or(&[][..], Vec::as_slice);
            let answers = question.answers.iter().map(|answer| answer.text.as_str());
            Ok(mean(spans.iter().map(|span| score(Rules::Squad, &span.text, answers.clone()))))
        })
        .collect::<Result<_, _>>()?;
    let (exact, f1) = means.iter().fold((0.0, 0.0), |(exact, f1), mean| (exact + mean.0, f1 + mean.1));
    Ok(Scores { exact_match: 100.0 * exact / total as f64, f1: 100.0 * f1 / total as f64, total })
}

fn mean(scores: impl ExactSizeIterator<Item = QuestionScore>) -> (f64, f64) {
    let count = scores.len().max(1) as f64;
    let (exact, f1) = scores.fold((0.0, 0.0), |(exact, f1), score| {
        (exact + f64::from(u8::from(score.exact_match)), f1 + score.f1)
    });
    (exact / count, f1 / count)
}
