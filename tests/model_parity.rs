//! The network against transformers: golden files made by `tests/golden/model_parity.py`.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use longqa::model::{
    Attention, Batch, Config, Head, MaskedLm, MaskedPositions, Mode, ModelError, Parameters, Positions,
    QuestionAnswering,
};
use longqa::random::Seed;
use tch::{Device, Kind, Tensor};

const MODELS: [&str; 4] = ["bert", "roberta", "xlm-roberta", "longformer"];
/// Largest difference over largest value.
const FORWARD: f64 = 1e-5;
/// Norm of the difference over norm.
const BACKWARD: f64 = 1e-4;

struct Golden {
    folder: PathBuf,
    positions: Positions,
    tensors: BTreeMap<String, Tensor>,
}

impl Golden {
    fn open(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/model_parity").join(name);
        let tensors =
            Tensor::read_safetensors(folder.join("expected.safetensors")).unwrap().into_iter().collect();
        Self { positions: Config::read(&folder).unwrap().positions(), folder, tensors }
    }

    fn get(&self, name: &str) -> &Tensor {
        self.tensors.get(name).unwrap_or_else(|| panic!("no golden {name}"))
    }

    fn batch(&self) -> Batch {
        self.batch_with(self.get("attention_mask"), self.get("global_attention"))
    }

    fn batch_with(&self, attention_mask: &Tensor, global_attention: &Tensor) -> Batch {
        self.batch_of(self.get("input_ids"), attention_mask, global_attention)
    }

    fn batch_of(&self, input_ids: &Tensor, attention_mask: &Tensor, global_attention: &Tensor) -> Batch {
        let types = self.tensors.get("token_type_ids");
        let types = types.map(|types| types.narrow(0, 0, input_ids.size()[0]));
        support::model::batch(self.positions, input_ids, attention_mask, global_attention, types.as_ref())
    }

    /// Masked tokens, counted among the real ones.
    fn masked(&self) -> MaskedPositions {
        let real = self.get("attention_mask").to_kind(Kind::Bool);
        let labels = self.get("labels").masked_select(&real);
        let index = labels.not_equal(-100).nonzero().squeeze_dim(1);
        MaskedPositions { labels: labels.index_select(0, &index), index }
    }

    fn assert_close(&self, name: &str, ours: &Tensor) {
        self.assert_equal(name, ours, self.get(name));
    }

    /// The same of real tokens only; `ours` may be anything where the batch has none.
    fn assert_close_where_real(&self, name: &str, ours: &Tensor) {
        let theirs = self.get(name);
        assert_eq!(ours.size(), theirs.size(), "{name}");
        let mut real = self.get("attention_mask").to_kind(Kind::Bool);
        if theirs.dim() == 3 {
            real = real.unsqueeze(2);
        }
        self.assert_equal(name, &ours.masked_select(&real), &theirs.masked_select(&real));
    }

    fn assert_equal(&self, name: &str, ours: &Tensor, theirs: &Tensor) {
        assert_eq!(ours.size(), theirs.size(), "{name}");
        assert_eq!(ours.kind(), Kind::Float, "{name}");
        let difference = (ours - theirs).abs().max().double_value(&[]);
        let largest = theirs.abs().max().double_value(&[]);
        assert!(difference <= FORWARD * largest, "{name}: off by {difference} of {largest}");
    }

    /// Every golden gradient under `label` has its parameter, and every parameter its gradient.
    fn assert_gradients(&self, label: &str, of: &str, parameters: &Parameters) {
        let prefix = format!("{label}.gradient.");
        let theirs: BTreeMap<&str, &Tensor> = self
            .tensors
            .iter()
            .filter_map(|(name, tensor)| Some((name.strip_prefix(&prefix)?, tensor)))
            .collect();
        let ours: BTreeMap<&str, &Tensor> = parameters.iter().filter(|(name, _)| name.contains(of)).collect();
        assert_eq!(theirs.keys().collect::<Vec<_>>(), ours.keys().collect::<Vec<_>>());
        let largest = theirs.values().map(|gradient| gradient.norm().double_value(&[])).fold(0.0, f64::max);
        for (name, theirs) in theirs {
            let gradient = ours[name].grad();
            assert!(gradient.defined(), "{name}: no gradient");
            let difference = (gradient - theirs).norm().double_value(&[]);
            // A key's bias shifts all scores of a query alike: its gradient is zero but for rounding.
            let norm = theirs.norm().double_value(&[]).max(1e-3 * largest);
            // Of 32-bit sums of numbers of order one.
            let rounding = 2e-7;
            assert!(difference <= BACKWARD * norm + rounding, "{name}: off by {difference} of {norm}");
        }
    }
}

