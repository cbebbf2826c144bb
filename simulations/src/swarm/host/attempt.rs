//! One attempt at a part, step by step.

use proto::batch::{AttemptId, Upload};
use proto::crc::Crc;
use proto::failure::{Failure, FailureKind};
use proto::part::{Effort, PartDone, PartFailed};
use proto::plan::{Body, PartNumber, PartWork, Piece};
use proto::retry::ATTEMPTS_MAX;

use super::{Alarm, Answer, Host, Running};
use crate::swarm::invariant::Invariant;
use crate::swarm::plant::Plant;
use crate::swarm::s3::{SOURCES, seed};
use crate::swarm::world::{Happening, World};

/// What comes next.
#[derive(Clone, Copy, Debug)]
pub(in crate::swarm) enum Step {
    /// All its bytes are there.
    Make,
    /// All its bytes are sent.
    Put,
    /// S3's answer is there.
    Answer,
}

/// What a part turned out to be.
#[derive(Clone, Debug)]
pub(super) struct Made {
    crc: Crc,
    bodies: Vec<Crc>,
    etag: String,
}

/// A part on its way into an upload.
#[derive(Clone, Debug)]
pub(in crate::swarm) struct Put {
    id: AttemptId,
    upload: Upload,
    number: PartNumber,
    crc: Crc,
}

impl Put {
    /// Arrives in S3; the ETag, unless the upload is gone.
    pub(in crate::swarm) fn land(&self, world: &mut World) -> Option<String> {
        let owner = world.s3.uploads.get(&self.upload.upload_id).map(|open| open.job);
        if let Some(owner) = owner.filter(|owner| *owner != self.id.job) {
            world.breaks(Invariant::OwnBytes, format!("{} went to an upload of job {owner}", self.id));
        }
        world.met.note("parts put into uploads");
        world.s3.put_part(&self.upload, self.number, self.crc)
    }
}

impl Running {
    /// It is dropped. What was on its way may arrive all the same.
    pub(super) fn break_off(self, world: &mut World) {
        let Some(put) = self.put else { return };
        if world.requests.happens(world.odds.stray) {
            world.met.note("parts that arrived although they were dropped");
            let in_ms = world.times.below(300);
            world.after_ms(in_ms, Happening::Stray(Box::new(put)));
        }
    }
}

/// What a part is, made of what is in S3; `None` when something it is made of is not what it was.
fn made_of(work: &PartWork, world: &mut World) -> Option<(Crc, Vec<Crc>)> {
    let mut crcs = vec![Crc::EMPTY; work.bodies.len()];
    let mut ranges = Vec::new();
    for piece in &work.pieces {
        if let Piece::Fetch { body, range } | Piece::Copy { body, range } = piece {
            let source = &work.bodies[*body as usize];
            let crc = match source.bucket.as_str() {
                SOURCES => {
                    let held = world.s3.sources.get(&source.key)?;
                    (held.etag().to_string() == source.etag)
                        .then(|| world.bytes.crc(seed(held.version), range))?
                }
                _ => {
                    let held = world.s3.objects.get(&source.key)?;
                    (held.etag == source.etag && *range == (0..held.crc.bytes)).then_some(held.crc)?
                }
            };
            let whole = &mut crcs[*body as usize];
            *whole = whole.then(crc);
            ranges.push(crc);
        }
    }
    for (crc, body) in crcs.iter_mut().zip(&work.bodies) {
        let Body { rest, .. } = body;
        if rest.bytes == 0 || !world.plants(Plant::UnjoinedCrc) {
            *crc = crc.then(*rest);
        }
    }
    let (mut part, mut ranges) = (Crc::EMPTY, ranges.into_iter());
    for piece in &work.pieces {
        let next = match piece {
            Piece::Literal { bytes, slots } => {
                let mut bytes = bytes.clone();
                for slot in slots {
                    let at = slot.at as usize;
                    bytes[at..at + 4].copy_from_slice(&crcs[slot.body as usize].value.to_le_bytes());
                }
                Crc::of(&bytes)
            }
            Piece::Fetch { .. } | Piece::Copy { .. } => ranges.next().unwrap_or_default(),
        };
        part = part.then(next);
    }
    Some((part, crcs))
}

