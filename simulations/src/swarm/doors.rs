//! What the coordinator's doors do with what the machine asks of S3: one step at a time, so that anything can happen in
//! between.

use coordinator::beside;
use coordinator::job::Leftovers;
use coordinator::machine::{Event, Question};
use proto::batch::Upload;
use proto::complete::Completion;
use proto::failure::{Failure, FailureKind, S3ErrorKind};
use proto::job::JobId;
use proto::location::Location;

use super::actor::{Coordinator, Record};
use super::plant::Plant;
use super::wish::Wish;
use super::world::World;

/// Time a request takes, in milliseconds, where nothing else is said of it.
const REQUEST_MS: u64 = 40;
/// Time until a request is sent again that S3 refused or did not answer, in milliseconds.
const AGAIN_MS: u64 = 300;
/// Time an answer takes from a door to the machine, in milliseconds.
const ANSWER_MS: u64 = 5;
/// How often the ETags of parts are read back, as the real door does.
const READ_BACKS_MAX: u32 = 3;

/// Something that is about to be asked of S3.
#[derive(Clone, Debug)]
pub(super) enum Door {
    /// A page of a listing.
    List(Question),
    /// An upload for the archive, once it has been recorded that there will be one.
    Create { job: JobId, segment: Option<u32>, destination: Location },
    /// The record of which upload it is.
    Begun(JobId, Upload),
    /// To put something together; with it, how often ETags were read back.
    Complete(JobId, Option<u32>, Completion, u32),
    /// To remove the archive's upload.
    Abort(JobId, Upload),
    /// To remove what is beside the archive.
    Discard(JobId, Leftovers),
}

/// What S3 makes of a request.
enum Luck {
    Fine,
    /// It does nothing, and is asked again.
    Refused,
    /// It does it and does not say so.
    Unanswered,
    GivenUp,
}

fn luck(job: JobId, world: &mut World) -> Luck {
    let odds = world.odds.clone();
    if world.requests.happens(odds.given_up) {
        world.met.note("requests that were given up");
        world.cause(job, FailureKind::Unavailable);
        return Luck::GivenUp;
    }
    if world.requests.happens(odds.refused) {
        world.met.note("requests that S3 refused for now");
        return Luck::Refused;
    }
    if world.requests.happens(odds.unanswered) {
        world.met.note("answers of S3 that were lost after success");
        return Luck::Unanswered;
    }
    Luck::Fine
}

fn given_up() -> Failure {
    Failure::new(FailureKind::Unavailable, "S3 kept failing")
}

/// What is done next, and in how many milliseconds.
pub(super) enum Next {
    Door(u64, Door),
    Event(u64, Box<Event>),
}

impl Next {
    fn event(event: Event) -> Self {
        Self::Event(ANSWER_MS, Box::new(event))
    }
}

impl Coordinator {
    /// The door that a question goes through.
    pub(super) fn door(&mut self, question: Question, world: &mut World) -> (u64, Door) {
        let in_ms = world.about_ms(REQUEST_MS);
        let door = match question {
            Question::List { .. } => Door::List(question),
            Question::Create { job, segment, destination, .. } => {
                // An archive's upload is recorded before it is asked for. Those of segments are found by where they are.
                if segment.is_none() && !world.plants(Plant::UnrecordedUpload) {
                    let record = Record { destination: destination.clone(), upload: None };
                    self.journal.insert(job, record);
                }
                Door::Create { job, segment, destination }
            }
            Question::Complete(job, segment, mut completion) => {
                if world.plants(Plant::ForgottenContest) {
                    completion.contested.clear();
                    return (in_ms, Door::Complete(job, segment, completion, READ_BACKS_MAX));
                }
                Door::Complete(job, segment, completion, 0)
            }
            Question::Abort(job, upload) => Door::Abort(job, upload),
            Question::Discard(job, leftovers) => Door::Discard(job, leftovers),
        };
        (in_ms, door)
    }

    /// Asks S3.
    pub(super) fn ask(&mut self, door: Door, wishes: &mut [Wish], world: &mut World) -> Next {
        match door {
            Door::List(question) => self.list(question, wishes, world),
            Door::Create { job, segment, destination } => self.create(job, segment, destination, world),
            Door::Begun(job, upload) => {
                if let Some(record) = self.journal.get_mut(&job) {
                    record.upload = Some(upload.clone());
                }
                Next::event(Event::UploadCreated(job, None, Ok(upload)))
            }
            Door::Complete(job, segment, completion, read_backs) => {
                complete(job, segment, completion, read_backs, world)
            }
            Door::Abort(job, upload) => abort(job, upload, world),
            Door::Discard(job, leftovers) => discard(job, leftovers, world),
        }
    }

    fn list(&self, question: Question, wishes: &mut [Wish], world: &mut World) -> Next {
        let Question::List { job, index, .. } = question else { unreachable!("nothing else is listed") };
        match luck(job, world) {
            Luck::GivenUp => Next::event(Event::Listed(job, index, Err(given_up()))),
            Luck::Refused | Luck::Unanswered => Next::Door(AGAIN_MS, Door::List(question)),
            Luck::Fine => {
                let wish = self.jobs.get(&job).map(|wish| &mut wishes[*wish]);
                // Of a job that has ended meanwhile, and may have begun anew, nobody needs to know.
                let page = wish.filter(|wish| wish.job == Some(job)).map(|wish| wish.list(&question, world));
                let page = page.ok_or_else(given_up);
                Next::event(Event::Listed(job, index, page))
            }
        }
    }

