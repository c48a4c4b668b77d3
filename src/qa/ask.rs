//! One question about one text: its best answer, where it stands, and how much was read to find it.

use std::path::Path;

use serde::Serialize;
use tch::Device;

use super::QaError;
use super::decode::Decoder;
use super::predict::{self, PredictSettings, Progress};
use crate::corpus::{QaDataset, Question};
use crate::interrupt::Interrupt;
use crate::model::QuestionInput;
use crate::text::{CharSpan, Protocol, Window, windows};

/// What the model says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reply {
    /// The answer, a stretch of the text. Empty where the text has no token.
    pub answer: String,
    /// Its characters in the text.
    pub span: Option<CharSpan>,
    /// Of this answer among the candidates.
    pub probability: f64,
    /// Tokens of the question.
    pub question_tokens: TokenCount,
    /// Tokens of the text.
    pub document_tokens: TokenCount,
    /// In how many windows the text was read.
    pub windows: usize,
    /// Tokens of the longest of them, question and special tokens included.
    pub longest_window: usize,
}

/// How many tokens a text has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TokenCount {
    /// In all.
    pub all: usize,
    /// As many of them as the model was shown.
    pub read: usize,
}

/// Asks the fine-tuned model in folder `model` a question about `context`. Of the settings those that are
/// TriviaQA's own have no say.
///
/// # Errors
/// [`QaError::BlankQuestion`], [`QaError::AnswerWithoutPlace`], and those of [`predict::answer`].
pub fn ask(
    model: &Path,
    question: &str,
    context: &str,
    settings: &PredictSettings,
    device: Device,
    interrupt: &Interrupt,
    observe: &mut dyn FnMut(Progress),
) -> Result<Reply, QaError> {
    if question.trim().is_empty() {
        return Err(QaError::BlankQuestion);
    }
    if settings.protocol != Protocol::Standard {
        return Err(QaError::AnswerWithoutPlace { found: settings.protocol });
    }
    let asked =
        Question { id: "asked".to_owned(), text: question.to_owned(), context: 0, answers: Vec::new() };
    let dataset = QaDataset { contexts: vec![context.to_owned()], questions: vec![asked] };
    let (tokenizer, network) = predict::open(model, settings, device)?;
    let windows = windows::of_dataset(&dataset, &tokenizer, &settings.windows())?;
    let question_input = QuestionInput::of(network.config(), tokenizer.special());
    let mut decoder = Decoder::new(&dataset, settings.decode())?;
    let most_tokens = settings.tokens_per_pass();
    predict::score_windows(
        &network,
        question_input,
        &windows,
        most_tokens,
        interrupt,
        observe,
        &mut decoder,
    )?;
    let span = decoder.best_spans().into_iter().next().flatten();
    let mut candidates = decoder.finish().questions.into_iter().flat_map(|(_, candidates)| candidates);
    let (answer, probability) =
        candidates.next().map(|best| (best.text, best.probability)).unwrap_or_default();
    let question_tokens = tokenizer.encode_ids(question.trim_start())?.len();
    let end = |window: &Window| window.first_context_token + window.context_offsets.len();
    Ok(Reply {
        answer,
        span,
        probability,
        question_tokens: TokenCount {
            all: question_tokens,
            read: question_tokens.min(settings.max_question_length),
        },
        document_tokens: TokenCount {
            all: tokenizer.encode_ids(context)?.len(),
            read: windows.iter().map(end).max().unwrap_or_default(),
        },
        windows: windows.len(),
        longest_window: windows.iter().map(|window| window.input_ids.len()).max().unwrap_or_default(),
    })
}
