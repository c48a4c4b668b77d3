//! What this build of the program knows of itself: which source, which compilers, which locks.
//!
//! All of it is told when the program is built, by cargo, by `build.rs` and by whoever sets `LONGQA_REVISION`
//! (`scripts/with-libtorch`, the Dockerfile, the flake); nothing is looked up where it was built.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::fetch::Lock;

/// One build of the program. What is none of a manifest was not known, or not yet written down, then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// The program's version.
    #[serde(rename = "longqa")]
    pub version: String,
    /// The git revision of its source, with `-dirty` when that was changed; none if the build was not told.
    pub revision: Option<String>,
    /// The first line of `rustc --version`.
    #[serde(default)]
    pub rustc: Option<String>,
    /// The first line of what the compiler of `csrc/` says of its version.
    #[serde(default)]
    pub cxx: Option<String>,
    /// The digest of `Cargo.lock`, which pins every crate.
    #[serde(default, rename = "cargo_lock_sha256")]
    pub cargo_lock: Option<Digest>,
    /// The digest of the built-in `datasets.lock`; an experiment may read another.
    #[serde(default, rename = "built_in_datasets_lock_sha256")]
    pub datasets_lock: Option<Digest>,
    /// The libtorch release that it is built against.
    pub libtorch: String,
}

/// The release that this version of `torch-sys` is for; it refuses others.
const LIBTORCH: &str = "2.11.0";

impl Build {
    /// Of the program that runs.
    pub fn of_this_program() -> Self {
        let told = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            revision: option_env!("LONGQA_REVISION").and_then(told),
            rustc: told(env!("LONGQA_RUSTC")),
            cxx: told(env!("LONGQA_CXX")),
            cargo_lock: Some(Digest::of_bytes(include_bytes!("../../Cargo.lock"))),
            datasets_lock: Some(Lock::built_in().digest()),
            libtorch: LIBTORCH.to_owned(),
        }
    }
}
