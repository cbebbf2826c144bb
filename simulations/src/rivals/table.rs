//! Tables in Markdown.

use super::model::{Outcome, reads, writes};
use super::ours::FLEETS;
use super::population::Population;
use super::rival::RIVALS;

const COLUMNS: [&str; 10] = [
    "plan",
    "reads",
    "writes",
    "through machines",
    "copied by S3",
    "requests, US$",
    "machines, US$",
    "time, s",
    "published, s",
    "remarks",
];

/// What each plan for `population` takes, ours first.
pub(super) fn table(population: &Population) -> String {
    let mut lines = vec![
        format!("### {}\n", population.title),
        format!("| {} |", COLUMNS.join(" | ")),
        format!("|{}", "---|".repeat(COLUMNS.len())),
    ];
    lines.extend(FLEETS.iter().map(|fleet| row(fleet.name, fleet.takes(population), "")));
    lines.extend(RIVALS.iter().map(|rival| {
        let time = rival.times.iter().find(|(count, _)| *count == population.count());
        row(rival.name, (rival.takes)(population), time.map_or("", |(_, time)| time))
    }));
    lines.join("\n")
}

fn row(name: &str, outcome: Outcome, published: &str) -> String {
    let cells = match outcome {
        Err(why) => ["", "", "", "", "", "", "", published, &why].map(str::to_owned),
        Ok(takes) => {
            let requests = &takes.requests;
            [
                grouped(reads(requests) + requests.list.sent),
                grouped(writes(requests)),
                size(requests.bytes_received.max(requests.bytes_sent)),
                size(requests.bytes_copied),
                dollars(requests.price_usd()),
                takes.machines_usd.map_or(String::new(), dollars),
                seconds(takes.seconds),
                published.to_owned(),
                takes.remarks.join("; "),
            ]
        }
    };
    format!("| {name} | {} |", cells.join(" | "))
}

fn dollars(usd: f64) -> String {
    if usd < 0.01 { format!("{usd:.5}") } else { format!("{usd:.4}") }
}

fn seconds(seconds: f64) -> String {
    if seconds < 100.0 { format!("{seconds:.1}") } else { grouped(seconds.round() as u64) }
}

fn size(bytes: u64) -> String {
    match bytes {
        0 => "0".to_owned(),
        1..10_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        10_000_000..100_000_000_000 => format!("{:.2} GB", bytes as f64 / 1e9),
        _ => format!("{} GB", grouped(bytes / 1_000_000_000)),
    }
}

/// A number with its thousands set apart.
fn grouped(number: u64) -> String {
    if number < 1_000 {
        return number.to_string();
    }
    format!("{},{:03}", grouped(number / 1_000), number % 1_000)
}
