//! Downloads that stop and go on: within a run, across runs, across mirrors.

use std::time::Duration;

use longqa::digest::Digest;
use longqa::fetch::{FetchError, Unverified};

use crate::server::{Reply, Server};
use crate::workbench::{Workbench, bytes, comes_out_whole, entry, lock, pinned, refusal};

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
