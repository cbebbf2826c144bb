//! Rivals in one Lambda that have S3 copy what it can: each copied object follows a streamed part of at least
//! S3's minimum, made of small objects and, where they do not reach, of its own head.

use std::collections::VecDeque;

use proto::limits::{MIB, PART_BYTES_MAX, PART_BYTES_MIN};
use proto::requests::{RequestCounts, Sent};

use super::model::{HEADER_BYTES, LAMBDA_BYTES_PER_S, Outcome, Takes, in_turn_s, one_upload, requests_s};
use super::population::Population;

/// Part size to which jrodon fills up what it streams.
const TARGET_BYTES: u64 = 10 * MIB;
/// What jrodon keeps in memory.
const JRODON_MEMORY_BYTES: u64 = 50 * MIB;
/// Lambdas among which jrodon v3 divides what it streams, and seconds to wake them: one call each, taken as a second.
const JRODON_LAMBDAS: u64 = 150;
const JRODON_WAKING_S: f64 = 1.0;

/// A streamed part and the copy that follows it.
struct Duo {
    streamed: u64,
    streamed_bytes: u64,
    /// What the streamed part takes from the head of the copied object, in bytes.
    stolen_bytes: u64,
    big: u64,
}

impl Duo {
    /// Takes small objects until the head of `big` can make up the rest; when they run out before, how many objects
    /// have to be streamed instead, and their bytes.
    fn new(big: u64, smalls: &mut VecDeque<u64>) -> Result<Self, (u64, u64)> {
        let spare = big - PART_BYTES_MIN;
        let mut duo = Self { streamed: 0, streamed_bytes: 0, stolen_bytes: 0, big };
        while duo.streamed_bytes + HEADER_BYTES + spare < PART_BYTES_MIN {
            if !duo.take(smalls) {
                return Err((duo.streamed + 1, duo.streamed_bytes + big));
            }
        }
        duo.stolen_bytes = PART_BYTES_MIN.saturating_sub(duo.streamed_bytes + HEADER_BYTES);
        Ok(duo)
    }

    fn take(&mut self, smalls: &mut VecDeque<u64>) -> bool {
        let Some(small) = smalls.pop_front() else { return false };
        self.streamed += 1;
        self.streamed_bytes += small + HEADER_BYTES;
        self.stolen_bytes = self.stolen_bytes.saturating_sub(small + HEADER_BYTES);
        true
    }
}

/// What a plan streams and copies.
#[derive(Default)]
struct Halves {
    duos: Vec<Duo>,
    /// Objects that are streamed although no copy follows, and their bytes.
    folded: u64,
    folded_bytes: u64,
    /// Small objects left over.
    left: VecDeque<u64>,
}

impl Halves {
    fn add(&mut self, duo: Result<Duo, (u64, u64)>) {
        match duo {
            Ok(duo) => self.duos.push(duo),
            Err((objects, bytes)) => {
                self.folded += objects;
                self.folded_bytes += bytes;
            }
        }
    }

    /// Its requests, in so many streamed parts; checksums are asked of so many objects.
    fn requests(&self, population: &Population, parts: u64, heads: u64) -> Result<RequestCounts, String> {
        if self.duos.iter().any(|duo| duo.big - duo.stolen_bytes > PART_BYTES_MAX) {
            return Err("fails: an object above 5 GiB cannot be copied at once".to_owned());
        }
        let sum = |of: fn(&Duo) -> u64| self.duos.iter().map(of).sum::<u64>();
        let stolen = self.duos.iter().filter(|duo| duo.stolen_bytes > 0).count() as u64;
        let streamed = sum(|duo| duo.streamed) + self.folded + self.left.len() as u64;
        let left_bytes: u64 = self.left.iter().sum();
        let received = sum(|duo| duo.streamed_bytes + duo.stolen_bytes) + self.folded_bytes + left_bytes;
        Ok(RequestCounts {
            head: Sent::well(heads),
            get: Sent::well(streamed + stolen),
            bytes_received: received,
            bytes_sent: received,
            bytes_copied: sum(|duo| duo.big - duo.stolen_bytes),
            ..one_upload(population, parts, self.duos.len() as u64)?
        })
    }
}

/// The plan of jrodon v2 and v3: the largest object is copied behind the smallest ones, and so on inwards.
fn jrodon_requests(population: &Population) -> Result<RequestCounts, String> {
    let mut halves = Halves::default();
    let mut rest: VecDeque<u64> = sorted(population.sizes.clone()).into();
    while let Some(big) = rest.back().copied().filter(|big| *big >= PART_BYTES_MIN) {
        rest.pop_back();
        halves.add(Duo::new(big, &mut rest));
    }
    for duo in &mut halves.duos {
        while duo.stolen_bytes > 0 && duo.take(&mut rest) {}
    }
    for duo in &mut halves.duos {
        while duo.streamed_bytes < TARGET_BYTES && duo.take(&mut rest) {}
    }
    if rest.iter().sum::<u64>() > JRODON_MEMORY_BYTES {
        return Err("hangs: small objects left over become one part, above its 50 MiB of memory".to_owned());
    }
    halves.left = rest;
    let copies = halves.duos.len() as u64;
    halves.requests(population, copies + 1, copies)
}

