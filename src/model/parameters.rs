//! A model's weights: named leaf tensors in a fixed order, from a checkpoint or from a seed.
//!
//! Loading is strict. A tensor that is missing, unexpected or of another shape is an error that
//! names it. Tensors that a checkpoint may carry without harm are listed in [`Checkpoint::finish`],
//! and those that are second names of a tied tensor must equal it.

use std::collections::HashSet;
use std::f64::consts::TAU;
use std::path::{Path, PathBuf};

use rand::Rng;
use tch::{Device, Kind, Tensor};

use super::families::{self, Family};
use super::layers::{LayerNorm, Linear};
use super::weights::Weights;
use super::{Config, ModelError};
use crate::random::{Purpose, Seed};

/// A model's weights in a fixed order under their Hugging Face names: f32 leaf tensors that require
/// gradients. A parameter no gradient flowed to (the global projections of a batch without global
/// tokens) has an undefined gradient.
#[derive(Debug, Default)]
pub struct Parameters(Vec<(String, Tensor)>);

impl Parameters {
    /// The given tensors under the given names, in this order.
    pub(super) fn of(named: Vec<(String, Tensor)>) -> Self {
        Self(named)
    }

    /// Name and tensor of each parameter. The tensors share storage and gradient with the model's.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Tensor)> {
        self.0.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// The parameter named `name`.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, tensor)| tensor)
    }

    /// The number of parameter tensors.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The device that all of them are on.
    pub fn device(&self) -> Device {
        self.0.first().map_or(Device::Cpu, |(_, tensor)| tensor.device())
    }

    /// Takes every parameter's value from `weights`; each must be there in its shape.
    pub fn copy_from(&self, weights: &Weights) -> Result<(), ModelError> {
        self.0.iter().try_for_each(|(name, tensor)| copy_tensor(weights, name, tensor))
    }
}

/// Puts the tensor `name` of `weights` into `target`, which has the shape it must have.
pub fn copy_tensor(weights: &Weights, name: &str, target: &Tensor) -> Result<(), ModelError> {
    let value = weights.tensor(name)?;
    if value.size() != target.size() {
        let (expected, found) = (target.size(), value.size());
        return Err(ModelError::Shape {
            path: weights.path().to_owned(),
            name: name.to_owned(),
            expected,
            found,
        });
    }
    tch::no_grad(|| target.shallow_clone().f_copy_(&value))?;
    Ok(())
}

/// How fresh values are drawn.
#[derive(Debug, Clone, Copy)]
enum Fresh {
    /// Normal, around zero, with `initializer_range`; a row for padding stays zero.
    Normal {
        zero_row: Option<i64>,
    },
    Zero,
    One,
}

/// Where a model's weights come from.
#[derive(Debug)]
pub(super) enum Source {
    Checkpoint(Checkpoint),
    Seed(Seed),
}

/// A weight file, and which of its tensors were taken.
#[derive(Debug)]
pub(super) struct Checkpoint {
    weights: Weights,
    family: &'static Family,
    /// What the encoder's names begin with in this file, with the dot.
    prefix: &'static str,
    taken: HashSet<String>,
}

impl Checkpoint {
    /// Looks how the file names its encoder: by its own prefix, by another family's (as the long models
    /// do that were published as RoBERTas), or by none, where the encoder was saved without a head.
    pub(super) fn new(weights: Weights, family: &'static Family) -> Self {
        let holds =
            |prefix: &str| weights.contains(&format!("{prefix}embeddings.position_embeddings.weight"));
        let prefixes = families::ALL.map(|family| family.prefix).into_iter().chain([""]);
        let prefix = prefixes.into_iter().find(|prefix| holds(prefix)).unwrap_or(family.prefix);
        Self { weights, family, prefix, taken: HashSet::new() }
    }

    /// Whether the file holds no tensor at all whose name begins with one of `prefixes`.
    pub(super) fn lacks(&self, prefixes: &[&str]) -> bool {
        !self.weights.names().any(|name| starts_with_any(name, prefixes))
    }

    fn path(&self) -> &Path {
        self.weights.path()
    }

    /// The file's name of the parameter, if it has it.
    fn name_of(&self, place: &Place) -> String {
        match place {
            Place::Encoder(name) => format!("{}{name}", self.prefix),
            Place::Head(name) => name.clone(),
        }
    }

