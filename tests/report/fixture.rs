//! Runs made by hand: two short models and the long ones made from them, three tasks, three seeds. The
//! scores are drawn from a seed; long models find late answers, short ones less often.

use std::path::Path;
use std::sync::Arc;

use longqa::corpus::Task;
use longqa::digest::Digest;
use longqa::experiment::family::FamilyKey;
use longqa::experiment::outcome::{Chance, Evaluation, ScoreOutcome};
use longqa::experiment::plan::Cell;
use longqa::experiment::stage::StageKey;
use longqa::experiment::{Experiment, Plan, Store};
use longqa::fetch::Lock;
use longqa::model::Attention;
use longqa::random::{Purpose, Seed};
use longqa::report::runs::{
    Header, Keys, Outcomes, Point, PretrainingRun, Question, QuestionSet, Record, Run, StageRecord,
};
use longqa::text::Protocol;
use rand::Rng;

pub const SEEDS: [u64; 3] = [42, 1337, 1729];
pub const LANGUAGES: [&str; 5] = ["ar", "de", "en", "ru", "zh"];
const QUESTIONS: usize = 40;

pub const TINY: &str = include_str!("../experiments/tiny.toml");

/// The runs of an experiment before any of it is run.
pub fn planned(experiment: &str) -> Record {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.toml");
    std::fs::write(&file, experiment).unwrap();
    let experiment = Experiment::read(&file).unwrap();
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets.lock");
    let plan = Plan::new(&experiment, &Lock::read(&lock).unwrap()).unwrap();
    Record::collect(&experiment, &plan, &Store::at(&folder.path().join("store"))).unwrap()
}

/// What one run is, the seed apart.
#[derive(Clone, Copy)]
pub struct What {
    pub model: &'static str,
    pub base: Option<&'static str>,
    pub kind: Task,
    pub language: &'static str,
    pub context: Option<&'static str>,
    pub rules: Protocol,
    pub max_length: usize,
}

pub fn digest(text: &str) -> Digest {
    Digest::of_bytes(text.as_bytes())
}

/// A number for a name.
fn name_number(name: &str) -> u64 {
    name.bytes().fold(0, |number, byte| 257 * number % 1_000_003 + u64::from(byte))
}

impl What {
    pub fn task(&self) -> String {
        let rules = if self.rules == Protocol::Sagen2021 { "-sagen" } else { "" };
        format!("{}-{}{rules}", self.kind, self.max_length)
    }

    fn cell(&self, seed: u64) -> Cell {
        let stride = self.max_length / 4;
        Cell {
            model: self.model.into(),
            published_model: self.model.into(),
            base_model: self.base.map(str::to_owned),
            task: self.task(),
            kind: self.kind,
            published_task: self.kind.to_string(),
            evaluated_on: format!("{}/{}", self.kind, self.language),
            language: self.language.into(),
            context_language: self.context.map(str::to_owned),
            seed: Seed(seed),
            rules: self.rules,
            max_length: self.max_length,
            attention: Attention::SlidingWindowGlobal,
            protocol: format!("{} {}/{stride}", self.rules, self.max_length),
            finetune: 0,
            predict: 0,
            score: 0,
        }
    }

    /// A finished run whose questions were answered exactly with the given chances.
    pub fn run(&self, seed: u64, chance: impl Fn(&Question) -> f64) -> Run {
        let questions = self.questions();
        let mut random = Seed(seed).stream(
            Purpose::Bootstrap,
            &[self.max_length as u64, name_number(self.model), name_number(self.language)],
        );
        let mut draw = |question: &Question| {
            let exact = f64::from(u8::from(random.random::<f64>() < chance(question)));
            (exact, exact.max((random.random::<f64>() * 10.0).floor() / 10.0))
        };
        let (exact_match, f1): (Vec<f64>, Vec<f64>) = questions.questions.iter().map(&mut draw).unzip();
        let mean = |values: &[f64]| 100.0 * values.iter().sum::<f64>() / values.len() as f64;
        let scores = ScoreOutcome {
            exact_match: mean(&exact_match),
            f1: mean(&f1),
            total: questions.questions.len(),
            left_out: 0,
            chance: (self.kind == Task::Squad).then_some(Chance { exact_match: 4.0, f1: 20.5 }),
        };
        Run {
            scores: Some(scores),
            questions: Some(questions.digest),
            outcomes: Some(Outcomes { questions, exact_match, f1 }),
            ..self.missing(seed)
        }
    }

    /// The same before it is run.
    pub fn missing(&self, seed: u64) -> Run {
        let name = format!("{} {} {} {:?}", self.model, self.task(), self.language, self.context);
        let key = |kind: &str, name: &str| StageKey(digest(&format!("{kind} {name} {seed}")));
        Run {
            cell: self.cell(seed),
            keys: Keys {
                finetune: key("finetune", &format!("{} {}", self.model, self.task())),
                predict: key("predict", &name),
                score: key("score", &name),
            },
            family: FamilyKey(digest(&name)),
            scores: None,
            questions: None,
            outcomes: None,
        }
    }

