//! Training as a whole: runs that are stopped, split, broken or fed nonsense.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use longqa::corpus::{Answer, QaDataset, Question, Reading, Task};
use longqa::digest::Digest;
use longqa::interrupt::Interrupt;
use longqa::model::{Precision, weights};
use longqa::process_lock::ProcessLock;
use longqa::random::{Purpose, Seed};
use longqa::text::{BlockFile, Tokenizer, blocks};
use longqa::train::finetune::{self, FinetuneInputs};
use longqa::train::micro_batch::{self, MicroBatch};
use longqa::train::pretrain::{self, PretrainInputs};
use longqa::train::run::{Event, Session};
use longqa::train::settings::{FinetuneSettings, Optimization, PretrainSettings};
use longqa::train::{METRICS, TrainError};
use rand::Rng;
use tch::{Device, Tensor};
use tempfile::TempDir;

mod support;
use support::tiny;

/// libtorch has one generator for the whole process: two runs at once would draw from each other's.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A text, a model and token blocks in a folder of their own.
struct Ground {
    _alone: MutexGuard<'static, ()>,
    folder: TempDir,
    text: PathBuf,
    short_text: PathBuf,
    model: PathBuf,
    train: BlockFile,
    evaluation: BlockFile,
}

impl Ground {
    fn new(dropout: f64) -> Self {
        // These tensors are too small to share among threads.
        tch::set_num_threads(1);
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        let text = tiny::text(folder.path(), 400);
        let short_text = tiny::text(folder.path(), 30);
        let model = tiny::long_model(folder.path(), &text, dropout);
        let tokenizer = Tokenizer::from_folder(&model).unwrap();
        let blocks = |text: &Path| {
            let target = text.with_extension("blocks");
            blocks::build(text, &tokenizer, tiny::MAX_LENGTH, &target, &Interrupt::default()).unwrap()
        };
        let (train, evaluation) = (blocks(&text), blocks(&short_text));
        Self { _alone: alone, folder, text, short_text, model, train, evaluation }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Pretrains into the folder `name`, telling `observe` of every event.
    fn pretrain(
        &self,
        name: &str,
        settings: &PretrainSettings,
        interrupt: &Interrupt,
        mut observe: impl FnMut(&Event),
    ) -> Result<PathBuf, TrainError> {
        let output = self.at(name);
        let inputs = PretrainInputs { model: &self.model, train: &self.train, evaluation: &self.evaluation };
        let mut session = Session { interrupt, clock: &|| 0.0, observe: &mut observe };
        pretrain::run(&inputs, settings, &output, &output, Device::Cpu, &mut session)?;
        Ok(output)
    }

    /// Fine-tunes on `dataset` into the folder `name`, telling `observe` of every event.
    fn finetune(
        &self,
        name: &str,
        dataset: &QaDataset,
        settings: &FinetuneSettings,
        interrupt: &Interrupt,
        observe: &mut dyn FnMut(&Event),
    ) -> Result<PathBuf, TrainError> {
        let output = self.at(name);
        let questions = &Reading::of(Task::Squad);
        let inputs = FinetuneInputs { model: &self.model, train: dataset, train_file: &self.text, questions };
        let mut session = Session { interrupt, clock: &|| 0.0, observe };
        finetune::run(&inputs, settings, &output, &output, Device::Cpu, &mut session)?;
        Ok(output)
    }
}

fn settings() -> PretrainSettings {
    PretrainSettings {
        optimization: Optimization {
            learning_rate: 1e-3,
            warmup_steps: 3,
            per_device_train_batch_size: 2,
            gradient_accumulation_steps: 2,
            logging_steps: 4,
            save_steps: 5,
            ..PretrainSettings::default().optimization
        },
        max_steps: 13,
        model_max_length: tiny::MAX_LENGTH,
        eval_steps: 6,
        ..PretrainSettings::default()
    }
}

fn largest_difference(ours: &Path, theirs: &Path) -> f64 {
    let [ours, theirs] = [ours, theirs].map(|folder| weights::read(folder).unwrap());
    let difference = |name: &str| -> f64 {
        let difference: Tensor = ours.tensor(name).unwrap() - theirs.tensor(name).unwrap();
        difference.abs().max().double_value(&[])
    };
    ours.names().map(difference).fold(0.0, f64::max)
}

/// The lines of `metrics.jsonl` without what depends on time.
fn metrics(folder: &Path) -> Vec<serde_json::Map<String, serde_json::Value>> {
    let text = fs::read_to_string(folder.join(METRICS)).unwrap();
    let mut lines: Vec<serde_json::Map<_, _>> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &mut lines {
        line.retain(|name, _| !matches!(name.as_str(), "wall_time" | "tokens_per_second"));
    }
    lines
}

#[test]
fn a_run_stopped_after_any_step_ends_with_the_bits_of_one_never_stopped() {
    let ground = Ground::new(0.1);
    let whole = ground.pretrain("whole", &settings(), &Interrupt::default(), |_| {}).unwrap();
    for stop_after in [1, 4, 5, 6, 12] {
        let name = format!("stopped-after-{stop_after}");
        let interrupt = Interrupt::default();
        let stopped = ground.pretrain(&name, &settings(), &interrupt, |event| {
            if matches!(event, Event::Stepped { step, .. } if *step == stop_after) {
                interrupt.request();
            }
        });
        assert!(matches!(stopped, Err(TrainError::Interrupted(_))), "{stopped:?}");
        let mut resumed_at = None;
        let ended = ground.pretrain(&name, &settings(), &Interrupt::default(), |event| {
            if let Event::Resumed { step } = event {
                resumed_at = Some(*step);
            }
        });
        assert_eq!(resumed_at, Some(stop_after));
        let ended = ended.unwrap();
        assert_eq!(tiny::weights(&ended), tiny::weights(&whole), "stopped after {stop_after}");
        assert_eq!(metrics(&ended), metrics(&whole), "stopped after {stop_after}");
    }
    let lines = metrics(&whole);
    let evaluations = lines.iter().filter(|line| line.contains_key("bits_per_character"));
    assert_eq!(evaluations.map(|line| line["step"].clone()).collect::<Vec<_>>(), [0, 6, 12, 13]);
}

/// `longqa pretrain` into the folder `output`, begun by `command`.
fn program(ground: &Ground, output: &str, mut command: Command) -> Command {
    command.args(["-q", "pretrain", "--max_steps=40", "--save_steps=3", "--logging_steps=4"]);
    command.args(["--eval_steps=7", "--gradient_accumulation_steps=4", "--learning_rate=1e-3"]);
    command.arg(format!("--model_max_length={}", tiny::MAX_LENGTH));
    command.arg("--model").arg(&ground.model);
    command.arg("--train_file_path").arg(&ground.text).arg("--val_file_path").arg(&ground.short_text);
    command.arg("--output_dir").arg(ground.at(output));
    command.env("OMP_NUM_THREADS", "1").env("LONGQA_CACHE", ground.at("cache")).stdout(Stdio::null());
    command
}

/// A limit on the size of files stands in for a full disk: a write fails midway in either case.
#[test]
fn a_write_that_fails_midway_is_an_error_that_names_the_file_and_leaves_no_half_of_it() {
    let ground = Ground::new(0.0);
    let mut limited = Command::new("bash");
    let script = "trap '' XFSZ; ulimit -f 100; exec \"$0\" \"$@\"";
    limited.args(["-c", script, env!("CARGO_BIN_EXE_longqa")]);
    let failed = program(&ground, "full", limited).stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&failed.stderr);
    assert_eq!(failed.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot write") && said.contains(".safetensors"), "{said}");
    let left: Vec<_> = fs::read_dir(ground.at("full"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("checkpoint-") || name.starts_with(".partial-"))
        .collect();
    assert_eq!(left, [""; 0], "nothing half-written stays");
    let again = program(&ground, "full", Command::new(env!("CARGO_BIN_EXE_longqa")));
    assert!({ again }.status().unwrap().success(), "with room it goes on");
}

#[test]
fn a_program_killed_at_random_moments_ends_with_the_bits_of_one_never_killed() {
    let ground = Ground::new(0.1);
    let command = |output: &str| program(&ground, output, Command::new(env!("CARGO_BIN_EXE_longqa")));
    assert!(command("whole").status().unwrap().success());

    let mut random = Seed(11).stream(Purpose::Shuffle, &[]);
    let mut kills = 0;
    loop {
        let mut child = command("killed").spawn().unwrap();
        // Longer from time to time, so that every attempt gets further however slow the machine is.
        thread::sleep(Duration::from_millis(random.random_range(50..400) + 200 * kills));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert!(kills > 0, "the program ended before it could be killed once");
    assert_eq!(tiny::weights(&ground.at("killed")), tiny::weights(&ground.at("whole")));
    assert_eq!(metrics(&ground.at("killed")), metrics(&ground.at("whole")));
}

#[test]
fn of_two_programs_that_train_into_one_folder_the_second_waits_and_says_for_whom() {
    let ground = Ground::new(0.0);
    let held = ground.at("both.lock");
    let first = ProcessLock::acquire(&held, "training into both", |_| (), &Interrupt::default()).unwrap();
    let mut second = program(&ground, "both", Command::new(env!("CARGO_BIN_EXE_longqa")));
    let mut second = second.env("RUST_LOG", "warn").stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(second.stderr.as_mut().unwrap()).read_line(&mut said).unwrap();
    let expected =
        format!("waiting for another longqa (process {}), which is training into", std::process::id());
    assert!(said.contains(&expected) && said.contains("both.lock"), "{said}");
    assert_eq!(fs::read_dir(ground.at("both")).unwrap().count(), 0, "it has written nothing");
    drop(first);
    assert!(second.wait().unwrap().success());
}

#[test]
fn the_model_that_is_read_is_never_written_over() {
    let ground = Ground::new(0.0);
    let before = tiny::weights(&ground.model);
    for (command, data) in [("pretrain", "--train_file_path"), ("finetune", "--train_file")] {
        let mut run = Command::new(env!("CARGO_BIN_EXE_longqa"));
        run.arg(command).arg("--model").arg(&ground.model).arg("--output_dir").arg(ground.model.join("."));
        run.arg(data).arg(&ground.text);
        if command == "pretrain" {
            run.arg("--val_file_path").arg(&ground.short_text);
        }
        let output = run.env("LONGQA_CACHE", ground.at("cache")).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("--output_dir: expected another folder"), "{stderr}");
    }
    assert_eq!(tiny::weights(&ground.model), before);
}

#[test]
fn splitting_a_step_into_micro_batches_changes_nothing_but_rounding() {
    let ground = Ground::new(0.0);
    let run = |name: &str, batch: usize, accumulation: usize| {
        let mut settings = settings();
        settings.optimization.per_device_train_batch_size = batch;
        settings.optimization.gradient_accumulation_steps = accumulation;
        ground.pretrain(name, &settings, &Interrupt::default(), |_| {}).unwrap()
    };
    let whole = run("4x1", 4, 1);
    for (name, batch, accumulation) in [("2x2", 2, 2), ("1x4", 1, 4)] {
        let difference = largest_difference(&run(name, batch, accumulation), &whole);
        assert!(difference < 2e-5, "{name}: {difference}");
    }
}

/// 40 steps in `precision`.
fn settings_in(precision: Precision) -> PretrainSettings {
    let mut settings = PretrainSettings { max_steps: 40, ..settings() };
    settings.optimization.precision = precision;
    settings
}

/// The values of the figure `name` in a run's log.
fn curve(folder: &Path, name: &str) -> Vec<f64> {
    metrics(folder).iter().filter_map(|line| line.get(name)?.as_f64()).collect()
}

#[test]
fn layers_computed_anew_change_no_bit_even_from_the_middle_of_a_run() {
    let ground = Ground::new(0.1);
    let mut settings = settings();
    let kept = ground.pretrain("kept", &settings, &Interrupt::default(), |_| {}).unwrap();
    let interrupt = Interrupt::default();
    let stopped = ground.pretrain("changed", &settings, &interrupt, |event| {
        if matches!(event, Event::Stepped { step: 6, .. }) {
            interrupt.request();
        }
    });
    assert!(matches!(stopped, Err(TrainError::Interrupted(_))), "{stopped:?}");
    settings.optimization.activation_recomputation = true;
    let changed = ground.pretrain("changed", &settings, &Interrupt::default(), |_| {}).unwrap();
    assert_eq!(tiny::weights(&changed), tiny::weights(&kept));
}

#[test]
fn a_micro_batch_once_found_is_that_of_every_later_run() {
    let ground = Ground::new(0.1);
    let fixed = settings();
    let auto = PretrainSettings { micro_batch: MicroBatch::Auto, ..settings() };
    let run = |name: &str, settings: &PretrainSettings| {
        ground.pretrain(name, settings, &Interrupt::default(), |_| {})
    };
    // A CPU has no memory to fill: the size is the one that is set.
    let [ours, theirs] =
        [("auto", &auto), ("fixed", &fixed)].map(|(name, settings)| run(name, settings).unwrap());
    assert_eq!(tiny::weights(&ours), tiny::weights(&theirs));
    assert_eq!(metrics(&ours)[0]["per_device_train_batch_size"], 2.0);
    assert!(ours.join(micro_batch::RECORD).is_file());

    // As a GPU with room for four would have recorded it.
    let found = ground.at("found");
    fs::create_dir(&found).unwrap();
    let record = r#"{"per_device_train_batch_size": 4, "sequences_per_step": 4}"#;
    fs::write(found.join(micro_batch::RECORD), record).unwrap();
    run("found", &auto).unwrap();
    let mut wide = settings();
    (wide.optimization.per_device_train_batch_size, wide.optimization.gradient_accumulation_steps) = (4, 1);
    assert_eq!(tiny::weights(&found), tiny::weights(&run("wide", &wide).unwrap()));

    fs::write(found.join(micro_batch::RECORD), &record[..20]).unwrap();
    assert!(matches!(run("found", &auto), Err(TrainError::Record { .. })));
}

#[test]
fn training_makes_held_out_masks_easier_in_every_precision() {
    let ground = Ground::new(0.0);
    let run = |precision| {
        let name = format!("{precision:?}");
        ground.pretrain(&name, &settings_in(precision), &Interrupt::default(), |_| {}).unwrap()
    };
    let exact = run(Precision::Float32);
    let losses = curve(&exact, "eval_loss");
    assert!(losses.last().unwrap() < &(0.9 * losses[0]), "{losses:?}");
    assert_eq!(tiny::weights(&run(Precision::TensorFloat32)), tiny::weights(&exact), "on a CPU");
    // Products are rounded by at most one part in 2^8 and in 2^11, at random, so that losses, means of many
    // terms, are closer (measured: 7e-5 and 8e-6) and norms, sums of squares, not much (2e-3 and 7e-5).
    for (precision, rounding) in [(Precision::BFloat16, 2f64.powi(-8)), (Precision::Float16, 2f64.powi(-11))]
    {
        let short = run(precision);
        for (name, tolerance) in [("loss", rounding), ("eval_loss", rounding), ("grad_norm", 2.0 * rounding)]
        {
            assert_close(
                &curve(&short, name),
                &curve(&exact, name),
                tolerance,
                &format!("{precision:?} {name}"),
            );
        }
    }
}

fn assert_close(ours: &[f64], theirs: &[f64], tolerance: f64, what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert!((ours - theirs).abs() <= tolerance * theirs.abs(), "{what}: {ours} against {theirs}");
    }
}

/// Trains in float16 into the folder `name` until `stop_after` steps are done.
fn float16_until(ground: &Ground, name: &str, stop_after: u64) {
    let interrupt = Interrupt::default();
    let stop = |event: &Event| {
        if matches!(event, Event::Stepped { step, .. } if *step == stop_after) {
            interrupt.request();
        }
    };
    ground.pretrain(name, &settings_in(Precision::Float16), &interrupt, stop).unwrap_err();
}

/// Puts another loss scale into a checkpoint, as if many steps without overflow had gone before.
fn change_loss_scale(checkpoint: &Path, scale: f32) {
    let optimizer = checkpoint.join("optimizer.safetensors");
    let state = weights::read(&optimizer).unwrap();
    let tensor = |name: &str| match name {
        "loss_scale" => Tensor::from(scale),
        _ => state.tensor(name).unwrap().copy(),
    };
    let tensors: Vec<_> = state.names().map(|name| (name, tensor(name))).collect();
    let tensors = tensors.iter().map(|(name, tensor)| (*name, tensor));
    weights::write_safetensors(&optimizer, tensors, &Default::default()).unwrap();
    let path = checkpoint.join("trainer_state.json");
    let mut state: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    state["optimizer"] = serde_json::to_value(Digest::of_file(&optimizer).unwrap()).unwrap();
    fs::write(&path, state.to_string()).unwrap();
}

#[test]
fn steps_that_overflow_in_float16_are_skipped_and_counted_and_stopping_among_them_changes_no_bit() {
    let ground = Ground::new(0.1);
    let settings = settings_in(Precision::Float16);
    let [whole, stopped] = ["whole", "stopped"].map(|name| {
        float16_until(&ground, name, 1);
        change_loss_scale(&ground.at(name).join("checkpoint-1"), 2f32.powi(40));
        ground.at(name)
    });
    ground.pretrain("whole", &settings, &Interrupt::default(), |_| {}).unwrap();
    for step in [3, 11, 14] {
        float16_until(&ground, "stopped", step);
    }
    ground.pretrain("stopped", &settings, &Interrupt::default(), |_| {}).unwrap();
    assert_eq!(tiny::weights(&stopped), tiny::weights(&whole));
    assert_eq!(metrics(&stopped), metrics(&whole));

    let [scales, skipped] = ["loss_scale", "skipped_steps"].map(|name| curve(&whole, name));
    // 2^40 halved once per skipped step, and steps are skipped at the beginning only.
    for (scale, skipped) in scales.iter().zip(&skipped) {
        assert_eq!(*scale, 2f64.powf(40.0 - skipped));
    }
    assert!((15.0..30.0).contains(&skipped[skipped.len() - 1]), "{skipped:?}");
    assert_eq!(skipped[skipped.len() - 1], skipped[skipped.len() - 2]);
    let losses = curve(&whole, "eval_loss");
    assert!(losses.last() < losses.first(), "the steps that were taken count: {losses:?}");
}

#[test]
fn float16_gives_up_when_no_loss_scale_helps() {
    let ground = Ground::new(0.0);
    let mut settings = settings_in(Precision::Float16);
    settings.optimization.learning_rate = 1e38;
    let error = ground.pretrain("diverged", &settings, &Interrupt::default(), |_| {}).unwrap_err();
    let TrainError::NotFinite { step, loss_scale: Some(scale), checkpoint, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(*scale, 0.5);
    assert!(*step > 17 && checkpoint.is_some(), "the scale fell from 65536 first: {error}");
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_good_checkpoint() {
    let ground = Ground::new(0.0);
    let mut settings = settings();
    settings.optimization.save_steps = 2;
    settings.optimization.logging_steps = 100;
    settings.optimization.learning_rate = 1e38;
    let error = ground.pretrain("diverged", &settings, &Interrupt::default(), |_| {}).unwrap_err();
    let TrainError::NotFinite { step, checkpoint, .. } = &error else { panic!("{error}") };
    assert!(*step >= 2, "the first step of the warm-up changes nothing: {error}");
    assert!(checkpoint.is_some(), "two good steps were saved: {error}");
    for (name, tensor) in checkpoint.iter().flat_map(|folder| {
        let weights = weights::read(folder).unwrap();
        weights.names().map(|name| (name.to_owned(), weights.tensor(name).unwrap())).collect::<Vec<_>>()
    }) {
        assert!(tensor.isfinite().all().int64_value(&[]) == 1, "{name}");
    }
    assert!(!ground.at("diverged").join("model.safetensors").exists());
}

#[test]
fn a_damaged_or_foreign_checkpoint_is_refused_by_name() {
    let ground = Ground::new(0.0);
    let interrupt = Interrupt::default();
    let stop = |event: &Event| {
        if matches!(event, Event::Stepped { step: 5, .. }) {
            interrupt.request();
        }
    };
    ground.pretrain("run", &settings(), &interrupt, stop).unwrap_err();
    let go_on = |settings: &PretrainSettings| {
        ground.pretrain("run", settings, &Interrupt::default(), |_| {}).unwrap_err().to_string()
    };

    let mut other = settings();
    other.optimization.learning_rate = 2e-3;
    let message = go_on(&other);
    assert!(message.contains("trainer_state.json") && message.contains("same settings"), "{message}");

    damage(&ground.at("run").join("checkpoint-5"));
    let message = go_on(&settings());
    assert!(message.contains("checkpoint-5") && message.contains("sha256"), "{message}");

    fs::write(ground.at("run").join("checkpoint-5/trainer_state.json"), "{").unwrap();
    let message = go_on(&settings());
    assert!(message.contains("trainer_state.json: expected the state of a training run"), "{message}");
}

/// Flips a bit in the middle of a checkpoint's weights.
fn damage(checkpoint: &Path) {
    let model = checkpoint.join("model.safetensors");
    let mut bytes = fs::read(&model).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&model, &bytes).unwrap();
}

#[test]
fn of_two_checkpoints_the_sound_one_is_gone_on_from() {
    let ground = Ground::new(0.1);
    let whole = ground.pretrain("whole", &settings(), &Interrupt::default(), |_| {}).unwrap();
    let interrupt = Interrupt::default();
    let stop = |event: &Event| {
        if matches!(event, Event::Stepped { step: 11, .. }) {
            interrupt.request();
        }
    };
    let mut one_kept = settings();
    one_kept.optimization.save_total_limit = 1;
    ground.pretrain("run", &settings(), &interrupt, stop).unwrap_err();
    let run = ground.at("run");
    assert!(run.join("checkpoint-10").exists() && run.join("checkpoint-11").exists());
    damage(&run.join("checkpoint-11"));
    fs::create_dir(run.join(".partial-killed")).unwrap();
    let mut resumed_at = None;
    let ended = ground.pretrain("run", &one_kept, &Interrupt::default(), |event| {
        if let Event::Resumed { step } = event {
            resumed_at = Some(*step);
        }
    });
    assert_eq!(resumed_at, Some(10));
    assert_eq!(tiny::weights(&ended.unwrap()), tiny::weights(&whole));
    assert_eq!(metrics(&run), metrics(&whole));
    let left = |name: &str| run.join(name).exists();
    assert!(left("checkpoint-11.damaged") && left("checkpoint-13"));
    assert!(!left("checkpoint-10") && !left("checkpoint-11") && !left(".partial-killed"));
}

/// Questions whose answer is a word that the question names.
fn questions() -> QaDataset {
    let rivers = ["Elbe", "Loire", "Tisza", "Oder", "Drava", "Rhone"];
    let context = "The river Elbe is long . The river Loire is wide . The river Tisza is slow . The river \
                   Oder is cold . The river Drava is near . The river Rhone is fast .";
    let questions = rivers.iter().map(|river| Question {
        id: river.to_string(),
        text: format!("How is the {river} ?"),
        context: 0,
        answers: vec![Answer { text: river.to_string(), start: context.find(river).unwrap() }],
    });
    QaDataset { contexts: vec![context.to_owned()], questions: questions.collect() }
}

fn finetune_settings() -> FinetuneSettings {
    FinetuneSettings {
        optimization: Optimization {
            learning_rate: 2e-3,
            per_device_train_batch_size: 2,
            gradient_accumulation_steps: 2,
            logging_steps: 1,
            ..FinetuneSettings::default().optimization
        },
        num_train_epochs: 10.0,
        max_length: tiny::MAX_LENGTH,
        doc_stride: 20,
        max_question_length: 20,
        ..FinetuneSettings::default()
    }
}

#[test]
fn windows_of_unlike_length_teach_the_same_however_they_share_passes() {
    let ground = Ground::new(0.0);
    let run = |name: &str, batch: usize, accumulation: usize| {
        let mut settings = FinetuneSettings { num_train_epochs: 1.0, ..finetune_settings() };
        settings.optimization.per_device_train_batch_size = batch;
        settings.optimization.gradient_accumulation_steps = accumulation;
        // With a large epsilon a weight moves as far as its gradient says, a gradient of nothing but
        // rounding hardly at all.
        settings.optimization.adam_epsilon = 1.0;
        settings.optimization.learning_rate = 1.0;
        ground.finetune(name, &questions(), &settings, &Interrupt::default(), &mut |_| {}).unwrap()
    };
    let whole = run("8x1", 8, 1);
    for (name, batch, accumulation) in [("2x4", 2, 4), ("1x8", 1, 8)] {
        let difference = largest_difference(&run(name, batch, accumulation), &whole);
        assert!(difference < 2e-5, "{name}: {difference}");
    }
    let other_steps = largest_difference(&run("4x1", 4, 1), &whole);
    assert!(other_steps > 2e-3, "{other_steps}");
}

#[test]
fn fine_tuning_stopped_midway_ends_with_the_same_bits_and_learns() {
    let ground = Ground::new(0.1);
    let dataset = questions();
    let settings = finetune_settings();
    let finetune = |name: &str, interrupt: &Interrupt, observe: &mut dyn FnMut(&Event)| {
        ground.finetune(name, &dataset, &settings, interrupt, observe)
    };
    let unanswered = QaDataset {
        questions: dataset
            .questions
            .iter()
            .map(|question| Question { answers: vec![], ..question.clone() })
            .collect(),
        ..dataset.clone()
    };
    let refused = ground.finetune("unanswered", &unanswered, &settings, &Interrupt::default(), &mut |_| {});
    assert!(matches!(refused, Err(TrainError::Empty { .. })), "{refused:?}");

    let mut losses = Vec::new();
    let whole = finetune("whole", &Interrupt::default(), &mut |event| {
        if let Event::Measured { figures, .. } = event {
            losses.push(figures[0].1);
        }
    });
    let whole = whole.unwrap();
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    assert!(mean(&losses[losses.len() - 5..]) < 0.9 * mean(&losses[..5]), "{losses:?}");

    let interrupt = Interrupt::default();
    let mut stop = |event: &Event| {
        if matches!(event, Event::Stepped { step: 7, .. }) {
            interrupt.request();
        }
    };
    finetune("stopped", &interrupt, &mut stop).unwrap_err();
    let ended = finetune("stopped", &Interrupt::default(), &mut |_| {}).unwrap();
    assert_eq!(tiny::weights(&ended), tiny::weights(&whole));
}