#[test]
fn hidden_states_equal_those_of_transformers() {
    for name in MODELS {
        let golden = Golden::open(name);
        let model = MaskedLm::load(&golden.folder, Device::Cpu).unwrap();
        golden.assert_close_where_real("hidden", &model.hidden(&golden.batch(), Mode::Evaluate).unwrap());
    }
}

#[test]
fn hidden_states_without_global_tokens_equal_those_of_transformers() {
    let golden = Golden::open("longformer");
    let model = MaskedLm::load(&golden.folder, Device::Cpu).unwrap();
    let none = golden.get("global_attention").zeros_like();
    let batch = golden.batch_with(golden.get("attention_mask"), &none);
    golden.assert_close_where_real("hidden.without_globals", &model.hidden(&batch, Mode::Evaluate).unwrap());
}

#[test]
fn hidden_states_without_padding_equal_those_of_transformers() {
    for name in MODELS {
        let golden = Golden::open(name);
        let model = MaskedLm::load(&golden.folder, Device::Cpu).unwrap();
        let ids = golden.get("input_ids").narrow(0, 0, 1).clamp_min(3);
        let batch = golden.batch_of(&ids, &ids.ones_like(), &ids.zeros_like());
        golden.assert_close("hidden.without_padding", &model.hidden(&batch, Mode::Evaluate).unwrap());
    }
}

#[test]
fn masked_language_models_equal_those_of_transformers_forward_and_backward() {
    for name in MODELS {
        let golden = Golden::open(name);
        let model = MaskedLm::load(&golden.folder, Device::Cpu).unwrap();
        let (batch, masked) = (golden.batch(), golden.masked());
        golden
            .assert_close("masked_lm.logits", &model.logits(&batch, &masked.index, Mode::Evaluate).unwrap());
        let loss = model.loss_sum(&batch, &masked, Mode::Evaluate).unwrap() / masked.len() as f64;
        golden.assert_close("masked_lm.loss", &loss.view(1));
        loss.backward();
        golden.assert_gradients("masked_lm", "", model.parameters());
    }
}

#[test]
fn question_answering_models_equal_those_of_transformers_forward_and_backward() {
    for name in MODELS {
        let golden = Golden::open(name);
        let folder = tempfile::tempdir().unwrap();
        write_with_qa_head(&golden, folder.path());
        let model = QuestionAnswering::load(folder.path(), Head::FromCheckpoint, Device::Cpu).unwrap();
        let logits = model.forward(&golden.batch(), Mode::Evaluate).unwrap();
        golden.assert_close_where_real("qa.start", &logits.start);
        golden.assert_close_where_real("qa.end", &logits.end);
        let loss = (logits.start.cross_entropy_for_logits(golden.get("start_positions"))
            + logits.end.cross_entropy_for_logits(golden.get("end_positions")))
            / 2.0;
        golden.assert_close("qa.loss", &loss.view(1));
        loss.backward();
        golden.assert_gradients("qa", "qa_outputs", model.parameters());
    }
}