    fn questions(&self) -> Arc<QuestionSet> {
        let question = |at: usize| {
            let length = 400 + 97 * at;
            let id = format!("{}-{at}", self.kind);
            Question {
                id,
                answer_start: Some(length * (at * 7 % QUESTIONS) / QUESTIONS),
                context_length: Some(length),
            }
        };
        Arc::new(QuestionSet::new((0..QUESTIONS).map(question).collect()))
    }
}

/// Short and long, in English and in many languages.
pub const MODELS: [(&str, Option<&str>); 4] = [
    ("roberta-base", None),
    ("roberta-long", Some("roberta-base")),
    ("xlm-roberta-base", None),
    ("xlm-roberta-long", Some("xlm-roberta-base")),
];

fn whats() -> Vec<What> {
    let mut all = Vec::new();
    let english = What {
        model: "",
        base: None,
        kind: Task::Squad,
        language: "en",
        context: None,
        rules: Protocol::Standard,
        max_length: 512,
    };
    for (model, base) in MODELS {
        for rules in [Protocol::Standard, Protocol::Sagen2021] {
            all.push(What { model, base, rules, ..english });
        }
        if base.is_some() {
            all.push(What { model, base, max_length: 2048, ..english });
        }
    }
    for language in LANGUAGES {
        for (model, base) in &MODELS[2..] {
            all.push(What { model, base: *base, kind: Task::Xquad, language, ..english });
            let pair = What { model, base: *base, kind: Task::Mlqa, language, ..english };
            all.extend(["en", language].map(|context| What { context: Some(context), ..pair }));
            if language == "en" {
                all.pop();
            }
        }
    }
    all
}

/// Everything finished but the last seed of one cell.
pub fn record() -> Record {
    let seeds = SEEDS.iter().flat_map(|seed| whats().into_iter().map(move |what| (what, *seed)));
    let run = |(what, seed): (What, u64)| {
        if (what.model, what.max_length, seed) == ("roberta-long", 2048, SEEDS[2]) {
            return what.missing(seed);
        }
        let late = if what.base.is_some() { 0.8 } else { 0.4 };
        let hard = if what.language == "en" { 0.0 } else { 0.15 };
        what.run(seed, move |question| 0.85 - hard - (0.85 - late) * question.depth().unwrap_or(0.0))
    };
    let runs: Vec<Run> = seeds.map(run).collect();
    Record {
        experiment: Header {
            name: "by-hand".into(),
            description: "Do <long> models & their \"short\" ones find late answers?".into(),
            published: vec!["sagen-2021".into(), "model-card".into()],
            written: "2026-01-02T03:04:05Z".into(),
        },
        stages: stages(&runs),
        runs,
        pretrainings: MODELS
            .iter()
            .filter(|(_, base)| base.is_some())
            .map(|(model, _)| pretraining(model))
            .collect(),
        families: Default::default(),
    }
}

fn pretraining(model: &str) -> PretrainingRun {
    let bits =
        |at: u64| Evaluation { step: 500 * at, bits_per_character: 1.7 + 0.9 * 0.7f64.powi(at as i32) };
    PretrainingRun {
        model: model.into(),
        published_model: model.into(),
        corpus: "wikitext-103".into(),
        max_length: 4096,
        key: StageKey(digest(model)),
        family: FamilyKey(digest(model)),
        evaluations: (0..=12).map(bits).collect(),
    }
}

fn stages(runs: &[Run]) -> Vec<StageRecord> {
    let curve = |from: f64, steps: u64| {
        let loss = move |at: u64| Point {
            step: 50 * at,
            loss: Some(from / (1.0 + at as f64 / 8.0) + 0.1 * (at as f64).sin()),
            bits_per_character: None,
        };
        (1..=steps).map(loss).collect::<Vec<_>>()
    };
    let stage = |key: StageKey, kind: &str, speed: f64, curve: Vec<Point>| StageRecord {
        key,
        kind: kind.into(),
        title: String::new(),
        finished: "2026-01-02T03:04:05Z".into(),
        wall_seconds: 5400.0,
        attempts: 1,
        device: "NVIDIA H200".into(),
        host: Some("node-1".into()),
        revision: Some("0123456789abcdef".into()),
        measures: [
            ("tokens_per_second".to_owned(), speed.into()),
            ("energy_joules".to_owned(), 3.6e6.into()),
        ]
        .into(),
        curve,
    };
    let mut stages: Vec<StageRecord> = Vec::new();
    for (model, base) in MODELS {
        if base.is_some() {
            stages.push(stage(StageKey(digest(model)), "pretrain", 412_000.0, curve(4.0, 120)));
        }
    }
    for run in runs {
        if !stages.iter().any(|stage| stage.key == run.keys.finetune) {
            stages.push(stage(run.keys.finetune, "finetune", 91_000.0, curve(3.0, 60)));
        }
    }
    stages
}
