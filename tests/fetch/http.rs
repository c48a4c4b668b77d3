//! One file at a time over HTTP, and everything a server can do wrong.

use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use longqa::digest::Digest;
use longqa::fetch::{FetchError, Network, TransferError, Tried, Unverified};

use crate::server::{Reply, Server};
use crate::workbench::{Workbench, bytes, entry, lock, pinned};

/// Fetches `body` from `servers`, in their order; it must come out whole, whatever they do.
fn comes_out_whole(bench: &Workbench, body: &[u8], servers: &[&Server]) {
    let urls: Vec<_> = servers.iter().map(|server| server.url("a")).collect();
    let fetched = bench.fetch(&lock(&[entry("a", body, &urls)])).unwrap();
    assert_eq!(fetched[0].path.file_name().unwrap(), "a.json");
    assert_eq!(fetched[0].digest, Digest::of_bytes(body));
    assert_eq!(std::fs::read(&fetched[0].path).unwrap(), body);
    assert!(bench.files_in("partials-v1").is_empty());
}

fn refusal(bench: &Workbench, body: &[u8], servers: &[&Server]) -> Vec<Tried> {
    let urls: Vec<_> = servers.iter().map(|server| server.url("a")).collect();
    match bench.fetch(&lock(&[entry("a", body, &urls)])) {
        Err(FetchError::NoSource { name, tried }) => {
            assert_eq!(name, "a");
            assert!(bench.files_in("blobs-v1").is_empty());
            tried
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_is_fetched_once_and_then_known() {
    let (bench, body) = (Workbench::new(), bytes(100_000));
    let server = Server::of_file(&body);
    comes_out_whole(&bench, &body, &[&server]);
    comes_out_whole(&bench, &body, &[&server]);
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].user_agent.as_deref(), Some(concat!("longqa/", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn a_cut_connection_resumes_where_it_stopped() {
    let (bench, body) = (Workbench::new(), bytes(100_000));
    let sent = body.clone();
    let server = Server::start(move |request| match request.number {
        0 => Reply::file(&sent).cut_after(30_000),
        1 => Reply::file(&sent).cut_after(20_000),
        _ => Reply::file(&sent),
    });
    comes_out_whole(&bench, &body, &[&server]);
    assert_eq!(server.ranges(), [None, Some(30_000), Some(50_000)]);
}

#[test]
fn a_connection_may_be_cut_any_number_of_times_as_long_as_something_arrives() {
    let (bench, body) = (Workbench::new(), bytes(10_000));
    let sent = body.clone();
    let server = Server::start(move |_| Reply::file(&sent).cut_after(1_000));
    comes_out_whole(&bench, &body, &[&server]);
    assert_eq!(server.requests().len(), 10);
}

#[test]
fn a_later_run_resumes_at_another_mirror() {
    let (mut bench, body) = (Workbench::new(), bytes(100_000));
    bench.settings.backoff.attempts = 1;
    let sent = body.clone();
    let first = Server::start(move |_| Reply::file(&sent).cut_after(60_000));
    let tried = refusal(&bench, &body, &[&first]);
    assert_eq!(tried.len(), 1);
    assert_eq!(bench.files_in("partials-v1").len(), 1);

    let second = Server::of_file(&body);
    comes_out_whole(&bench, &body, &[&second]);
    assert_eq!(second.ranges(), [Some(60_000)]);
    assert_eq!(second.requests()[0].if_range, None, "the second mirror cannot know the first one's ETag");
}

#[test]
fn the_next_url_goes_on_where_the_first_gave_up() {
    let (mut bench, body) = (Workbench::new(), bytes(100_000));
    bench.settings.backoff.attempts = 1;
    let sent = body.clone();
    let (first, second) =
        (Server::start(move |_| Reply::file(&sent).cut_after(60_000)), Server::of_file(&body));
    comes_out_whole(&bench, &body, &[&first, &second]);
    assert_eq!(second.ranges(), [Some(60_000)]);
}

#[test]
fn a_whole_partial_needs_no_request() {
    let (bench, body) = (Workbench::new(), bytes(1_000));
    let digest = Digest::of_bytes(&body);
    let partial = bench.path("cache/partials-v1").join(digest.to_string());
    std::fs::create_dir_all(partial.parent().unwrap()).unwrap();
    std::fs::write(&partial, &body).unwrap();
    let server = Server::start(|_| Reply::status(500));
    comes_out_whole(&bench, &body, &[&server]);
    assert!(server.requests().is_empty());
}

#[test]
fn a_server_that_ignores_range_is_read_past_what_is_here() {
    let (bench, body) = (Workbench::new(), bytes(100_000));
    let sent = body.clone();
    let server = Server::start(move |request| match request.number {
        0 => Reply::file(&sent).cut_after(30_000),
        1 => Reply::file(&sent).ignoring_range().cut_after(10_000),
        2 => Reply::file(&sent).ignoring_range().cut_after(40_000),
        _ => Reply::file(&sent).ignoring_range(),
    });
    comes_out_whole(&bench, &body, &[&server]);
    assert_eq!(server.ranges(), [None, Some(30_000), Some(30_000), Some(40_000)]);
}

#[test]
fn a_file_that_changes_while_it_is_fetched_is_started_over() {
    let (bench, body, old) = (Workbench::new(), bytes(100_000), vec![7; 100_000]);
    let sent = body.clone();
    let server = Server::start(move |request| match request.number {
        0 => Reply::file(&old).header("ETag", "\"old\"").cut_after(30_000),
        _ => Reply::file(&sent).header("ETag", "\"new\""),
    });
    comes_out_whole(&bench, &body, &[&server]);
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!((requests[1].from, requests[1].if_range.as_deref()), (Some(30_000), Some("\"old\"")));
}

#[test]
fn a_weak_etag_vouches_for_nothing() {
    let (bench, body) = (Workbench::new(), bytes(10_000));
    let sent = body.clone();
    let server = Server::start(move |request| {
        let reply = Reply::file(&sent).header("ETag", "W/\"a\"");
        if request.number == 0 { reply.cut_after(3_000) } else { reply }
    });
    comes_out_whole(&bench, &body, &[&server]);
    assert_eq!(server.requests()[1].if_range, None);
}

#[test]
fn pieces_that_do_not_add_up_are_dropped_and_fetched_whole() {
    let (mut bench, body) = (Workbench::new(), bytes(100_000));
    bench.settings.backoff.attempts = 1;
    let wrong = Server::start(|_| Reply::file(&[7; 100_000]).cut_after(30_000));
    refusal(&bench, &body, &[&wrong]);
    let right = Server::of_file(&body);
    comes_out_whole(&bench, &body, &[&right]);
    assert_eq!(right.ranges(), [Some(30_000), None]);
}

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
fn a_clean_end_that_comes_too_early_is_resumed() {
    let (bench, body) = (Workbench::new(), bytes(1_000));
    let sent = body.clone();
    let server = Server::start(move |request| match request.number {
        0 => Reply::file(&sent[..400]).chunked(),
        _ => Reply::file(&sent),
    });
    comes_out_whole(&bench, &body, &[&server]);
    assert_eq!(server.ranges(), [None, Some(400)]);
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
fn a_range_that_cannot_be_satisfied_starts_over() {
    let (bench, body) = (Workbench::new(), bytes(1_000));
    let sent = body.clone();
    let server = Server::start(move |request| match request.number {
        0 => Reply::file(&sent).cut_after(400),
        1 => Reply::status(416),
        _ => Reply::file(&sent),
    });
    comes_out_whole(&bench, &body, &[&server]);
    assert_eq!(server.ranges(), [None, Some(400), None]);
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
fn a_server_that_falls_silent_is_left_and_resumed() {
    let (mut bench, body) = (Workbench::new(), bytes(1_000));
    bench.settings.idle_timeout = Duration::from_millis(300);
    let sent = body.clone();
    let server = Server::start(move |request| match request.number {
        0 => Reply::file(&sent).hang_after(400),
        _ => Reply::file(&sent),
    });
    comes_out_whole(&bench, &body, &[&server]);
    assert_eq!(server.ranges(), [None, Some(400)]);
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
fn an_unverified_file_is_resumed_when_its_etag_vouches_for_it() {
    let (mut bench, body) = (Workbench::new(), bytes(1_000));
    bench.settings.unverified = Unverified::Allow;
    let sent = body.clone();
    let server = Server::start(move |request| {
        let reply = Reply::file(&sent).header("ETag", "\"1\"");
        if request.number == 0 { reply.cut_after(400) } else { reply }
    });
    let fetched = bench.fetch(&lock(&[pinned("a", 1_000, "unverified", &[server.url("a")])])).unwrap();
    assert_eq!(fetched[0].digest, Digest::of_bytes(&body));
    assert_eq!(server.ranges(), [None, Some(400)]);
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

#[test]
fn an_interrupt_keeps_what_has_arrived() {
    let (mut bench, body) = (Workbench::new(), bytes(1_000_000));
    let (sent, interrupt) = (body.clone(), bench.interrupt.clone());
    let partial = bench.path("cache/partials-v1").join(Digest::of_bytes(&body).to_string());
    let server = Server::start(move |request| {
        if request.number > 0 {
            return Reply::file(&sent);
        }
        let (interrupt, partial) = (interrupt.clone(), partial.clone());
        std::thread::spawn(move || {
            while partial.metadata().map_or(0, |metadata| metadata.len()) == 0 {
                std::thread::yield_now();
            }
            interrupt.request();
        });
        Reply::file(&sent).dripping(10_000, Duration::from_millis(10))
    });
    let lock = lock(&[entry("a", &body, &[server.url("a")])]);
    assert!(matches!(bench.fetch(&lock), Err(FetchError::Interrupted(_))));
    bench.interrupt = Default::default();
    bench.fetch(&lock).unwrap();
    let resumed = server.ranges()[1].unwrap();
    assert!((1..1_000_000).contains(&resumed), "{resumed}");
}
