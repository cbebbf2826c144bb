//! A part that S3 composes: bodies copied, headers written once their CRCs are known, all put together beside the
//! archive and copied into it.

use std::collections::BTreeMap;
use std::iter;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use node::composer::{Composed, Composer};
use proto::batch::{Assignment, Upload};
use proto::complete::CompletedPart;
use proto::compose::Source;
use proto::crc::{Crc, StoredKind};
use proto::failure::Failure;
use proto::part::PartDone;
use proto::plan::{Body, PartNumber};

use crate::fetch::check_whole;
use crate::making::{Bench, gone, side_by_side};
use crate::meter::Meter;
use crate::part::{internal, upload_is_gone};
use crate::requests::Requests;

/// An object in the making, with those of its parts that are there already.
struct Begun {
    upload: Upload,
    /// By their places among what the object is made of.
    parts: BTreeMap<usize, (CompletedPart, Crc)>,
}

/// Has S3 compose a part. What it was composed of is deleted; what is left after a failure is found when the job ends.
pub(crate) async fn compose(
    requests: &Arc<Requests>,
    meter: &Arc<Meter>,
    upload: &Upload,
    assignment: Assignment,
) -> Result<PartDone, Failure> {
    let Assignment { id, mut work, .. } = assignment;
    let (number, below) = (work.number, work.below.take().unwrap_or_default());
    let bucket = upload.destination.bucket.clone();
    let (requests, meter) = (Arc::clone(requests), Arc::clone(meter));
    let bench = Arc::new(Bench { requests, meter, id, bucket, below });
    let composer = Composer::new(work).map_err(internal)?;
    let bodies: Arc<[Body]> = composer.bodies().into();
    let padding = bench.requests.paddings.of(&bench).await?;

    let mut begun = copy_bodies(&bench, &composer, &bodies).await?;
    let crcs: Vec<Crc> = begun.values().flat_map(|begun| begun.parts.values().map(|(_, crc)| *crc)).collect();
    let composed = Arc::new(composer.seal(&crcs).map_err(internal)?);
    check_bodies(&bench, &bodies, &composed).await?;

    let mut made = Made { padding, objects: Vec::new() };
    let block = 0..1;
    for level in iter::once(&block).chain(&composed.composition.levels) {
        let objects = level.clone().map(|object| {
            let (bench, composed, begun) = (Arc::clone(&bench), Arc::clone(&composed), begun.remove(&object));
            let from = made.all_of(&composed.composition.objects[object]);
            async move { Box::pin(make(&bench, &composed, object, begun, from)).await }
        });
        let objects = side_by_side(objects.collect::<Vec<_>>().into_iter()).await?;
        made.objects.extend(objects);
    }

    let part = &composed.composition.part;
    let (source, range) = made.of(part).ok_or_else(|| internal("a part is composed of nothing"))?;
    let crc = composed.crc(part);
    let CompletedPart { etag, .. } = bench.copy(upload, number, &source, &range, crc, upload_is_gone).await?;
    let deletions = made.objects.into_iter().map(|object| {
        let bench = Arc::clone(&bench);
        async move {
            bench.delete(object).await;
            Ok(())
        }
    });
    side_by_side(deletions).await?;
    Ok(PartDone { id, etag, crc, bodies: composed.bodies.clone(), effort: bench.meter.effort() })
}

/// What there is to copy from.
struct Made {
    padding: Body,
    objects: Vec<Body>,
}

impl Made {
    /// The object that a source is in, and which range of it; `None` for what is in none.
    fn of(&self, source: &Source) -> Option<(Body, Range<u64>)> {
        match source {
            Source::Padding => Some((self.padding.clone(), 0..self.padding.object_bytes)),
            Source::Made { object, range } => Some((self.objects.get(*object)?.clone(), range.clone())),
            Source::Literals | Source::Body { .. } => None,
        }
    }

    fn all_of(&self, sources: &[Source]) -> Vec<Option<(Body, Range<u64>)>> {
        sources.iter().map(|source| self.of(source)).collect()
    }
}

/// Begins every object that holds some of a body, and copies that.
async fn copy_bodies(
    bench: &Arc<Bench>,
    composer: &Composer,
    bodies: &Arc<[Body]>,
) -> Result<BTreeMap<usize, Begun>, Failure> {
    let mut objects: BTreeMap<usize, Vec<(usize, u32, Range<u64>)>> = BTreeMap::new();
    for (object, place, source) in composer.composition().bodies() {
        if let Source::Body { body, range } = source {
            objects.entry(object).or_default().push((place, *body, range.clone()));
        }
    }
    let begun = objects.into_iter().map(|(object, sources)| {
        let (bench, bodies) = (Arc::clone(bench), Arc::clone(bodies));
        async move {
            let upload = Box::pin(bench.create(&name(&bench, object))).await?;
            let mut parts = BTreeMap::new();
            for (place, body, range) in sources {
                let number = PartNumber::from_index(place);
                let body = &bodies[body as usize];
                parts.insert(place, Box::pin(bench.copy_body(&upload, number, body, &range)).await?);
            }
            Ok((object, Begun { upload, parts }))
        }
    });
    Ok(side_by_side(begun).await?.into_iter().collect())
}

/// Compares the CRC-32 of every object that is now known whole with the one that S3 stores, where there is one.
async fn check_bodies(bench: &Arc<Bench>, bodies: &Arc<[Body]>, composed: &Composed) -> Result<(), Failure> {
    let checks = bodies.iter().zip(&composed.bodies).enumerate();
    let checks =
        checks.filter(|(_, (body, crc))| body.stored == StoredKind::Crc32 && crc.bytes == body.object_bytes);
    let checks = checks.map(|(index, (_, crc))| {
        let (bench, bodies, crc) = (Arc::clone(bench), Arc::clone(bodies), *crc);
        async move { check_whole(&bench.requests, &bench.meter, &bodies[index], crc).await }
    });
    side_by_side(checks).await.map(drop)
}

/// Makes one object, whose sources are in `from` where they are objects themselves.
async fn make(
    bench: &Arc<Bench>,
    composed: &Arc<Composed>,
    object: usize,
    begun: Option<Begun>,
    from: Vec<Option<(Body, Range<u64>)>>,
) -> Result<Body, Failure> {
    let Begun { upload, mut parts } = match begun {
        Some(begun) => begun,
        None => Begun { upload: bench.create(&name(bench, object)).await?, parts: BTreeMap::new() },
    };
    let missing = from.into_iter().enumerate().filter(|(place, _)| !parts.contains_key(place));
    let missing: Vec<_> = missing
        .map(|(place, from)| {
            let (bench, composed, upload) = (Arc::clone(bench), Arc::clone(composed), upload.clone());
            async move {
                let number = PartNumber::from_index(place);
                let crc = composed.crc(&composed.composition.objects[object][place]);
                let part = match from {
                    Some((made, range)) => {
                        let gone = |upload: &Upload| gone(&upload.destination);
                        bench.copy(&upload, number, &made, &range, crc, gone).await?
                    }
                    None => {
                        let literals = Bytes::from(composed.literals.clone());
                        bench.put(&upload, number, &literals, crc).await?
                    }
                };
                Ok((place, (part, crc)))
            }
        })
        .collect();
    parts.extend(side_by_side(missing.into_iter()).await?);
    let parts = parts.into_values().map(|(part, _)| part).collect();
    bench.complete(upload, parts, composed.object(object)).await
}

/// The end of the key of an object. No other attempt has the same.
fn name(bench: &Bench, object: usize) -> String {
    format!("{}.{}.{object}", bench.id.part, bench.id.attempt)
}
