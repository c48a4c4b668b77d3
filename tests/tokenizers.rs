//! The real tokenizers of RoBERTa and XLM-R: against transformers, and by value where transformers
//! says where a token stands wrongly.

mod support;

use std::path::Path;

use longqa::corpus::{Answer, QaDataset, Question};
use longqa::text::{CharSpan, TokenId, Tokenizer, WindowSettings, windows};
use serde::Deserialize;
use unicode_general_category::{GeneralCategory, get_general_category};

#[derive(Deserialize)]
struct Golden {
    strings: Vec<String>,
    questions: Vec<(String, String)>,
    max_length: usize,
    doc_stride: usize,
    #[serde(rename = "roberta-base")]
    roberta: Expected,
    #[serde(rename = "xlm-roberta-base")]
    xlm_roberta: Expected,
}

#[derive(Deserialize)]
struct Expected {
    strings: Vec<ExpectedString>,
    windows: Vec<Vec<ExpectedWindow>>,
}

#[derive(Deserialize)]
struct ExpectedString {
    ids: Vec<u32>,
    offsets: Vec<(usize, usize)>,
}

#[derive(Deserialize)]
struct ExpectedWindow {
    input_ids: Vec<u32>,
    context_position: usize,
    context_offsets: Vec<(usize, usize)>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/tokenizer_offsets.json")).unwrap()
}

fn ids(tokens: &[TokenId]) -> Vec<u32> {
    tokens.iter().map(|id| id.0).collect()
}

/// Whether `ours` is `theirs`, or `theirs` with the combining marks that XLM-R's normalizer
/// composed into its last letter. The second is counted.
fn agree(text: &str, ours: CharSpan, theirs: (usize, usize), widened: &mut usize) -> bool {
    let more: Vec<char> = text.chars().take(ours.end).skip(theirs.1).collect();
    *widened += usize::from(!more.is_empty());
    let is_mark = |mark: &char| get_general_category(*mark) == GeneralCategory::NonspacingMark;
    ours.start == theirs.0 && ours.end >= theirs.1 && more.iter().all(is_mark)
}

/// Gives back the number of spans that are wider than in transformers.
fn check_strings(tokenizer: &Tokenizer, strings: &[String], expected: &[ExpectedString]) -> usize {
    let mut widened = 0;
    assert_eq!(strings.len(), expected.len());
    for (text, expected) in strings.iter().zip(expected) {
        let encoded = tokenizer.encode(text).unwrap();
        let ours: Vec<TokenId> = encoded.iter().map(|&(id, _)| id).collect();
        assert_eq!(ids(&ours), expected.ids, "{text:?}");
        assert_eq!(tokenizer.encode_ids(text).unwrap(), ours, "{text:?}");
        for (&(_, span), &theirs) in encoded.iter().zip(&expected.offsets) {
            assert!(agree(text, span, theirs, &mut widened), "{text:?}: ours {span:?}, theirs {theirs:?}");
        }
    }
    widened
}

fn check_windows(tokenizer: &Tokenizer, golden: &Golden, expected: &[Vec<ExpectedWindow>]) {
    let settings = WindowSettings {
        max_length: golden.max_length,
        doc_stride: golden.doc_stride,
        max_question_length: golden.max_length - 5,
    };
    for ((question, context), expected) in golden.questions.iter().zip(expected) {
        let answers = vec![Answer { text: String::new(), start: 0 }];
        let question = Question { id: "q".into(), text: question.clone(), context: 0, answers };
        let dataset = QaDataset { contexts: vec![context.clone()], questions: vec![question] };
        let ours = windows::of_dataset(&dataset, tokenizer, &settings).unwrap();
        assert_eq!(ours.len(), expected.len(), "{context:?}");
        for (ours, expected) in ours.iter().zip(expected) {
            assert_eq!(ids(&ours.input_ids), expected.input_ids);
            assert_eq!(ours.context_position, expected.context_position);
            let offsets: Vec<(usize, usize)> =
                ours.context_offsets.iter().map(|span| (span.start, span.end)).collect();
            assert_eq!(offsets, expected.context_offsets);
        }
    }
}

