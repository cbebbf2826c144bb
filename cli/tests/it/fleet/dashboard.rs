//! Goal: one look at the dashboard tells how fleet and jobs are and which node is slow; it is used by keyboard, in
//! dark and light, wide and narrow; it runs and asks for nothing but what the coordinator itself serves.
//!
//! Method: a real fleet with a slow node makes an archive whose name would be markup, and Chromium without a window
//! (Debian package: chromium) shows it. Pictures are kept in `target/dashboard/`. Without Chromium the test is
//! skipped, but not where `ZIPFLEET_READERS=all`, as in CI.

#![expect(clippy::print_stdout, reason = "where the pictures are is for people to look at")]

use std::fs::create_dir_all;
use std::path::{Path, PathBuf};

use proto::job::JobId;

use crate::browser::Browser;
use crate::readers::installed;

use super::support::{Fleet, PACE, TENTH};

/// A name that would be an image, and run a script, were it not taken for text.
const HOSTILE: &str = "<img src=x onerror=document.title=1>";
/// How many pixels of the timeline have the colour of a part that is done.
const DONE_PIXELS: &str = "(() => {
    const canvas = document.getElementById('lines-canvas');
    const probe = document.createElement('i');
    document.body.append(probe);
    probe.style.color = 'var(--done)';
    const wanted = getComputedStyle(probe).color.match(/\\d+/g).map(Number);
    probe.remove();
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    let found = 0;
    for (let at = 0; at < data.length; at += 4) found += wanted.every((part, i) => data[at + i] === part);
    return found;
})()";
const IS_TOO_WIDE: &str = "document.documentElement.scrollWidth > innerWidth";

#[test]
fn one_look_tells_how_fleet_and_jobs_are() {
    let Some(program) = installed(&["chromium", "chromium-browser", "google-chrome"]) else {
        let is_wanted = std::env::var("ZIPFLEET_READERS").is_ok_and(|wanted| wanted == "all");
        assert!(!is_wanted, "chromium is not installed: apt-get install chromium");
        println!("skipped: chromium is not installed");
        return;
    };
    let mut fleet = Fleet::of(3);
    fleet.throttle(&["n1", "n2", "n3"], PACE);
    fleet.throttle(&["n1"], TENTH);
    // Enough for it to go on while it is looked at.
    fleet.sources(HOSTILE, 120);
    let job = fleet.submit(HOSTILE);
    fleet.has_done(job, 6);

    let mut browser = Browser::start(&program);
    browser.resize(1280, 800, "dark");
    browser.open(&fleet.api);
    shows_the_fleet(&mut browser, job);
    reaches_the_job_by_keyboard(&mut browser, job);
    tells_who_is_slow(&mut browser);
    goes_back_by_keyboard(&mut browser, job);
    follows_the_job_to_its_end(&mut browser, &fleet, job);

    assert_eq!(browser.see("document.images.length"), 0, "a name became an image");
    assert!(browser.complaints().is_empty(), "{:#?}", browser.complaints());
    let ours = |url: &&str| url.starts_with(&fleet.api) || url.starts_with("data:");
    let elsewhere: Vec<_> = browser.requests().into_iter().filter(|url| !ours(url)).collect();
    assert!(elsewhere.is_empty(), "asked of others: {elsewhere:?}");

    fleet.kill_coordinator();
    browser.until("!document.getElementById('lost').hidden");
    browser.until("document.getElementById('verdict').innerText !== ''");
    fleet.start_coordinator();
    browser.until("document.getElementById('lost').hidden");
}

fn shows_the_fleet(browser: &mut Browser, job: JobId) {
    browser.until("document.querySelectorAll('#nodes tbody tr').length === 3");
    browser.until("/Running.*%/s.test(document.querySelector('#jobs tbody tr').innerText)");
    let shown = browser.see("document.querySelector('#jobs tbody a').textContent");
    assert_eq!(shown, format!("s3://out/{HOSTILE}.zip"));
    let link = browser.see("document.querySelector('#jobs tbody a').getAttribute('href')");
    assert_eq!(link, format!("#/jobs/{job}"));
    browser.until("/^[\\d.]+ .?B\\/s$/.test(document.getElementById('pace-now').innerText)");
    browser.until("/slow/.test(document.getElementById('node-states').innerText)");
    // Cores busy, and memory.
    browser.until("/\\s\\d\\.\\d\\d of \\d+\\s+[\\d.]+ MB\\s/.test(document.querySelector('#nodes tbody tr').innerText)");
    keep(browser, "fleet");
    assert_eq!(browser.see(IS_TOO_WIDE), false);
}

