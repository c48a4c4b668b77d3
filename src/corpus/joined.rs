//! SQ3 and XQ3: a data set of short contexts made one of long contexts (Sagen 2021).
//!
//! Of each run of questions about one context, the first is kept; `n_concat` consecutive contexts are
//! joined without anything between them, and each answer's start moves by the length of what now stands
//! before it. The last context may consist of fewer.
//!
//! This follows `concatinate_squad_data` of the original's `finetune_qa_models.py`, with two differences.
//! The original compares the first row with the last (index −1) and drops the first run where both
//! have the same context, so of a file with a single context nothing is left; here the first run always
//! stays. The original moves only the first of several answers and forgets where the others are, here
//! all move; their texts, which the metric uses, are all kept in both. No file that the original read has the same
//! context at both ends, so questions, contexts and scores agree.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use super::qa::{Answer, QaDataset, Question};

/// Which questions about a context stay when contexts are joined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeptQuestions {
    /// The first of each run of questions about the same context, as in the original.
    #[default]
    First,
    /// All.
    All,
}

/// Joins each `n_concat` consecutive contexts of `dataset`. Contexts that follow one another and have the
/// same text count as one, and one without questions as none, since the original saw questions only.
pub fn join(dataset: &QaDataset, n_concat: NonZeroUsize, kept: KeptQuestions) -> QaDataset {
    let about_one_context = |one: &Question, next: &Question| {
        one.context == next.context || dataset.context_of(one) == dataset.context_of(next)
    };
    let runs: Vec<&[Question]> = dataset.questions.chunk_by(about_one_context).collect();
    let mut joined = QaDataset::default();
    for group in runs.chunks(n_concat.get()) {
        let mut context = String::new();
        let mut length = 0;
        for run in group {
            let kept = match kept {
                KeptQuestions::First => run.get(..1).unwrap_or_default(),
                KeptQuestions::All => run,
            };
            joined
                .questions
                .extend(kept.iter().map(|question| moved(question, joined.contexts.len(), length)));
            let part = run.first().map_or("", |question| dataset.context_of(question));
            context.push_str(part);
            length += part.chars().count();
        }
        joined.contexts.push(context);
    }
    joined
}

/// `question` about the context number `context`, in which its own stands `by` characters further on.
fn moved(question: &Question, context: usize, by: usize) -> Question {
    let answer = |answer: &Answer| Answer { text: answer.text.clone(), start: answer.start + by };
    Question { context, answers: question.answers.iter().map(answer).collect(), ..question.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn question(id: &str, context: usize, answer: &str, start: usize) -> Question {
        let answers = vec![Answer { text: answer.to_owned(), start }];
        Question { id: id.to_owned(), text: format!("{id}?"), context, answers }
    }

    fn n(n_concat: usize) -> NonZeroUsize {
        NonZeroUsize::new(n_concat).unwrap()
    }

    fn small() -> QaDataset {
        QaDataset {
            contexts: ["été", "nobody asks", "été", "東京 ", "Oslo", "Oslo"].map(str::to_owned).to_vec(),
            questions: vec![
                question("a", 0, "t", 1),
                question("b", 0, "é", 2),
                question("c", 2, "été", 0),
                question("d", 3, "京", 1),
                question("e", 4, "slo", 1),
                question("f", 5, "Oslo", 0),
            ],
        }
    }

    #[test]
    fn the_first_question_of_each_run_stays_and_its_answer_moves_by_characters() {
        let joined = join(&small(), n(2), KeptQuestions::First);
        assert_eq!(joined.contexts, ["été東京 ", "Oslo"]);
        let starts: Vec<_> =
            joined.questions.iter().map(|q| (&*q.id, q.context, q.answers[0].start)).collect();
        assert_eq!(starts, [("a", 0, 1), ("d", 0, 4), ("e", 1, 1)]);
    }

    #[test]
    fn all_questions_can_stay() {
        let joined = join(&small(), n(3), KeptQuestions::All);
        assert_eq!(joined.contexts, ["été東京 Oslo"]);
        let starts: Vec<_> = joined.questions.iter().map(|q| (&*q.id, q.answers[0].start)).collect();
        assert_eq!(starts, [("a", 1), ("b", 2), ("c", 0), ("d", 4), ("e", 7), ("f", 6)]);
    }

    #[test]
    fn nothing_joined_is_nothing() {
        assert_eq!(join(&QaDataset::default(), n(3), KeptQuestions::First), QaDataset::default());
    }

    /// The original, row by row: filter, then positions and contexts from the rows' numbers.
    fn row_by_row(dataset: &QaDataset, n_concat: usize) -> Vec<(String, String, usize)> {
        let rows: Vec<(&Question, &str)> =
            dataset.questions.iter().map(|q| (q, dataset.context_of(q))).collect();
        let first = |(index, row): (usize, &(&Question, &str))| index == 0 || rows[index - 1].1 != row.1;
        let rows: Vec<_> = rows.iter().enumerate().filter(|row| first(*row)).map(|(_, row)| *row).collect();
        let row = |index: usize| {
            let low = index / n_concat * n_concat;
            let high = (low + n_concat).min(rows.len());
            let text = |range: &[(&Question, &str)]| range.iter().map(|row| row.1).collect::<String>();
            let before = text(&rows[low..index]).chars().count();
            let start = rows[index].0.answers[0].start + before;
            (rows[index].0.id.clone(), text(&rows[low..high]), start)
        };
        (0..rows.len()).map(row).collect()
    }

    proptest! {
        #[test]
        fn joining_agrees_with_the_original_row_by_row(
            contexts in prop::collection::vec(("[aé東]{1,3}", 0..3_usize), 0..12),
            n_concat in 1..6_usize,
        ) {
            let mut dataset = QaDataset::default();
            for (context, questions) in contexts {
                for number in 0..questions {
                    let (place, first) = (dataset.contexts.len(), context.chars().next().unwrap());
                    dataset.questions.push(question(&format!("{place}-{number}"), place, &first.to_string(), 0));
                }
                dataset.contexts.push(context);
            }
            let joined = join(&dataset, n(n_concat), KeptQuestions::First);
            let found: Vec<_> = joined
                .questions
                .iter()
                .map(|q| (q.id.clone(), joined.context_of(q).to_owned(), q.answers[0].start))
                .collect();
            prop_assert_eq!(found, row_by_row(&dataset, n_concat));
            let all = join(&dataset, n(n_concat), KeptQuestions::All);
            prop_assert_eq!(all.questions.len(), dataset.questions.len());
            for question in &all.questions {
                let there = all.context_of(question).chars().skip(question.answers[0].start);
                prop_assert!(there.take(1).eq(question.answers[0].text.chars()));
            }
        }
    }
}
