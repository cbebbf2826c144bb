//! Rivals' patterns of requests, played in virtual time beside what their authors published.
//!
//! Nothing here is fitted to a rival: all share the numbers of the model. Two of these are known from rivals' own times,
//! and are marked so there: a Lambda's network, from jrodon v1, and what an item adds to a map of Step Functions.

use proto::requests::RequestCounts;
use serde::Serialize;

use super::fleets::{groups, psantus_orchestrator, psantus_step_functions};
use super::model::Outcome;
use super::population::Population;
use super::{copying, streaming};
use crate::model::Model;
use crate::play::{Group, Place, Stage, Step, play};
use crate::s3::Op;

/// Runs of which the median is told.
const RUNS: u64 = 5;

/// One rival's time, published and played.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Played {
    /// Who.
    pub name: &'static str,
    /// How many objects of the first population's kind.
    pub objects: u64,
    /// From its authors, in seconds; the middle where they give a range.
    pub published_s: f64,
    /// The median of some runs in virtual time, in seconds.
    pub played_s: f64,
}

impl Played {
    /// How much longer it took in virtual time than published: 0.1 is a tenth longer.
    #[must_use]
    pub fn error(&self) -> f64 {
        self.played_s / self.published_s - 1.0
    }
}

/// A rival whose time is published.
struct Known {
    name: &'static str,
    objects: u64,
    published_s: f64,
    stages: fn(&Population, &Model) -> Result<Vec<Stage>, String>,
}

const KNOWN: [Known; 11] = [
    Known { name: "jrodon v1", objects: 3_000, published_s: 211.5, stages: jrodon_v1 },
    Known { name: "sebsto, C", objects: 3_000, published_s: 212.0, stages: sebsto_c },
    Known { name: "sebsto, TypeScript", objects: 3_000, published_s: 230.0, stages: sebsto_typescript },
    Known { name: "sebsto, Swift", objects: 3_000, published_s: 233.0, stages: sebsto_swift },
    Known { name: "sebsto, Python", objects: 3_000, published_s: 243.0, stages: sebsto_python },
    Known { name: "jrodon v2", objects: 3_000, published_s: 105.5, stages: jrodon_v2 },
    Known { name: "figment", objects: 3_000, published_s: 115.0, stages: figment },
    Known { name: "figment-chain", objects: 3_000, published_s: 11.0, stages: figment_chain },
    Known { name: "psantus, orchestrator", objects: 3_000, published_s: 6.0, stages: orchestrator },
    Known { name: "psantus, orchestrator", objects: 15_000, published_s: 20.0, stages: orchestrator },
    Known { name: "psantus, Step Functions", objects: 3_000, published_s: 41.0, stages: step_functions },
];

/// Plays all rivals whose times are published.
///
/// # Errors
/// Which of them cannot make the archive that its authors made.
pub fn play_all(model: &Model) -> Result<Vec<Played>, String> {
    let play_one = |known: &Known| {
        let Known { name, objects, published_s, stages } = *known;
        let population = Population::of_contest(objects);
        let stages = stages(&population, model).map_err(|why| format!("{name}: {why}"))?;
        let mut times: Vec<f64> = (0..RUNS).map(|seed| play(&stages, model, seed)).collect();
        times.sort_by(f64::total_cmp);
        Ok(Played { name, objects, published_s, played_s: times[RUNS as usize / 2] })
    };
    KNOWN.iter().map(play_one).collect()
}

/// What was played, as a table in Markdown.
#[must_use]
pub fn played_table(played: &[Played]) -> String {
    let row = |rival: &Played| {
        let (name, objects, error) = (rival.name, rival.objects, rival.error() * 100.0);
        format!("| {name} | {objects} | {:.1} | {:.1} | {error:+.0} % |", rival.published_s, rival.played_s)
    };
    let mut lines = vec![
        "### Rivals' requests played in virtual time\n".to_owned(),
        "| plan | objects | published, s | played, s | difference |".to_owned(),
        "|---|---|---|---|---|".to_owned(),
    ];
    lines.extend(played.iter().map(row));
    lines.join("\n")
}

fn shared(chains: Vec<Vec<Step>>, at_once: usize) -> Group {
    Group { chains, at_once, place: Place::Shared }
}

