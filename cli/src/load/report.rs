//! A load as a page: one file that needs nothing else, neither scripts nor a network.

mod chart;

use chart::{Chart, Line};

use super::figures::{Figures, Spread};
use super::run::{Group, Run, Searched};
use super::series::{Point, stretch_s};
use super::taken::Taken;
use super::unit::Unit;
use crate::output::{count, size};

/// How many nodes are shown by themselves.
const NODES_SHOWN_MAX: usize = 20;

/// The page of a load; `began` says when it was.
pub(crate) fn page(run: &Run, began: &str) -> String {
    let sections = [
        head(run, began),
        verdict(run),
        run.search.as_ref().map(|search| searched(search, run.asked.p99_limit_s)).unwrap_or_default(),
        latencies(&run.all),
        format!("<h2>Over time</h2>\n<div class='charts'>{}</div>\n", charts(run)),
        groups("Populations", &run.populations),
        tenants(run),
        cluster(run),
        troubles(run),
        asked(run),
    ];
    format!(
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>\
         <title>zipfleet load {}</title><style>{}</style></head><body>\n{}</body></html>\n",
        escaped(&run.id),
        include_str!("report/style.css"),
        sections.concat()
    )
}

/// A text as HTML shows it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&#39;")
}

fn head(run: &Run, began: &str) -> String {
    let Figures { arrivals, completed, bytes, jobs_per_second, bytes_per_second, .. } = run.all;
    let tile = |value: String, what: &str| format!("<div><b>{}</b>{what}</div>", escaped(&value));
    let at = |of: fn(Spread) -> f64| Unit::Seconds.show_or_dash(run.all.completed_s.map(of));
    let mut tiles = vec![
        tile(completed.to_string(), &format!("archives of {}", count(arrivals, "arrival"))),
        tile(at(|spread| spread.p50.value), "half of them within"),
        tile(at(|spread| spread.p99.value), "99 % of them within"),
        tile(Unit::PerSecond.show(jobs_per_second), "archives"),
        tile(Unit::BytesPerSecond.show(bytes_per_second), &format!("of {} archived", size(bytes))),
    ];
    if let Some(highest) = run.search.as_ref().and_then(|search| search.highest) {
        tiles.insert(0, tile(Unit::PerSecond.show(highest), "is the highest load borne"));
    }
    if let Some(fairness) = run.fairness {
        tiles.push(tile(format!("{fairness:.3}"), "fairness between tenants"));
    }
    format!(
        "<h1>Load of {} at {}</h1>\n<p class='dim'>{}, run {}, zipfleet {}</p>\n<div class='tiles'>{}</div>\n",
        Unit::Seconds.show(run.asked.seconds),
        Unit::PerSecond.show(run.asked.rate),
        escaped(began),
        escaped(&run.id),
        escaped(&run.version),
        tiles.concat()
    )
}

/// What there is to say in sentences.
fn verdict(run: &Run) -> String {
    let mut said = Vec::new();
    if run.was_stopped {
        said.push(
            "<p class='bad'>It was stopped before its end: the figures are of what ran until then.</p>"
                .to_owned(),
        );
    }
    if let (Some(is_borne), Some(share), Some(limit_s)) =
        (run.is_borne(), run.share_within, run.asked.p99_limit_s)
    {
        let (class, word) = if is_borne { ("good", "held") } else { ("bad", "not held") };
        let (share, limit) = (Unit::Share.show(share), Unit::Seconds.show(limit_s));
        said.push(format!(
            "<p class='{class}'>The limit is {word}: {share} of the arrivals were archives within {limit} (99 % are needed; what came to nothing counts as late).</p>"
        ));
    }
    if run.all.not_sent > 0 {
        let not_sent = count(run.all.not_sent, "arrival");
        said.push(format!(
            "<p class='bad'>{not_sent} were not sent, because as many jobs were in flight as may be.</p>"
        ));
    }
    // A tenth of the median is where it begins to show in the figures.
    let late_s = run.late_s.map_or(0.0, |late| late.p99.value);
    if run.all.completed_s.is_some_and(|took| late_s > took.p50.value / 10.0) {
        let late = Unit::Seconds.show(late_s);
        said.push(format!("<p class='bad'>This program was up to {late} late with what it sent (99 %): the machine it ran on was too busy, and the latencies hold that too.</p>"));
    }
    said.concat()
}

