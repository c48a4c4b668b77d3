//! Plans and runs together: which stages a change of one setting makes anew, what a failure or a
//! stop leaves, what two processes do to each other. The bodies of stages are stand-ins that write
//! what they were given; all else is real.

mod data;
mod keys;
mod refusals;
mod runs;
mod tasks;

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tch::Device;
use tempfile::TempDir;

use super::manifest::Measures;
use super::provenance::Provenance;
use super::run::{Execute, Outcome, Place, Runner};
use super::stage::Stage;
use super::store::Store;
use super::{Experiment, ExperimentError, Plan, StageFailure};
use crate::fetch::Lock;
use crate::interrupt::{Interrupt, Interrupted};

const FILE: &str = r#"
name = "x"
seeds = [1, 2]

[pretrain]
train_file_path = "wikitext/train"
val_file_path = "wikitext/valid"

[models.short]
checkpoint = "roberta"

[models.long]
from = "short"
convert = { max_position = 1024, attention_window = 64 }
pretrain = { max_steps = 10, model_max_length = 1024 }

[tasks.near]
kind = "squad"
models = ["short", "long"]
train = "squad/train"
evaluate = "squad/dev"
max_length = 256

[tasks.far]
kind = "squad"
models = ["long"]
train = "squad/train"
evaluate = { en = "squad/dev", de = "xquad/de" }
max_length = 1024
"#;

const LOCK: &str = r#"
version = 1
[[file]]
name = "wikitext"
version = "1"
licence = "x"
path = "wikitext.zip"
bytes = 1
sha256 = "1000000000000000000000000000000000000000000000000000000000000000"
urls = ["http://localhost/wikitext.zip"]
format = "zip"
unpacked_bytes = 100
[[file.member]]
name = "train"
path = "wikitext/train.raw"
[[file.member]]
name = "valid"
path = "wikitext/valid.raw"
[[file]]
name = "squad/train"
version = "1"
licence = "x"
path = "squad/train.json"
bytes = 1
sha256 = "2000000000000000000000000000000000000000000000000000000000000000"
urls = ["http://localhost/squad/train.json"]
[[file]]
name = "squad/dev"
version = "1"
licence = "x"
path = "squad/dev.json"
bytes = 1
sha256 = "3000000000000000000000000000000000000000000000000000000000000000"
urls = ["http://localhost/squad/dev.json"]
[[file]]
name = "xquad/de"
version = "1"
licence = "x"
path = "xquad/de.json"
bytes = 1
sha256 = "4000000000000000000000000000000000000000000000000000000000000000"
urls = ["http://localhost/xquad/de.json"]
[[folder]]
name = "roberta"
version = "1"
licence = "x"
path = "roberta"
urls = ["http://localhost/roberta/"]
[[folder.file]]
path = "config.json"
bytes = 1
sha256 = "5000000000000000000000000000000000000000000000000000000000000000"
"#;

fn provenance() -> Provenance {
    Provenance::gather(Device::Cpu)
}

fn lock() -> Lock {
    Lock::parse(LOCK, Path::new("datasets.lock")).unwrap()
}

/// Writes its inputs' contents and its settings; counts, fails and stops as told.
#[derive(Default)]
struct Fake {
    made: Mutex<Vec<String>>,
    fails: Option<&'static str>,
    stops_at: Option<usize>,
    concurrent: AtomicUsize,
}

impl Execute for Fake {
    fn execute(&self, stage: &Stage, place: &Place) -> Result<Measures, StageFailure> {
        assert_eq!(self.concurrent.fetch_add(1, Ordering::SeqCst), 0);
        let result = self.body(stage, place);
        self.concurrent.fetch_sub(1, Ordering::SeqCst);
        result
    }
}

impl Fake {
    fn body(&self, stage: &Stage, place: &Place) -> Result<Measures, StageFailure> {
        let name = format!("{} {}", stage.work.kind(), stage.title);
        let mut made = self.made.lock().unwrap();
        if self.stops_at == Some(made.len()) {
            fs::write(place.state.join("checkpoint"), "half").unwrap();
            return Err(Interrupted.into());
        }
        if self.fails == Some(name.as_str()) {
            fs::write(place.output.join("half"), "half").unwrap();
            return Err("the loss is NaN".into());
        }
        for (_, input) in &place.inputs {
            assert!(input.exists(), "{name}: no input {}", input.display());
        }
        for file in [
            "train.json",
            "dev.json",
            "de.json",
            "train.raw",
            "valid.raw",
            "held-out.raw",
            "questions.json",
            "out",
        ] {
            fs::write(place.output.join(file), format!("{} {}", stage.work.settings(), stage.key)).unwrap();
        }
        made.push(name);
        Ok(Measures::from([("tokens_per_second".into(), 7.into())]))
    }
}

struct Bench {
    folder: TempDir,
    store: Store,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(&folder.path().join("store"));
        Self { folder, store }
    }

    fn read(&self, text: &str) -> Result<Experiment, ExperimentError> {
        let path = self.folder.path().join("x.toml");
        fs::write(&path, text).unwrap();
        Experiment::read(&path)
    }

    fn plan(&self, text: &str) -> Plan {
        Plan::new(&self.read(text).unwrap(), &lock()).unwrap()
    }

    fn refusal(&self, text: &str) -> String {
        self.read(text).and_then(|read| Plan::new(&read, &lock())).unwrap_err().to_string()
    }

    fn run(&self, plan: &Plan, fake: &Fake) -> Result<Outcome, ExperimentError> {
        let (interrupt, provenance) = (Interrupt::default(), provenance());
        Runner { store: &self.store, execute: fake, interrupt: &interrupt, provenance: &provenance }.run(plan)
    }

    /// Runs the whole and gives the stages that it made.
    fn made(&self, text: &str) -> Vec<String> {
        let fake = Fake::default();
        self.run(&self.plan(text), &fake).unwrap();
        fake.made.into_inner().unwrap()
    }
}

fn names(plan: &Plan) -> Vec<String> {
    plan.stages.iter().map(|stage| format!("{} {}", stage.work.kind(), stage.title)).collect()
}
