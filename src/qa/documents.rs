//! Answering TriviaQA: from a model folder, a file of questions and the documents beside it to answers.
//!
//! Each question is asked of each of its documents; a few documents are in memory at a time. Of the web,
//! every document gives an answer of its own; of Wikipedia, a question's answer comes from the document
//! whose best span has the highest sum of its two logits, the first of equals. A document without any
//! candidate, or a question without documents, has the empty answer, where the Longformer's script
//! writes `NoAnswerFound`.

use std::path::Path;

use rayon::prelude::*;
use tch::Device;

use super::decode::Decoder;
use super::predict::{self, PredictSettings};
use super::{Answers, NbestAnswer, NbestPredictions, Predictions, QaError};
use crate::corpus::triviaqa::{self, Domain, Evidence, TriviaQa, TriviaQuestion};
use crate::corpus::{QaDataset, Question};
use crate::interrupt::Interrupt;
use crate::model::QuestionInput;
use crate::text::documents::{self, DocumentSettings};
use crate::text::windows::Window;
use crate::text::{TextError, Tokenizer};

/// Forward passes that the documents in memory are enough for where they have full length: like lengths share a pass.
const PASSES_AT_ONCE: usize = 8;

/// How far answering is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Documents read to their end, about.
    pub done: usize,
    /// Documents in all, each as often as it is asked.
    pub documents: usize,
}

/// Answers all questions of `qa_file` with the fine-tuned model in folder `model`.
///
/// # Errors
/// As [`predict::answer`]; what is wrong with the file of questions or a document of it, which is named
/// with its question.
pub fn answer(
    model: &Path,
    qa_file: &Path,
    settings: &PredictSettings,
    device: Device,
    interrupt: &Interrupt,
    observe: &mut dyn FnMut(Progress),
) -> Result<Answers, QaError> {
    let layout = settings.documents()?;
    let (tokenizer, network) = predict::open(model, settings, device)?;
    let data = triviaqa::read(qa_file).map_err(TextError::from)?;
    let pairs: Vec<_> = data
        .questions
        .iter()
        .flat_map(|question| question.documents.iter().map(move |document| (question, document)))
        .collect();
    let documents = pairs.len();
    let at_once = (PASSES_AT_ONCE * settings.per_device_eval_batch_size).max(rayon::current_num_threads());
    let question_input = QuestionInput::of(network.config(), tokenizer.special());
    let mut nbest = NbestPredictions::default();
    for few in pairs.chunks(at_once) {
        interrupt.check()?;
        let dataset = asked(few, qa_file)?;
        let windows = windows(&dataset, &tokenizer, &layout)?;
        let mut decoder = Decoder::new(&dataset, settings.decode())?;
        let before = nbest.questions.len();
        let mut observe = |progress: predict::Progress| {
            let done = before + few.len() * progress.done / progress.windows.max(1);
            observe(Progress { done, documents });
        };
        predict::score_windows(
            &network,
            question_input,
            &windows,
            settings.tokens_per_pass(),
            interrupt,
            &mut observe,
            &mut decoder,
        )?;
        nbest.questions.extend(decoder.finish().questions);
    }
    Ok(Answers { predictions: official(&data, &nbest), nbest, left_out: Vec::new() })
}

/// The pairs as questions with a context each, named by both.
fn asked(pairs: &[(&TriviaQuestion, &Evidence)], qa_file: &Path) -> Result<QaDataset, QaError> {
    let contexts: Result<_, _> =
        pairs.par_iter().map(|(question, document)| document.text(qa_file, &question.id)).collect();
    let question = |(context, (question, document)): (usize, &(&TriviaQuestion, &Evidence))| Question {
        id: question.document_key(document),
        text: question.text.clone(),
        context,
        answers: Vec::new(),
    };
    Ok(QaDataset {
        contexts: contexts.map_err(TextError::from)?,
        questions: pairs.iter().enumerate().map(question).collect(),
    })
}

