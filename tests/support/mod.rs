//! What several test programs need.

// Each program is compiled with all of it and uses a part.
#![allow(dead_code)]

use std::path::PathBuf;

#[cfg(target_os = "linux")]
pub mod memory;
pub mod model;
pub mod tiny;

/// The folder of real data files, from LONGQA_MIRROR. Panics where it is not set, so that a test
/// is never left out in silence; with LONGQA_WITHOUT_MIRROR=1 it says so and gives `None`.
pub fn mirror() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("LONGQA_MIRROR") {
        let folder = PathBuf::from(folder);
        assert!(folder.is_dir(), "LONGQA_MIRROR: expected a folder, found {}", folder.display());
        return Some(folder);
    }
    let left_out = std::env::var_os("LONGQA_WITHOUT_MIRROR").is_some_and(|value| value == "1");
    assert!(
        left_out,
        "this test reads real data files: set LONGQA_MIRROR to the folder that holds squad/, xquad/, \
         tokenizers/ and wikitext/, or LONGQA_WITHOUT_MIRROR=1 to leave it out"
    );
    eprintln!("left out: LONGQA_WITHOUT_MIRROR=1");
    None
}