fn searched(search: &Searched, limit_s: Option<f64>) -> String {
    let dots = |is_borne: bool| {
        let of_it = search.rounds.iter().filter(|round| round.is_borne == is_borne);
        of_it.map(|round| (round.rate, round.p99_s)).collect::<Vec<_>>()
    };
    let lines =
        vec![Line { name: "borne", points: dots(true) }, Line { name: "not borne", points: dots(false) }];
    let (across, upwards) = (Unit::PerSecond, Unit::Seconds);
    let chart = Chart { title: "99 % within, by load", across, upwards, lines, limit: limit_s, dots: true };
    let rows = search.rounds.iter().map(|round| {
        let (class, word) = if round.is_borne { ("good", "borne") } else { ("bad", "not borne") };
        let (rate, share) = (Unit::PerSecond.show(round.rate), Unit::Share.show(round.share_within));
        let p99 = Unit::Seconds.show_or_dash(round.p99_s);
        format!("<tr><td>{rate}</td><td>{share}</td><td>{p99}</td><td class='{class}'>{word}</td></tr>")
    });
    let rows: String = rows.collect();
    format!(
        "<h2>The highest load</h2>\n<div class='charts'>{}<div class='wide'><table><tr><th>rate</th><th>within the limit</th><th>99 % within</th><th></th></tr>{rows}</table></div></div>\n<p class='dim'>What follows is of the round at the highest rate that was borne, or of the last one.</p>\n",
        chart.draw()
    )
}

fn latencies(all: &Figures) -> String {
    let rows = [
        ("until it was accepted", all.accepted_s),
        ("until its first part was there", all.first_part_s),
        ("until the archive was there", all.completed_s),
    ];
    let rows: String = rows
        .into_iter()
        .map(|(what, spread)| {
            let jobs = spread.map_or(0, |spread| spread.count);
            format!("<tr><td>{what}</td><td>{jobs}</td>{}</tr>", cells(spread))
        })
        .collect();
    format!(
        "<h2>From arrival</h2>\n<div class='wide'><table><tr><th></th><th>jobs</th>{HEADS}</tr>{rows}</table></div>\n<p class='dim'>Counted from when a job was to be sent, whenever it was. In small: between what it lies with 95 % confidence if jobs were independent.</p>\n"
    )
}

/// The columns of [`cells`].
const HEADS: &str = "<th>mean</th><th>p50</th><th>p90</th><th>p95</th><th>p99</th><th>most</th>";

fn cells(spread: Option<Spread>) -> String {
    let Some(Spread { mean, p50, p90, p95, p99, max, .. }) = spread else {
        return "<td>-</td>".repeat(6);
    };
    let show = |value| Unit::Seconds.show(value);
    let quantiles = [p50, p90, p95, p99].map(|at| {
        format!("<td>{} <small>{}</small></td>", show(at.value), between(&show(at.low), &show(at.high)))
    });
    format!("<td>{}</td>{}<td>{}</td>", show(mean), quantiles.concat(), show(max))
}

/// Two figures, with their unit once if it is the same.
fn between(low: &str, high: &str) -> String {
    let low = match (low.rsplit_once(' '), high.rsplit_once(' ')) {
        (Some((number, unit)), Some((_, same))) if unit == same => number,
        _ => low,
    };
    format!("{low} to {high}")
}

/// A line's name, and its value in each stretch of time.
type Reading<'a> = (&'static str, &'a dyn Fn(&Point) -> Option<f64>);

