//! What several test programs need.

use std::path::PathBuf;

/// The folder of real data files that `LONGQA_MIRROR` names. Without it a test that needs real data
/// fails, unless `LONGQA_WITHOUT_MIRROR=1` says that it is to be left out.
pub fn mirror() -> Option<PathBuf> {
    if let Some(mirror) = std::env::var_os("LONGQA_MIRROR").filter(|value| !value.is_empty()) {
        return Some(PathBuf::from(mirror));
    }
    if std::env::var_os("LONGQA_WITHOUT_MIRROR").is_some_and(|value| value == "1") {
        eprintln!("left out: it needs real data, and LONGQA_WITHOUT_MIRROR=1 is set");
        return None;
    }
    panic!(
        "this test needs real data: set LONGQA_MIRROR to a folder that holds the files of datasets.lock, \
         or LONGQA_WITHOUT_MIRROR=1 to leave it out"
    );
}
