//! Mirrors: folders and URL trees, made up and real.

use std::fs;

use longqa::digest::Digest;
use longqa::fetch::{FetchError, Lock, Mirror, Network};

use crate::server::{Reply, Server};
use crate::support;
use crate::workbench::{Workbench, bytes, entry, files_under, lock, pinned};

fn put(bench: &Workbench, path: &str, body: &[u8]) {
    let path = bench.path("mirror").join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, body).unwrap();
}

#[test]
fn a_folder_is_searched_by_path_then_by_name_and_size_and_the_digest_decides() {
    let (mut bench, body) = (Workbench::new(), bytes(1_000));
    put(&bench, "data/a.json", &[7; 1_000]);
    put(&bench, "deep/down/1/a.json", &[8; 1_000]);
    put(&bench, "deep/down/2/a.json", &body);
    bench.settings.mirrors = vec![Mirror::folder(bench.path("mirror"))];
    bench.settings.network = Network::Offline;
    let fetched = bench.fetch(&lock(&[entry("a", &body, &[])])).unwrap();
    assert_eq!(fs::read(&fetched[0].path).unwrap(), body);
    assert_eq!(bench.files_in("blobs-v1").len(), 1);
    assert_eq!(fs::read(bench.path("mirror/data/a.json")).unwrap(), [7; 1_000], "a mirror is only read");
}

/// Root may read everything, so there the mirror serves and the network is not asked.
#[cfg(unix)]
#[test]
fn a_mirror_file_that_cannot_be_read_is_passed_over() {
    use std::os::unix::fs::PermissionsExt;
    let (mut bench, body) = (Workbench::new(), bytes(1_000));
    put(&bench, "data/a.json", &body);
    let theirs = bench.path("mirror/data/a.json");
    fs::set_permissions(&theirs, fs::Permissions::from_mode(0o000)).unwrap();
    let readable = fs::File::open(&theirs).is_ok();
    bench.settings.mirrors = vec![Mirror::folder(bench.path("mirror"))];
    let server = Server::of_file(&body);
    let fetched = bench.fetch(&lock(&[entry("a", &body, &[server.url("a")])])).unwrap();
    assert_eq!(fetched[0].digest, Digest::of_bytes(&body));
    assert_eq!(server.requests().len(), usize::from(!readable));
}

#[cfg(unix)]
#[test]
fn a_mirror_file_is_used_without_copying_it() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let (mut bench, body) = (Workbench::new(), bytes(1_000));
    put(&bench, "data/a.json", &body);
    bench.settings.mirrors = vec![Mirror::folder(bench.path("mirror"))];
    let fetched = bench.fetch(&lock(&[entry("a", &body, &[])])).unwrap();
    let (theirs, ours) = (bench.path("mirror/data/a.json"), &fetched[0].path);
    assert!(!ours.is_symlink());
    assert_eq!(theirs.metadata().unwrap().ino(), ours.metadata().unwrap().ino());
    assert_eq!(
        theirs.metadata().unwrap().permissions().mode() & 0o200,
        0o200,
        "their permissions are theirs"
    );
}

#[test]
fn a_folder_is_asked_before_the_network_and_a_url_mirror_before_the_locks_urls() {
    let (mut bench, body) = (Workbench::new(), bytes(1_000));
    let (sent, other) = (body.clone(), vec![9; 500]);
    let tree = Server::start(move |request| match request.path.as_str() {
        "tree/data/a.json" => Reply::file(&sent),
        _ => Reply::status(404),
    });
    let (origin, second) = (Server::of_file(&body), Server::of_file(&other));
    put(&bench, "c.json", b"c");
    bench.settings.mirrors =
        vec![tree.url("tree").as_str().parse().unwrap(), Mirror::folder(bench.path("mirror"))];
    let entries = [
        entry("a", &body, &[origin.url("a")]),
        entry("b", &other, &[second.url("b")]),
        entry("c", b"c", &[origin.url("c")]),
    ];
    bench.fetch(&lock(&entries)).unwrap();
    assert_eq!((origin.requests().len(), second.requests().len()), (0, 1));
    assert_eq!(tree.requests().iter().filter(|request| request.path.contains("c.json")).count(), 0);
}

