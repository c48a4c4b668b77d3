//! The original work's sequences, labels, left-out questions and decoded answers, with the real tokenizers,
//! against the libraries that it used: a golden file made by `tests/golden/sagen_2021.py`.

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use longqa::corpus::{Answer, QaDataset, Question, squad};
use longqa::digest::Hasher;
use longqa::text::{Case, TokenId, TokenSpan, Tokenizer, Truncated, truncated};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    questions: Vec<(String, String, String)>,
    lengths: Vec<usize>,
    #[serde(rename = "roberta-base")]
    roberta: Expected,
    #[serde(rename = "xlm-roberta-base")]
    xlm_roberta: Expected,
}

#[derive(Deserialize)]
struct Expected {
    questions: Vec<ExpectedQuestion>,
    files: BTreeMap<String, Counts>,
}

#[derive(Deserialize)]
struct ExpectedQuestion {
    lengths: Vec<ExpectedSequence>,
    /// First token, last token and text, of the sequence of the second length.
    decoded: Vec<(usize, usize, String)>,
}

#[derive(Deserialize)]
struct ExpectedSequence {
    input_ids: Vec<u32>,
    answer: Option<(usize, usize)>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
struct Counts {
    questions: usize,
    left_out: usize,
    start_cut_off: usize,
    end_cut_off: usize,
    sequences: String,
    labels: String,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/sagen_2021.json")).unwrap()
}

fn roberta(mirror: &Path) -> Tokenizer {
    Tokenizer::from_folder(&mirror.join("tokenizers/roberta-base")).unwrap()
}

fn xlm_roberta(mirror: &Path) -> Tokenizer {
    Tokenizer::from_file(&mirror.join("tokenizers/xlm-roberta-base/tokenizer.reconstructed.json")).unwrap()
}

fn dataset(question: &str, context: &str, answer: &str) -> QaDataset {
    let start = context[..context.find(answer).unwrap()].chars().count();
    let answers = vec![Answer { text: answer.to_owned(), start }];
    let question = Question { id: "q".into(), text: question.to_owned(), context: 0, answers };
    QaDataset { contexts: vec![context.to_owned()], questions: vec![question] }
}

fn ids(sequence: &Truncated) -> Vec<u32> {
    sequence.input_ids.iter().map(|id| id.0).collect()
}

fn check_questions(tokenizer: &Tokenizer, golden: &Golden, expected: &Expected) {
    assert_eq!(golden.questions.len(), expected.questions.len());
    for ((question, context, answer), expected) in golden.questions.iter().zip(&expected.questions) {
        let dataset = dataset(question, context, answer);
        for (&length, expected) in golden.lengths.iter().zip(&expected.lengths) {
            let ours = truncated::of_dataset(&dataset, tokenizer, length).unwrap();
            assert_eq!(ours.left_out.len() + ours.sequences.len(), 1);
            let span = ours.sequences.first().and_then(|sequence| sequence.answer);
            assert_eq!(span.map(|span| (span.start, span.end)), expected.answer, "{question:?} {length}");
            if let Some(sequence) = ours.sequences.first() {
                assert_eq!(ids(sequence), expected.input_ids, "{question:?} {length}");
            }
        }
        let tokens: Vec<TokenId> = expected.lengths[1].input_ids.iter().map(|&id| TokenId(id)).collect();
        for (first, last, text) in &expected.decoded {
            let last = (*last).min(tokens.len() - 1);
            let stretch = tokens.get(*first..last + 1).unwrap_or_default();
            assert_eq!(tokenizer.decode(stretch).unwrap(), *text, "{question:?} {first} {last}");
        }
    }
}

fn counts(tokenizer: &Tokenizer, path: &Path) -> Counts {
    let dataset = squad::read(path).unwrap();
    let found = truncated::of_dataset(&dataset, tokenizer, 512).unwrap();
    let mut counts =
        Counts { questions: dataset.questions.len(), left_out: found.left_out.len(), ..Counts::default() };
    let (mut sequences, mut labels) = (Hasher::default(), Hasher::default());
    for sequence in &found.sequences {
        let TokenSpan { start, end } = sequence.answer.unwrap();
        counts.start_cut_off += usize::from(start >= sequence.input_ids.len());
        counts.end_cut_off += usize::from(end >= sequence.input_ids.len());
        let ids: Vec<String> = ids(sequence).iter().map(u32::to_string).collect();
        sequences.update(format!("{}\n", ids.join(" ")).as_bytes());
        labels.update(format!("{} {start} {end}\n", dataset.questions[sequence.question].id).as_bytes());
    }
    Counts { sequences: sequences.digest().to_string(), labels: labels.digest().to_string(), ..counts }
}

fn check_files(tokenizer: &Tokenizer, mirror: &Path, expected: &Expected) {
    for (file, expected) in &expected.files {
        assert_eq!(counts(tokenizer, &mirror.join(file)), *expected, "{file}");
    }
}

#[test]
fn robertas_sequences_labels_and_answers_are_those_of_the_original_work() {
    let Some(mirror) = support::mirror() else { return };
    let golden = golden();
    check_questions(&roberta(&mirror), &golden, &golden.roberta);
}

#[test]
fn xlm_rs_sequences_labels_and_answers_are_those_of_the_original_work() {
    let Some(mirror) = support::mirror() else { return };
    let golden = golden();
    check_questions(&xlm_roberta(&mirror), &golden, &golden.xlm_roberta);
}

#[test]
fn of_the_real_data_exactly_the_questions_of_the_original_work_are_left_out() {
    let Some(mirror) = support::mirror() else { return };
    let golden = golden();
    // What the published numbers of the protocol stand on.
    let left_out = |file: &str| {
        [&golden.roberta, &golden.xlm_roberta]
            .map(|expected| (expected.files[file].left_out, expected.files[file].questions))
    };
    assert_eq!(left_out("squad/dev-v1.1.json"), [(0, 10_570), (19, 10_570)]);
    assert_eq!(left_out("xquad/xquad.en.json"), [(0, 1190), (3, 1190)]);
    assert_eq!(left_out("xquad/xquad.zh.json"), [(0, 1190), (1, 1190)]);
    assert_eq!(left_out("xquad/xquad.th.json"), [(2, 1190), (289, 1190)]);
    assert_eq!(left_out("xquad/xquad.hi.json"), [(1, 1190), (177, 1190)]);
    check_files(&roberta(&mirror), &mirror, &golden.roberta);
    check_files(&xlm_roberta(&mirror), &mirror, &golden.xlm_roberta);
}

#[test]
fn in_lower_case_spans_still_count_the_characters_of_the_text() {
    let Some(mirror) = support::mirror() else { return };
    let text = "İstanbul'da IĞDIR, Ο ΟΔΥΣΣΕΥΣ ΣΤΗ ΓΗ";
    for tokenizer in [roberta(&mirror), xlm_roberta(&mirror)] {
        let tokenizer = tokenizer.with_case(Case::Lowered);
        for encoded in [tokenizer.encode(text).unwrap(), tokenizer.encode_as_in_2020(text).unwrap()] {
            let tokens: Vec<TokenId> = encoded.iter().map(|&(id, _)| id).collect();
            assert_eq!(tokens, tokenizer.encode_ids(text).unwrap());
            assert_eq!(tokens, tokenizer.encode_ids(&text.to_lowercase()).unwrap());
            let covered = |word: &str| {
                let start = text[..text.find(word).unwrap()].chars().count();
                let end = start + word.chars().count();
                let inside = |at: usize| encoded.iter().any(|(_, span)| (span.start..span.end).contains(&at));
                (start..end).all(inside)
            };
            assert!(["İstanbul", "IĞDIR", "ΟΔΥΣΣΕΥΣ", "ΓΗ"].into_iter().all(covered));
            assert_eq!(encoded.last().unwrap().1.end, text.chars().count());
        }
    }
}
