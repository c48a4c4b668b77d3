//! Small tokenizers for unit tests, made of nothing but a vocabulary written here.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::tokenizer::Tokenizer;
use crate::corpus::{Answer, QaDataset, Question};

const SPECIAL: [&str; 5] = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"];

fn added() -> Value {
    let token = |(id, content): (usize, &&str)| {
        json!({"id": id, "content": content, "special": true, "normalized": false,
            "single_word": false, "lstrip": *content == "<mask>", "rstrip": false})
    };
    SPECIAL.iter().enumerate().map(token).collect()
}

/// Every byte as GPT-2 writes it, and three merges, one of them over two line feeds.
fn byte_vocabulary() -> (BTreeMap<String, usize>, Vec<String>) {
    let mut names: Vec<String> = SPECIAL.iter().map(|&name| name.to_owned()).collect();
    let mut alphabet: Vec<char> =
        tokenizers::pre_tokenizers::byte_level::ByteLevel::alphabet().into_iter().collect();
    alphabet.sort_unstable();
    names.extend(alphabet.into_iter().map(String::from));
    let merges = ["Ċ Ċ", "Ġ =", "Ġ Ċ"].map(str::to_owned).to_vec();
    names.extend(merges.iter().map(|merge| merge.replace(' ', "")));
    (names.into_iter().enumerate().map(|(id, name)| (name, id)).collect(), merges)
}

pub(crate) fn byte_level_json(prefix_space: bool, words: bool) -> Value {
    let (vocabulary, merges) = byte_vocabulary();
    json!({
        "version": "1.0",
        "added_tokens": added(),
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": prefix_space, "trim_offsets": true, "use_regex": words},
        "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0],
            "trim_offsets": true, "add_prefix_space": prefix_space},
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "vocab": vocabulary, "merges": merges},
    })
}

/// A unigram model over letters behind NFKC and a split at whitespace, as XLM-R's is.
fn words_json() -> Value {
    let names = SPECIAL.iter().map(|&name| name.to_owned());
    let letters = ('a'..='z').map(String::from).chain(["▁".to_owned(), "é".to_owned(), "▁a".to_owned()]);
    let vocabulary: Vec<Value> = names.chain(letters).map(|name| json!([name, -2.0])).collect();
    json!({
        "version": "1.0",
        "added_tokens": added(),
        "normalizer": {"type": "NFKC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "WhitespaceSplit"},
            {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
        ]},
        "model": {"type": "Unigram", "unk_id": 3, "vocab": vocabulary},
    })
}

/// Single letters and digits as word pieces behind BERT's normalizer and splitting.
fn word_pieces_json() -> Value {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    let letters: Vec<String> = ('a'..='z').chain('0'..='9').map(String::from).collect();
    let names = special.map(str::to_owned).into_iter().chain(letters.iter().cloned());
    let names = names.chain(letters.iter().map(|letter| format!("##{letter}")));
    let names = names.chain([",", ".", "?", "=", "<", ">", "oslo", "北"].map(str::to_owned));
    let vocabulary: BTreeMap<String, usize> = names.zip(0..).collect();
    let added = special.iter().enumerate().map(|(id, content)| {
        json!({"id": id, "content": content, "special": true, "normalized": false,
            "single_word": false, "lstrip": false, "rstrip": false})
    });
    json!({
        "version": "1.0",
        "truncation": {"max_length": 5, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
        "added_tokens": added.collect::<Value>(),
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary},
    })
}

pub(crate) fn load(tokenizer: &Value) -> Tokenizer {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    Tokenizer::from_folder(folder.path()).unwrap()
}

/// Bytes, nearly: as RoBERTa's tokenizer, with three merges.
pub(crate) fn byte_level() -> Tokenizer {
    load(&byte_level_json(false, true))
}

pub(crate) fn byte_level_once() -> &'static Tokenizer {
    static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(byte_level);
    &TOKENIZER
}

/// Letters, nearly: as XLM-R's tokenizer.
pub(crate) fn words_once() -> &'static Tokenizer {
    static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(|| load(&words_json()));
    &TOKENIZER
}

/// Word pieces, nearly: as BERT's tokenizer, uncased.
pub(crate) fn word_pieces_once() -> &'static Tokenizer {
    static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(|| load(&word_pieces_json()));
    &TOKENIZER
}

/// A tokenizer that puts a space before every text.
pub(crate) fn with_prefix_space() -> Tokenizer {
    load(&byte_level_json(true, true))
}

/// A tokenizer whose merges may go from anywhere to anywhere.
pub(crate) fn without_words() -> Tokenizer {
    load(&byte_level_json(false, false))
}

/// One context with its questions; an answer is a stretch of the context that occurs once.
pub(crate) fn dataset(context: &str, questions: &[(&str, &[&str])]) -> QaDataset {
    let answer = |text: &&str| Answer {
        text: (*text).to_owned(),
        start: context[..context.find(text).unwrap()].chars().count(),
    };
    let question = |(index, (text, answers)): (usize, &(&str, &[&str]))| Question {
        id: index.to_string(),
        text: (*text).to_owned(),
        context: 0,
        answers: answers.iter().map(answer).collect(),
    };
    QaDataset {
        contexts: vec![context.to_owned()],
        questions: questions.iter().enumerate().map(question).collect(),
    }
}
