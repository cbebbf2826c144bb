//! `zipfleet zip --dry-run`: the plan, explained.

use std::process::ExitCode;

use coordinator::cost::{Demand, Estimate, Site, estimate};
use coordinator::planner::{Copying, Means, Planner};
use proto::failure::Failure;
use proto::limits::{body_budget_bytes, part_bytes_cap};
use proto::location::printable;
use proto::plan::{Plan, Way};
use proto::requests::RequestClass;
use serde::Serialize;

use super::zip::prepare;
use crate::args::{ResourceArgs, ZipArgs};
use crate::network::bytes_per_second;
use crate::output::{Voice, count, requests, size, table};
use crate::plan::plan;
use crate::progress::Display;

/// Prefixes shown to people; the rest is counted.
const PREFIXES_SHOWN: usize = 6;

pub(super) async fn run(args: ZipArgs, voice: Voice) -> Result<ExitCode, Failure> {
    let (s3, spec) = prepare(&args).await?;
    let resources = args.resources;
    if spec.no_overwrite && s3.head(&spec.destination).await.is_ok() {
        return Err(coordinator_server::exists(&spec.destination));
    }
    let mut display = Display::new(voice);
    let cap = part_bytes_cap(body_budget_bytes(resources.memory, resources.concurrency));
    let ResourceArgs { concurrency, memory, bandwidth } = resources;
    let means = Means::of_nodes(1, cap, bytes_per_second(&s3, bandwidth).await);
    let bytes_per_second = means.bytes_per_second;
    let others = [Copying::Never, Copying::WhereverItCan].map(|copying| Means { copying, ..means });
    let planners = plan(&s3, &spec, [means, others[0], others[1]], |planner| {
        let plan = planner.plan();
        display.bytes("listing", plan.bytes(), plan.bytes(), &count(plan.entries.len() as u64, "object"));
    });
    let ([planner, all_streamed, all_copied], listing) = planners.await?;
    display.clear();
    let site = Site { memory_bytes: memory, concurrency, is_encrypted: s3.is_encrypted(), bytes_per_second };
    let estimate_of = |planner: &Planner| estimate(planner.plan(), &spec, s3.requests(), &listing, site);
    let estimate = estimate_of(&planner);
    let ways = [
        ("this", estimate.clone()),
        ("all streamed", estimate_of(&all_streamed)),
        ("all copied that can be", estimate_of(&all_copied)),
    ];
    let shape = Shape::of(planner.plan());
    let mut text = format!(
        "{} would get {} of {} in all\n{}\nrequests: {}\ntime: about {:.1} s on one machine whose network carries {}/s each way\n{}\n{}",
        spec.destination,
        count(shape.entries, "object"),
        size(shape.object_bytes),
        shape.describe(),
        requests(&estimate.requests),
        estimate.seconds,
        size(bytes_per_second as u64),
        table_of(&ways),
        table_of_budget(&estimate.budget),
    );
    for warning in &planner.warnings().first {
        text.push_str(&format!("\nwarning: {warning}"));
    }
    if !planner.skipped().is_empty() {
        text.push_str(&format!(
            "\nleft out for their names, {}: {}",
            planner.skipped().count,
            planner.skipped()
        ));
    }
    let value = serde_json::json!({
        "bytes_per_second": bytes_per_second,
        "ways": ways.each_ref().map(|(way, estimate)| serde_json::json!({
            "way": way, "requests": estimate.requests, "price_usd": estimate.price_usd, "seconds": estimate.seconds,
        })),
        "budget": estimate.budget.iter().map(value_of).collect::<Vec<_>>(),
        "shape": shape, "requests": estimate.requests, "price_usd": estimate.price_usd, "seconds": estimate.seconds,
        "skipped": planner.skipped().first, "warnings": planner.warnings().first,
    });
    voice.result(&text, &value);
    Ok(ExitCode::SUCCESS)
}

