//! What a server can do wrong, and what several files do at once.

use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use longqa::digest::Digest;
use longqa::fetch::{FetchError, Network, TransferError, Unverified};

use crate::server::{Reply, Server};
use crate::workbench::{Workbench, bytes, comes_out_whole, entry, lock, pinned, refusal};

#[test]
fn a_wrong_byte_sends_us_to_the_next_url() {
    let (bench, body) = (Workbench::new(), bytes(100_000));
    let mut flipped = body.clone();
    flipped[50_000] ^= 1;
    let (wrong, right) = (Server::of_file(&flipped), Server::of_file(&body));
    comes_out_whole(&bench, &body, &[&wrong, &right]);
    assert_eq!(
        (wrong.ranges(), right.ranges()),
        (vec![None], vec![None]),
        "nothing of the wrong file is kept"
    );
}

#[test]
fn a_wrong_file_everywhere_is_an_error_with_both_digests() {
    let (bench, body) = (Workbench::new(), bytes(1_000));
    let wrong = Server::of_file(&[7; 1_000]);
    let tried = refusal(&bench, &body, &[&wrong]);
    let (here, there) = (Digest::of_bytes(&body), Digest::of_bytes(&[7; 1_000]));
    assert!(
        matches!(tried[0].reason, TransferError::WrongDigest { expected, found } if (expected, found) == (here, there))
    );
    assert!(bench.files_in("partials-v1").iter().all(|path| path.metadata().unwrap().len() == 0));
}

#[test]
fn a_length_that_is_not_the_locks_is_refused_before_the_body() {
    let (bench, body) = (Workbench::new(), bytes(1_000));
    let (short, right) = (Server::of_file(&body[..999]), Server::of_file(&body));
    comes_out_whole(&bench, &body, &[&short, &right]);
    assert_eq!((short.requests().len(), right.ranges()), (1, vec![None]));
}

#[test]
fn a_body_longer_than_the_lock_says_is_not_read_to_its_end() {
    let (bench, body) = (Workbench::new(), bytes(1_000));
    let endless = Server::start(|_| Reply::file(&[7; 10_000_000]).chunked());
    let tried = refusal(&bench, &body, &[&endless]);
    assert!(
        matches!(tried[0].reason, TransferError::WrongLength { expected: 1_000, found: 1_001 }),
        "{tried:?}"
    );
}

#[test]
fn a_lie_about_the_length_is_found_out() {
    let body = bytes(1_000);
    for claimed in [400, 2_000] {
        let (bench, sent) = (Workbench::new(), body.clone());
        let liar = Server::start(move |_| Reply::file(&sent).claiming_length(claimed));
        comes_out_whole(&bench, &body, &[&liar, &Server::of_file(&body)]);
        assert_eq!(liar.requests().len(), 1, "{claimed}");
    }
    let (bench, sent) = (Workbench::new(), body.clone());
    let liar = Server::start(move |request| match request.number {
        0 => Reply::file(&sent[..400]).claiming_length(1_000),
        _ => Reply::file(&sent),
    });
    comes_out_whole(&bench, &body, &[&liar]);
    assert_eq!(liar.ranges(), [None, Some(400)]);
}

#[test]
fn a_refusal_sends_us_to_the_next_url_at_once() {
    for status in [401, 403, 404, 410, 451] {
        let (bench, body) = (Workbench::new(), bytes(1_000));
        let (refusing, right) = (Server::start(move |_| Reply::status(status)), Server::of_file(&body));
        comes_out_whole(&bench, &body, &[&refusing, &right]);
        assert_eq!(refusing.requests().len(), 1, "{status}");
    }
}

#[test]
fn a_passing_fault_is_asked_again_and_then_given_up() {
    for status in [408, 429, 500, 502, 503, 504] {
        let (bench, body) = (Workbench::new(), bytes(1_000));
        let sent = body.clone();
        let once = Server::start(move |request| match request.number {
            0 => Reply::status(status).header("Retry-After", "0"),
            _ => Reply::file(&sent),
        });
        comes_out_whole(&bench, &body, &[&once]);
        assert_eq!(once.requests().len(), 2, "{status}");

        let (bench, always) = (Workbench::new(), Server::start(move |_| Reply::status(status)));
        let tried = refusal(&bench, &body, &[&always]);
        assert!(matches!(tried[0].reason, TransferError::Status { status: found, .. } if found == status));
        assert_eq!(always.requests().len(), 3, "{status}");
    }
}

#[test]
fn a_server_that_asks_for_a_day_is_not_waited_for() {
    let (bench, body) = (Workbench::new(), bytes(1_000));
    let busy = Server::start(|_| Reply::status(429).header("Retry-After", "86400"));
    comes_out_whole(&bench, &body, &[&busy, &Server::of_file(&body)]);
    assert_eq!(busy.requests().len(), 1);
}

#[test]
fn a_range_other_than_the_one_asked_for_is_refused() {
    let (bench, body) = (Workbench::new(), bytes(1_000));
    let sent = body.clone();
    let odd = Server::start(move |request| match request.number {
        0 => Reply::file(&sent).cut_after(400),
        _ => Reply::status(206).header("Content-Range", "bytes 0-4/1000"),
    });
    let tried = refusal(&bench, &body, &[&odd]);
    assert!(matches!(tried[0].reason, TransferError::WrongRange { expected: 400, .. }), "{tried:?}");
}