    fn create(&mut self, job: JobId, segment: Option<u32>, destination: Location, world: &mut World) -> Next {
        let luck = luck(job, world);
        if matches!(luck, Luck::Unanswered) {
            let upload = world.s3.create(job, &destination);
            // Whose it is cannot be told later, so somebody is told that it may be left; those of segments are swept.
            if segment.is_none() {
                world.told.insert(upload.upload_id);
            } else {
                self.suspects.insert(job);
            }
        }
        match luck {
            Luck::GivenUp => Next::event(Event::UploadCreated(job, segment, Err(given_up()))),
            Luck::Refused | Luck::Unanswered => {
                Next::Door(AGAIN_MS, Door::Create { job, segment, destination })
            }
            Luck::Fine => {
                let upload = world.s3.create(job, &destination);
                match segment {
                    None => Next::Door(world.about_ms(REQUEST_MS), Door::Begun(job, upload)),
                    Some(_) => Next::event(Event::UploadCreated(job, segment, Ok(upload))),
                }
            }
        }
    }
}

fn complete(
    job: JobId,
    segment: Option<u32>,
    mut completion: Completion,
    mut read_backs: u32,
    world: &mut World,
) -> Next {
    let answer = |etag| Next::event(Event::Completed(job, segment, etag));
    let failed = |kind, why: &str| Err(Failure::new(kind, why));
    let again = Next::Door(AGAIN_MS, Door::Complete(job, segment, completion.clone(), read_backs));
    match luck(job, world) {
        Luck::GivenUp if world.plants(Plant::RefusalTakenForSuccess) => return answer(Ok("o".into())),
        Luck::GivenUp => return answer(Err(given_up())),
        Luck::Refused => return again,
        // It is looked up whether it is there.
        Luck::Unanswered | Luck::Fine => {}
    }
    if !completion.contested.is_empty() {
        // What was read back may have changed by the time S3 is asked.
        if world.requests.happens(0.5) {
            read_back(&mut completion, world);
            completion.contested.clear();
            let door = Door::Complete(job, segment, completion, read_backs + 1);
            return Next::Door(world.about_ms(REQUEST_MS), door);
        }
        read_back(&mut completion, world);
        read_backs += 1;
    }
    match world.s3.complete(&completion) {
        Ok(etag) => {
            if segment.is_some() {
                world.met.note("segments that S3 put together");
            }
            answer(Ok(etag))
        }
        Err(S3ErrorKind::Mismatch) if read_backs < READ_BACKS_MAX => {
            completion.contested = completion.parts.iter().map(|part| part.number).collect();
            Next::Door(world.about_ms(REQUEST_MS), Door::Complete(job, segment, completion, read_backs))
        }
        Err(S3ErrorKind::PreconditionFailed) => {
            world.cause(job, FailureKind::Destination);
            answer(failed(FailureKind::Destination, "there is an object already"))
        }
        Err(error) => {
            answer(failed(error.failure_kind(), &format!("S3 refuses to put it together: {error:?}")))
        }
    }
}

fn read_back(completion: &mut Completion, world: &World) {
    let Some(open) = world.s3.uploads.get(&completion.upload.upload_id) else { return };
    for part in &mut completion.parts {
        if let Some(held) =
            open.parts.get(&part.number).filter(|_| completion.contested.contains(&part.number))
        {
            part.etag.clone_from(&held.etag);
        }
    }
}

fn abort(job: JobId, upload: Upload, world: &mut World) -> Next {
    match luck(job, world) {
        Luck::GivenUp => {
            world.told.insert(upload.upload_id);
            Next::event(Event::Aborted(job, Err(given_up())))
        }
        Luck::Refused | Luck::Unanswered => Next::Door(AGAIN_MS, Door::Abort(job, upload)),
        Luck::Fine => {
            if !world.plants(Plant::SkippedAbort) {
                world.s3.uploads.remove(&upload.upload_id);
            }
            Next::event(Event::Aborted(job, Ok(())))
        }
    }
}

fn discard(job: JobId, leftovers: Leftovers, world: &mut World) -> Next {
    match luck(job, world) {
        Luck::GivenUp => {
            world.told_jobs.insert(job);
            Next::event(Event::Discarded(job, vec!["S3 kept failing".into()]))
        }
        Luck::Refused | Luck::Unanswered => Next::Door(AGAIN_MS, Door::Discard(job, leftovers)),
        Luck::Fine => {
            if !world.plants(Plant::SkippedDiscard) {
                for upload in &leftovers.uploads {
                    world.s3.uploads.remove(&upload.upload_id);
                }
                for object in &leftovers.objects {
                    world.s3.objects.remove(&object.key);
                }
                if let Some(below) = &leftovers.below {
                    world.s3.sweep(&below.key);
                }
            }
            Next::event(Event::Discarded(job, Vec::new()))
        }
    }
}

impl Record {
    /// Does what the next coordinator does about what one before it began.
    pub(super) fn recover(&self, job: JobId, world: &mut World) {
        match &self.upload {
            Some(upload) => {
                world.s3.uploads.remove(&upload.upload_id);
                world.s3.sweep(&beside::below(&self.destination, job));
            }
            // It may be anyone's, so it is told of and not removed.
            None => {
                world.told_jobs.insert(job);
            }
        }
    }
}
