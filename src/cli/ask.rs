//! `longqa ask`: one question about one text, and the answer in its place.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use serde::Serialize;

use super::Context;
use super::excerpt::{self, Marks};
use super::settings_flags::SettingsFlags;
use crate::corpus::CorpusError;
use crate::corpus::wikitext::RawText;
use crate::model::Config;
use crate::qa::ask::{self, Reply};
use crate::qa::predict::{PredictSettings, Progress};
use crate::text::CharSpan;

/// Answer one question about a text
///
/// Shows the answer with the words around it, its probability among the candidates, where it stands
/// (in characters, the first is 0), and how many tokens of question and text were read. max_length is
/// the model's longest input unless given, and doc_stride half of max_length.
#[derive(Debug, clap::Args)]
#[command(
    mut_arg("max_length", |flag| flag.help("tokens per window, question and special tokens included [default: the model's longest input]")),
    mut_arg("doc_stride", |flag| flag.help("tokens between the starts of two windows [default: half of max_length]")),
    after_help = "Examples:
  longqa ask --model models/roberta-long-squad --context article.txt \"Where did Mira go?\"
  pdftotext paper.pdf - | longqa ask --model models/roberta-long-squad --context - --json \"Who?\""
)]
pub struct Args {
    /// Folder of a fine-tuned model
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// The text, UTF-8; `-` is standard input
    #[arg(long, value_name = "FILE")]
    context: PathBuf,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
    /// The question
    question: String,
    #[command(flatten)]
    settings: SettingsFlags<PredictSettings>,
}

/// Asks and prints the answer.
pub fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let max_length = usize::try_from(Config::read(&args.model)?.max_length())?;
    let whole = PredictSettings { max_length, ..PredictSettings::default() };
    let doc_stride = (args.settings.settings_over(&whole)?.max_length / 2).max(1);
    let settings = args.settings.settings_over(&PredictSettings { doc_stride, ..whole })?;
    let text = read_text(&args.context)?;
    let bar = ProgressBar::new(0);
    let (device, interrupt) = (context.device, &context.interrupt);
    let mut show = |progress: Progress| {
        bar.set_length(progress.windows as u64);
        bar.set_position(progress.done as u64);
    };
    let reply = ask::ask(&args.model, &args.question, &text, &settings, device, interrupt, &mut show)?;
    bar.finish_and_clear();
    let mut out = io::stdout().lock();
    if args.json {
        let report = Report { question: &args.question, reply, settings: &settings };
        Ok(writeln!(out, "{}", serde_json::to_string(&report)?)?)
    } else {
        let marks = if out.is_terminal() { Marks::Terminal } else { Marks::Arrows };
        Ok(out.write_all(described(&reply, &text, &settings, marks).as_bytes())?)
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    question: &'a str,
    #[serde(flatten)]
    reply: Reply,
    settings: &'a PredictSettings,
}

/// The text of a file, or of standard input for `-`.
fn read_text(path: &Path) -> Result<String, CorpusError> {
    let text = match path == Path::new("-") {
        true => whole(RawText::new(Path::new("standard input"), io::stdin().lock())),
        false => whole(RawText::open(path)?),
    }?;
    match text.trim().is_empty() {
        true => Err(CorpusError::Empty { path: path.to_owned(), expected: "a text" }),
        false => Ok(text),
    }
}

fn whole(mut lines: RawText<impl BufRead>) -> Result<String, CorpusError> {
    let mut text = String::new();
    while lines.next_line(&mut text)? > 0 {}
    Ok(text)
}

/// What people read.
fn described(reply: &Reply, text: &str, settings: &PredictSettings, marks: Marks) -> String {
    let Reply { span, probability, question_tokens: question, document_tokens: document, .. } = reply;
    let (shown, place) = match span {
        Some(span) => (excerpt::excerpt(text, *span, marks), place(*span, text)),
        None => ("no answer".to_owned(), "nowhere: the text has no token".to_owned()),
    };
    let question = match question.all - question.read {
        0 => format!("{} tokens", question.all),
        _ => format!("{} tokens, of which {} were read (max_question_length)", question.all, question.read),
    };
    let windows = match reply.windows {
        1 => "in one window".to_owned(),
        windows => format!(
            "in {windows} windows of at most {} tokens (max_length); none saw all of it",
            settings.max_length
        ),
    };
    let document = format!("{} tokens, {} read {windows}", document.all, document.read);
    format!(
        "{shown}\n\nprobability  {probability:.4}\nplace        {place}\nquestion     {question}\ndocument     {document}\n"
    )
}

fn place(span: CharSpan, text: &str) -> String {
    format!("characters {} to {} of {}", span.start, span.end, text.chars().count())
}
