//! `longqa lock verify` and `longqa lock add`.

use std::fs;
use std::io::{Cursor, Write};
use std::process::Command;

use longqa::digest::Digest;
use longqa::fetch::{self, Content, Damage, Draft, FetchError, Lock, OnDamage};
use longqa::interrupt::Interrupt;
use zip::write::SimpleFileOptions;

use crate::server::{Reply, Server};
use crate::workbench::{Workbench, bytes, entry, lock};

fn flip_a_byte(path: &std::path::Path) {
    let mut body = fs::read(path).unwrap();
    body[1] ^= 1;
    // Cached files cannot be written to, but what is damaged is not asked.
    fs::remove_file(path).unwrap();
    fs::write(path, body).unwrap();
}

#[test]
fn a_flipped_byte_is_found_and_removed_and_fetched_again() {
    let (bench, body) = (Workbench::new(), bytes(1_000));
    let server = Server::of_file(&body);
    let lock = lock(&[entry("a", &body, &[server.url("a")])]);
    bench.fetch(&lock).unwrap();
    let verify = |on_damage| fetch::verify(&bench.cache(), on_damage, &Interrupt::default()).unwrap();
    let sound = verify(OnDamage::Report);
    assert_eq!(
        (sound.files, sound.bytes, sound.damaged.len()),
        (1, 1_000, 0),
        "one file under two names counts once"
    );

    let blob = bench.files_in("blobs-v1").remove(0);
    flip_a_byte(&blob);
    for on_damage in [OnDamage::Report, OnDamage::Remove] {
        let damaged = verify(on_damage).damaged;
        assert_eq!(damaged.len(), 1);
        assert_eq!((&damaged[0].path, damaged[0].expected), (&blob, Digest::of_bytes(&body)));
        assert!(matches!(damaged[0].found, Damage::Digest(found) if found != Digest::of_bytes(&body)));
    }
    assert!(!blob.exists());
}

#[test]
fn a_damaged_file_in_a_finished_folder_takes_the_folder_with_it() {
    let (bench, body) = (Workbench::new(), bytes(1_000));
    let server = Server::of_file(&body);
    let lock = lock(&[entry("a", &body, &[server.url("a")])]);
    let fetched = bench.fetch(&lock).unwrap();
    flip_a_byte(&fetched[0].path);
    let found = fetch::verify(&bench.cache(), OnDamage::Remove, &Interrupt::default()).unwrap();
    assert_eq!(found.damaged[0].path, fetched[0].path);
    assert!(!fetched[0].path.exists());
    assert_eq!(fs::read(&bench.fetch(&lock).unwrap()[0].path).unwrap(), body);
    assert_eq!(server.requests().len(), 1, "the sound blob serves again");
}

#[cfg(unix)]
#[test]
fn bytes_damaged_in_place_are_damaged_under_both_names() {
    let (bench, body) = (Workbench::new(), bytes(1_000));
    let server = Server::of_file(&body);
    let lock = lock(&[entry("a", &body, &[server.url("a")])]);
    let fetched = bench.fetch(&lock).unwrap();
    let mut permissions = fetched[0].path.metadata().unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o644);
    fs::set_permissions(&fetched[0].path, permissions).unwrap();
    fs::write(&fetched[0].path, b"overwritten").unwrap();
    fetch::verify(&bench.cache(), OnDamage::Remove, &Interrupt::default()).unwrap();
    assert_eq!(fs::read(&bench.fetch(&lock).unwrap()[0].path).unwrap(), body);
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn the_program_says_what_is_damaged_and_ends_with_1() {
    let (bench, body) = (Workbench::new(), bytes(1_000));
    let server = Server::of_file(&body);
    bench.fetch(&lock(&[entry("a", &body, &[server.url("a")])])).unwrap();
    let verify = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_longqa"));
        command.args(["lock", "verify"]).env("LONGQA_CACHE", bench.path("cache")).output().unwrap()
    };
    assert!(verify().status.success());
    flip_a_byte(&bench.files_in("blobs-v1")[0]);
    let output = verify();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains(&format!(": expected {}, found ", Digest::of_bytes(&body))), "{told}");
}

fn draft(name: &str, urls: Vec<url::Url>) -> Draft {
    Draft {
        name: name.to_owned(),
        version: "2".to_owned(),
        licence: "MIT".to_owned(),
        path: format!("data/{name}.zip"),
        urls,
        members: None,
    }
}

#[test]
fn an_added_entry_can_be_fetched_by_the_lock_it_was_added_to() {
    let (bench, body) = (Workbench::new(), bytes(1_000));
    let (first, second) = (Server::of_file(&body), Server::of_file(&body));
    let path = bench.path("new.lock");
    fs::write(&path, "# Kept as it is.\nversion = 1\n").unwrap();
    let draft = draft("a", vec![first.url("a"), second.url("a")]);
    let drafted = fetch::draft(&draft, &bench.cache(), &bench.settings, &bench.interrupt).unwrap();
    drafted.append_to(&path).unwrap();
    assert_eq!((first.requests().len(), second.requests().len()), (1, 1), "no address stands there untried");

    assert!(fs::read_to_string(&path).unwrap().starts_with("# Kept as it is.\nversion = 1\n"));
    let lock = Lock::read(&path).unwrap();
    assert_eq!(lock.entries(), [drafted.entry().clone()]);
    assert_eq!(lock.entries()[0].bytes(), Some(1_000));
    assert_eq!(bench.fetch(&lock).unwrap()[0].digest, Digest::of_bytes(&body));

    let before = fs::read(&path).unwrap();
    assert!(matches!(drafted.append_to(&path), Err(FetchError::LockInvalid { .. })), "the name is taken");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn addresses_that_disagree_make_no_entry() {
    let bench = Workbench::new();
    let (first, second) = (Server::of_file(b"abc"), Server::of_file(b"abd"));
    let draft = draft("a", vec![first.url("a"), second.url("a")]);
    let error = fetch::draft(&draft, &bench.cache(), &bench.settings, &bench.interrupt).unwrap_err();
    assert!(matches!(error, FetchError::Disagreement { .. }), "{error}");
}

#[test]
fn the_program_adds_an_archive_with_its_members_measured() {
    let bench = Workbench::new();
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, body) in [("x/a.txt", "abc"), ("x/b.txt", "other")] {
        zip.start_file(path, SimpleFileOptions::default()).unwrap();
        zip.write_all(body.as_bytes()).unwrap();
    }
    let body = zip.finish().unwrap().into_inner();
    let server = Server::start(move |_| Reply::file(&body));
    let output = Command::new(env!("CARGO_BIN_EXE_longqa"))
        .args(["lock", "add", "--name", "set", "--version", "1", "--licence", "MIT"])
        .args(["--member", "x/a.txt", "--lock", "new.lock", server.url("set.zip").as_str()])
        .env("LONGQA_CACHE", bench.path("cache"))
        .current_dir(bench.folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lock = Lock::read(&bench.path("new.lock")).unwrap();
    let Content::Archive(archive) = &lock.entries()[0].content else { panic!("{lock:?}") };
    assert_eq!((archive.file.path.as_str(), archive.unpacked_bytes), ("set/set.zip", 8));
    assert_eq!(
        (archive.members[0].bytes, archive.members[0].sha256),
        (Some(3), Some(Digest::of_bytes(b"abc")))
    );
    let fetched = bench.fetch(&lock).unwrap();
    assert_eq!(fs::read(fetched[0].path.join("x/a.txt")).unwrap(), b"abc");
    assert_eq!(server.requests().len(), 1);
}