    fn take(&mut self, place: &Place, shape: &[i64]) -> Result<Option<Tensor>, ModelError> {
        let mut name = self.name_of(place);
        if !self.weights.contains(&name) {
            // A file that stores tied tensors once may store them under the second name.
            match self.second_names().into_iter().find(|(_, first)| *first == name) {
                Some((second, _)) if self.weights.contains(&second) => name = second,
                _ => return Ok(None),
            }
        }
        let found = self.weights.shape(&name)?;
        if found != shape {
            let (expected, found) = (shape.to_vec(), found.to_vec());
            return Err(ModelError::Shape { path: self.path().to_owned(), name, expected, found });
        }
        let tensor = self.weights.tensor(&name)?;
        self.taken.insert(name);
        Ok(Some(tensor))
    }

    /// Tensors that are another tensor under a second name: (second, first).
    fn second_names(&self) -> [(String, String); 2] {
        let words = self.name_of(&Place::Encoder("embeddings.word_embeddings.weight".into()));
        let head = &self.family.masked_lm;
        [(format!("{}.weight", head.decoder), words), (format!("{}.bias", head.decoder), head.bias.into())]
    }

    /// Checks that nothing was left over but what may be: buffers of old transformers versions, the
    /// pooler (no head here uses it) and the family's other parts without use, second names, and names
    /// with one of `dropped` in them.
    fn finish(&self, dropped: &[&str]) -> Result<(), ModelError> {
        let [position_ids, token_type_ids, pooler] =
            ["embeddings.position_ids", "embeddings.token_type_ids", "pooler."]
                .map(|name| format!("{}{name}", self.prefix));
        let mut unexpected = vec![];
        let mut without_use = vec![];
        for name in self.weights.names().filter(|name| !self.taken.contains(*name)) {
            let second = self.second_names().into_iter().find(|(second, _)| second == name);
            if dropped.iter().any(|part| name.contains(part))
                || name.starts_with(&pooler)
                || starts_with_any(name, self.family.unused)
            {
                without_use.push(name);
            } else if let Some((second, first)) = second
                && self.weights.contains(&first)
            {
                self.check_tie(second, first)?;
            } else if name != position_ids && name != token_type_ids {
                unexpected.push(name.to_owned());
            }
        }
        if !without_use.is_empty() {
            tracing::info!("{}: not used: {}", self.path().display(), without_use.join(", "));
        }
        match unexpected.is_empty() {
            true => Ok(()),
            false => Err(ModelError::UnexpectedTensors { path: self.path().to_owned(), names: unexpected }),
        }
    }

    fn check_tie(&self, name: String, tied_to: String) -> Result<(), ModelError> {
        let same = self.weights.shape(&name)? == self.weights.shape(&tied_to)?
            && self.weights.tensor(&name)?.f_equal(&self.weights.tensor(&tied_to)?)?;
        match same {
            true => Ok(()),
            false => Err(ModelError::Untied { path: self.path().to_owned(), name, tied_to }),
        }
    }
}

fn starts_with_any(name: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| name.starts_with(prefix))
}

/// Where in a model a parameter is: the encoder's names have a prefix that depends on the model.
#[derive(Debug, Clone)]
enum Place {
    Encoder(String),
    Head(String),
}

/// Makes a model's layers one after another, in the order in which the parameters will be listed.
#[derive(Debug)]
pub(super) struct Builder {
    source: Source,
    /// What the encoder's names begin with, with the dot.
    prefix: &'static str,
    range: f64,
    device: Device,
    made: Vec<(String, Tensor)>,
    missing: Vec<String>,
    /// The source of what comes next; the head may be fresh on a loaded encoder.
    fresh_from: Option<Seed>,
}

/// The part of a model whose layers are being made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Encoder,
    Head,
}

impl Builder {
    /// Of a model of `config`, on `device`.
    pub(super) fn new(source: Source, config: &Config, device: Device) -> Self {
        Self {
            source,
            prefix: config.family.prefix,
            range: config.initializer_range,
            device,
            made: vec![],
            missing: vec![],
            fresh_from: None,
        }
    }

    /// From here on parameters are drawn from `seed`, whatever the source.
    pub(super) fn draw_from(&mut self, seed: Seed) {
        self.fresh_from = Some(seed);
    }

    pub(super) fn linear(
        &mut self,
        part: Part,
        name: &str,
        inputs: i64,
        outputs: i64,
    ) -> Result<Linear, ModelError> {
        let weight = self.parameter(
            part,
            format!("{name}.weight"),
            &[outputs, inputs],
            Fresh::Normal { zero_row: None },
        )?;
        let bias = self.parameter(part, format!("{name}.bias"), &[outputs], Fresh::Zero)?;
        Ok(Linear { weight, bias })
    }

