//! Removing what a job has left beside its archive.

use std::collections::BTreeSet;

use coordinator::job::Leftovers;
use coordinator::planner::Examples;
use proto::location::Location;
use proto_s3::S3;

use crate::sweep::{LATE, Left, remove_all, sentences, sweep};

/// Removes what segments have left; what could not be removed, a sentence each, and how many more there are.
///
/// An object is only removed when no upload is left that could become one again.
pub(crate) async fn discard(s3: &S3, left: Leftovers) -> Vec<String> {
    let Leftovers { uploads, objects, below, is_broken_off } = left;
    let is_unclear = {
        let places: BTreeSet<&Location> = objects.iter().collect();
        uploads.iter().any(|upload| places.contains(&upload.destination))
    };
    let mut told = Examples::default();
    remove_all(s3, "segment", uploads.into_iter().map(Left::Upload), &mut told).await;
    if is_unclear {
        tokio::time::sleep(LATE).await;
    }
    remove_all(s3, "segment", objects.into_iter().map(Left::Object), &mut told).await;
    let mut told = sentences(told, "segment");
    if let Some(below) = below {
        told.extend(sweep(s3, &below, is_broken_off).await);
    }
    told
}

#[cfg(test)]
mod tests;
