//! What a job is asked to do, and how it went.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

use utoipa::ToSchema;

use crate::failure::Failure;
use crate::location::{Location, Source};

/// Names one job among all of a coordinator's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, pattern = "^[0-9a-f]{16}$", example = "9a351442e7926bc3")]
pub struct JobId(pub u64);

// In JSON as people see it: many readers of JSON take large numbers for floating ones.
impl Serialize for JobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
        } else {
            u64::deserialize(deserializer).map(Self)
        }
    }
}

impl FromStr for JobId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_id = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u64::from_str_radix(text, 16).ok().filter(|_| is_id);
        number.map(Self).ok_or_else(|| format!("`{text}` is no job: an id has 16 hexadecimal digits"))
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What to do with keys that no reader could extract safely.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnsafeNames {
    /// End the job and list them.
    #[default]
    Fail,
    /// Replace what is unsafe in them.
    Map,
    /// Leave those objects out and report them.
    Skip,
}

impl FromStr for UnsafeNames {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "fail" => Ok(Self::Fail),
            "map" => Ok(Self::Map),
            "skip" => Ok(Self::Skip),
            _ => Err(format!("`{text}` is none of fail, map, skip")),
        }
    }
}

/// What to go for where it is one or the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// The archive as soon as possible, whatever requests cost.
    #[default]
    Speed,
    /// A little slower, if that saves much.
    Balanced,
    /// As cheap as possible, however long it takes.
    Price,
}

impl Goal {
    /// Whether it is what is gone for if nobody says.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl FromStr for Goal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "speed" => Ok(Self::Speed),
            "balanced" => Ok(Self::Balanced),
            "price" => Ok(Self::Price),
            _ => Err(format!("`{text}` is none of speed, balanced, price")),
        }
    }
}

/// How much of the fleet a job gets while others want it too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// A quarter of what a normal job gets; begins after all others that wait.
    Low,
    /// An equal share.
    #[default]
    Normal,
    /// Four times what a normal job gets; begins before all others that wait.
    High,
}

impl Priority {
    /// Its share, relative to others.
    #[must_use]
    pub fn weight(self) -> u64 {
        match self {
            Self::Low => 1,
            Self::Normal => 4,
            Self::High => 16,
        }
    }
}

impl FromStr for Priority {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "low" => Ok(Self::Low),
            "normal" => Ok(Self::Normal),
            "high" => Ok(Self::High),
            _ => Err(format!("`{text}` is none of low, normal, high")),
        }
    }
}

/// A span of somebody's trace, of which what is done for a job is a part (W3C: "Trace Context").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// Which trace; never 0.
    pub trace: u128,
    /// Which span of it; never 0.
    pub span: u64,
    /// Whether it is to be recorded.
    pub is_sampled: bool,
}

impl FromStr for Trace {
    type Err = String;

    /// Reads a `traceparent` header.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || "a traceparent reads 00-<32 hexadecimal digits>-<16>-<2>".to_owned();
        let fields: Vec<&str> = text.split('-').collect();
        let hex = |field: &str, digits| {
            // In lower case alone: others are to be ignored.
            let is_hex =
                field.len() == digits && field.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            u128::from_str_radix(field, 16).ok().filter(|_| is_hex).ok_or_else(wrong)
        };
        let [version, trace, span, flags, rest @ ..] = fields.as_slice() else { return Err(wrong()) };
        let (version, trace, span, flags) =
            (hex(version, 2)?, hex(trace, 32)?, hex(span, 16)?, hex(flags, 2)?);
        if version == 0xff || version == 0 && !rest.is_empty() || trace == 0 || span == 0 {
            return Err(wrong());
        }
        Ok(Self { trace, span: span as u64, is_sampled: flags & 1 == 1 })
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, u8::from(self.is_sampled))
    }
}

