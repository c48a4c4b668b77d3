//! A model folder as transformers writes it: `config.json` and `model.safetensors`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::config::{Architecture, Config};
use super::{ModelError, Parameters, weights};
use crate::durable::WriteError;

/// The weights' name in a model folder.
pub const WEIGHTS_FILE: &str = "model.safetensors";

/// Writes both files into `folder`, which is made if it is not there; each is whole or absent. A
/// tied decoder is not written: transformers ties it again when it reads the file.
pub(super) fn save(
    folder: &Path,
    config: &Config,
    architecture: Architecture,
    parameters: &Parameters,
) -> Result<(), ModelError> {
    fs::create_dir_all(folder).map_err(|source| WriteError { path: folder.to_owned(), source })?;
    // transformers refuses a file that does not say which framework's layout it has.
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    weights::write_safetensors(&folder.join(WEIGHTS_FILE), parameters.iter(), &metadata)?;
    config.write(folder, architecture)
}
