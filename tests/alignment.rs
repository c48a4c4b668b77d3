//! Every gold answer of SQuAD 1.1 dev and of XQuAD's twelve languages, with the tokenizers of
//! RoBERTa and XLM-R: where a window holds an answer, the window's own offsets give its text back,
//! character for character. Where a token straddles the answer's edge, the text is wider by
//! that token and no more. One line is printed for each file and tokenizer:
//! `cargo test --test alignment -- --nocapture`.

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use longqa::corpus::{Answer, QaDataset, squad};
use longqa::text::{CharSpan, Tokenizer, Window, WindowSettings, windows};

const LANGUAGES: [&str; 12] = ["ar", "de", "el", "en", "es", "hi", "ro", "ru", "th", "tr", "vi", "zh"];
const SETTINGS: WindowSettings = WindowSettings { max_length: 384, doc_stride: 128, max_question_length: 64 };

/// What came of the answers of one file.
#[derive(Debug, Default, PartialEq)]
struct Counts {
    windows: usize,
    answers: usize,
    /// An answer in a window, once for each window that holds it whole.
    held: usize,
    exact: usize,
    straddling: usize,
    /// Answers of more tokens than two windows share, which no window happens to hold.
    too_long: usize,
}

/// A context and the byte at which each of its characters begins.
struct Indexed<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Indexed<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, starts: text.char_indices().map(|(byte, _)| byte).chain([text.len()]).collect() }
    }

    fn slice(&self, span: CharSpan) -> &'a str {
        &self.text[self.starts[span.start]..self.starts[span.end]]
    }

    fn characters(&self) -> usize {
        self.starts.len() - 1
    }
}

fn files(mirror: &Path) -> Vec<PathBuf> {
    let xquad = LANGUAGES.iter().map(|language| mirror.join(format!("xquad/xquad.{language}.json")));
    std::iter::once(mirror.join("squad/dev-v1.1.json")).chain(xquad).collect()
}

fn check_file(path: &Path, tokenizer: &Tokenizer) -> Counts {
    let dataset = squad::read(path).unwrap();
    let windows = windows::of_dataset(&dataset, tokenizer, &SETTINGS).unwrap();
    let contexts: Vec<Indexed> = dataset.contexts.iter().map(|context| Indexed::new(context)).collect();
    let mut counts = Counts { windows: windows.len(), ..Counts::default() };
    // Windows come in the order of the questions, each with at least one.
    let mut rest = &windows[..];
    for (index, question) in dataset.questions.iter().enumerate() {
        let own = rest.iter().take_while(|window| window.question == index).count();
        let (here, behind) = rest.split_at(own);
        rest = behind;
        check_windows(here, &contexts[question.context], tokenizer);
        for answer in &question.answers {
            counts.answers += 1;
            check_answer(answer, here, &contexts[question.context], &mut counts);
        }
        check_labels(&dataset, index, here);
    }
    assert!(rest.is_empty());
    counts
}

/// The windows of a question cover its context, and each token has most context in one of them.
fn check_windows(windows: &[Window], context: &Indexed, tokenizer: &Tokenizer) {
    let special = tokenizer.special();
    let mut most = Vec::new();
    let mut last = 0;
    assert!(!windows.is_empty());
    for window in windows {
        let (ids, tokens) = (&window.input_ids, window.context_offsets.len());
        assert!(ids.len() <= SETTINGS.max_length);
        assert_eq!(ids.len(), window.context_position + tokens + 1);
        assert_eq!(window.context_position, window.question_end + 2);
        assert_eq!(ids[0], special.bos);
        assert!(
            [window.question_end, window.question_end + 1, ids.len() - 1]
                .iter()
                .all(|&at| ids[at] == special.eos)
        );
        assert!(window.first_context_token <= most.len(), "a gap between windows");
        most.resize(window.first_context_token + tokens, 0);
        let first = window.first_context_token;
        window
            .has_most_context
            .iter()
            .enumerate()
            .for_each(|(at, &most_here)| most[first + at] += usize::from(most_here));
        for span in &window.context_offsets {
            assert!(span.start <= span.end && span.end <= context.characters());
            assert!(!context.slice(*span).ends_with(' ') && !context.slice(*span).starts_with(' '));
        }
        let order = window
            .context_offsets
            .windows(2)
            .all(|pair| pair[0].start <= pair[1].start && pair[0].end <= pair[1].end);
        assert!(order, "spans out of order");
        last = window.context_offsets.last().map_or(0, |span| span.end);
    }
    assert!(most.iter().all(|&windows| windows == 1));
    // What no token stands for at the end is nothing that anybody would miss.
    let tail = context.slice(CharSpan { start: last, end: context.characters() });
    assert!(tail.chars().all(is_blank), "{tail:?}");
}