/// So many chains of one request each, with so many bytes in all.
fn alike(op: Op, count: u64, bytes: u64, at_once: usize) -> Group {
    let each = bytes / count.max(1);
    shared((0..count).map(|_| vec![Step::Ask(op, each)]).collect(), at_once)
}

/// Listing and creating the upload, before the work.
fn before(population: &Population) -> Stage {
    let mut chain = vec![Step::Ask(Op::List, 0); population.pages() as usize];
    chain.push(Step::Ask(Op::Create, 0));
    vec![shared(vec![chain], 1)]
}

/// The directory's part and completing the upload, after the work. The directory takes about a hundred bytes an entry.
fn after(population: &Population, parts: u64) -> Stage {
    let directory = super::model::HEADER_BYTES * population.count();
    vec![shared(vec![vec![Step::Ask(Op::Put, directory), Step::Ask(Op::Complete(parts), 0)]], 1)]
}

fn counts(outcome: Outcome) -> Result<RequestCounts, String> {
    outcome.map(|takes| takes.requests)
}

/// All objects through one machine, so many gets and uploads at once.
fn streamed(
    population: &Population,
    outcome: Outcome,
    gets: usize,
    uploads: usize,
) -> Result<Vec<Stage>, String> {
    let counts = counts(outcome)?;
    let parts = counts.upload_part.sent;
    let work = vec![
        alike(Op::Get, counts.get.sent, counts.bytes_received, gets),
        alike(Op::Put, parts, counts.bytes_sent, uploads),
    ];
    Ok(vec![before(population), work, after(population, parts)])
}

/// GETs of together 20 MiB, 3 uploads.
fn jrodon_v1(population: &Population, _: &Model) -> Result<Vec<Stage>, String> {
    streamed(population, streaming::jrodon(population), 4, 3)
}

/// 64 GETs; uploads as the CRT has them, about as many.
fn sebsto_c(population: &Population, _: &Model) -> Result<Vec<Stage>, String> {
    streamed(population, streaming::sebsto_c(population), 64, 64)
}

/// GETs of together 70 MiB, 6 uploads.
fn sebsto_typescript(population: &Population, _: &Model) -> Result<Vec<Stage>, String> {
    streamed(population, streaming::sebsto_typescript(population), 14, 6)
}

/// GETs of together 20 MiB, 3 uploads.
fn sebsto_swift(population: &Population, _: &Model) -> Result<Vec<Stage>, String> {
    streamed(population, streaming::sebsto_swift(population), 4, 3)
}

/// 16 GETs, 4 uploads.
fn sebsto_python(population: &Population, _: &Model) -> Result<Vec<Stage>, String> {
    streamed(population, streaming::sebsto_python(population), 16, 4)
}

/// 100 copies, each after a HEAD; what is streamed has 50 MiB of memory, some nine parts.
fn jrodon_v2(population: &Population, _: &Model) -> Result<Vec<Stage>, String> {
    let counts = counts(copying::jrodon_v2(population))?;
    let (parts, copies) = (counts.upload_part.sent, counts.copy.sent);
    let each = counts.bytes_copied / copies.max(1);
    let copying = vec![vec![Step::Ask(Op::Head, 0), Step::Ask(Op::Copy, each)]; copies as usize];
    let work = vec![
        alike(Op::Get, counts.get.sent, counts.bytes_received, 9),
        alike(Op::Put, parts, counts.bytes_sent, 9),
        shared(copying, 100),
    ];
    Ok(vec![before(population), work, after(population, parts + copies)])
}

/// All HEADs first, 64 at once; then 32 streamed parts, the GETs of each one after the other, and 128 copies.
fn figment(population: &Population, _: &Model) -> Result<Vec<Stage>, String> {
    let counts = counts(copying::figment(population))?;
    let (parts, copies) = (counts.upload_part.sent, counts.copy.sent);
    let gets = counts.get.sent.div_ceil(parts.max(1)) as usize;
    let part = counts.bytes_sent / parts.max(1);
    let mut chain = vec![Step::Ask(Op::Get, part / gets.max(1) as u64); gets];
    chain.push(Step::Ask(Op::Put, part));
    let work =
        vec![shared(vec![chain; parts as usize], 32), alike(Op::Copy, copies, counts.bytes_copied, 128)];
    let heads = vec![alike(Op::Head, counts.head.sent, 0, 64)];
    Ok(vec![before(population), heads, work, after(population, parts + copies)])
}

