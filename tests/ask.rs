//! `longqa ask` as a user runs it, with a tiny model of random weights: what it answers is of no
//! interest, where it says that it found it is.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use longqa::text::Tokenizer;
use serde_json::Value;
use tempfile::TempDir;

mod support;
use support::tiny;

const QUESTION: &str = "Which river meets which?";
const SHORT: &str = "The rïver 3 meets the\nriver 4 .";

struct Models {
    folder: TempDir,
    masked: PathBuf,
    answering: PathBuf,
}

static MODELS: LazyLock<Models> = LazyLock::new(|| {
    tch::set_num_threads(1);
    let folder = tempfile::tempdir().unwrap();
    let text = tiny::text(folder.path(), 100);
    let masked = tiny::long_model(folder.path(), &text, 0.0);
    let answering = tiny::answering_model(folder.path(), &masked);
    Models { folder, masked, answering }
});

fn command(model: &PathBuf, context: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longqa"));
    command.args(["ask", "--max_question_length", "20", "--context", context, "--model"]).arg(model);
    command.args(arguments).env_remove("RUST_LOG").env("OMP_NUM_THREADS", "1");
    command
}

/// Asks about `text`, which lies in a file.
fn ask(text: impl AsRef<[u8]>, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir_in(MODELS.folder.path()).unwrap();
    let path = folder.path().join("article.txt");
    fs::write(&path, text).unwrap();
    command(&MODELS.answering, path.to_str().unwrap(), arguments).output().unwrap()
}

fn stdout(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What a failed call says on stderr.
fn refusal(output: Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

fn long_text() -> String {
    fs::read_to_string(tiny::text(MODELS.folder.path(), 9)).unwrap().replace("river", "rïver")
}

#[test]
fn the_answer_is_shown_in_its_place_without_colours_outside_a_terminal() {
    let out = stdout(ask(SHORT, &[QUESTION]));
    let (shown, figures) = out.split_once("\n\n").unwrap();
    let (before, rest) = shown.split_once(">>>").unwrap();
    let (answer, after) = rest.split_once("<<<").unwrap();
    // Short enough to be shown whole, its line break as a space.
    assert_eq!([before, answer, after].concat(), SHORT.replace('\n', " "));
    let start = before.chars().count();
    let place = format!("place        characters {start} to {} of 31\n", start + answer.chars().count());
    assert!(figures.contains(&place), "{out}");
    let tokenizer = Tokenizer::from_folder(&MODELS.answering).unwrap();
    let tokens = |text: &str| tokenizer.encode_ids(text).unwrap().len();
    assert!(figures.contains(&format!("question     {} tokens\n", tokens(QUESTION))), "{out}");
    let read = format!("document     {0} tokens, {0} read in one window\n", tokens(SHORT));
    assert!(figures.contains(&read), "{out}");
    assert!(!out.contains('\u{1b}'));
}

#[test]
fn the_json_object_says_the_same_and_a_long_document_is_read_in_windows() {
    let text = long_text();
    let object: Value = serde_json::from_str(&stdout(ask(&text, &["--json", QUESTION]))).unwrap();
    let number = |pointer: &str| object.pointer(pointer).unwrap().as_u64().unwrap() as usize;
    let (start, end) = (number("/span/start"), number("/span/end"));
    let there: String = text.chars().skip(start).take(end - start).collect();
    assert_eq!(object["answer"], there);
    assert!((0.0..=1.0).contains(&object["probability"].as_f64().unwrap()));
    assert_eq!(object["question"], QUESTION);
    let tokenizer = Tokenizer::from_folder(&MODELS.answering).unwrap();
    assert_eq!(number("/document_tokens/all"), tokenizer.encode_ids(&text).unwrap().len());
    assert_eq!(number("/document_tokens/read"), number("/document_tokens/all"));
    // As long as the model reads, half of it apart, unless told otherwise.
    assert_eq!(number("/settings/max_length"), tiny::MAX_LENGTH);
    assert_eq!(number("/settings/doc_stride"), tiny::MAX_LENGTH / 2);
    assert_eq!(number("/longest_window"), tiny::MAX_LENGTH);
    let room = tiny::MAX_LENGTH - 4 - number("/question_tokens/all");
    let beyond = number("/document_tokens/all") - room;
    assert_eq!(number("/windows"), 1 + beyond.div_ceil(tiny::MAX_LENGTH / 2));
    let out = stdout(ask(&text, &[QUESTION]));
    let windows = format!("read in {} windows of at most 64 tokens", number("/windows"));
    assert!(out.contains(&windows) && out.contains("none saw all of it"), "{out}");
    assert!(out.contains(&format!("characters {start} to {end} of ")), "{out}");
}

#[test]
fn standard_input_is_a_text_too() {
    let mut asked = command(&MODELS.answering, "-", &["--json", QUESTION]);
    let mut asked =
        asked.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    asked.stdin.take().unwrap().write_all(SHORT.as_bytes()).unwrap();
    assert_eq!(stdout(asked.wait_with_output().unwrap()), stdout(ask(SHORT, &["--json", QUESTION])));
}

#[test]
fn a_question_that_is_cut_is_told() {
    let question = "river ".repeat(30);
    let out = stdout(ask(SHORT, &[&question]));
    assert!(out.contains("of which 20 were read (max_question_length)"), "{out}");
}

#[test]
fn what_cannot_be_answered_is_a_typed_error() {
    for (text, question, said) in [
        (&b"Oslo"[..], "  ", "the question: expected some text, found none"),
        (b"", QUESTION, "article.txt: expected UTF-8 text, found an empty file"),
        (b" \n", QUESTION, "article.txt: expected a text, found an empty file"),
        (
            b"in\nOsl\xff",
            QUESTION,
            "article.txt: expected UTF-8 text, found an invalid byte 0xff at byte 6, line 2",
        ),
    ] {
        let stderr = refusal(ask(text, &[question]));
        assert!(stderr.contains(said), "{stderr}");
    }
    for (flags, said) in [
        (["--max_length", "65"], "expected at most 64 tokens, found 65"),
        (["--protocol", "sagen-2021"], "protocol: expected standard"),
        (["--max_length", "20"], "max_length: expected 25 or more"),
    ] {
        let stderr = refusal(ask(SHORT, &[QUESTION, flags[0], flags[1]]));
        assert!(stderr.contains(said), "{stderr}");
    }
}

#[test]
fn a_model_without_an_answer_head_is_refused_by_the_tensor_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("article.txt");
    fs::write(&path, SHORT).unwrap();
    let stderr = refusal(command(&MODELS.masked, path.to_str().unwrap(), &[QUESTION]).output().unwrap());
    assert!(stderr.contains("qa_outputs"), "{stderr}");
    let nowhere = folder.path().join("nowhere");
    let stderr = refusal(command(&nowhere, path.to_str().unwrap(), &[QUESTION]).output().unwrap());
    assert!(stderr.contains("nowhere/config.json: cannot read"), "{stderr}");
}