pub(super) fn jrodon_v2(population: &Population) -> Outcome {
    let requests = jrodon_requests(population)?;
    let moving_s = requests.bytes_received as f64 / LAMBDA_BYTES_PER_S;
    let takes = Takes::new(requests, moving_s.max(requests_s(&requests, 100.0))).in_lambda(512.0);
    Ok(takes.remark("aborts without stored CRC-32"))
}

pub(super) fn jrodon_v3(population: &Population) -> Outcome {
    let requests = jrodon_requests(population)?;
    // One Lambda has the copies made while the others stream.
    let copying = RequestCounts {
        get: Sent::default(),
        upload_part: Sent::default(),
        put: Sent::default(),
        ..requests
    };
    let lambdas = JRODON_LAMBDAS.min(requests.upload_part.sent) as f64;
    let moving_s = requests.bytes_received as f64 / (lambdas * LAMBDA_BYTES_PER_S);
    let takes = Takes::new(requests, JRODON_WAKING_S + moving_s.max(requests_s(&copying, 200.0)));
    Ok(takes.remark("aborts without stored CRC-32; 300 invocations; not run by its authors, for 503s"))
}

/// The largest object is copied behind the smallest ones below S3's minimum; once those have run out, objects are
/// streamed.
pub(super) fn figment(population: &Population) -> Outcome {
    let (bigs, smalls) = divided(population);
    if bigs.is_empty() {
        return Err("fails: without an object of 5 MiB the archive is made in memory".to_owned());
    }
    let mut halves = Halves { left: smalls.into(), ..Halves::default() };
    for big in bigs.into_iter().rev() {
        let duo = Duo::new(big, &mut halves.left);
        halves.add(duo);
    }
    if halves.left.iter().sum::<u64>() > 640 * MIB {
        return Err("fails: small objects left over are held in memory".to_owned());
    }
    let parts = halves.duos.len() as u64 + halves.folded + 1;
    let requests = halves.requests(population, parts, population.count())?;
    // All are asked for their checksums before the first byte is moved.
    let asking = RequestCounts { head: requests.head, ..RequestCounts::default() };
    let moving_s = requests.bytes_received as f64 / LAMBDA_BYTES_PER_S;
    let work_s = requests_s(&asking, 64.0) + moving_s.max(requests_s(&requests, 128.0));
    Ok(Takes::new(requests, work_s).in_lambda(640.0).remark("aborts without stored CRC-32"))
}

/// Everything is copied: each large object is the first link of a chain to which headers and small objects are
/// appended, each by an upload of its own that copies all before it.
pub(super) fn figment_chain(population: &Population) -> Outcome {
    let (bigs, smalls) = divided(population);
    let segments = bigs.len() as u64;
    if bigs.is_empty() {
        return Err("fails: no object of 5 MiB".to_owned());
    }
    if population.largest() > PART_BYTES_MAX {
        return Err("fails: an object above 5 GiB cannot be copied at once".to_owned());
    }
    if segments > 9_999 {
        return Err("fails: more than 10,000 parts".to_owned());
    }
    let (mut copied, mut left_behind) = (0, 0);
    for (index, big) in bigs.iter().rev().enumerate() {
        let mut chain = *big;
        for small in smalls.iter().skip(index).step_by(bigs.len()) {
            // Its header, then its data.
            copied += chain + chain + small;
            left_behind += chain + chain + small;
            chain += small;
        }
        // The header of the next large object, then the chain into the archive.
        copied += 2 * chain;
        left_behind += chain;
    }
    let count = population.count();
    let links = 2 * count - segments;
    let requests = RequestCounts {
        list: Sent::well(population.pages()),
        head: Sent::well(count),
        get: Sent::well(1),
        create: Sent::well(links + 1),
        upload_part: Sent::well(count + 1),
        copy: Sent::well(links + smalls.len() as u64 + segments),
        complete: Sent::well(links + 1),
        bytes_received: PART_BYTES_MIN,
        bytes_copied: copied,
        ..RequestCounts::default()
    };
    let at_once = segments.min(256) as f64;
    let longest_s = in_turn_s(&requests) / segments as f64;
    let takes = Takes::new(requests, requests_s(&requests, at_once).max(longest_s)).in_lambda(1_792.0);
    let left_behind = format!("leaves {:.0} GB of temporary objects for a day", left_behind as f64 / 1e9);
    Ok(takes.remark("aborts without stored CRC-32").remark(&left_behind))
}

/// Objects that S3 takes as parts, and smaller ones, each smallest first.
fn divided(population: &Population) -> (Vec<u64>, Vec<u64>) {
    sorted(population.sizes.clone()).into_iter().partition(|size| *size >= PART_BYTES_MIN)
}

fn sorted(mut sizes: Vec<u64>) -> Vec<u64> {
    sizes.sort_unstable();
    sizes
}