/// A chain for each large object, 256 at once, beside 32 HEADs; each link is an upload of its own with a copy of all
/// before, and a header or a small object.
fn figment_chain(population: &Population, _: &Model) -> Result<Vec<Stage>, String> {
    let counts = counts(copying::figment_chain(population))?;
    let uploads = counts.create.sent - 1;
    let segments = counts.copy.sent + counts.upload_part.sent - 1 - 2 * uploads;
    let each = counts.bytes_copied / counts.copy.sent.max(1);
    let headers = (counts.upload_part.sent - 1) as f64 / uploads as f64;
    let link = |number: u64| {
        // Headers and small objects take turns, in proportion.
        let is_header = ((number + 1) as f64 * headers).floor() > (number as f64 * headers).floor();
        let second = if is_header { Step::Ask(Op::Put, 100) } else { Step::Ask(Op::Copy, each) };
        [Step::Ask(Op::Create, 0), Step::Ask(Op::Copy, each), second, Step::Ask(Op::Complete(2), 0)]
    };
    let chain = |segment: u64| {
        let links = segment * uploads / segments..(segment + 1) * uploads / segments;
        let mut chain: Vec<Step> = links.flat_map(link).collect();
        chain.push(Step::Ask(Op::Copy, each));
        chain
    };
    let work =
        vec![shared((0..segments).map(chain).collect(), 256), alike(Op::Head, counts.head.sent, 0, 32)];
    Ok(vec![before(population), work, after(population, segments)])
}

/// A Lambda for each group of neighbours, 200 at once: its GETs one after the other, its part, its checksums.
fn orchestrator(population: &Population, model: &Model) -> Result<Vec<Stage>, String> {
    let counts = counts(psantus_orchestrator(population))?;
    let chains = groups(&population.sizes, proto::limits::PART_BYTES_MIN).into_iter().map(|group| {
        let mut chain = vec![Step::Wait(model.machines.invoke_ms)];
        chain.extend(group.iter().map(|size| Step::Ask(Op::Get, *size)));
        chain.push(Step::Ask(Op::Put, group.iter().sum()));
        chain.push(Step::Ask(Op::PutObject, 1_000));
        chain
    });
    let work = vec![Group { chains: chains.collect(), at_once: 200, place: Place::Own }];
    Ok(vec![before(population), work, after(population, counts.upload_part.sent)])
}

/// A map of 1,000 Lambdas at once, each with a streamed part and, mostly, a copy; then 50 GETs at once for checksums.
fn step_functions(population: &Population, model: &Model) -> Result<Vec<Stage>, String> {
    let counts = counts(psantus_step_functions(population))?;
    let parts = counts.upload_part.sent - 1;
    let of_objects = counts.get.sent - parts;
    let each = counts.bytes_received / of_objects.max(1);
    let copied = counts.bytes_copied / counts.copy.sent.max(1);
    let chain = |part: u64| {
        let gets = (part + 1) * of_objects / parts - part * of_objects / parts;
        let mut chain = vec![Step::Wait(model.machines.invoke_ms), Step::Ask(Op::Head, 0)];
        chain.extend(vec![Step::Ask(Op::Get, each); gets as usize]);
        chain.push(Step::Ask(Op::Put, each * gets));
        if part < counts.copy.sent {
            chain.push(Step::Ask(Op::Copy, copied));
        }
        chain.push(Step::Ask(Op::PutObject, 1_000));
        chain
    };
    let map_ms = model.machines.map_s * 1e3 + model.machines.map_item_ms * parts as f64;
    let work = Group { chains: (0..parts).map(chain).collect(), at_once: 1_000, place: Place::Own };
    let waiting = vec![shared(vec![vec![Step::Wait(map_ms)]], 1)];
    let reading = vec![alike(Op::Get, parts, 1_000 * parts, 50)];
    let all = counts.upload_part.sent + counts.copy.sent;
    Ok(vec![before(population), waiting, vec![work], reading, after(population, all)])
}