/// One archive to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobSpec {
    /// What to archive, in the order it is to appear.
    pub sources: Vec<Source>,
    /// Where the archive goes.
    pub destination: Location,
    /// Keep only objects whose entry name matches one of these globs (all when empty).
    pub include: Vec<String>,
    /// Leave out objects whose entry name matches one of these globs.
    pub exclude: Vec<String>,
    /// What to take off the front of each key to make its entry name; `None` takes off the source's own
    /// folder.
    pub strip_prefix: Option<String>,
    /// Refuse to replace an object already at the destination.
    pub no_overwrite: bool,
    /// Size aimed at for every part, in bytes; `None` lets it grow with the archive.
    pub part_bytes: Option<u64>,
    /// What to go for.
    pub goal: Goal,
    /// What to do with unsafe names.
    pub unsafe_names: UnsafeNames,
    /// How much of the fleet it gets while others want it too.
    pub priority: Priority,
    /// Who wants it: the name of a token; `None` when nobody was asked.
    pub owner: Option<String>,
    /// Of which span it is a part, when someone traces it.
    pub trace: Option<Trace>,
}

impl JobSpec {
    /// All of `sources` into an archive at `destination`, with nothing out of the ordinary.
    #[must_use]
    pub fn new(sources: Vec<Source>, destination: Location) -> Self {
        Self {
            sources,
            destination,
            include: Vec::new(),
            exclude: Vec::new(),
            strip_prefix: None,
            no_overwrite: false,
            part_bytes: None,
            goal: Goal::default(),
            unsafe_names: UnsafeNames::default(),
            priority: Priority::default(),
            owner: None,
            trace: None,
        }
    }
}

/// How far a job has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// What the job is doing.
    pub stage: Stage,
    /// Entries planned so far.
    pub entries: u64,
    /// Archive bytes planned so far.
    pub bytes_planned: u64,
    /// Archive bytes uploaded so far.
    pub bytes_done: u64,
    /// Parts planned so far, those that segments are made of included.
    pub parts_planned: u64,
    /// Parts uploaded or copied so far, of these.
    pub parts_done: u64,
    /// Archive bytes uploaded a second, of late: measured over at least some seconds, and several times as long as
    /// parts take, because many end together.
    pub bytes_per_second: u64,
    /// Milliseconds until all parts are uploaded, at that rate; `None` while that cannot be told: until the listing has
    /// ended and as many parts are done as nodes work at, and when most of what is left is for S3 to join segments.
    pub left_ms: Option<u64>,
}

/// What a job is doing; a job moves only rightwards, or to `Aborting` from anywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Waiting for other jobs to end.
    #[default]
    Waiting,
    /// Listing sources; parts already planned are being transferred.
    Listing,
    /// Everything is planned; parts are being transferred.
    Transferring,
    /// All parts are there; S3 is putting them together and checking them.
    Completing,
    /// Stopping nodes and removing the upload.
    Aborting,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The archive is at its destination.
    Completed(Summary),
    /// There is no archive.
    Failed {
        /// Why.
        failure: Failure,
        /// What could not be removed, a sentence each; usually nothing.
        left_behind: Vec<String>,
    },
}

/// What a completed job did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Summary {
    /// ETag of the archive.
    pub etag: String,
    /// CRC-32 of the whole archive, verified by S3.
    pub crc32: u32,
    /// Size of the archive, in bytes.
    pub bytes: u64,
    /// Entries in it.
    pub entries: u64,
    /// Parts it was uploaded in.
    pub parts: u64,
    /// Objects left out because their names are unsafe, up to `EXAMPLES_MAX` of them.
    pub skipped: Vec<String>,
    /// How many objects were left out because their names are unsafe.
    pub skipped_count: u64,
    /// How many objects the filters left out.
    pub left_out_count: u64,
    /// Things the person should know although the archive is right.
    pub warnings: Vec<String>,
    /// Milliseconds from submission until it began.
    pub waiting_ms: u64,
    /// Milliseconds from submission until the first part was uploaded.
    pub first_part_ms: u64,
    /// Milliseconds from submission until the listing ended.
    pub listing_ms: u64,
    /// Milliseconds from submission until the last part was uploaded.
    pub transfer_ms: u64,
    /// Milliseconds from submission until the archive was there.
    pub total_ms: u64,
}
