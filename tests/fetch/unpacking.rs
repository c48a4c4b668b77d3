//! Archives: only what is asked for, only inside the folder, never more than is allowed.

use std::fs;
use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use longqa::digest::Digest;
use longqa::fetch::{FetchError, Fetched, Lock, Mirror, Network};
use zip::write::SimpleFileOptions;

use crate::server::Server;
use crate::support;
use crate::workbench::{Workbench, bytes, entry, files_under, lock};

/// A member as an archive has it: a path, and a file's bytes or a link's target.
pub enum Item<'a> {
    File(&'a str, &'a [u8]),
    Symlink(&'a str, &'a str),
    HardLink(&'a str, &'a str),
}

/// Paths are written as they are, also those that the tar library would refuse to write.
fn tar_gz(items: &[Item]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for item in items {
        let mut header = tar::Header::new_gnu();
        let (path, kind, target, body): (_, _, _, &[u8]) = match *item {
            Item::File(path, body) => (path, tar::EntryType::Regular, "", body),
            Item::Symlink(path, target) => (path, tar::EntryType::Symlink, target, b""),
            Item::HardLink(path, target) => (path, tar::EntryType::Link, target, b""),
        };
        let old = header.as_old_mut();
        old.name[..path.len()].copy_from_slice(path.as_bytes());
        old.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(kind);
        header.set_size(body.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, body).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

pub fn zip(items: &[Item]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for item in items {
        match *item {
            Item::File(path, body) => {
                zip.start_file(path, SimpleFileOptions::default()).unwrap();
                zip.write_all(body).unwrap();
            }
            Item::Symlink(path, target) | Item::HardLink(path, target) => {
                zip.add_symlink(path, target, SimpleFileOptions::default()).unwrap();
            }
        }
    }
    zip.finish().unwrap().into_inner()
}

type Pack = fn(&[Item]) -> Vec<u8>;

const FORMATS: [(&str, Pack); 2] = [("zip", zip), ("tar.gz", tar_gz)];

fn archive_lock(body: &[u8], format: &str, unpacked_bytes: u64, members: &str, server: &Server) -> Lock {
    let entry = entry("a", body, &[server.url("a")]);
    lock(&[entry + &format!("format = \"{format}\"\nunpacked_bytes = {unpacked_bytes}\n{members}")])
}

fn unpack(
    bench: &Workbench,
    body: &[u8],
    format: &str,
    allowed: u64,
    members: &str,
) -> Result<Fetched, FetchError> {
    let server = Server::of_file(body);
    let fetched = bench.fetch(&archive_lock(body, format, allowed, members, &server));
    fetched.map(|mut fetched| fetched.remove(0))
}

fn names(fetched: &Fetched) -> Vec<String> {
    let files = files_under(&fetched.path);
    files.iter().map(|path| path.strip_prefix(&fetched.path).unwrap().to_str().unwrap().to_owned()).collect()
}

const TWO_MEMBERS: &str =
    "[[file.member]]\npath = \"qa/dev.json\"\n[[file.member]]\npath = \"evidence/wikipedia/\"\n";

#[test]
fn only_the_listed_members_are_unpacked() {
    for (format, pack) in FORMATS {
        let bench = Workbench::new();
        let body = pack(&[
            Item::File("evidence/web/1.txt", b"web"),
            Item::File("evidence/wikipedia/A.txt", b"A"),
            Item::File("evidence/wikipedia/b/C.txt", b"C"),
            Item::File("qa/dev.json", b"{}"),
            Item::File("qa/dev.json.swp", b"swap"),
        ]);
        let fetched = unpack(&bench, &body, format, 100, TWO_MEMBERS).unwrap();
        assert_eq!(
            names(&fetched),
            ["SHA256SUMS", "evidence/wikipedia/A.txt", "evidence/wikipedia/b/C.txt", "qa/dev.json"]
        );
        assert_eq!(fs::read(fetched.path.join("qa/dev.json")).unwrap(), b"{}");
        let sums = fs::read_to_string(fetched.path.join("SHA256SUMS")).unwrap();
        assert_eq!(fetched.digest, Digest::of_bytes(sums.as_bytes()));
        assert!(sums.ends_with(&format!("{}  qa/dev.json\n", Digest::of_bytes(b"{}"))), "{sums}");
    }
}

#[test]
fn without_a_list_everything_is_unpacked() {
    for (format, pack) in FORMATS {
        let body = pack(&[Item::File("./a/b.txt", b"b"), Item::File("c.txt", b"c")]);
        let bench = Workbench::new();
        let fetched = unpack(&bench, &body, format, 2, "").unwrap();
        assert_eq!(names(&fetched), ["SHA256SUMS", "a/b.txt", "c.txt"]);
    }
}

#[test]
fn an_unpacked_archive_is_not_unpacked_again() {
    let (bench, body) = (Workbench::new(), zip(&[Item::File("a.txt", b"a")]));
    let first = unpack(&bench, &body, "zip", 1, "").unwrap();
    fs::remove_dir_all(bench.path("cache/blobs-v1")).unwrap();
    let server = Server::start(|_| panic!("nothing is missing"));
    assert_eq!(bench.fetch(&archive_lock(&body, "zip", 1, "", &server)).unwrap(), [first]);
}

#[test]
fn a_path_or_link_that_leaves_the_folder_is_refused_and_nothing_is_left() {
    for (format, pack) in FORMATS {
        for evil in [
            Item::File("../outside.txt", b"evil"),
            Item::File("a/../../outside.txt", b"evil"),
            Item::File("/tmp/longqa-outside.txt", b"evil"),
            Item::Symlink("link", "../../outside.txt"),
            Item::Symlink("link", "/etc/passwd"),
            Item::HardLink("link", "../outside.txt"),
        ] {
            let bench = Workbench::new();
            let body = pack(&[Item::File("good.txt", b"good"), evil, Item::File("link/after.txt", b"evil")]);
            let error = unpack(&bench, &body, format, 100, "").unwrap_err();
            assert!(matches!(error, FetchError::UnsafeMember { .. }), "{format}: {error}");
            assert!(files_under(&bench.path("cache/folders-v1")).is_empty());
            let everywhere = files_under(bench.folder.path());
            assert!(
                !everywhere.iter().any(|path| path.to_string_lossy().contains("outside")),
                "{everywhere:?}"
            );
        }
    }
}

#[test]
fn a_link_that_stays_inside_becomes_a_second_name() {
    for (format, pack) in FORMATS {
        let link = if format == "zip" {
            Item::Symlink("b/link", "../a.txt")
        } else {
            Item::HardLink("b/link", "a.txt")
        };
        let body = pack(&[Item::File("a.txt", b"a"), link, Item::Symlink("c", "a.txt")]);
        let bench = Workbench::new();
        let fetched = unpack(&bench, &body, format, 100, "").unwrap();
        assert_eq!(names(&fetched), ["SHA256SUMS", "a.txt", "b/link", "c"]);
        assert!(!fetched.path.join("c").is_symlink() && !fetched.path.join("b/link").is_symlink());
        assert_eq!(fs::read(fetched.path.join("b/link")).unwrap(), b"a");
    }
}

#[test]
fn a_link_to_a_folder_is_never_written_through() {
    let body =
        tar_gz(&[Item::File("d/a.txt", b"a"), Item::Symlink("link", "d"), Item::File("link/b.txt", b"b")]);
    let error = unpack(&Workbench::new(), &body, "tar.gz", 100, "").unwrap_err();
    assert!(matches!(error, FetchError::UnsafeMember { .. }), "{error}");
}

#[test]
fn more_bytes_than_the_lock_allows_are_refused() {
    for (format, pack) in FORMATS {
        let body = pack(&[Item::File("a.txt", &[0; 1_000_000]), Item::File("b.txt", b"b")]);
        unpack(&Workbench::new(), &body, format, 1_000_001, "").unwrap();
        let bench = Workbench::new();
        let error = unpack(&bench, &body, format, 1_000_000, "").unwrap_err();
        assert!(matches!(error, FetchError::TooManyBytes { allowed: 1_000_000, .. }), "{format}: {error}");
        assert!(files_under(&bench.path("cache/folders-v1")).is_empty());
    }
}

#[test]
fn a_zip_that_lies_about_a_size_is_stopped_at_the_limit() {
    let mut body = zip(&[Item::File("a.txt", &[0; 1_000_000])]);
    // The uncompressed size stands 22 bytes into the local header and 24 into the central one.
    let size = 1_000_000_u32.to_le_bytes();
    let places: Vec<usize> = (0..body.len() - 4).filter(|at| body[*at..*at + 4] == size).collect();
    assert_eq!(places.len(), 2);
    for at in places {
        body[at..at + 4].copy_from_slice(&10_u32.to_le_bytes());
    }
    let bench = Workbench::new();
    let error = unpack(&bench, &body, "zip", 1_000, "").unwrap_err();
    assert!(matches!(error, FetchError::TooManyBytes { .. } | FetchError::BadArchive { .. }), "{error}");
    let written: u64 =
        files_under(bench.folder.path()).iter().map(|path| path.metadata().unwrap().len()).sum();
    assert!(written < 100_000, "{written}");
}

#[test]
fn a_listed_member_must_be_there_and_be_the_right_one() {
    for (format, pack) in FORMATS {
        let body = pack(&[Item::File("a.txt", b"abc")]);
        let member = |path: &str, bytes: u64, digest: Digest| {
            format!("[[file.member]]\npath = \"{path}\"\nbytes = {bytes}\nsha256 = \"{digest}\"\n")
        };
        let right = Digest::of_bytes(b"abc");
        let attempt = |member: String| unpack(&Workbench::new(), &body, format, 100, &member);
        attempt(member("a.txt", 3, right)).unwrap();
        assert!(matches!(attempt(member("b.txt", 3, right)), Err(FetchError::MissingMember { .. })));
        let error = attempt(member("a.txt", 4, right)).unwrap_err().to_string();
        assert!(error.contains("expected 4 bytes, found 3 bytes"), "{error}");
        let error = attempt(member("a.txt", 3, Digest::of_bytes(b"abd"))).unwrap_err().to_string();
        assert!(error.contains(&format!("found sha256 {right}")), "{error}");
        let folder = "[[file.member]]\npath = \"nothing/\"\n".to_owned();
        assert!(matches!(attempt(folder), Err(FetchError::MissingMember { .. })));
    }
}

#[test]
fn a_broken_archive_is_an_error_that_names_it() {
    for (format, pack) in FORMATS {
        let whole = pack(&[Item::File("a.txt", &bytes(10_000))]);
        for body in [&whole[..whole.len() / 2], b"", b"<html>not an archive</html>"] {
            let error = unpack(&Workbench::new(), body, format, 100_000, "").unwrap_err();
            assert!(matches!(error, FetchError::BadArchive { .. }), "{format}: {error}");
        }
    }
}

#[test]
fn a_member_twice_is_refused() {
    let body = tar_gz(&[Item::File("a.txt", b"a"), Item::File("a.txt", b"b")]);
    let error = unpack(&Workbench::new(), &body, "tar.gz", 100, "").unwrap_err();
    assert!(error.to_string().contains("a.txt"), "{error}");
}

#[test]
fn a_link_in_the_place_of_another_member_or_of_itself_is_refused() {
    for link in ["a.txt", "b.txt"] {
        let body =
            tar_gz(&[Item::File("a.txt", b"a"), Item::File("b.txt", b"b"), Item::HardLink(link, "a.txt")]);
        let bench = Workbench::new();
        let error = unpack(&bench, &body, "tar.gz", 100, "").unwrap_err();
        assert!(error.to_string().contains(link), "{error}");
        assert!(files_under(&bench.path("cache/folders-v1")).is_empty());
    }
}

#[test]
fn a_member_with_a_name_and_digest_needs_no_archive_when_a_mirror_has_it() {
    let mut bench = Workbench::new();
    let body = zip(&[Item::File("raw/test.txt", b"test"), Item::File("raw/train.txt", b"train")]);
    let members = format!(
        "[[file.member]]\nname = \"test\"\npath = \"raw/test.txt\"\nbytes = 4\nsha256 = \"{}\"\n\
         [[file.member]]\nname = \"train\"\npath = \"raw/train.txt\"\n",
        Digest::of_bytes(b"test")
    );
    let server = Server::of_file(&body);
    let lock = archive_lock(&body, "zip", 100, &members, &server);
    fs::create_dir_all(bench.path("mirror/any")).unwrap();
    fs::write(bench.path("mirror/any/test.txt"), b"test").unwrap();
    bench.settings.mirrors = vec![Mirror::folder(bench.path("mirror"))];

    let test = bench.fetch_entries(&lock.select(&["a/test"]).unwrap()).unwrap().remove(0);
    assert!(test.path.ends_with("raw/test.txt"));
    assert_eq!((test.digest, server.requests().len()), (Digest::of_bytes(b"test"), 0));
    let train = bench.fetch_entries(&lock.select(&["a/train"]).unwrap()).unwrap().remove(0);
    assert_eq!(fs::read(&train.path).unwrap(), b"train");
    assert_eq!((train.digest, server.requests().len()), (Digest::of_bytes(b"train"), 1));
    let whole = bench.fetch(&lock).unwrap().remove(0);
    assert_eq!(names(&whole), ["SHA256SUMS", "raw/test.txt", "raw/train.txt"]);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn the_wikipedia_part_of_a_real_triviaqa_archive_is_unpacked() {
    let Some(mirror) = support::mirror() else { return };
    let mut bench = Workbench::new();
    bench.settings.mirrors = vec![Mirror::folder(mirror)];
    bench.settings.network = Network::Offline;
    let text = "version = 1\n[[file]]\nname = \"sample\"\nversion = \"1\"\nlicence = \"Apache-2.0\"\n\
        path = \"triviaqa/triviaqa-sample.tgz\"\nbytes = 207828\n\
        sha256 = \"6d9503fda0bbd939bc7ee3e4bfb1b14cab4043c2904d771ae425fd82727f1d07\"\nurls = []\n\
        format = \"tar.gz\"\nunpacked_bytes = 10000000\n\
        [[file.member]]\npath = \"qa/wikipedia-dev.json\"\nbytes = 2850\n\
        [[file.member]]\npath = \"evidence/wikipedia/\"\n";
    let fetched = bench.fetch(&Lock::parse(text, "sample.lock".as_ref()).unwrap()).unwrap();
    let names = names(&fetched[0]);
    assert_eq!(names.len(), 12, "{names:?}");
    assert_eq!(names[1], "evidence/wikipedia/Andrew_Lloyd_Webber.txt");
    assert_eq!(names[11], "qa/wikipedia-dev.json");
}