#[test]
fn an_unverified_file_is_taken_from_a_mirror_under_its_very_path_only() {
    let mut bench = Workbench::new();
    bench.settings.unverified = longqa::fetch::Unverified::Allow;
    bench.settings.network = Network::Offline;
    bench.settings.mirrors = vec![Mirror::folder(bench.path("mirror"))];
    put(&bench, "elsewhere/a.json", b"abc");
    let lock = lock(&[pinned("a", 3, "unverified", &[])]);
    assert!(matches!(bench.fetch(&lock), Err(FetchError::Offline { .. })));
    put(&bench, "data/a.json", b"abd");
    assert_eq!(bench.fetch(&lock).unwrap()[0].unverified, [("a".to_owned(), Digest::of_bytes(b"abd"))]);
}

#[test]
fn a_folder_entry_has_its_files_under_their_own_names() {
    let bench = Workbench::new();
    let server = Server::start(|request| Reply::file(request.path.as_bytes()));
    let file = |path: &str, part: &str| {
        let digest = Digest::of_bytes(format!("base/{path}").as_bytes());
        format!(
            "[[folder.file]]\npath = \"{path}\"\nbytes = {}\nsha256 = \"{digest}\"\n{part}",
            path.len() + 5
        )
    };
    let text = format!(
        "version = 1\n[[folder]]\nname = \"model\"\nversion = \"1\"\nlicence = \"MIT\"\npath = \"models/m\"\nurls = [\"{}\"]\n{}{}{}",
        server.url("base/"),
        file("config.json", "part = \"tokenizer\"\n"),
        file("model.safetensors", ""),
        file("sub/vocab.json", "part = \"tokenizer\"\n"),
    );
    let lock = Lock::parse(&text, "x.lock".as_ref()).unwrap();
    let part = bench.fetch_entries(&lock.select(&["model/tokenizer"]).unwrap()).unwrap();
    assert_eq!(
        files_under(&part[0].path),
        ["SHA256SUMS", "config.json", "sub/vocab.json"].map(|name| part[0].path.join(name))
    );
    assert_eq!(server.requests().len(), 2);
    let whole = bench.fetch_entries(&lock.select(&["model"]).unwrap()).unwrap();
    assert_eq!(fs::read(whole[0].path.join("sub/vocab.json")).unwrap(), b"base/sub/vocab.json");
    assert_eq!(fs::read(whole[0].path.join("model.safetensors")).unwrap(), b"base/model.safetensors");
    assert_eq!(server.requests().len(), 3, "what the part has brought is not fetched again");
}

#[test]
fn the_real_files_come_from_a_real_mirror() {
    let Some(mirror) = support::mirror() else { return };
    let mut bench = Workbench::new();
    bench.settings.mirrors = vec![Mirror::folder(mirror)];
    bench.settings.network = Network::Offline;
    let lock = Lock::built_in();
    let names = [
        "wikitext-2/valid",
        "squad-1.1/dev",
        "xquad",
        "tydiqa-goldp/dev",
        "roberta-base/tokenizer",
        "xlm-roberta-base/config.json",
        "xlm-roberta-base/tokenizer_config.json",
        "wikitext-103-raw/test",
    ];
    let fetched = bench.fetch_entries(&lock.select(&names).unwrap()).unwrap();
    assert_eq!(fetched.len(), 19);
    for fetched in &fetched {
        if fetched.path.is_file() {
            assert_eq!(Digest::of_file(&fetched.path).unwrap(), fetched.digest, "{}", fetched.name);
        }
    }
    let wikitext = fetched.last().unwrap();
    assert!(wikitext.path.ends_with("wikitext-103-raw/wiki.test.raw"));
    let tokenizer = &fetched[fetched.len() - 4];
    assert_eq!(tokenizer.name, "roberta-base/tokenizer");
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt"] {
        assert!(tokenizer.path.join(name).is_file(), "{name}");
    }
    // The mirror's own reconstruction of XLM-R's tokenizer is not the official file.
    let missing = bench.fetch_entries(&lock.select(&["xlm-roberta-base/tokenizer"]).unwrap()).unwrap_err();
    assert!(missing.to_string().contains("xlm-roberta-base/tokenizer.json"), "{missing}");
}