/// Golden file made by `tests/golden/dense_attention.py`.
#[test]
fn a_long_model_with_dense_attention_is_the_roberta_of_its_local_projections() {
    let golden = Golden::open("longformer");
    let dense = golden.folder.with_file_name("dense.safetensors");
    let dense = Golden {
        folder: golden.folder.clone(),
        positions: golden.positions,
        tensors: Tensor::read_safetensors(dense)
            .unwrap()
            .into_iter()
            .chain([("attention_mask".into(), golden.get("attention_mask").shallow_clone())])
            .collect(),
    };
    let folder = tempfile::tempdir().unwrap();
    write_with_qa_head(&golden, folder.path());
    let load = |folder: &Path, attention| {
        QuestionAnswering::load_attending(folder, attention, Head::FromCheckpoint, Device::Cpu).unwrap()
    };
    let check = |model: &QuestionAnswering| {
        let logits = model.forward(&golden.batch(), Mode::Evaluate).unwrap();
        dense.assert_close_where_real("qa.start", &logits.start);
        dense.assert_close_where_real("qa.end", &logits.end);
    };
    let model = load(folder.path(), Attention::Dense);
    check(&model);

    // Saved, it needs no setting, and has the names that transformers' RoBERTa has.
    let saved = tempfile::tempdir().unwrap();
    model.save(saved.path()).unwrap();
    for attention in [Attention::SlidingWindowGlobal, Attention::Dense] {
        check(&load(saved.path(), attention));
    }
    let tensors = Tensor::read_safetensors(saved.path().join("model.safetensors")).unwrap();
    let mut ours: Vec<&str> = tensors.iter().map(|(name, _)| name.as_str()).collect();
    ours.sort_unstable();
    let theirs: Vec<String> = serde_json::from_str(include_str!("golden/model_parity/dense.json")).unwrap();
    assert_eq!(ours, theirs);
    let config: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(saved.path().join("config.json")).unwrap()).unwrap();
    assert_eq!(config["model_type"], "roberta");
    assert_eq!(config["architectures"], serde_json::json!(["RobertaForQuestionAnswering"]));
    assert_eq!(config["max_position_embeddings"], 132);
    assert_eq!(config.get("attention_window"), None);
}

#[test]
fn a_model_without_windows_is_dense_already() {
    let golden = Golden::open("xlm-roberta");
    let folder = tempfile::tempdir().unwrap();
    write_with_qa_head(&golden, folder.path());
    let (attention, head) = (Attention::Dense, Head::FromCheckpoint);
    let model = QuestionAnswering::load_attending(folder.path(), attention, head, Device::Cpu).unwrap();
    golden
        .assert_close_where_real("qa.start", &model.forward(&golden.batch(), Mode::Evaluate).unwrap().start);
    assert_eq!(model.config().family.model_type, "xlm-roberta");
}

/// The golden masked language model's encoder, with the golden question-answering head.
fn write_with_qa_head(golden: &Golden, folder: &Path) {
    fs::copy(golden.folder.join("config.json"), folder.join("config.json")).unwrap();
    let mut tensors = Tensor::read_safetensors(golden.folder.join("model.safetensors")).unwrap();
    tensors.retain(|(name, _)| !name.starts_with("lm_head.") && !name.starts_with("cls."));
    for name in ["qa_outputs.weight", "qa_outputs.bias"] {
        tensors.push((name.to_owned(), golden.get(name).shallow_clone()));
    }
    let tensors: Vec<_> = tensors.iter().map(|(name, tensor)| (name, tensor)).collect();
    Tensor::write_safetensors(&tensors, folder.join("model.safetensors")).unwrap();
}

/// A copy of a golden model whose tensors and configuration were changed.
fn changed(
    name: &str,
    change_tensors: impl FnOnce(&mut Vec<(String, Tensor)>),
    change_config: impl FnOnce(&mut serde_json::Value),
) -> tempfile::TempDir {
    let golden = Golden::open(name);
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(golden.folder.join("config.json")).unwrap();
    let mut config = serde_json::from_str(&text).unwrap();
    change_config(&mut config);
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let mut tensors = Tensor::read_safetensors(golden.folder.join("model.safetensors")).unwrap();
    change_tensors(&mut tensors);
    let tensors: Vec<_> = tensors.iter().map(|(name, tensor)| (name, tensor)).collect();
    Tensor::write_safetensors(&tensors, folder.path().join("model.safetensors")).unwrap();
    folder
}

fn find<'a>(tensors: &'a [(String, Tensor)], name: &str) -> &'a Tensor {
    tensors.iter().find(|(own, _)| own == name).map(|(_, tensor)| tensor).unwrap()
}

#[test]
fn the_published_long_model_under_another_type_is_the_same_model() {
    let golden = Golden::open("longformer");
    let folder = changed(
        "longformer",
        |tensors| {
            tensors.iter_mut().for_each(|(name, _)| *name = name.replacen("longformer.", "roberta.", 1))
        },
        |config| {
            config["model_type"] = "xlm-roberta".into();
            config["architectures"] = serde_json::json!(["LongModelForMaskedLM"]);
        },
    );
    let model = MaskedLm::load(folder.path(), Device::Cpu).unwrap();
    golden.assert_close_where_real("hidden", &model.hidden(&golden.batch(), Mode::Evaluate).unwrap());
    let again = tempfile::tempdir().unwrap();
    model.save(again.path()).unwrap();
    let config: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(again.path().join("config.json")).unwrap()).unwrap();
    assert_eq!(config["model_type"], "longformer");
    assert_eq!(config["architectures"], serde_json::json!(["LongformerForMaskedLM"]));
}

