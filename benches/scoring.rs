//! Throughput of the last two steps: windows decoded per second, questions scored per second.

// The macro below writes a public function without a line of documentation.
#![allow(missing_docs)]

use std::collections::HashSet;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use longqa::corpus::mlqa::Language;
use longqa::corpus::{Answer, QaDataset, Question};
use longqa::qa::{DecodeSettings, Decoder, Gold, Predictions, Rules, metrics};
use longqa::random::{Purpose, Seed};
use longqa::text::windows::Window;
use longqa::text::{CharSpan, TokenId};
use rand::Rng;

/// As many as SQuAD dev has.
const QUESTIONS: usize = 10_570;

/// Data sets of one script each: ASCII takes shorter ways than the rest.
const TEXTS: [(&str, &str); 2] = [
    ("latin", "The answer, a short one, stands in the north-eastern part of an old town."),
    ("devanagari", "उत्तर पुराने नगर के उत्तर-पूर्वी भाग में है, और वह छोटा है।"),
];

const RULES: [(&str, Rules); 4] = [
    ("squad", Rules::Squad),
    ("mlqa-hi", Rules::Mlqa(Language::Hindi)),
    ("mlqa-zh", Rules::Mlqa(Language::Chinese)),
    ("triviaqa", Rules::TriviaQa),
];

fn dataset(text: &str, questions: usize) -> QaDataset {
    let question = |number: usize| Question {
        id: number.to_string(),
        text: "where?".to_owned(),
        context: 0,
        answers: (0..3).map(|cut| Answer { text: text.chars().skip(cut).collect(), start: cut }).collect(),
    };
    QaDataset { contexts: vec![vec![text; 20].join(" ")], questions: (0..questions).map(question).collect() }
}

fn scoring(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("score");
    group.throughput(Throughput::Elements(QUESTIONS as u64));
    for (script, text) in TEXTS {
        let dataset = dataset(text, QUESTIONS);
        let given: Predictions =
            dataset.questions.iter().map(|question| (question.id.clone(), text.to_owned())).collect();
        let gold = Gold::from(&dataset);
        for (name, rules) in RULES {
            group.bench_function(BenchmarkId::new(name, script), |bencher| {
                bencher
                    .iter(|| metrics::evaluate(rules, black_box(&gold), black_box(&given), &HashSet::new()));
            });
        }
    }
    group.finish();
    let mut group = criterion.benchmark_group("normalize");
    for (script, text) in TEXTS {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(script, |bencher| bencher.iter(|| Rules::Squad.normalize(black_box(text))));
    }
    group.finish();
}

fn decoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(1));
    let dataset = dataset(TEXTS[1].1, 1000);
    for length in [384, 4096] {
        let window = window(&dataset, length);
        let mut random = Seed(1729).stream(Purpose::Bootstrap, &[length as u64]);
        let mut logits = || (0..length).map(|_| random.random_range(-5.0..5.0)).collect::<Vec<f32>>();
        let (start, end) = (logits(), logits());
        group.bench_function(BenchmarkId::new("window", length), |bencher| {
            bencher.iter_batched_ref(
                || Decoder::new(&dataset, DecodeSettings::default()).unwrap(),
                |decoder| decoder.add(black_box(&window), &start, &end),
                criterion::BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

/// A window of `length` tokens whose context tokens stand for one character each.
fn window(dataset: &QaDataset, length: usize) -> Window {
    let characters = dataset.contexts[0].chars().count();
    let offsets = (0..length - 12)
        .map(|token| token % (characters - 1))
        .map(|start| CharSpan { start, end: start + 1 });
    Window {
        question: 0,
        input_ids: vec![TokenId(5); length],
        context_position: 11,
        first_context_token: 0,
        context_offsets: offsets.collect(),
        has_most_context: vec![true; length - 12],
        question_end: 9,
        answer: None,
    }
}

criterion_group!(benches, scoring, decoding);
criterion_main!(benches);