impl Host {
    /// An attempt comes a step further.
    pub(super) fn work(&mut self, id: AttemptId, step: Step, world: &mut World) {
        let Some(running) = self.held.as_mut().and_then(|held| held.running.get_mut(&id)) else { return };
        match step {
            Step::Make => {
                let Some((crc, bodies)) = made_of(&running.work, world) else {
                    world.cause(id.job, FailureKind::SourceChanged);
                    return self.failed(id, FailureKind::SourceChanged, "an object changed");
                };
                let (upload, number) = (running.upload.clone(), running.work.number);
                running.put = Some(Put { id, upload, number, crc });
                running.made = Some(Made { crc, bodies, etag: String::new() });
                let in_ms = self.slowness * world.about_ms(20 + crc.bytes.min(20_000_000) / 100_000);
                self.alarm(in_ms, Alarm::Work(self.life, id, Step::Put), world);
            }
            Step::Put => self.put(id, world),
            Step::Answer => self.answered(id, world),
        }
    }

    fn put(&mut self, id: AttemptId, world: &mut World) {
        if world.requests.happens(world.odds.given_up) {
            world.met.note("requests that were given up");
            let kind = [FailureKind::Unavailable, FailureKind::Internal][world.requests.below(2) as usize];
            return self.failed(id, kind, "S3 or something else kept failing");
        }
        if world.requests.happens(world.odds.damaged) {
            world.met.note("parts that were damaged on the way");
            world.cause(id.job, FailureKind::Corrupt);
            return self.failed(id, FailureKind::Corrupt, "S3 received other bytes");
        }
        let Some(running) = self.held.as_mut().and_then(|held| held.running.get_mut(&id)) else { return };
        if world.requests.happens(world.odds.refused) {
            world.met.note("requests that S3 refused for now");
            running.refusals += 1;
            if running.refusals >= ATTEMPTS_MAX {
                return self.failed(id, FailureKind::Unavailable, "S3 kept refusing");
            }
            self.throttled(world);
            let in_ms = world.about_ms(400);
            return self.alarm(in_ms, Alarm::Work(self.life, id, Step::Put), world);
        }
        let Some(etag) = running.put.as_ref().and_then(|put| put.land(world)) else {
            return self.failed(id, FailureKind::Destination, "the upload is gone");
        };
        if world.requests.happens(world.odds.unanswered) {
            world.met.note("answers of S3 that were lost after success");
            let in_ms = world.about_ms(200);
            return self.alarm(in_ms, Alarm::Work(self.life, id, Step::Put), world);
        }
        if let Some(made) = &mut running.made {
            made.etag = etag;
        }
        let in_ms = world.about_ms(40);
        self.alarm(in_ms, Alarm::Work(self.life, id, Step::Answer), world);
    }

    fn answered(&mut self, id: AttemptId, world: &mut World) {
        let Some(held) = &mut self.held else { return };
        let Some(running) = held.end(id) else { return };
        let Some(Made { crc, bodies, etag }) = running.made else { return };
        if let Some(below) = &running.work.below {
            world.met.note("parts that S3 composed");
            world.s3.objects.remove(&format!("{below}{}.{}.0", id.part, id.attempt));
        } else if running.work.copied().is_some() {
            world.met.note("parts that S3 copied");
        }
        held.answers.push(Answer::Done(PartDone { id, etag, crc, bodies, effort: Effort::default() }));
    }

    fn failed(&mut self, id: AttemptId, kind: FailureKind, why: &str) {
        let Some(held) = &mut self.held else { return };
        if held.end(id).is_some() {
            let failure = Failure::new(kind, why);
            held.answers.push(Answer::Failed(PartFailed { id, failure, effort: Effort::default() }));
        }
    }
}