#[test]
fn a_slow_server_is_fine_as_long_as_something_comes() {
    let (mut bench, body) = (Workbench::new(), bytes(1_000));
    bench.settings.idle_timeout = Duration::from_millis(1_500);
    let sent = body.clone();
    // Two seconds in all, more than the idle timeout, with a tenth of it between two pieces.
    let server = Server::start(move |_| Reply::file(&sent).dripping(75, Duration::from_millis(150)));
    comes_out_whole(&bench, &body, &[&server]);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn every_source_that_failed_is_named_with_its_reason() {
    let (bench, body) = (Workbench::new(), bytes(1_000));
    let (gone, wrong) = (Server::start(|_| Reply::status(404)), Server::of_file(&[7; 1_000]));
    let urls = [gone.url("a"), wrong.url("b"), "http://127.0.0.1:9/c".parse().unwrap()];
    let error = bench.fetch(&lock(&[entry("a", &body, &urls)])).unwrap_err().to_string();
    assert!(error.contains("/a: HTTP status 404\n"), "{error}");
    assert!(error.contains(&format!("/b: wrong digest: expected {}", Digest::of_bytes(&body))), "{error}");
    assert!(error.contains("http://127.0.0.1:9/c: ") && error.contains("refused"), "{error}");
}

#[test]
fn several_files_travel_at_once_and_no_more_than_there_are_jobs() {
    let mut bench = Workbench::new();
    bench.settings.jobs = 3.try_into().unwrap();
    let together = Arc::new(Barrier::new(3));
    let running = Arc::new(Mutex::new((0, 0)));
    let most = running.clone();
    // Six requests pass the barrier three at a time: with fewer at once the test would never end.
    let server = Server::start(move |request| {
        let mut now = running.lock().unwrap();
        now.0 += 1;
        now.1 = now.1.max(now.0);
        drop(now);
        together.wait();
        running.lock().unwrap().0 -= 1;
        Reply::file(request.path.as_bytes())
    });
    let names: Vec<String> = (0..6).map(|i| format!("file-{i}")).collect();
    let entries: Vec<String> =
        names.iter().map(|name| entry(name, name.as_bytes(), &[server.url(name)])).collect();
    let fetched = bench.fetch(&lock(&entries)).unwrap();
    assert_eq!(
        fetched.iter().map(|fetched| fetched.name.clone()).collect::<Vec<_>>(),
        names,
        "in the order asked for"
    );
    assert_eq!(most.lock().unwrap().1, 3);
}

#[test]
fn one_failure_does_not_stop_the_others() {
    let bench = Workbench::new();
    let server = Server::start(|request| match request.path.as_str() {
        "good" => Reply::file(b"good"),
        _ => Reply::status(404),
    });
    let entries = ["bad", "good", "worse"].map(|name| entry(name, name.as_bytes(), &[server.url(name)]));
    let error = bench.fetch(&lock(&entries)).unwrap_err();
    let FetchError::Several { failed, of: 3 } = &error else { panic!("{error:?}") };
    assert_eq!(failed.len(), 2);
    bench.fetch(&lock(&entries[1..2])).unwrap();
    assert_eq!(server.requests().iter().filter(|request| request.path == "good").count(), 1);
}

#[test]
fn offline_asks_nobody() {
    let (mut bench, body) = (Workbench::new(), bytes(1_000));
    let server = Server::of_file(&body);
    let lock = lock(&[entry("a", &body, &[server.url("a")])]);
    bench.settings.network = Network::Offline;
    assert!(matches!(bench.fetch(&lock), Err(FetchError::Offline { .. })));
    bench.settings.network = Network::Online;
    bench.fetch(&lock).unwrap();
    bench.settings.network = Network::Offline;
    bench.fetch(&lock).unwrap();
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn an_unverified_file_needs_leave_and_tells_its_digest() {
    let (mut bench, body) = (Workbench::new(), bytes(1_000));
    let sent = body.clone();
    let server = Server::start(move |request| match request.number {
        0 => Reply::file(&sent).cut_after(400),
        _ => Reply::file(&sent),
    });
    let lock = lock(&[pinned("a", 1_000, "unverified", &[server.url("a")])]);
    let error = bench.fetch(&lock).unwrap_err();
    assert!(matches!(&error, FetchError::Unverified { names } if names == &["a"]));
    assert!(error.to_string().contains("--allow-unverified"), "{error}");
    assert!(server.requests().is_empty());

    bench.settings.unverified = Unverified::Allow;
    for _again in 0..2 {
        let fetched = &bench.fetch(&lock).unwrap()[0];
        assert_eq!(fetched.unverified, [("a".to_owned(), Digest::of_bytes(&body))]);
        assert_eq!(std::fs::read(&fetched.path).unwrap(), body);
    }
    assert_eq!(server.ranges(), [None, None], "without a validator nothing vouches for the first piece");
}

#[test]
fn a_file_too_large_for_the_disk_is_refused_before_any_request() {
    let (bench, server) = (Workbench::new(), Server::of_file(b"abc"));
    let digest = Digest::of_bytes(b"abc").to_string();
    let error = bench.fetch(&lock(&[pinned("a", 1 << 60, &digest, &[server.url("a")])])).unwrap_err();
    let FetchError::Space { needed, available, .. } = error else { panic!("{error}") };
    assert!(needed == 1 << 60 && available < needed);
    assert!(server.requests().is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_up_is_told_and_no_other_source_is_asked() {
    let (bench, body) = (Workbench::new(), bytes(1_000));
    let partials = bench.path("cache/partials-v1");
    std::fs::create_dir_all(&partials).unwrap();
    std::os::unix::fs::symlink("/dev/full", partials.join(Digest::of_bytes(&body).to_string())).unwrap();
    let (first, second) = (Server::of_file(&body), Server::of_file(&body));
    let error = bench.fetch(&lock(&[entry("a", &body, &[first.url("a"), second.url("a")])])).unwrap_err();
    assert!(matches!(error, FetchError::DiskFull { .. }), "{error}");
    assert!(second.requests().is_empty());
}
