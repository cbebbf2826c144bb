//! `zipfleet explain`: who did what for a job, and each decision with its reasons.

use std::process::ExitCode;

use proto::explain::{Decision, NodeShare, What};
use proto::failure::Failure;
use proto::location::printable;

use crate::args::OneJobArgs;
use crate::cluster::Cluster;
use crate::output::{Voice, count, size, table};

pub(super) async fn run(args: OneJobArgs, voice: Voice) -> Result<ExitCode, Failure> {
    let report = Cluster::of(&args.cluster)?.report(args.job).await?;
    voice.result(&describe(&report.nodes, &report.decisions, report.untold), &report);
    Ok(ExitCode::SUCCESS)
}

/// An explanation in words: a table of the nodes, then a line for each decision.
fn describe(shares: &[NodeShare], decisions: &[Decision], untold: u64) -> String {
    let mut text = nodes(shares);
    text.push_str("\n\n");
    if decisions.is_empty() {
        text.push_str("No part was moved, made twice or lost.");
    }
    let sentences: Vec<String> = decisions.iter().map(sentence).collect();
    text.push_str(&sentences.join("\n"));
    if untold > 0 {
        text.push_str(&format!("\nand {} more", count(untold, "decision")));
    }
    text
}

/// The nodes in a table.
pub(super) fn nodes(shares: &[NodeShare]) -> String {
    let heads = [
        "node",
        "parts",
        "bytes",
        "stolen",
        "robbed",
        "hedges",
        "won",
        "outrun",
        "failed",
        "lost",
        "handed back",
    ];
    let rows = shares.iter().map(|share| {
        [
            printable(&share.name),
            share.parts.to_string(),
            size(share.bytes),
            share.stolen.to_string(),
            share.robbed.to_string(),
            share.hedges.to_string(),
            share.hedges_won.to_string(),
            share.outrun.to_string(),
            share.failed.to_string(),
            share.lost.to_string(),
            share.handed_back.to_string(),
        ]
    });
    table(heads, rows)
}

/// A decision in words.
pub(super) fn sentence(decision: &Decision) -> String {
    let what = match &decision.what {
        What::Stole { parts, thief, victim, thief_left_ms, victim_left_ms } => format!(
            "{thief} took {} from {victim}'s queue: it would have been done {}, {victim} {}",
            count(*parts, "part"),
            within(*thief_left_ms),
            within(*victim_left_ms)
        ),
        What::Hedged { part, node, slow, node_left_ms, slow_left_ms } => format!(
            "{node} began part {part} too: it would be done {}, {slow}, which has it, {}",
            within(*node_left_ms),
            within(*slow_left_ms)
        ),
        What::Won { part, node } => format!("{node} was the first to finish part {part}"),
        What::Silent { node, silent_ms, queued } => format!(
            "{node} had not been heard of for {}: {} of its queue went to others",
            seconds(*silent_ms),
            count(*queued, "part")
        ),
        What::CutOff { node, queued } => {
            format!("the connection to {node} broke: {} of its queue went to others", count(*queued, "part"))
        }
        What::Lost { node, attempts } => {
            format!("{node} was lost: {} it had not answered went to others", count(*attempts, "attempt"))
        }
        What::Draining { node, queued } => {
            format!("{node} was about to leave: {} of its queue went to others", count(*queued, "part"))
        }
        What::Joined { node } => format!("{node} joined"),
        What::Failed { part, node, why } => {
            format!("part {part} failed on {node} and was given out again: {why}")
        }
    };
    // Names and reasons come from other machines.
    format!("at {} {}", seconds(decision.at_ms), printable(&what))
}

fn within(left_ms: Option<u64>) -> String {
    left_ms.map_or_else(|| "at no known time".to_owned(), |ms| format!("in {}", seconds(ms)))
}

fn seconds(ms: u64) -> String {
    format!("{:.1} s", ms as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::plan::PartNumber;

    #[test]
    fn a_theft_a_hedge_and_a_loss() {
        let share = |name: &str, parts| NodeShare {
            name: name.to_owned(),
            parts,
            bytes: parts * 16_000_000,
            ..NodeShare::default()
        };
        let what = [
            What::Stole {
                parts: 4,
                thief: "node-2".to_owned(),
                victim: "node-1".to_owned(),
                thief_left_ms: Some(100),
                victim_left_ms: Some(6_000),
            },
            What::Hedged {
                part: PartNumber(7),
                node: "node-2".to_owned(),
                slow: "node-1".to_owned(),
                node_left_ms: Some(1_000),
                slow_left_ms: None,
            },
            What::Lost { node: "node-1".to_owned(), attempts: 1 },
        ];
        let shares = [share("node-1", 2), NodeShare { stolen: 4, ..share("node-2", 98) }];
        let decisions = what.map(|what| Decision { at_ms: 3_210, what });
        let expected = "\
node    parts    bytes  stolen  robbed  hedges  won  outrun  failed  lost  handed back
node-1      2   32.00 MB       0       0       0    0       0       0     0            0
node-2     98    1.57 GB       4       0       0    0       0       0     0            0

at 3.2 s node-2 took 4 parts from node-1's queue: it would have been done in 0.1 s, node-1 in 6.0 s
at 3.2 s node-2 began part 7 too: it would be done in 1.0 s, node-1, which has it, at no known time
at 3.2 s node-1 was lost: 1 attempt it had not answered went to others
and 2 decisions more";
        let told = describe(&shares, &decisions, 2);
        let words = |text: &str| text.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&told), words(expected), "{told}");
    }
}
