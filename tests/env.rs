//! `longqa env` as a user runs it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

#[test]
fn it_tells_versions_devices_threads_and_where_libtorch_and_the_cache_are() {
    let output = Command::new(env!("CARGO_BIN_EXE_longqa"))
        .arg("env")
        .env("LONGQA_CACHE", "/nowhere/cache")
        .env("OMP_NUM_THREADS", "1")
        .output()
        .unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: BTreeMap<&str, &str> = text.lines().map(|line| line.split_once(": ").unwrap()).collect();
    assert_eq!(lines["longqa"], env!("CARGO_PKG_VERSION"));
    assert_eq!(lines["libtorch"], "2.11.0");
    assert!(Path::new(lines["libtorch loaded from"]).is_file(), "{text}");
    assert_eq!(lines["devices"], "cpu");
    assert!(lines["cuda"].starts_with("not used"), "{text}");
    assert_eq!(lines["libtorch threads"], "1");
    assert!(lines["cores"].parse::<usize>().unwrap() >= 1);
    assert_eq!(lines["cache"], "/nowhere/cache");
    assert!(!Path::new("/nowhere").exists(), "it only tells");
}