fn charts(run: &Run) -> String {
    let width = stretch_s(run.seconds);
    let chart = |title, upwards, lines: Vec<Reading<'_>>| over_time(run, title, upwards, lines);
    let each = |number: u64| Some(number as f64 / width);
    let rates = chart(
        "Jobs a second",
        Unit::PerSecond,
        vec![
            ("arrivals", &|point| each(point.arrivals)),
            ("archives", &|point| each(point.completed)),
            ("came to nothing", &|point| each(point.not_completed)),
        ],
    );
    let mut took = chart(
        "Time to the archive, by arrival",
        Unit::Seconds,
        vec![("half within", &|point| point.p50_s), ("99 % within", &|point| point.p99_s)],
    );
    took.limit = run.asked.p99_limit_s;
    let shares = (0..).zip(&run.curve_s).map(|(share, took)| (*took, Some(f64::from(share) / 100.0)));
    let spread = Chart {
        title: "Share of archives within a time",
        across: Unit::Seconds,
        upwards: Unit::Share,
        lines: vec![Line { name: "", points: shares.collect() }],
        limit: None,
        dots: false,
    };
    let held = chart(
        "Jobs in flight",
        Unit::Number,
        vec![
            ("in flight", &|point| Some(point.in_flight as f64)),
            ("of these waiting to begin", &|point| point.waiting),
        ],
    );
    let bytes =
        chart("Bytes archived a second", Unit::BytesPerSecond, vec![("", &|point| each(point.bytes))]);
    let window =
        chart("Nodes' memory for parts that is taken", Unit::Share, vec![("", &|point| point.window_share)]);
    // Most runs have none, and a line along the bottom says no more than that.
    let has_any = run.series.iter().any(|point| point.throttled > Some(0.0));
    let throttled = |point: &Point| point.throttled.filter(|_| has_any).map(|throttled| throttled / width);
    let throttled = chart("503s of S3 a second", Unit::PerSecond, vec![("", &throttled)]);
    let all = [rates, took, spread, held, bytes, window].into_iter().chain(machines(run)).chain([throttled]);
    all.map(|chart| chart.draw()).collect()
}

/// What coordinator and nodes took.
fn machines(run: &Run) -> [Chart<'static>; 4] {
    // Of one node alone the busiest says nothing more.
    let nodes = |together, most| {
        let lines: Vec<Reading<'_>> = vec![("together", together), ("that which takes most", most)];
        lines.into_iter().take(if run.each_node.len() > 1 { 2 } else { 1 }).collect()
    };
    [
        over_time(
            run,
            "Processors busy: coordinator",
            Unit::Cores,
            vec![("", &|point| point.coordinator_cores)],
        ),
        over_time(run, "Memory: coordinator", Unit::Bytes, vec![("", &|point| point.coordinator_bytes)]),
        over_time(
            run,
            "Processors busy: nodes",
            Unit::Cores,
            nodes(&|point| point.nodes_cores, &|point| point.node_cores_max),
        ),
        over_time(
            run,
            "Memory: nodes",
            Unit::Bytes,
            nodes(&|point| point.nodes_bytes, &|point| point.node_bytes_max),
        ),
    ]
}

fn over_time(run: &Run, title: &'static str, upwards: Unit, lines: Vec<Reading<'_>>) -> Chart<'static> {
    let lines = lines.into_iter().map(|(name, of)| {
        let points = run.series.iter().map(|point| (point.at_s, of(point))).collect();
        Line { name, points }
    });
    Chart { title, across: Unit::Seconds, upwards, lines: lines.collect(), limit: None, dots: false }
}

fn groups(title: &str, groups: &[Group]) -> String {
    let rows = groups.iter().map(|Group { name, slowdown, figures }| {
        let slowdown = Unit::Number.show_or_dash(*slowdown);
        let nothing = figures.arrivals - figures.completed;
        format!(
            "<tr><td>{}</td><td>{}</td><td>{nothing}</td><td>{}</td><td>{slowdown}</td>{}</tr>",
            escaped(name),
            figures.arrivals,
            size(figures.bytes),
            cells(figures.completed_s)
        )
    });
    let rows: String = rows.collect();
    format!(
        "<h2>{title}</h2>\n<div class='wide'><table><tr><th></th><th>arrivals</th><th>came to nothing</th><th>archived</th><th>slowdown</th>{HEADS}</tr>{rows}</table></div>\n"
    )
}

fn tenants(run: &Run) -> String {
    if run.tenants.len() < 2 {
        return String::new();
    }
    let index = run.fairness.map(|index| {
        format!("<p>Jain's index of their slowdowns is {index:.3}: 1 when all are slowed down alike, {:.2} when one alone bears it all.</p>\n", 1.0 / run.tenants.len() as f64)
    });
    format!(
        "{}{}<p class='dim'>A slowdown is how many times as long a job took as one of its population took before the load, alone.</p>\n",
        groups("Tenants", &run.tenants),
        index.unwrap_or_default()
    )
}

