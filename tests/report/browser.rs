//! `report.html` in a real browser without a window: nothing in its console, nothing from the
//! network, nothing wider than a phone, every figure to be seen.
//!
//! The browser is `LONGQA_BROWSER`, else `chromium` or `google-chrome`. Where there is none the test
//! fails, unless `LONGQA_WITHOUT_BROWSER=1` leaves it out.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use longqa::report::{Report, ResultsFolder};
use serde_json::Value;

use crate::fixture;

/// A phone, and a desk.
const WIDTHS: [u32; 2] = [360, 1280];

fn browser() -> Option<OsString> {
    let runs = |name: &OsString| {
        Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
    };
    let named = env::var_os("LONGQA_BROWSER").into_iter();
    let usual = ["chromium", "chromium-browser", "google-chrome"].map(OsString::from);
    if let Some(found) = named.chain(usual).find(runs) {
        return Some(found);
    }
    let left_out = env::var_os("LONGQA_WITHOUT_BROWSER").is_some_and(|value| value == "1");
    assert!(
        left_out,
        "this test opens report.html in a browser: install chromium, set LONGQA_BROWSER to one, or \
         LONGQA_WITHOUT_BROWSER=1 to leave it out"
    );
    eprintln!("left out: LONGQA_WITHOUT_BROWSER=1");
    None
}

/// The page in a frame of each width, and what it looks like from outside. A window without a screen
/// cannot be as narrow as a phone; a frame can.
fn harness(page: &str) -> String {
    let escaped = page.replace('&', "&amp;").replace('"', "&quot;");
    let frames = WIDTHS.map(|width| {
        format!("<iframe style=\"width:{width}px;height:800px;border:0\" srcdoc=\"{escaped}\"></iframe>")
    });
    format!(
        "<!doctype html><meta charset=utf-8><link rel=icon href=data:,>{}<pre id=found></pre><script>
        addEventListener('load', () => {{
            const found = [...document.querySelectorAll('iframe')].map(frame => {{
                const page = frame.contentDocument, root = page.documentElement;
                return {{
                    width: frame.clientWidth,
                    scroll: Math.max(root.scrollWidth, page.body.scrollWidth),
                    figures: [...page.querySelectorAll('figure svg')].map(figure => {{
                        const box = figure.getBoundingClientRect();
                        const style = frame.contentWindow.getComputedStyle(figure);
                        return style.visibility === 'visible' ? Math.min(box.width, box.height) : 0;
                    }}),
                    requests: frame.contentWindow.performance.getEntriesByType('resource').map(entry => entry.name),
                }};
            }});
            document.getElementById('found').textContent = JSON.stringify(found);
        }});
        </script>",
        frames.concat()
    )
}

/// The harness's findings and what the browser said, console and all.
fn open(browser: &OsString, folder: &Path, page: &str) -> (Value, String) {
    let file = folder.join("harness.html");
    fs::write(&file, harness(page)).unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic"])
        .args([
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .args(["--enable-logging=stderr", "--virtual-time-budget=10000", "--window-size=1400,900"])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .args(["--dump-dom", &format!("file://{}", file.display())])
        .output()
        .unwrap();
    let (dom, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let found = dom.split_once("<pre id=\"found\">").and_then(|(_, rest)| rest.split_once("</pre>"));
    let (found, _) = found.unwrap_or_else(|| panic!("no page: {said}"));
    let found = serde_json::from_str(found).unwrap_or_else(|error| panic!("{error}: {found}; {said}"));
    (found, said.into_owned())
}

#[test]
fn the_page_fits_a_phone_and_asks_nobody_for_anything() {
    let Some(browser) = browser() else { return };
    let folder = tempfile::tempdir().unwrap();
    let record = fixture::record();
    let report = Report::of(&record).unwrap();
    let page = report.write(&ResultsFolder::open(folder.path(), "output").unwrap()).unwrap();
    let page = fs::read_to_string(page).unwrap();
    let (found, said) = open(&browser, folder.path(), &page);
    assert!(!said.contains("CONSOLE"), "{said}");
    let svgs = fs::read_dir(folder.path().join("figures")).unwrap().count() / 2;
    assert!(svgs > 10, "{svgs} figures");
    for (width, frame) in WIDTHS.into_iter().zip(found.as_array().unwrap()) {
        assert_eq!(frame["width"], width);
        assert!(frame["scroll"].as_u64().unwrap() <= u64::from(width), "{width}: {}", frame["scroll"]);
        let sizes: Vec<f64> =
            frame["figures"].as_array().unwrap().iter().map(|size| size.as_f64().unwrap()).collect();
        assert_eq!(sizes.len(), svgs);
        assert!(sizes.iter().all(|size| *size > 50.0), "{width}: {sizes:?}");
        assert_eq!(frame["requests"], Value::Array(Vec::new()));
    }
    // Nothing that could be asked for later either, when a reader clicks or prints.
    for part in ["src=", "@import", "<script", "http-equiv", "url(http", "srcset"] {
        assert!(!page.contains(part), "{part}");
    }
    let addresses = page.matches("http").count();
    assert_eq!(
        addresses,
        page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count(),
        "names of languages alone"
    );
}

/// The test above would see what it is there to see.
#[test]
fn a_page_that_is_wide_loud_or_curious_is_found_out() {
    let Some(browser) = browser() else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = "<!doctype html><body><div style='width:2000px'>x</div><figure><svg width=0 height=0></svg></figure>\
                <img src='http://127.0.0.1:9/x.png'><script>console.error('loud')</script>";
    let (found, said) = open(&browser, folder.path(), page);
    assert!(said.contains("CONSOLE") && said.contains("loud"), "{said}");
    assert!(found[0]["scroll"].as_u64().unwrap() > 360);
    assert_eq!(found[0]["figures"][0], 0);
    assert_eq!(found[0]["requests"][0], "http://127.0.0.1:9/x.png");
}
