//! The closing words about an archive.

use proto::job::Summary;
use proto::location::Location;
use proto::requests::RequestCounts;

use crate::output::{count, rate, requests, size};

/// What was made, with the requests it took where they are known.
pub(crate) fn describe(summary: &Summary, destination: &Location, took: Option<&RequestCounts>) -> String {
    let seconds = summary.total_ms as f64 / 1e3;
    let mut text = format!(
        "{destination}: {}, {} in {} ({} s, {}), CRC-32 {:08x} verified by S3",
        count(summary.entries, "entry"),
        size(summary.bytes),
        count(summary.parts, "part"),
        seconds,
        rate(summary.bytes, seconds),
        summary.crc32,
    );
    if let Some(took) = took {
        text.push_str(&format!("\nrequests: {}", requests(took)));
    }
    if summary.skipped_count > 0 {
        text.push_str(&format!(
            "\nleft out for their names, {}: {}",
            summary.skipped_count,
            summary.skipped.join("; ")
        ));
    }
    text
}

/// When each stage of a job was over, from its submission on.
pub(crate) fn times(summary: &Summary) -> String {
    let seconds = |ms: u64| format!("{:.2} s", ms as f64 / 1e3);
    let waited = if summary.waiting_ms == 0 {
        String::new()
    } else {
        format!("began after {}, ", seconds(summary.waiting_ms))
    };
    format!(
        "time: {waited}listed after {}, first part there after {}, all parts after {}, complete after {}",
        seconds(summary.listing_ms),
        seconds(summary.first_part_ms),
        seconds(summary.transfer_ms),
        seconds(summary.total_ms),
    )
}
