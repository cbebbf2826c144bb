//! Rivals that take every byte through one machine and write parts of a fixed size.

use proto::limits::{GIB, MIB};
use proto::requests::{RequestCounts, Sent};

use super::model::{HEADER_BYTES, LAMBDA_BYTES_PER_S, Outcome, Takes, one_upload, requests_s};
use super::population::Population;

/// How such a rival differs from the others.
struct Streamer {
    part_bytes: u64,
    at_once: AtOnce,
    /// What it got through its machine, in bytes a second, by its published time.
    bytes_per_second: f64,
    /// Memory of its Lambda, where published.
    memory_mb: Option<f64>,
}

/// GETs in flight.
enum AtOnce {
    Requests(f64),
    /// As many as have so many bytes together.
    Bytes(u64),
}

impl Streamer {
    fn takes(&self, population: &Population) -> Outcome {
        let archive_bytes = population.bytes() + 2 * HEADER_BYTES * population.count();
        let requests = RequestCounts {
            get: Sent::well(population.count()),
            bytes_received: population.bytes(),
            bytes_sent: archive_bytes,
            ..one_upload(population, archive_bytes.div_ceil(self.part_bytes), 0)?
        };
        let at_once = match self.at_once {
            AtOnce::Requests(count) => count,
            AtOnce::Bytes(bytes) => (bytes * population.count()) as f64 / population.bytes() as f64,
        };
        let moving_s = population.bytes() as f64 / self.bytes_per_second;
        let takes = Takes::new(requests, moving_s.max(requests_s(&requests, at_once)));
        Ok(match self.memory_mb {
            Some(memory_mb) => takes.in_lambda(memory_mb),
            None => takes,
        })
    }
}

pub(super) fn jrodon(population: &Population) -> Outcome {
    if population.largest() > 20 * MIB {
        return Err("hangs: an object above 20 MiB waits for memory for ever".to_owned());
    }
    let streamer = Streamer {
        part_bytes: 10 * MIB,
        at_once: AtOnce::Bytes(20 * MIB),
        bytes_per_second: LAMBDA_BYTES_PER_S,
        memory_mb: Some(512.0),
    };
    Ok(streamer.takes(population)?.remark("a failed download is left out without a word"))
}

pub(super) fn sebsto_c(population: &Population) -> Outcome {
    if population.largest() > 32 * MIB {
        return Err("wrong: ends before an object above 32 MiB, and reports success".to_owned());
    }
    let streamer = Streamer {
        part_bytes: 8 * MIB,
        at_once: AtOnce::Requests(64.0),
        bytes_per_second: 75e6,
        memory_mb: Some(640.0),
    };
    Ok(streamer.takes(population)?.remark("a failed download ends the archive early"))
}

pub(super) fn sebsto_typescript(population: &Population) -> Outcome {
    let streamer = Streamer {
        part_bytes: 10 * MIB,
        at_once: AtOnce::Bytes(70 * MIB),
        bytes_per_second: 69e6,
        memory_mb: Some(1_280.0),
    };
    Ok(streamer.takes(population)?.remark("not readable as a stream by Java"))
}

pub(super) fn sebsto_swift(population: &Population) -> Outcome {
    let streamer = Streamer {
        part_bytes: 10 * MIB,
        at_once: AtOnce::Bytes(20 * MIB),
        bytes_per_second: 68e6,
        memory_mb: Some(512.0),
    };
    Ok(streamer.takes(population)?.remark("not readable as a stream by Java"))
}

pub(super) fn sebsto_python(population: &Population) -> Outcome {
    let streamer = Streamer {
        part_bytes: 8 * MIB,
        at_once: AtOnce::Requests(16.0),
        bytes_per_second: 65e6,
        memory_mb: Some(1_024.0),
    };
    Ok(streamer.takes(population)?.remark("a failed download may end in a time-out"))
}

pub(super) fn nicholson_python(population: &Population) -> Outcome {
    if population.largest() >= 4 * GIB {
        return Err("fails: an object of 4 GiB or more".to_owned());
    }
    // Nothing was published of its speed: that of the others is taken.
    let streamer = Streamer {
        part_bytes: 5 * MIB,
        at_once: AtOnce::Requests(16.0),
        bytes_per_second: LAMBDA_BYTES_PER_S,
        memory_mb: None,
    };
    streamer.takes(population)
}
