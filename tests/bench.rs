//! `longqa bench` as a user runs it, at sizes that say nothing of speed.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn bench(arguments: &[&str]) -> Output {
    let tiny = ["bench", "train-step", "--layers=1", "--seq=64", "--window=16", "--steps=2", "--warmup=1"];
    Command::new(env!("CARGO_BIN_EXE_longqa"))
        .args(tiny)
        .args(["--threads=1", "--device=cpu"])
        .args(arguments)
        .output()
        .unwrap()
}

fn columns(csv: &Path) -> Vec<String> {
    let mut reader = csv::Reader::from_path(csv).unwrap();
    assert!(reader.records().all(|record| record.is_ok()));
    reader.headers().unwrap().iter().map(str::to_owned).collect()
}

#[test]
fn a_timed_step_is_printed_and_appended_under_the_columns_of_the_peers() {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("steps.csv");
    let option = format!("--csv={}", csv.display());
    let output = bench(&[&option, "--precision=bfloat16", "--global-tokens=3"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
    };
    let number = |name: &str| value(name).parse::<f64>().unwrap();
    let is_near = |ours: f64, theirs: f64| (ours / theirs - 1.0).abs() < 0.01;
    // The slowest step is the lowest rate.
    for (rate, seconds) in [("", ""), ("_min", "_max"), ("_max", "_min")] {
        let rate = number(&format!("tokens_per_second{rate}"));
        assert!(is_near(rate * number(&format!("seconds_per_step{seconds}")), 64.0), "{text}");
    }
    let [before, after] = ["before", "after"].map(|when| number(&format!("matmul_gflop_per_second_{when}")));
    let model = number("model_gflop_per_second");
    assert!(is_near(number("share_of_matmul_rate") * (before + after) / 2.0, model), "{text}");
    // One layer, of which all but the projections before attention is for masked tokens alone.
    assert!(number("used_gflop_per_second") < 0.9 * model, "{text}");
    assert!(number("peak_memory_mib") > 100.0);
    assert_eq!(value("attention"), "blocks");
    assert_eq!(fs::read_to_string(&csv).unwrap().lines().count(), 2);

    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/measure.py");
    let peers = fs::read_to_string(peers).unwrap();
    let list = peers.split_once("COLUMNS = [").unwrap().1.split_once(']').unwrap().0;
    let theirs: Vec<_> = list.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    assert_eq!(columns(&csv), theirs);
}

#[test]
fn flash_attention_is_refused_where_there_is_none() {
    let output = bench(&["--attention=flash", "--precision=bfloat16"]);
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("--attention flash") && message.contains("cpu"), "{message}");
}
