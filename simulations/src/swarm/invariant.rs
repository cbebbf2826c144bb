//! What must hold whatever happens.

use std::fmt;

use super::plant::Plant;

/// What must hold whatever happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// An attempt is granted once, to one node, and never for a job that has ended.
    GrantedOnce,
    /// What is reported of an attempt is reported once, by the node it was granted to, in the session it was granted in.
    AnsweredOnce,
    /// No more parts count as done than nodes have reported done, and none twice.
    CountedOnce,
    /// Nothing but parts of its own plan goes into an upload.
    OwnBytes,
    /// No upload is removed while a node that counts as present may still write to it.
    QuietBeforeAbort,
    /// The archive of a job that completed is there, and is the one that its listing calls for, byte for byte.
    RightArchive,
    /// A job fails only for something that has happened to it.
    FailsForAReason,
    /// Nothing is left of a job that has ended but its archive, and what it says may be left.
    LeavesNothing,
    /// A job ends once.
    EndsOnce,
    /// When nothing goes wrong any more, every job ends before long.
    EveryJobEnds,
    /// Afterwards no node is thought to hold anything.
    NothingHeld,
    /// Queues, memory and what is in flight stay within their bounds.
    Bounded,
    /// Nothing panics.
    NothingPanics,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GrantedOnce => "granted once",
            Self::AnsweredOnce => "answered once",
            Self::CountedOnce => "counted once",
            Self::OwnBytes => "own bytes",
            Self::QuietBeforeAbort => "quiet before abort",
            Self::RightArchive => "right archive",
            Self::FailsForAReason => "fails for a reason",
            Self::LeavesNothing => "leaves nothing",
            Self::EndsOnce => "ends once",
            Self::EveryJobEnds => "every job ends",
            Self::NothingHeld => "nothing held",
            Self::Bounded => "bounded",
            Self::NothingPanics => "nothing panics",
        })
    }
}

/// Something that should have held and did not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed} breaks \"{invariant}\" at {at_ms} ms: {what}")]
pub struct Broken {
    /// The storm's seed.
    pub seed: u64,
    /// The defect that was planted, if one was.
    pub plant: Option<Plant>,
    /// What should have held.
    pub invariant: Invariant,
    /// When it was seen not to, in milliseconds of virtual time.
    pub at_ms: u64,
    /// What was seen.
    pub what: String,
}