#[test]
fn a_saved_model_has_the_names_and_values_that_transformers_wrote() {
    for name in MODELS {
        let golden = Golden::open(name);
        let folder = tempfile::tempdir().unwrap();
        MaskedLm::load(&golden.folder, Device::Cpu).unwrap().save(folder.path()).unwrap();
        let read = |folder: &Path| -> BTreeMap<String, Tensor> {
            Tensor::read_safetensors(folder.join("model.safetensors")).unwrap().into_iter().collect()
        };
        let (theirs, ours) = (read(&golden.folder), read(folder.path()));
        assert_eq!(theirs.keys().collect::<Vec<_>>(), ours.keys().collect::<Vec<_>>());
        theirs.iter().for_each(|(name, tensor)| assert_eq!(*tensor, ours[name], "{name}"));
        let config = |folder: &Path| -> BTreeMap<String, serde_json::Value> {
            serde_json::from_str(&fs::read_to_string(folder.join("config.json")).unwrap()).unwrap()
        };
        assert_eq!(config(&golden.folder), config(folder.path()));
    }
}

#[test]
fn what_old_checkpoints_carry_besides_is_harmless_if_tied_tensors_agree() {
    let golden = Golden::open("roberta");
    let add = |decoder_factor: f64| {
        move |tensors: &mut Vec<(String, Tensor)>| {
            let words = find(tensors, "roberta.embeddings.word_embeddings.weight") * decoder_factor;
            let bias = find(tensors, "lm_head.bias").copy();
            tensors.push(("lm_head.decoder.weight".into(), words));
            tensors.push(("lm_head.decoder.bias".into(), bias));
            tensors.push((
                "roberta.embeddings.position_ids".into(),
                Tensor::arange(52, (Kind::Int64, Device::Cpu)),
            ));
            tensors.push((
                "roberta.pooler.dense.weight".into(),
                Tensor::zeros([32, 32], (Kind::Float, Device::Cpu)),
            ));
        }
    };
    let folder = changed("roberta", add(1.0), |_| {});
    let model = MaskedLm::load(folder.path(), Device::Cpu).unwrap();
    golden.assert_close_where_real("hidden", &model.hidden(&golden.batch(), Mode::Evaluate).unwrap());
    let folder = changed("roberta", add(1.5), |_| {});
    match MaskedLm::load(folder.path(), Device::Cpu) {
        Err(ModelError::Untied { name, .. }) => assert_eq!(name, "lm_head.decoder.weight"),
        other => panic!("{other:?}"),
    }
}

/// The golden BERT as its first checkpoints were saved: without a head, and so without the prefix.
fn headless_bert(more: impl FnOnce(&mut Vec<(String, Tensor)>)) -> tempfile::TempDir {
    let change = |tensors: &mut Vec<(String, Tensor)>| {
        tensors.retain(|(name, _)| name.starts_with("bert."));
        let old = |name: &str| {
            name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("Norm.bias", "Norm.beta")
        };
        tensors.iter_mut().for_each(|(name, _)| *name = old(&name.replacen("bert.", "", 1)));
        let position_ids = Tensor::arange(50, (Kind::Int64, Device::Cpu)).unsqueeze(0);
        tensors.push(("embeddings.position_ids".into(), position_ids));
        let zeros = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, Device::Cpu));
        tensors.push(("pooler.dense.weight".into(), zeros(&[32, 32])));
        tensors.push(("cls.seq_relationship.weight".into(), zeros(&[2, 32])));
        more(tensors);
    };
    changed("bert", change, |_| {})
}