fn windows(
    dataset: &QaDataset,
    tokenizer: &Tokenizer,
    layout: &DocumentSettings,
) -> Result<Vec<Window>, TextError> {
    let slices: Vec<_> = dataset
        .questions
        .par_iter()
        .enumerate()
        .map(|(index, question)| {
            documents::slices(index, &question.text, dataset.context_of(question), tokenizer, layout)
        })
        .collect::<Result<_, _>>()?;
    Ok(slices.into_iter().flatten().collect())
}

/// `nbest` has the answers from every document of every question of `data`, in order.
fn official(data: &TriviaQa, nbest: &NbestPredictions) -> Predictions {
    if data.domain == Domain::Web {
        return nbest.best();
    }
    let mut rest = nbest.questions.as_slice();
    let mut best_of = |question: &TriviaQuestion| {
        let (documents, others) = rest.split_at(question.documents.len().min(rest.len()));
        rest = others;
        let firsts = documents.iter().filter_map(|(_, answers)| answers.first());
        // An empty text stands for no candidate, and its logits for nothing.
        let candidates = firsts.filter(|answer| !answer.text.is_empty());
        let best = candidates.reduce(|best, other| if score(other) > score(best) { other } else { best });
        (question.id.clone(), best.map(|answer| answer.text.clone()).unwrap_or_default())
    };
    data.questions.iter().map(&mut best_of).collect()
}

fn score(answer: &NbestAnswer) -> f64 {
    answer.start_logit + answer.end_logit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(domain: Domain, documents: &[usize]) -> TriviaQa {
        let evidence = |number| Evidence { file_name: format!("{number}.txt"), source: domain };
        let question = |(id, &documents): (usize, &usize)| TriviaQuestion {
            id: id.to_string(),
            text: "?".to_owned(),
            answer: None,
            documents: (0..documents).map(evidence).collect(),
        };
        TriviaQa { domain, questions: documents.iter().enumerate().map(question).collect() }
    }

    /// The best answer of each document: its text and the sum of its logits.
    fn nbest(data: &TriviaQa, best: &[(&str, f64)]) -> NbestPredictions {
        let keys = data.questions.iter().flat_map(|question| {
            question.documents.iter().map(move |document| question.document_key(document))
        });
        let answers = best.iter().map(|&(text, score)| {
            vec![NbestAnswer { text: text.to_owned(), probability: 1.0, start_logit: score, end_logit: 0.0 }]
        });
        NbestPredictions { questions: keys.zip(answers).collect() }
    }

    fn texts(predictions: &Predictions) -> Vec<(&str, &str)> {
        predictions.iter().collect()
    }

    #[test]
    fn of_wikipedia_the_best_document_answers_and_the_first_of_equals() {
        let data = data(Domain::Wikipedia, &[2, 0, 3, 1]);
        let best = [("low", -2.0), ("high", -1.0), ("one", 3.0), ("", 0.0), ("other", 3.0), ("", 0.0)];
        let predictions = official(&data, &nbest(&data, &best));
        assert_eq!(texts(&predictions), [("0", "high"), ("1", ""), ("2", "one"), ("3", "")]);
    }

    #[test]
    fn a_document_without_a_candidate_does_not_beat_one_with_a_bad_score() {
        let data = data(Domain::Wikipedia, &[2]);
        let predictions = official(&data, &nbest(&data, &[("", 0.0), ("york", -9.0)]));
        assert_eq!(texts(&predictions), [("0", "york")]);
    }

    #[test]
    fn of_the_web_every_document_answers() {
        let data = data(Domain::Web, &[2, 1]);
        let predictions = official(&data, &nbest(&data, &[("a", 1.0), ("", 0.0), ("b", 2.0)]));
        assert_eq!(texts(&predictions), [("0--0.txt", "a"), ("0--1.txt", ""), ("1--0.txt", "b")]);
    }
}