#[test]
fn robertas_tokens_offsets_and_windows_are_those_of_transformers() {
    let Some(mirror) = support::mirror() else { return };
    let tokenizer = Tokenizer::from_folder(&mirror.join("tokenizers/roberta-base")).unwrap();
    let golden = golden();
    assert_eq!(check_strings(&tokenizer, &golden.strings, &golden.roberta.strings), 0);
    check_windows(&tokenizer, &golden, &golden.roberta.windows);
}

#[test]
fn xlm_rs_tokens_offsets_and_windows_are_those_of_transformers_but_for_composed_letters() {
    let Some(mirror) = support::mirror() else { return };
    let tokenizer = xlm_r(&mirror);
    let golden = golden();
    let widened = check_strings(&tokenizer, &golden.strings, &golden.xlm_roberta.strings);
    println!("spans that take in a composed mark: {widened}");
    assert!(widened >= 5, "the strings have decomposed letters, found {widened} widened spans");
    check_windows(&tokenizer, &golden, &golden.xlm_roberta.windows);
}

fn xlm_r(mirror: &Path) -> Tokenizer {
    Tokenizer::from_file(&mirror.join("tokenizers/xlm-roberta-base/tokenizer.reconstructed.json")).unwrap()
}

#[test]
fn vocabularies_are_as_large_as_the_models_say() {
    let Some(mirror) = support::mirror() else { return };
    let config = mirror.join("tokenizers/roberta-base/config.json");
    let roberta = Tokenizer::from_folder(&mirror.join("tokenizers/roberta-base")).unwrap();
    roberta.check_vocabulary_size(50265, &config).unwrap();
    assert!(roberta.check_vocabulary_size(250_002, &config).is_err());
    assert_eq!(roberta.special().mask, TokenId(50264));
    let xlm_r = xlm_r(&mirror);
    assert_eq!(xlm_r.vocabulary_size(), 250_002);
    assert_eq!(xlm_r.special().all().map(|id| id.0), [0, 2, 1, 250_001, 3]);
}

#[test]
fn robertas_two_layouts_are_one_tokenizer() {
    let Some(mirror) = support::mirror() else { return };
    let source = mirror.join("tokenizers/roberta-base");
    let folder = tempfile::tempdir().unwrap();
    for name in ["vocab.json", "merges.txt"] {
        std::fs::copy(source.join(name), folder.path().join(name)).unwrap();
    }
    let (old, new) =
        (Tokenizer::from_folder(folder.path()).unwrap(), Tokenizer::from_folder(&source).unwrap());
    assert_eq!(old.vocabulary_size(), new.vocabulary_size());
    for text in &golden().strings {
        assert_eq!(old.encode(text).unwrap(), new.encode(text).unwrap(), "{text:?}");
    }
}

#[test]
fn characters_that_xlm_r_drops_at_the_start_shift_nothing() {
    let Some(mirror) = support::mirror() else { return };
    let tokenizer = xlm_r(&mirror);
    for start in ["\u{1e}", "\u{1e}\u{7}", " \u{1e}", "\u{1e} \u{1e}", "\u{feff}", "\u{200e}\u{1e}"] {
        let text = format!("{start}Oslo er en by");
        let encoded = tokenizer.encode(&text).unwrap();
        let plain = tokenizer.encode("Oslo er en by").unwrap();
        assert_eq!(
            encoded.iter().map(|token| token.0).collect::<Vec<_>>(),
            tokenizer.encode_ids(&text).unwrap()
        );
        assert_eq!(encoded.len(), plain.len());
        for ((_, span), (_, plain)) in encoded.iter().zip(&plain) {
            assert_eq!(span.of(&text), plain.of("Oslo er en by"), "{text:?}");
        }
    }
}