/// Whitespace, and what XLM-R's normalizer takes for it.
fn is_blank(character: char) -> bool {
    character.is_whitespace()
        || "\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{feff}\u{fffd}".contains(character)
}

fn check_answer(answer: &Answer, windows: &[Window], context: &Indexed, counts: &mut Counts) {
    let gold = CharSpan { start: answer.start, end: answer.end() };
    assert_eq!(context.slice(gold), answer.text);
    let mut held = 0;
    for window in windows {
        let (Some(first), Some(last)) = (window.context_offsets.first(), window.context_offsets.last())
        else {
            continue;
        };
        if gold.start < first.start || gold.end > last.end {
            continue;
        }
        let tokens =
            windows::answer_tokens(&window.context_offsets, gold).expect("an answer without a token");
        let (start, end) = (window.context_offsets[tokens.start], window.context_offsets[tokens.end - 1]);
        let found = CharSpan { start: start.start, end: end.end };
        held += 1;
        if found == gold {
            assert_eq!(context.slice(found), answer.text);
            counts.exact += 1;
            continue;
        }
        let place = || format!("{:?} of {answer:?}", context.slice(found));
        // Wider, never narrower; and wider only by a token that lies on both sides of the edge.
        assert!(found.start <= gold.start && gold.end <= found.end, "{}", place());
        assert!(
            found.start == gold.start || (start.start < gold.start && gold.start < start.end),
            "{}",
            place()
        );
        assert!(found.end == gold.end || (end.start < gold.end && gold.end < end.end), "{}", place());
        assert!(context.slice(found).contains(&answer.text), "{}", place());
        counts.straddling += 1;
    }
    if held == 0 {
        assert!(is_longer_than_the_overlap(gold, windows), "no window holds {answer:?}");
        counts.too_long += 1;
    }
    counts.held += held;
}

/// Whether an answer has so many tokens that it can fall between two windows.
fn is_longer_than_the_overlap(answer: CharSpan, windows: &[Window]) -> bool {
    let tokens = |window: &Window| -> Vec<usize> {
        let overlapping = window.context_offsets.iter().enumerate().filter(|(_, span)| span.overlaps(answer));
        overlapping.map(|(at, _)| window.first_context_token + at).collect()
    };
    let all: BTreeSet<usize> = windows.iter().flat_map(tokens).collect();
    let longest = windows.iter().map(|window| window.context_offsets.len()).max().unwrap_or(0);
    all.len() > longest - SETTINGS.doc_stride
}

/// The training label points at the first answer, in every window that holds it.
fn check_labels(dataset: &QaDataset, question: usize, windows: &[Window]) {
    let Some(answer) = dataset.questions[question].answers.first() else { return };
    let gold = CharSpan { start: answer.start, end: answer.end() };
    let mut labelled = 0;
    for window in windows {
        let label = window.answer.expect("a label where there is an answer");
        if (label.start, label.end) == (0, 0) {
            continue;
        }
        labelled += 1;
        let (start, end) = (label.start - window.context_position, label.end - window.context_position);
        assert!(
            window.context_offsets[start..=end]
                .iter()
                .all(|span| span.start == span.end || span.overlaps(gold))
        );
        assert_eq!(windows::answer_tokens(&window.context_offsets, gold), Some(start..end + 1));
    }
    assert!(
        labelled > 0 || is_longer_than_the_overlap(gold, windows),
        "no window is labelled with {answer:?}"
    );
}

fn check(name: &str, tokenizer: &Tokenizer, mirror: &Path) {
    for path in files(mirror) {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let counts = check_file(&path, tokenizer);
        println!(
            "{file} × {name}: {} windows, {} answers, {} times in a window: {} exact, {} straddling; {} too long for a window",
            counts.windows, counts.answers, counts.held, counts.exact, counts.straddling, counts.too_long
        );
        assert_eq!(counts.exact + counts.straddling, counts.held);
        assert_eq!(counts.answers, if file.starts_with("dev") { 34_726 } else { 1190 });
    }
}

#[test]
fn every_gold_answer_comes_back_from_robertas_offsets() {
    let Some(mirror) = support::mirror() else { return };
    let tokenizer = Tokenizer::from_folder(&mirror.join("tokenizers/roberta-base")).unwrap();
    check("roberta-base", &tokenizer, &mirror);
}

#[test]
fn every_gold_answer_comes_back_from_xlm_rs_offsets() {
    let Some(mirror) = support::mirror() else { return };
    let file = mirror.join("tokenizers/xlm-roberta-base/tokenizer.reconstructed.json");
    check("xlm-roberta-base", &Tokenizer::from_file(&file).unwrap(), &mirror);
}
