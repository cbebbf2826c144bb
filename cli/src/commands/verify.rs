//! `zipfleet verify`: reads an archive back and says what is wrong with it, if anything is.

use std::cell::RefCell;
use std::process::ExitCode;

use coordinator::planner::Means;
use coordinator::verify::{Expected, Report, Severity};
use proto::failure::Failure;
use proto::job::JobSpec;
use proto::limits::PART_BYTES_MAX;
use proto::location::Location;
use proto_s3::S3;

use super::connect;
use crate::args::{ResourceArgs, VerifyArgs};
use crate::exit_code::{ARCHIVE_WRONG, NOT_ALL_CHECKED};
use crate::failures::usage;
use crate::output::{Voice, count, requests, size};
use crate::plan::plan;
use crate::progress::Display;
use crate::verify::{Options, verify};

pub(super) async fn run(args: VerifyArgs, voice: Voice) -> Result<ExitCode, Failure> {
    let archive = args.archive().map_err(usage)?;
    let expected = args.expected().map_err(usage)?;
    args.resources.check().map_err(usage)?;
    let s3 = connect(&args.connect.into()).await?;
    let report = check(&s3, &archive, expected.as_ref(), args.resources, voice).await?;
    let text = format!("{archive}: {}\nrequests: {}", describe(&report), requests(&s3.requests()));
    voice.result(&text, &for_programs(&archive, &report));
    Ok(match (report.is_sound(), report.is_complete()) {
        (true, true) => ExitCode::SUCCESS,
        (true, false) => ExitCode::from(NOT_ALL_CHECKED),
        (false, _) => ExitCode::from(ARCHIVE_WRONG),
    })
}

/// Verifies `archive`, with `made_by` against the sources of the job that made it.
pub(super) async fn check(
    s3: &S3,
    archive: &Location,
    made_by: Option<&JobSpec>,
    resources: ResourceArgs,
    voice: Voice,
) -> Result<Report, Failure> {
    let mut expected = None;
    let mut buckets = Vec::new();
    if let Some(spec) = made_by {
        let ([planner], _) = plan(s3, spec, [Means::new(PART_BYTES_MAX)], |_| {}).await?;
        buckets = spec.sources.iter().map(|source| source.bucket().to_owned()).collect();
        let entries = planner.into_plan().entries.into_iter();
        expected =
            Some(entries.map(|entry| Expected { name: entry.name().into(), object: entry.object }).collect());
    }
    let display = RefCell::new(Display::new(voice));
    let options = Options { concurrency: resources.concurrency, memory_bytes: resources.memory };
    let look = async |expected| {
        let report = verify(s3, archive, expected, &buckets, options, |done, total| {
            display.borrow_mut().bytes("verifying", done, total, "checking");
        });
        let report = report.await;
        display.borrow().clear();
        report
    };
    if s3.is_encrypted() {
        return look(expected).await;
    }
    let report = look(expected.clone()).await?;
    // On a plain connection a byte may be damaged on the way: what is wrong only once is not the archive's.
    if report.is_sound() { Ok(report) } else { look(expected).await }
}

/// What was found, in words.
pub(super) fn describe(report: &Report) -> String {
    let many = |severity| report.findings.count(severity);
    let (broken, unusual) = (many(Severity::Broken), many(Severity::Unusual));
    let verdict = match (broken, report.is_complete(), unusual) {
        (0, true, 0) => "right in every byte".to_owned(),
        (0, true, unusual) => format!("right, with {}", count(unusual, "peculiarity")),
        (0, false, _) => format!("NOT ALL CHECKED: {}", count(many(Severity::Unchecked), "entry")),
        (broken, ..) => format!("WRONG: {}", count(broken, "fault")),
    };
    let mut text = format!(
        "{verdict}; {}, the contents of {} checked, {}",
        count(report.entries, "entry"),
        report.checked,
        size(report.bytes)
    );
    for (kind, found) in report.findings.iter() {
        text.push_str(&format!("\n  {} ({}):", kind.title(), found.count));
        for example in &found.examples {
            text.push_str(&format!("\n    {example}"));
        }
    }
    text
}

fn for_programs(archive: &Location, report: &Report) -> serde_json::Value {
    let findings = report.findings.iter().map(|(kind, found)| {
        let examples: Vec<String> = found.examples.iter().map(ToString::to_string).collect();
        let broken = kind.severity() == Severity::Broken;
        serde_json::json!({ "title": kind.title(), "broken": broken, "count": found.count, "examples": examples })
    });
    serde_json::json!({
        "archive": format!("s3://{}/{}", archive.bucket, archive.key),
        "sound": report.is_sound(),
        "complete": report.is_complete(),
        "entries": report.entries,
        "checked": report.checked,
        "bytes": report.bytes,
        "crc32": report.crc,
        "findings": findings.collect::<Vec<_>>(),
    })
}
