//! What came of simulations, for people and for programs: one HTML file with plots, and tables as CSV.

mod svg;

use std::fmt::Write as _;

use proto::timeline::{End, Origin};

use crate::histogram::Histogram;
use crate::outcome::Run;
use crate::study::{Axis, Measured, PointResult, Study, Sweep};
use svg::{Block, Plot, Series, blocks, escaped, lines};

/// Rows of a timeline: of more nodes only the first are shown.
const ROWS_MAX: usize = 64;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;color:#1b1f24;background:#fff;max-width:60rem;\
margin:2rem auto;padding:0 1rem}h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2.2rem 0 .4rem}\
p{margin:.4rem 0}table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}\
th,td{padding:.2rem .8rem .2rem 0;text-align:right;border-bottom:1px solid #e3e6ea}\
th:first-child,td:first-child{text-align:left}th{font-weight:600}.note{color:#57606a;font-size:.9rem}\
.big{font-size:2.2rem;font-weight:650}svg{display:block;width:100%;height:auto;margin:.3rem 0}\
svg text{font:11px system-ui,sans-serif;fill:#57606a}.two{display:grid;grid-template-columns:1fr 1fr;gap:1rem}\
@media(max-width:44rem){.two{grid-template-columns:1fr}}";

/// One page with everything; `title` says what was simulated.
#[must_use]
pub fn html(title: &str, study: &Study, sweeps: &[Sweep]) -> String {
    let run = &study.median;
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>zipfleet simulate</title><style>{STYLE}</style></head><body>\n"
    );
    let floor_s = run.floor.total_s();
    let _ = write!(
        page,
        "<h1>{}</h1><p class=\"note\">In virtual time, over a model of S3: nothing here was measured on AWS. \
         {} runs; what follows is the run at the median, seed {}.</p>\
         <p><span class=\"big\">{:.2} s</span> at the median, {:.2} s at p99; the least there could be is {floor_s:.2} s. \
         ${:.4} an archive.</p>",
        escaped(title),
        study.times_s.len(),
        run.seed,
        study.p50_s,
        study.p99_s,
        run.usd(),
    );
    page.push_str(&phases(run));
    page.push_str(&timeline(run));
    page.push_str(&utilisation(study));
    page.push_str(&latencies(run));
    for sweep in sweeps {
        page.push_str(&swept(sweep));
    }
    page.push_str("</body></html>\n");
    page
}

/// The points of sweeps as CSV, with a line of heads.
#[must_use]
pub fn csv(sweeps: &[Sweep]) -> String {
    let mut text = String::from(
        "axis,label,p50_s,p99_s,floor_s,listing_s,transfer_s,directory_s,complete_s,requests_usd,machines_usd,parts,hedged,refused,failure\n",
    );
    for (sweep, point) in sweeps.iter().flat_map(|sweep| sweep.points.iter().map(move |point| (sweep, point)))
    {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let numbers = match &point.result {
            PointResult::Made(Measured {
                p50_s,
                p99_s,
                floor_s,
                phases,
                requests_usd,
                machines_usd,
                parts,
                hedged,
                refused,
            }) => format!(
                "{p50_s:.3},{p99_s:.3},{floor_s:.3},{:.3},{:.3},{:.3},{:.3},{requests_usd:.6},{machines_usd:.6},{parts},{hedged},{refused},",
                phases.listing_s, phases.transfer_s, phases.directory_s, phases.complete_s
            ),
            PointResult::Failed(why) => format!(",,,,,,,,,,,,{}", quoted(why)),
        };
        let _ = writeln!(text, "{},{},{numbers}", sweep.axis.name(), quoted(&point.label));
    }
    text
}

/// What was waited for when, above the least time.
fn phases(run: &Run) -> String {
    let (phases, floor) = (&run.phases, &run.floor);
    let taken = [
        ("listing", phases.listing_s),
        ("transfer", phases.transfer_s),
        ("directory", phases.directory_s),
        ("complete", phases.complete_s),
    ];
    let work_s = floor.work_s();
    let least = [
        ("listing, network, copies or request rates", work_s),
        ("last part", floor.last_part_s),
        ("directory", floor.directory_s),
        ("complete", floor.complete_s),
    ];
    let row = |row: usize, parts: &[(&str, f64)]| {
        let mut from = 0.0;
        let mut place = |(index, (name, s)): (usize, &(&str, f64))| {
            let block = Block { row, from, to: from + s, colour: index, title: format!("{name}: {s:.3} s") };
            from += s;
            block
        };
        parts.iter().enumerate().map(&mut place).collect::<Vec<_>>()
    };
    let mut both = row(0, &taken);
    both.extend(row(1, &least));
    let rows = ["this run".to_owned(), "the least".to_owned()];
    let mut table = String::from("<table><tr><th>waited for</th><th>s</th><th>least, s</th></tr>");
    for ((name, s), (_, least_s)) in taken.iter().zip([
        ("", floor.listing_s),
        ("", work_s - floor.listing_s + floor.last_part_s),
        ("", floor.directory_s),
        ("", floor.complete_s),
    ]) {
        let _ = write!(table, "<tr><td>{name}</td><td>{s:.3}</td><td>{least_s:.3}</td></tr>");
    }
    table.push_str("</table>");
    format!(
        "<h2>Where the time goes</h2>{}{table}<p class=\"note\">Parts are made while the listing goes on; transfer is \
         what is left of them then.</p>",
        blocks(&rows, &both, run.total_s, 26.0)
    )
}

/// Which node worked at which part when.
fn timeline(run: &Run) -> String {
    let rows = run.timeline.nodes.len().min(ROWS_MAX);
    let mut bars: Vec<Block> = Vec::new();
    for bar in run.timeline.bars.iter().filter(|bar| (bar.node as usize) < rows) {
        let colour = match (bar.end, bar.origin) {
            (End::Lost | End::Failed, _) => 4,
            (End::Dropped | End::Open, _) => 5,
            (End::Done, Origin::Granted) => 0,
            (End::Done, Origin::Stolen) => 1,
            (End::Done, Origin::Hedge) => 2,
        };
        let title = format!("part {}: {} to {} ms", bar.part, bar.began_ms, bar.ended_ms);
        // Of those that never ended nobody tells when the node began them.
        let began_ms = if matches!(bar.end, End::Lost | End::Open) { bar.granted_ms } else { bar.began_ms };
        let (from, to) = (f64::from(began_ms) / 1e3, f64::from(bar.ended_ms) / 1e3);
        bars.push(Block { row: bar.node as usize, from, to, colour, title });
    }
    let height = (960.0 / rows.max(1) as f64).clamp(8.0, 60.0);
    let shown = if rows < run.timeline.nodes.len() {
        format!(" The first {rows} of {} nodes are shown.", run.timeline.nodes.len())
    } else {
        String::new()
    };
    format!(
        "<h2>Parts on nodes</h2><p class=\"note\">{}{shown}</p>{}",
        svg::legend(&[
            (0, "as granted"),
            (1, "taken from another's queue"),
            (2, "second attempt that came first"),
            (5, "dropped because another came first, or never answered"),
            (4, "failed or lost"),
        ]),
        blocks(&run.timeline.nodes[..rows], &bars, run.total_s, height)
    )
}

/// How much went through the network when.
fn utilisation(study: &Study) -> String {
    let run = &study.median;
    let every_s = run.utilisation.every_us as f64 / 1e6;
    let rate = |bytes: &[u64]| -> Vec<f64> {
        let before = std::iter::once(&0).chain(bytes);
        bytes
            .iter()
            .zip(before)
            .map(|(now, before)| now.saturating_sub(*before) as f64 / every_s / 1e9)
            .collect()
    };
    let (received, sent) = (rate(&run.utilisation.received_bytes), rate(&run.utilisation.sent_bytes));
    let labels = (1..=received.len()).map(|index| format!("{:.2}", index as f64 * every_s)).collect();
    let carried = study.scenario.nodes as f64 * study.scenario.instance.bytes_per_s() / 1e9;
    let plot = Plot {
        labels,
        across: "seconds",
        up: "GB/s",
        series: vec![
            Series { name: "received", colour: 0, values: received },
            Series { name: "sent", colour: 1, values: sent },
        ],
        has_dots: false,
        is_half: false,
    };
    format!(
        "<h2>Network of all nodes</h2><p class=\"note\">All cards together carry {carried:.1} GB/s each way.</p>{}",
        lines(&plot)
    )
}

/// How long requests and parts took.
fn latencies(run: &Run) -> String {
    let mut text = String::from("<h2>How long requests and parts took</h2><div class=\"two\">");
    for (name, times) in [
        ("GetObject", &run.gets),
        ("UploadPart", &run.puts),
        ("UploadPartCopy", &run.copies),
        ("part, from when a node began it", &run.part_times),
    ] {
        if times.count() > 0 {
            let _ = write!(
                text,
                "<div><p class=\"note\">{name}: {} in all, p50 {:.0} ms, p99 {:.0} ms</p>{}</div>",
                times.count(),
                times.quantile_ms(0.5),
                times.quantile_ms(0.99),
                histogram(times)
            );
        }
    }
    text.push_str("</div>");
    text
}

fn histogram(times: &Histogram) -> String {
    let first = times.counts.iter().position(|count| *count > 0).unwrap_or(0);
    let shown = first..times.counts.len();
    let labels = shown.clone().map(|class| format!("{:.0}", Histogram::end_ms(class))).collect();
    let values = shown.map(|class| times.counts[class] as f64).collect();
    svg::bars(&Plot {
        labels,
        across: "ms",
        up: "how many",
        series: vec![Series { name: "", colour: 0, values }],
        has_dots: false,
        is_half: true,
    })
}

/// Time and cost along an axis.
fn swept(sweep: &Sweep) -> String {
    let name = match sweep.axis {
        Axis::Nodes => "Time and cost over nodes",
        Axis::Sizes => "Time and cost over object sizes, the same bytes",
        Axis::Populations => "Time and cost over populations",
        Axis::Goals => "Time and cost over goals",
        Axis::Stragglers => "Time and cost over the share of nodes at a tenth of the speed",
        Axis::Lost => "Time and cost over machines lost without a word",
    };
    let made = || {
        sweep.points.iter().filter_map(|point| match &point.result {
            PointResult::Made(made) => Some((point, made)),
            PointResult::Failed(_) => None,
        })
    };
    let labels: Vec<String> = made().map(|(point, _)| point.label.clone()).collect();
    let values = |of: fn(&Measured) -> f64| made().map(|(_, made)| of(made)).collect::<Vec<f64>>();
    let time = Plot {
        labels: labels.clone(),
        across: sweep.axis.name(),
        up: "seconds",
        series: vec![
            Series { name: "p50", colour: 0, values: values(|made| made.p50_s) },
            Series { name: "p99", colour: 1, values: values(|made| made.p99_s) },
            Series { name: "least", colour: 5, values: values(|made| made.floor_s) },
        ],
        has_dots: true,
        is_half: true,
    };
    let cost = Plot {
        labels,
        across: sweep.axis.name(),
        up: "US$",
        series: vec![
            Series { name: "requests", colour: 3, values: values(|made| made.requests_usd) },
            Series { name: "machines", colour: 2, values: values(|made| made.machines_usd) },
        ],
        has_dots: true,
        is_half: true,
    };
    let mut table = format!(
        "<table><tr><th>{}</th><th>p50, s</th><th>p99, s</th><th>least, s</th><th>over least</th><th>US$</th>\
         <th>parts</th><th>hedged</th><th>refused</th></tr>",
        sweep.axis.name()
    );
    for point in &sweep.points {
        let label = escaped(&point.label);
        let _ = match &point.result {
            PointResult::Made(made) => write!(
                table,
                "<tr><td>{label}</td><td>{:.2}</td><td>{:.2}</td><td>{:.2}</td><td>{:.2}</td><td>{:.4}</td><td>{}</td>\
                 <td>{}</td><td>{}</td></tr>",
                made.p50_s,
                made.p99_s,
                made.floor_s,
                made.p50_s / made.floor_s.max(1e-9),
                made.requests_usd + made.machines_usd,
                made.parts,
                made.hedged,
                made.refused
            ),
            PointResult::Failed(why) => {
                write!(table, "<tr><td>{label}</td><td colspan=\"8\">{}</td></tr>", escaped(why))
            }
        };
    }
    format!("<h2>{name}</h2><div class=\"two\">{}{}</div>{table}</table>", lines(&time), lines(&cost))
}