fn cluster(run: &Run) -> String {
    let row = |what: &str, taken: Option<Taken>| {
        let show = |unit: Unit, of: fn(Taken) -> f64| unit.show_or_dash(taken.map(of));
        let (mean, most) = (show(Unit::Cores, |it| it.cores_mean), show(Unit::Cores, |it| it.cores_max));
        let memory = show(Unit::Bytes, |it| it.bytes_max);
        format!("<tr><td>{}</td><td>{mean}</td><td>{most}</td><td>{memory}</td></tr>", escaped(what))
    };
    let mut rows = vec![row("coordinator", run.coordinator), row("nodes together", run.nodes)];
    rows.extend(run.each_node.iter().take(NODES_SHOWN_MAX).map(|node| row(&node.name, Some(node.taken))));
    let more = run.each_node.len().saturating_sub(NODES_SHOWN_MAX);
    let more = if more > 0 {
        format!(" Of the nodes the busiest: {more} more are in the JSON.")
    } else {
        String::new()
    };
    format!(
        "<h2>The cluster</h2>\n<div class='wide'><table><tr><th></th><th>processors busy, mean</th><th>most</th><th>memory, most</th></tr>{}</table></div>\n<p class='dim'>As coordinator and nodes told it themselves, for which an operator's token is needed where there are tokens.{more} A dash: not told.</p>\n",
        rows.concat()
    )
}

fn troubles(run: &Run) -> String {
    if run.troubles.is_empty() {
        return String::new();
    }
    let rows = run.troubles.iter().map(|trouble| {
        let kind =
            serde_json::to_value(trouble.kind).ok().and_then(|kind| kind.as_str().map(ToOwned::to_owned));
        format!(
            "<tr><td>{}, {}</td><td>{}</td><td class='text'>{}</td></tr>",
            escaped(&trouble.what),
            kind.unwrap_or_default(),
            trouble.count,
            escaped(&trouble.example)
        )
    });
    let rows: String = rows.collect();
    format!(
        "<h2>What came to nothing</h2>\n<table><tr><th></th><th>times</th><th>said the first time</th></tr>{rows}</table>\n"
    )
}

fn asked(run: &Run) -> String {
    let rows = run.asked.populations.iter().map(|one| {
        format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(&one.name),
            one.weight,
            escaped(&one.tenant),
            Unit::Seconds.show(one.alone_s)
        )
    });
    let rows: String = rows.collect();
    let (shape, seed) = (run.asked.arrivals.name(), run.asked.seed);
    format!(
        "<h2>What was asked for</h2>\n<p>Arrivals: {shape}, {}, for {}, seed {seed}.</p>\n<div class='wide'><table><tr><th>population</th><th>weight</th><th>tenant</th><th>takes alone</th></tr>{rows}</table></div>\n",
        Unit::PerSecond.show(run.asked.rate),
        Unit::Seconds.show(run.asked.seconds)
    )
}

#[cfg(test)]
mod tests {
    use super::super::run::Round;
    use super::super::run::tests::run;
    use super::*;

    #[test]
    fn a_page_shows_it_all_and_needs_nothing_else() {
        let mut run = run(1.0);
        let rounds = vec![
            Round { rate: 4.0, share_within: 1.0, p99_s: Some(1.0), is_borne: true },
            Round { rate: 8.0, share_within: 0.5, p99_s: None, is_borne: false },
        ];
        run.search = Some(Searched { rounds, highest: Some(4.0) });
        let page = page(&run, "2026-11-30");
        for words in [
            "small &lt;&amp;&gt;",
            "S3 was &lt;away&gt;",
            "The limit is held",
            "fairness between tenants",
            "Share of archives within a time",
            "Memory: nodes",
            "The highest load",
            "not borne",
            "2026-11-30",
            "nodes together",
            "two &lt;&amp;&gt;",
            "that which takes most",
        ] {
            assert!(page.contains(words), "no `{words}`");
        }
        for outside in ["http:", "https:", "<script", "src=", "NaN", "small <&>", "two <&>"] {
            assert!(!page.contains(outside), "`{outside}` in the page");
        }
        for tag in ["table", "div", "figure", "svg", "p", "h2", "tr", "td", "small", "span"] {
            let opened = [">", " "].map(|end| page.matches(&format!("<{tag}{end}")).count());
            assert_eq!(opened[0] + opened[1], page.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }

    #[test]
    fn a_load_of_which_nothing_came_has_a_page_too() {
        let mut run = run(1.0);
        run.all = Figures { arrivals: 1, stopped: 1, ..Figures::default() };
        (run.was_stopped, run.curve_s, run.series, run.coordinator) = (true, vec![], vec![], None);
        let page = page(&run, "");
        assert!(page.contains("stopped before its end") && !page.contains("NaN"));
    }
}
