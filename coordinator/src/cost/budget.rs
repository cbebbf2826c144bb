//! How many requests go where.

use std::collections::BTreeMap;

use proto::job::JobSpec;
use proto::listing::SourceObject;
use proto::location::{Location, Source, place};
use proto::plan::Plan;
use proto::requests::{RequestClass, RequestCounts};

use crate::published::{READS_PER_S, WRITES_PER_S};

/// What a plan asks of one prefix.
#[derive(Clone, Debug, PartialEq)]
pub struct Demand {
    /// The bucket.
    pub bucket: String,
    /// What the keys begin with: a source's prefix as it was given, of a single object its first two folders, and
    /// nothing where a manifest may name any key.
    pub prefix: String,
    /// Reads or writes.
    pub class: RequestClass,
    /// How many requests.
    pub requests: u64,
    /// How long they take at least at the rate that S3 promises for one prefix, in seconds.
    pub seconds: f64,
}

/// Reads of sources, counted while a plan is gone through.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// By source, and by which of the plan's buckets.
    counts: BTreeMap<(u16, u16), u64>,
}

impl Reads {
    pub(super) fn add(&mut self, object: &SourceObject, requests: u64) {
        *self.counts.entry((object.source, object.bucket)).or_default() += requests;
    }

    /// Where all of `requests` go, the most first. `listing` are those that listing each source took; reads of none of
    /// the sources are of what is at the destination, and so are all writes.
    pub(super) fn budget(
        self,
        plan: &Plan,
        spec: &JobSpec,
        listing: &[RequestCounts],
        requests: &RequestCounts,
    ) -> Vec<Demand> {
        let mut places: BTreeMap<(&str, &str, RequestClass), u64> = BTreeMap::new();
        let mut add = |bucket, prefix, class, requests| {
            *places.entry((bucket, prefix, class)).or_default() += requests;
        };
        let mut others = requests.of_class(RequestClass::Read);
        for (source, asked) in spec.sources.iter().zip(listing) {
            let reads = asked.of_class(RequestClass::Read);
            others = others.saturating_sub(reads);
            add(source.bucket(), prefix_of(source), RequestClass::Read, reads);
        }
        for ((source, bucket), reads) in self.counts {
            let prefix = match &spec.sources[usize::from(source)] {
                Source::Manifest { .. } => "",
                source => prefix_of(source),
            };
            others = others.saturating_sub(reads);
            add(&plan.buckets[usize::from(bucket)], prefix, RequestClass::Read, reads);
        }
        let Location { bucket, key } = &spec.destination;
        add(bucket, place(key), RequestClass::Read, others);
        add(bucket, place(key), RequestClass::Write, requests.of_class(RequestClass::Write));
        let mut budget: Vec<Demand> =
            places.into_iter().filter(|(_, requests)| *requests > 0).map(demand).collect();
        budget.sort_by(|one, other| other.seconds.total_cmp(&one.seconds));
        budget
    }
}

fn demand(((bucket, prefix, class), requests): ((&str, &str, RequestClass), u64)) -> Demand {
    let per_second = match class {
        RequestClass::Read => READS_PER_S,
        RequestClass::Write => WRITES_PER_S,
    };
    let seconds = requests as f64 / per_second;
    Demand { bucket: bucket.to_owned(), prefix: prefix.to_owned(), class, requests, seconds }
}

/// What is listed or looked up to learn what a source holds; of a manifest, what the lines do not tell counts for it.
fn prefix_of(source: &Source) -> &str {
    match source {
        Source::Prefix { prefix, .. } => prefix,
        Source::Object(location) | Source::Manifest { location, .. } => place(&location.key),
    }
}
