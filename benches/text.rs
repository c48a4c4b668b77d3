//! Text to tokens: a corpus into blocks, masking, question windows. Text and tokenizer are made
//! here, from a fixed seed; with LONGQA_MIRROR also TyDi QA dev, read and laid into windows with XLM-R's
//! tokenizer.

// Criterion's macro makes a public function without a word about it.
#![allow(missing_docs)]

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use longqa::corpus::{Answer, QaDataset, Question, Reading, Task};
use longqa::interrupt::Interrupt;
use longqa::random::{Purpose, Seed};
use longqa::text::masking::{self, MaskingSettings, MaskingVocabulary};
use longqa::text::{TokenId, Tokenizer, WindowSettings, blocks, train_tokenizer, windows};
use rand::Rng;

const SYLLABLES: [&str; 20] = [
    "ka", "lo", "mi", "ren", "to", "sal", "vi", "nor", "de", "pa", "ум", "ло", "नम", "दी", "东", "海", "ía",
    "ö", "st", "ing",
];

/// Words that follow each other as in language: few of them often, many of them seldom.
fn paragraph(words: usize, random: &mut impl Rng) -> String {
    let word = |random: &mut dyn rand::RngCore| {
        let rank = (random.random::<f64>().powi(3) * 4000.0) as usize;
        let syllables = 1 + rank % 4;
        (0..syllables)
            .map(|place| SYLLABLES[(rank / 4 + place * 7 + rank % 13) % SYLLABLES.len()])
            .collect::<String>()
    };
    let words: Vec<String> = (0..words).map(|_| word(random)).collect();
    format!(" {} . \n", words.join(" "))
}

fn corpus(bytes: usize) -> String {
    let mut random = Seed(1).stream(Purpose::Miniature, &[]);
    let mut text = String::new();
    while text.len() < bytes {
        let words = random.random_range(20..200);
        text.push_str(&paragraph(words, &mut random));
        text.push_str(" \n");
    }
    text
}

/// A byte-level BPE of 8,000 tokens, trained on the text.
fn train(text: &Path, folder: &Path) -> Tokenizer {
    train_tokenizer::train(&[text.to_owned()], 8000, folder).expect("training on a text of our own");
    Tokenizer::from_folder(folder).expect("the tokenizer just trained")
}

fn dataset(contexts: usize, words: usize) -> QaDataset {
    let mut random = Seed(2).stream(Purpose::Miniature, &[]);
    let contexts: Vec<String> = (0..contexts).map(|_| paragraph(words, &mut random)).collect();
    let question = |(context, text): (usize, &String)| Question {
        id: context.to_string(),
        text: "where is kalo mi ?".to_owned(),
        context,
        answers: vec![Answer { text: text.chars().skip(40).take(9).collect(), start: 40 }],
    };
    let questions = contexts.iter().enumerate().map(question).collect();
    QaDataset { contexts, questions }
}

fn text(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let source = folder.path().join("corpus");
    let bytes = 2 << 20;
    fs::write(&source, corpus(bytes)).expect("a folder to write to");
    let bytes = fs::metadata(&source).expect("the file just written").len();
    let tokenizer = train(&source, folder.path());

    let mut group = criterion.benchmark_group("text");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(bytes));
    group.bench_function("corpus to blocks of 4096", |bencher| {
        let target = folder.path().join("blocks");
        bencher.iter(|| {
            blocks::build(&source, &tokenizer, 4096, &target, &Interrupt::default()).expect("blocks")
        });
    });

    let blocks =
        blocks::build(&source, &tokenizer, 4096, &folder.path().join("blocks"), &Interrupt::default());
    let blocks = blocks.expect("blocks");
    group.throughput(Throughput::Bytes(4 * 4096));
    group.bench_function("reading a block of 4096", |bencher| {
        let mut index = 0;
        bencher.iter(|| {
            index = (index + 1) % blocks.len();
            blocks.block(index)
        });
    });

    for length in [512, 4096] {
        let vocabulary = MaskingVocabulary::from(&tokenizer);
        let settings = MaskingSettings::default();
        let block: Vec<TokenId> = (0..length).map(|place| TokenId(5 + place % 7000)).collect();
        group.throughput(Throughput::Elements(u64::from(length)));
        group.bench_function(BenchmarkId::new("masking, tokens of a block", length), |bencher| {
            let mut index = 0;
            bencher.iter(|| {
                index += 1;
                masking::for_training(black_box(&block), &vocabulary, &settings, Seed(1), 0, index)
            });
        });
    }

    for (words, max_length, doc_stride) in [(150, 384, 128), (4000, 384, 128), (4000, 4096, 2048)] {
        let dataset = dataset(16, words);
        let settings = WindowSettings { max_length, doc_stride, ..WindowSettings::default() };
        let size: usize = dataset.contexts.iter().map(String::len).sum();
        group.throughput(Throughput::Bytes(size as u64));
        let name = format!("{words} words, {max_length}/{doc_stride}");
        group.bench_function(BenchmarkId::new("question windows, bytes of context", name), |bencher| {
            bencher.iter(|| windows::of_dataset(&dataset, &tokenizer, &settings).expect("windows"));
        });
    }
    group.finish();
}

/// From the file to windows: all 5,077 questions in nine languages.
fn tydiqa(criterion: &mut Criterion) {
    let Some(mirror) = std::env::var_os("LONGQA_MIRROR").map(PathBuf::from) else {
        eprintln!("LONGQA_MIRROR is not set: TyDi QA dev is left out");
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let tokenizer = mirror.join("tokenizers/xlm-roberta-base/tokenizer.reconstructed.json");
    fs::copy(tokenizer, folder.path().join("tokenizer.json")).expect("XLM-R's tokenizer in the mirror");
    let tokenizer = Tokenizer::from_folder(folder.path()).expect("a tokenizer");
    let file = mirror.join("tydiqa-goldp/tydiqa-goldp-v1.1-dev.json");
    let settings = WindowSettings { max_length: 384, doc_stride: 128, ..WindowSettings::default() };
    let mut group = criterion.benchmark_group("tydiqa");
    group.sample_size(10);
    group.bench_function("dev to windows", |bencher| {
        bencher.iter(|| {
            let dataset = Reading::of(Task::TydiQa).read(&file).expect("TyDi QA dev in the mirror");
            windows::of_dataset(&dataset, &tokenizer, &settings).expect("windows")
        });
    });
    group.finish();
}

criterion_group!(benches, text, tydiqa);
criterion_main!(benches);
