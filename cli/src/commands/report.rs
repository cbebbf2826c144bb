//! `zipfleet report`: what was archived, who did what, and what it took.
//!
//! A report of a million entries is more than anybody wants to hold, so it is read as it comes.

use std::fmt;
use std::io::{self, Read};
use std::process::ExitCode;

use bytes::{Buf, Bytes};
use proto::api::ReportEntry;
use proto::explain::{Decision, NodeShare};
use proto::failure::Failure;
use proto::limits::REPORT_ENTRIES_SHOWN;
use proto::location::printable;
use proto::requests::RequestCounts;
use proto::view::JobView;
use serde::de::{DeserializeOwned, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tokio::sync::mpsc;

use super::{explain, status};
use crate::args::ReportArgs;
use crate::cluster::{Body, Cluster};
use crate::failures::internal;
use crate::output::{Voice, count, requests, size, table};

/// Pieces of a report that wait to be read.
const PIECES_WAITING: usize = 8;

pub(super) async fn run(args: ReportArgs, voice: Voice) -> Result<ExitCode, Failure> {
    let cluster = Cluster::of(&args.job.cluster)?;
    let mut body = cluster.whole_report(args.job.job).await?;
    if args.entries {
        let OfEntries { entries: Printed } = read(body).await?;
    } else if voice.is_for_programs() {
        let mut is_read = true;
        while is_read && let Some(piece) = body.next().await? {
            is_read = voice.piece(&piece);
        }
        // Whoever stopped reading does not miss it.
        let _ = voice.piece(b"\n");
    } else {
        let whole: Whole = read(body).await?;
        voice.result(&whole.told(), &());
    }
    Ok(ExitCode::SUCCESS)
}

/// A report, with no more of its entries than people look at.
#[derive(Deserialize)]
struct Whole {
    job: JobView,
    nodes: Vec<NodeShare>,
    decisions: Vec<Decision>,
    untold: u64,
    requests: RequestCounts,
    skipped: Vec<String>,
    entries: First,
}

impl Whole {
    fn told(&self) -> String {
        let mut text = format!("{}\n\n{}", status::told(&self.job), explain::nodes(&self.nodes));
        let decided = self.decisions.len() as u64 + self.untold;
        if decided > 0 {
            let id = self.job.id;
            text.push_str(&format!("\n{}: `zipfleet explain {id}` tells them", count(decided, "decision")));
        }
        text.push_str(&format!("\n\nrequests of the nodes: {}", requests(&self.requests)));
        if !self.skipped.is_empty() {
            text.push_str("\n\nleft out:");
            let shown = self.skipped.iter().take(REPORT_ENTRIES_SHOWN);
            shown.for_each(|skipped| text.push_str(&format!("\n  {}", printable(skipped))));
            text.push_str(&more(self.skipped.len() as u64, "object"));
        }
        if self.entries.count > 0 {
            let rows = self.entries.shown.iter().map(|entry| {
                [printable(&entry.name), size(entry.size), entry.crc32.clone(), printable(&entry.etag)]
            });
            text.push_str(&format!("\n\n{}", table(["entry", "size", "CRC-32", "ETag"], rows)));
            text.push_str(&more(self.entries.count, "entry"));
        }
        text
    }
}

/// How many there are beside those shown.
fn more(all: u64, noun: &str) -> String {
    match all.saturating_sub(REPORT_ENTRIES_SHOWN as u64) {
        0 => String::new(),
        more => format!("\nand {} more", count(more, noun)),
    }
}

/// The first entries, and how many there are.
struct First {
    shown: Vec<ReportEntry>,
    count: u64,
}

impl<'de> Deserialize<'de> for First {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut first = Self { shown: Vec::new(), count: 0 };
        deserializer.deserialize_seq(Each(|entry| {
            first.count += 1;
            if first.shown.len() < REPORT_ENTRIES_SHOWN {
                first.shown.push(entry);
            }
        }))?;
        Ok(first)
    }
}

/// A report of which only the entries count.
#[derive(Deserialize)]
struct OfEntries {
    entries: Printed,
}

/// Entries that have been printed.
struct Printed;

impl<'de> Deserialize<'de> for Printed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let voice = Voice::new(false, false, false);
        let mut is_read = true;
        deserializer.deserialize_seq(Each(|ReportEntry { name, bucket, key, size, crc32, etag }| {
            let [name, bucket, key, crc32, etag] =
                [name, bucket, key, crc32, etag].map(|text| printable(&text));
            let line = format!("{name}\t{size}\t{crc32}\t{etag}\t{bucket}\t{key}\n");
            is_read = is_read && voice.piece(line.as_bytes());
        }))?;
        Ok(Self)
    }
}

/// Takes each entry as it comes.
struct Each<F>(F);

impl<'de, F: FnMut(ReportEntry)> Visitor<'de> for Each<F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        while let Some(entry) = entries.next_element()? {
            (self.0)(entry);
        }
        Ok(())
    }
}

/// Reads an answer as it comes.
async fn read<T: DeserializeOwned + Send + 'static>(mut body: Body<'_>) -> Result<T, Failure> {
    let (sender, pieces) = mpsc::channel(PIECES_WAITING);
    let reading =
        tokio::task::spawn_blocking(move || serde_json::from_reader(Pieces { pieces, piece: Bytes::new() }));
    let trouble = loop {
        match body.next().await {
            Ok(Some(piece)) => {
                // Else it was found to be no report, which is told below.
                if sender.send(piece).await.is_err() {
                    break None;
                }
            }
            Ok(None) => break None,
            Err(trouble) => break Some(trouble),
        }
    };
    drop(sender);
    let read = reading.await.map_err(internal)?;
    trouble.map_or(Ok(()), Err)?;
    Ok(read.map_err(|_| body.is_strange())?)
}

/// The pieces of an answer, one after the other.
struct Pieces {
    pieces: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            let Some(next) = self.pieces.blocking_recv() else { return Ok(0) };
            self.piece = next;
        }
        let length = into.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut into[..length]);
        Ok(length)
    }
}