#[test]
fn an_encoder_without_a_head_gets_one_from_the_seed_and_only_where_that_is_asked_for() {
    let golden = Golden::open("bert");
    let folder = headless_bert(|_| {});
    let load = |seed| MaskedLm::load_or_draw_head(folder.path(), Seed(seed), Device::Cpu).unwrap();
    let model = load(1);
    golden.assert_close_where_real("hidden", &model.hidden(&golden.batch(), Mode::Evaluate).unwrap());
    let dense =
        |model: &MaskedLm| model.parameters().get("cls.predictions.transform.dense.weight").unwrap().copy();
    assert_eq!(dense(&model), dense(&load(1)));
    assert_ne!(dense(&model), dense(&load(2)));
    let missing = |found| match found {
        Err(ModelError::MissingTensors { names, .. }) => names,
        other => panic!("{other:?}"),
    };
    let strict = missing(MaskedLm::load(folder.path(), Device::Cpu));
    assert_eq!((strict.len(), strict[0].as_str()), (5, "cls.predictions.bias"));

    // Half a head is a damaged one.
    let bias = |tensors: &mut Vec<(String, Tensor)>| {
        tensors.push(("cls.predictions.bias".into(), Tensor::zeros([60], (Kind::Float, Device::Cpu))));
    };
    let half = headless_bert(bias);
    assert_eq!(missing(MaskedLm::load_or_draw_head(half.path(), Seed(1), Device::Cpu)).len(), 4);
}

#[test]
fn a_number_of_segments_that_is_not_the_checkpoints_is_refused() {
    let folder = changed("bert", |_| {}, |config| config["type_vocab_size"] = 1.into());
    match MaskedLm::load(folder.path(), Device::Cpu) {
        Err(ModelError::Shape { name, expected, found, .. }) => {
            assert_eq!(name, "bert.embeddings.token_type_embeddings.weight");
            assert_eq!((expected, found), (vec![1, 32], vec![2, 32]));
        }
        other => panic!("{other:?}"),
    }
    let golden = Golden::open("bert");
    let roberta = MaskedLm::load(&Golden::open("roberta").folder, Device::Cpu).unwrap();
    match roberta.hidden(&golden.batch(), Mode::Evaluate) {
        Err(ModelError::Batch { what, .. }) => assert_eq!(what, "segments"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_missing_an_unexpected_and_a_misshapen_tensor_are_named() {
    const KEY: &str = "longformer.encoder.layer.1.attention.self.key_global.weight";
    let folder = changed("longformer", |tensors| tensors.retain(|(name, _)| name != KEY), |_| {});
    match MaskedLm::load(folder.path(), Device::Cpu) {
        Err(ModelError::MissingTensors { names, .. }) => assert_eq!(names, [KEY]),
        other => panic!("{other:?}"),
    }
    let add = |tensors: &mut Vec<(String, Tensor)>| {
        tensors.push(("longformer.adapter.weight".into(), Tensor::zeros([2], (Kind::Float, Device::Cpu))));
    };
    match MaskedLm::load(changed("longformer", add, |_| {}).path(), Device::Cpu) {
        Err(ModelError::UnexpectedTensors { names, .. }) => assert_eq!(names, ["longformer.adapter.weight"]),
        other => panic!("{other:?}"),
    }
    let folder = changed("longformer", |_| {}, |config| config["intermediate_size"] = 41.into());
    match MaskedLm::load(folder.path(), Device::Cpu) {
        Err(ModelError::Shape { name, expected, found, .. }) => {
            assert_eq!(name, "longformer.encoder.layer.0.intermediate.dense.weight");
            assert_eq!((expected, found), (vec![41, 32], vec![40, 32]));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_question_answering_head_is_drawn_from_the_seed_onto_a_masked_language_model() {
    let golden = Golden::open("longformer");
    let load =
        |seed| QuestionAnswering::load(&golden.folder, Head::FromSeed(Seed(seed)), Device::Cpu).unwrap();
    let head = |model: &QuestionAnswering| model.parameters().get("qa_outputs.weight").unwrap().copy();
    assert_eq!(head(&load(1)), head(&load(1)));
    assert_ne!(head(&load(1)), head(&load(2)));
    assert!(load(1).parameters().iter().all(|(name, _)| !name.starts_with("lm_head.")));
    match QuestionAnswering::load(&golden.folder, Head::FromCheckpoint, Device::Cpu) {
        Err(ModelError::MissingTensors { names, .. }) => {
            assert_eq!(names, ["qa_outputs.weight", "qa_outputs.bias"]);
        }
        other => panic!("{other:?}"),
    }
}