/// Walks to the job as somebody without a mouse does.
fn reaches_the_job_by_keyboard(browser: &mut Browser, job: JobId) {
    browser.press("?");
    browser.until("document.getElementById('keys').open");
    browser.press("Escape");
    browser.until("!document.getElementById('keys').open");
    for theme in ["'dark'", "'light'", "undefined"] {
        browser.press("t");
        browser.until(&format!("document.documentElement.dataset.theme === {theme}"));
    }
    let is_there = format!("document.activeElement.getAttribute('href') === '#/jobs/{job}'");
    let steps = (0..40).find(|_| {
        browser.press("Tab");
        browser.see(&is_there) == true
    });
    assert!(steps.is_some(), "the job is not reached by Tab");
    assert_eq!(browser.see("getComputedStyle(document.activeElement).outlineStyle"), "solid");
    browser.press("Enter");
    browser.until("document.activeElement.id === 'job-title'");
}

fn tells_who_is_slow(browser: &mut Browser) {
    // Its parts take ten times as long; that is known when the first of others are done.
    browser.until("/^n1 is slow: /.test(document.getElementById('verdict').innerText)");
    browser.until("document.querySelector('#shares tbody tr').innerText.startsWith('n1')");
    browser.until("document.querySelectorAll('#shares tbody tr').length === 3");
    browser.until(&format!("{DONE_PIXELS} > 100"));
    let is_there = "document.activeElement.id === 'lines'";
    let steps = (0..40).find(|_| {
        browser.press("Tab");
        browser.see(is_there) == true
    });
    assert!(steps.is_some(), "the timeline is not reached by Tab");
    browser.press("ArrowDown");
    browser.press("ArrowDown");
    browser.press("ArrowRight");
    browser.until("/^n[23] · part \\d+ · done/.test(document.getElementById('detail').innerText)");
    keep(browser, "job");
}

fn goes_back_by_keyboard(browser: &mut Browser, job: JobId) {
    browser.press("Escape");
    browser.press("Escape");
    browser.until("!document.getElementById('overview').hidden");
    browser.until(&format!("document.activeElement.getAttribute('href') === '#/jobs/{job}'"));
    browser.press("Enter");
    browser.until("document.activeElement.id === 'job-title'");
}

/// The page is told that it has ended, whether it asks or not.
fn follows_the_job_to_its_end(browser: &mut Browser, fleet: &Fleet, job: JobId) {
    fleet.unthrottle(&["n1", "n2", "n3"]);
    fleet.completed(job);
    browser.until("document.getElementById('job-state').innerText === 'Completed'");
    browser.until("/CRC-32/.test(document.getElementById('job-outcome').innerText)");
    browser.until("document.getElementById('said').textContent === 'The job has ended: completed'");
    let open = "[...document.querySelectorAll('#shares tbody tr')].map((row) => row.children[3].textContent)";
    browser.until(&format!("{open}.join() === '0,0,0'"));
    browser.resize(390, 844, "light");
    assert_eq!(browser.see(IS_TOO_WIDE), false);
    keep(browser, "job-ended-narrow");
}

/// Keeps pictures of the page in both themes.
fn keep(browser: &mut Browser, name: &str) {
    let dir = pictures();
    let [width, height] = ["innerWidth", "innerHeight"].map(|of| browser.see(of).as_u64().expect("a number"));
    let mut seen = Vec::new();
    for theme in ["light", "dark"] {
        browser.resize(width as u32, height as u32, theme);
        // What is drawn is drawn with the next frame.
        browser.see("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
        seen.push(browser.see("getComputedStyle(document.body).backgroundColor"));
        let file = dir.join(format!("{name}-{theme}.png"));
        browser.picture(&file);
        println!("{}", file.display());
    }
    assert_ne!(seen[0], seen[1], "dark and light look alike");
}

fn pictures() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it lies in target");
    let dir = target.join("dashboard");
    create_dir_all(&dir).expect("a directory for pictures");
    dir
}