    pub(super) fn layer_norm(
        &mut self,
        part: Part,
        name: &str,
        width: i64,
        eps: f64,
    ) -> Result<LayerNorm, ModelError> {
        let weight = self.parameter(part, format!("{name}.weight"), &[width], Fresh::One)?;
        let bias = self.parameter(part, format!("{name}.bias"), &[width], Fresh::Zero)?;
        Ok(LayerNorm { weight, bias, eps })
    }

    /// An embedding of the encoder: `[rows, width]`.
    pub(super) fn embedding(
        &mut self,
        name: &str,
        rows: i64,
        width: i64,
        zero_row: Option<i64>,
    ) -> Result<Tensor, ModelError> {
        self.parameter(Part::Encoder, format!("{name}.weight"), &[rows, width], Fresh::Normal { zero_row })
    }

    /// A bias of the head that belongs to no linear layer of its own: `[width]`.
    pub(super) fn head_bias(&mut self, name: &str, width: i64) -> Result<Tensor, ModelError> {
        self.parameter(Part::Head, name.to_owned(), &[width], Fresh::Zero)
    }

    fn parameter(
        &mut self,
        part: Part,
        name: String,
        shape: &[i64],
        fresh: Fresh,
    ) -> Result<Tensor, ModelError> {
        let (place, own_name) = match part {
            Part::Encoder => (Place::Encoder(name.clone()), format!("{}{name}", self.prefix)),
            Part::Head => (Place::Head(name.clone()), name),
        };
        let index = self.made.len() as u64;
        let found = match (&mut self.source, self.fresh_from) {
            (_, Some(seed)) => Some(draw(seed, index, shape, fresh, self.range)?),
            (Source::Seed(seed), None) => Some(draw(*seed, index, shape, fresh, self.range)?),
            (Source::Checkpoint(checkpoint), None) => {
                let found = checkpoint.take(&place, shape)?;
                if found.is_none() {
                    self.missing.push(checkpoint.name_of(&place));
                }
                found
            }
        };
        // A stand-in for a missing tensor lets all missing names be told at once.
        let value = match found {
            Some(value) => value,
            None => Tensor::f_zeros(shape, (Kind::Float, Device::Cpu))?,
        };
        let tensor = value.f_to_kind(Kind::Float)?.f_to_device(self.device)?.f_set_requires_grad(true)?;
        self.made.push((own_name, tensor.shallow_clone()));
        Ok(tensor)
    }

    /// All parameters, once the source is found to have held what it should: all of them, and
    /// nothing else but tensors with one of `dropped` in their names.
    pub(super) fn finish(self, dropped: &[&str]) -> Result<Parameters, ModelError> {
        if let Source::Checkpoint(checkpoint) = &self.source {
            if !self.missing.is_empty() {
                let path: PathBuf = checkpoint.path().to_owned();
                return Err(ModelError::MissingTensors { path, names: self.missing });
            }
            checkpoint.finish(dropped)?;
        }
        Ok(Parameters(self.made))
    }
}

/// Fresh values on the CPU, a function of seed and index alone.
fn draw(seed: Seed, index: u64, shape: &[i64], fresh: Fresh, range: f64) -> Result<Tensor, ModelError> {
    let options = (Kind::Float, Device::Cpu);
    let zero_row = match fresh {
        Fresh::Zero => return Ok(Tensor::f_zeros(shape, options)?),
        Fresh::One => return Ok(Tensor::f_ones(shape, options)?),
        Fresh::Normal { zero_row } => zero_row,
    };
    let elements = shape.iter().product::<i64>() as usize;
    let mut stream = seed.stream(Purpose::Initialization, &[index]);
    let mut values = Vec::with_capacity(elements + 1);
    while values.len() < elements {
        // Box and Muller: two uniform numbers make two normal ones.
        let radius = (-2.0 * (1.0 - stream.random::<f64>()).ln()).sqrt() * range;
        let (sine, cosine) = (TAU * stream.random::<f64>()).sin_cos();
        values.extend([(radius * cosine) as f32, (radius * sine) as f32]);
    }
    values.truncate(elements);
    let tensor = Tensor::f_from_slice(&values)?.f_view(shape)?;
    if let Some(row) = zero_row {
        let _zeroed = tensor.f_select(0, row)?.f_zero_()?;
    }
    Ok(tensor)
}
