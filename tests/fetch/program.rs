//! The program itself: what it prints, how it ends, and two of it at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use longqa::digest::Digest;

use crate::server::{Reply, Server};
use crate::workbench::{Workbench, bytes, entry, lock_text, pinned};

pub fn longqa(bench: &Workbench, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longqa"));
    command.args(arguments).env_remove("LONGQA_MIRROR").env_remove("LONGQA_PYTHON").env_remove("RUST_LOG");
    command.env("LONGQA_CACHE", bench.path("cache")).current_dir(bench.folder.path());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn write_lock(bench: &Workbench, entries: &[String]) -> PathBuf {
    let path = bench.path("test.lock");
    fs::write(&path, lock_text(entries)).unwrap();
    path
}

/// Waits until the partial file of `body` has begun.
fn until_it_grows(bench: &Workbench, body: &[u8], child: &mut Child) {
    let partial = bench.path("cache/partials-v1").join(Digest::of_bytes(body).to_string());
    while partial.metadata().map_or(0, |metadata| metadata.len()) == 0 {
        assert_eq!(child.try_wait().unwrap(), None, "it ended before anything arrived");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A server that is slow to its first client and quick to later ones.
fn slow_at_first(body: &[u8]) -> Server {
    let body = body.to_vec();
    Server::start(move |request| match request.number {
        0 => Reply::file(&body).dripping(body.len() / 100, Duration::from_millis(30)),
        _ => Reply::file(&body),
    })
}

fn succeeded(output: &Output) {
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn it_prints_name_digest_and_path() {
    let (bench, body) = (Workbench::new(), bytes(1_000));
    let server = Server::of_file(&body);
    write_lock(
        &bench,
        &[entry("set/a", &body, &[server.url("a")]), entry("set/b", &body, &[server.url("b")])],
    );
    let output = longqa(&bench, &["fetch", "set", "--lock", "test.lock"]).output().unwrap();
    succeeded(&output);
    let lines: Vec<String> = text(&output.stdout).lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 2);
    let fields: Vec<&str> = lines[1].split('\t').collect();
    assert_eq!(fields[..2], ["set/b", &Digest::of_bytes(&body).to_string()]);
    assert_eq!(fs::read(fields[2]).unwrap(), body);
    assert_eq!(server.requests().len(), 1, "equal bytes travel once");
    assert!(!text(&output.stderr).contains(['\x1b', '\r']), "no bars when stderr is no terminal");
}

#[test]
fn the_built_in_lock_is_listed() {
    let output = longqa(&Workbench::new(), &["fetch", "--list"]).output().unwrap();
    succeeded(&output);
    assert!(text(&output.stdout).contains("squad-1.1/dev\t4854279\tCC BY-SA 4.0\t1.1\n"));
    assert!(text(&output.stdout).contains("longformer-base-4096\t?\t"));
}

#[test]
fn an_unknown_name_is_a_failure_that_names_the_nearest() {
    let output = longqa(&Workbench::new(), &["fetch", "squad-1.1/def"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("did you mean squad-1.1/dev"), "{}", text(&output.stderr));
}

#[test]
fn an_unverified_file_is_left_out_of_everything_and_its_digest_is_printed_when_allowed() {
    let bench = Workbench::new();
    let server = Server::of_file(b"abc");
    write_lock(
        &bench,
        &[pinned("a", 3, "unverified", &[server.url("a")]), entry("b", b"abc", &[server.url("b")])],
    );
    let everything = longqa(&bench, &["fetch", "--lock", "test.lock"]).output().unwrap();
    succeeded(&everything);
    assert_eq!(text(&everything.stdout).lines().count(), 1);
    assert!(text(&everything.stderr).contains("a is left out"));
    let named = longqa(&bench, &["fetch", "a", "--lock", "test.lock"]).output().unwrap();
    assert_eq!(named.status.code(), Some(1));
    let allowed =
        longqa(&bench, &["-q", "fetch", "a", "--lock", "test.lock", "--allow-unverified"]).output().unwrap();
    succeeded(&allowed);
    let seen = format!("unverified: a has sha256 {}\n", Digest::of_bytes(b"abc"));
    assert_eq!(text(&allowed.stderr), seen);
}

#[test]
fn two_at_once_fetch_a_file_once_and_the_second_says_whom_it_waits_for() {
    let (bench, body) = (Workbench::new(), bytes(100_000));
    let server = slow_at_first(&body);
    write_lock(&bench, &[entry("a", &body, &[server.url("a")])]);
    let command = || longqa(&bench, &["fetch", "--lock", "test.lock"]);
    let mut first = command().spawn().unwrap();
    until_it_grows(&bench, &body, &mut first);
    let first_id = first.id();
    let second = command().output().unwrap();
    let first = first.wait_with_output().unwrap();
    succeeded(&first);
    succeeded(&second);
    assert_eq!(first.stdout, second.stdout);
    assert_eq!(server.requests().len(), 1);
    let told = text(&second.stderr);
    assert!(
        told.contains(&format!("waiting for another longqa (process {first_id}), which is fetching a")),
        "{told}"
    );
}

#[test]
fn many_at_once_do_not_corrupt_each_other() {
    let bench = Workbench::new();
    let bodies: Vec<Vec<u8>> = (1..=6).map(|i| bytes(i * 10_000)).collect();
    let sent = bodies.clone();
    let server = Server::start(move |request| {
        let body = &sent[request.path.parse::<usize>().unwrap()];
        if request.number % 3 == 0 { Reply::file(body).cut_after(5_000) } else { Reply::file(body) }
    });
    let entries: Vec<String> = bodies
        .iter()
        .enumerate()
        .map(|(i, body)| entry(&format!("f{i}"), body, &[server.url(&i.to_string())]))
        .collect();
    write_lock(&bench, &entries);
    let all: Vec<Child> =
        (0..4).map(|_| longqa(&bench, &["fetch", "--lock", "test.lock"]).spawn().unwrap()).collect();
    for child in all {
        let output = child.wait_with_output().unwrap();
        succeeded(&output);
        for (line, body) in text(&output.stdout).lines().zip(&bodies) {
            assert_eq!(&fs::read(line.split('\t').nth(2).unwrap()).unwrap(), body);
        }
    }
}

#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_with_130_and_the_next_run_goes_on() {
    let (bench, body) = (Workbench::new(), bytes(100_000));
    let server = slow_at_first(&body);
    write_lock(&bench, &[entry("a", &body, &[server.url("a")])]);
    let mut child = longqa(&bench, &["fetch", "--lock", "test.lock"]).spawn().unwrap();
    until_it_grows(&bench, &body, &mut child);
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("run the same command again"), "{}", text(&output.stderr));
    succeeded(&longqa(&bench, &["fetch", "--lock", "test.lock"]).output().unwrap());
    assert!(server.ranges()[1].unwrap() > 0);
}

#[cfg(unix)]
#[test]
fn a_killed_run_leaves_nothing_under_a_final_name_and_the_next_run_goes_on() {
    let (bench, body) = (Workbench::new(), bytes(100_000));
    let server = slow_at_first(&body);
    write_lock(&bench, &[entry("a", &body, &[server.url("a")])]);
    let mut child = longqa(&bench, &["fetch", "--lock", "test.lock"]).spawn().unwrap();
    until_it_grows(&bench, &body, &mut child);
    signal(&child, "-KILL");
    child.wait().unwrap();
    assert!(bench.files_in("blobs-v1").is_empty() && bench.files_in("folders-v1").is_empty());
    let output = longqa(&bench, &["fetch", "--lock", "test.lock"]).output().unwrap();
    succeeded(&output);
    let path = text(&output.stdout).trim().split('\t').nth(2).unwrap().to_owned();
    assert_eq!(fs::read(Path::new(&path)).unwrap(), body);
    assert!(server.ranges()[1].unwrap() > 0);
}

#[test]
fn every_help_has_examples() {
    for command in [&["fetch"][..], &["lock", "verify"], &["lock", "add"]] {
        let output = longqa(&Workbench::new(), &[command, &["--help"]].concat()).output().unwrap();
        succeeded(&output);
        assert!(text(&output.stdout).contains("Example"), "{command:?}");
    }
}