/// What each way would take, side by side.
fn table_of(ways: &[(&str, Estimate)]) -> String {
    let rows = ways.iter().map(|(way, Estimate { requests, price_usd, seconds, .. })| {
        let through = requests.bytes_received.max(requests.bytes_sent);
        let (requests, copied) = (requests.total(), requests.bytes_copied);
        [
            (*way).to_owned(),
            requests.to_string(),
            format!("{price_usd:.4}"),
            size(through),
            size(copied),
            format!("{seconds:.1}"),
        ]
    });
    table(["way", "requests", "US$", "through here", "copied by S3", "seconds"], rows)
}

/// What is asked of each prefix, and how long that takes at least at the rate S3 promises for one.
fn table_of_budget(budget: &[Demand]) -> String {
    let (shown, rest) = budget.split_at(budget.len().min(PREFIXES_SHOWN));
    let rows = shown.iter().map(|Demand { bucket, prefix, class, requests, seconds }| {
        let class = match class {
            RequestClass::Read => "reads",
            RequestClass::Write => "writes",
        };
        [
            format!("s3://{bucket}/{}", printable(prefix)),
            class.to_owned(),
            requests.to_string(),
            format!("{seconds:.3}"),
        ]
    });
    let mut text = table(["asked of", "", "requests", "seconds at least"], rows);
    if !rest.is_empty() {
        let requests = rest.iter().map(|demand| demand.requests).sum();
        text.push_str(&format!("\nand {} of {} more", count(requests, "request"), rest.len()));
    }
    text
}

fn value_of(Demand { bucket, prefix, class, requests, seconds }: &Demand) -> serde_json::Value {
    serde_json::json!({
        "bucket": bucket, "prefix": prefix, "class": class, "requests": requests, "seconds": seconds,
    })
}

/// The outline of a plan.
#[derive(Serialize)]
struct Shape {
    entries: u64,
    object_bytes: u64,
    archive_bytes: u64,
    directory_bytes: u64,
    parts: u64,
    segments: u64,
    composed_parts: u64,
    smallest_part_bytes: u64,
    largest_part_bytes: u64,
    entries_over_several_parts: u64,
}

impl Shape {
    fn of(plan: &Plan) -> Self {
        let parts = || plan.parts.iter().filter(|part| part.within.is_none());
        let part_sizes = || parts().map(proto::plan::Part::size);
        Self {
            entries: plan.entries.len() as u64,
            object_bytes: plan.entries.iter().map(|entry| entry.object.size).sum(),
            archive_bytes: plan.bytes(),
            directory_bytes: plan.directory.as_ref().map_or(0, |directory| directory.end - directory.start),
            parts: parts().count() as u64,
            segments: parts().filter(|part| matches!(part.way, Way::Joined(_))).count() as u64,
            composed_parts: plan.parts.iter().filter(|part| part.way == Way::Composed).count() as u64,
            smallest_part_bytes: part_sizes().min().unwrap_or(0),
            largest_part_bytes: part_sizes().max().unwrap_or(0),
            entries_over_several_parts: (0..plan.parts.len())
                .filter(|index| plan.continuation(*index).next().is_some())
                .count() as u64,
        }
    }

    fn describe(&self) -> String {
        let segments = match self.segments {
            0 => String::new(),
            segments => format!("; {segments} of them are made objects of their own first"),
        };
        let composed = match self.composed_parts {
            0 => String::new(),
            composed => format!("; {} composed by S3 of small entries", count(composed, "part")),
        };
        format!(
            "archive: {} ({} bytes), of which {} are headers and directory\nparts: {} of {} to {}{segments}{composed}; {} cut over several parts",
            size(self.archive_bytes),
            self.archive_bytes,
            size(self.archive_bytes - self.object_bytes),
            self.parts,
            size(self.smallest_part_bytes),
            size(self.largest_part_bytes),
            count(self.entries_over_several_parts, "large object"),
        )
    }
}
