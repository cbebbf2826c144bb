//! What can be wrong with a plan: one variant for each rule a plan must hold.

use std::fmt;

/// One broken rule. A bare number is the index of the entry, part, piece, body or slot concerned, in the
/// order in which the message names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Names are relative, `/` separated, without empty, `.` or `..` components, control characters,
    /// backslashes or drive letters; only an empty object is a directory.
    #[error("entry {0} has an unsafe name")]
    BadName(usize),
    /// Names are unique, also as paths.
    #[error("entries {0} and {1} cannot both be extracted")]
    Collision(usize, usize),
    /// The first entry begins at 0, each other where the data before it ends.
    #[error("entry {0} begins at {1}")]
    EntryMisplaced(usize, Mismatch),
    /// A finished plan knows where its directory lies.
    #[error("the plan has no directory")]
    Unfinished,
    /// The directory begins where the last entry's data ends.
    #[error("the directory begins at {0}")]
    DirectoryMisplaced(Mismatch),
    /// The directory is as long as its central headers together.
    #[error("the directory has a size of {0}")]
    DirectoryMissized(Mismatch),
    /// The last part ends where the end records do.
    #[error("the archive has a size of {0}")]
    ArchiveMissized(Mismatch),
    /// The end records lie wholly in the last part.
    #[error("the end records do not lie wholly in the last part")]
    EndRecordsCut,
    /// At most 10,000 parts in one upload, of which this is one.
    #[error("part {0} is one too many for its upload")]
    TooManyParts(usize),
    /// The parts of one upload are numbered from 1, without gaps.
    #[error("part {0} is numbered {1} in its upload")]
    PartMisnumbered(usize, Mismatch),
    /// Parts touch: no gap, no overlap.
    #[error("part {0} begins at {1}")]
    PartMisplaced(usize, Mismatch),
    /// No part is empty.
    #[error("part {0} is empty")]
    PartEmpty(usize),
    /// Every part of an upload but the last has at least 5 MiB.
    #[error("part {0} is too small for S3")]
    PartTooSmall(usize),
    /// No part has more than 5 GiB.
    #[error("part {0} is too large for S3")]
    PartTooLarge(usize),
    /// No part is larger than what a node can hold.
    #[error("part {0} is too large for a node")]
    PartExceedsNode(usize),
    /// The parts list every entry's headers in order.
    #[error("part {0} does not continue the list of {1}s with entry {2}")]
    ListedOutOfOrder(usize, Record, u32),
    /// No part lists an entry that does not exist.
    #[error("part {0} lists the {1} of entry {2}, which does not exist")]
    ListedBeyondEntries(usize, Record, u32),
    /// Every entry's headers are listed.
    #[error("no part lists the {0} of entry {1}")]
    NotListed(Record, u32),
    /// A header lies in the part that lists it.
    #[error("part {0} lists the {1} of entry {2}, which lies elsewhere")]
    ListedElsewhere(usize, Record, u32),
    /// A header lies wholly in one part.
    #[error("a border of part {0} cuts the {1} of entry {2}")]
    HeaderCut(usize, Record, u32),
    /// An entry that spans parts ends on a part border.
    #[error("entry {0} spans parts and ends inside part {1}")]
    SpanEndsInside(usize, usize),
    /// The parts after the one with a spanning entry's header hold nothing but its data.
    #[error("entry {0} is continued by part {1}, which holds headers too")]
    ContinuationHoldsHeaders(usize, usize),
    /// S3 copies nothing but data of one object.
    #[error("part {0} is to be copied, but is not data of one entry alone")]
    CopiedHoldsMore(usize),
    /// S3 composes what begins with a header and holds some data behind one.
    #[error("part {0} is to be composed, but holds no entry to compose it of")]
    ComposedHoldsNoEntry(usize),
    /// Of what it is to be made of something is missing, too small or too large for S3, or not made before.
    #[error("object {0} of a composition cannot be made")]
    ObjectCannotBeMade(usize),
    /// The bytes that S3 would put together are not the part's.
    #[error("what is composed is not what the part is to hold")]
    ComposedAmiss,
    /// The leaves of a segment stand together, segments are numbered from 0, and one begins when the one before is
    /// joined.
    #[error("part {0} is a leaf of segment {1}, which is not the one at hand")]
    LeafAstray(usize, u32),
    /// Right behind a segment's leaves stands the part that joins it, and nowhere else.
    #[error("part {0} joins segment {1}, whose leaves are not right before it")]
    JoinedAstray(usize, u32),
    /// Every segment is joined.
    #[error("no part joins the last segment")]
    NotJoined,
    /// A part that joins a segment ends where that ends.
    #[error("part {0} joins a segment but ends at {1}")]
    JoinedMissized(usize, Mismatch),
    /// A part that joins a segment belongs to the archive's upload and lists nothing.
    #[error("part {0} joins a segment but is a leaf itself or lists entries")]
    JoinedHoldsMore(usize),
    /// The directory and the end records lie in no segment.
    #[error("part {0} is in a segment and holds some of the directory")]
    DirectoryInSegment(usize),
    /// No part waits for one that waits, but for the directory, which waits for all, and parts that join their leaves.
    #[error("part {0} waits for part {1}, which waits itself")]
    ChainOfWaiting(usize, usize),

    /// The part exists in the plan.
    #[error("the plan has no part {0}")]
    NoSuchPart(usize),
    /// The work bears its part's number in its upload.
    #[error("the work is numbered {0}")]
    WorkMisnumbered(Mismatch),
    /// The work has its part's size, by its own account and by its pieces.
    #[error("the work has a size of {0}")]
    WorkMissized(Mismatch),
    /// Literal bytes where the plan has records, fetches where it has data, in its order; one copy, and nothing else,
    /// for a part that is copied or joins a segment.
    #[error("piece {0} is not what the plan has there")]
    PieceOutOfPlace(usize),
    /// Literal bytes are the records of the plan, but for their CRCs.
    #[error("piece {0} has other bytes than a record of the plan at {1}")]
    WrongBytes(usize, usize),
    /// The CRC of an entry without data is 0.
    #[error("piece {0} has a CRC for empty entry {1}")]
    EmptyEntryWithCrc(usize, u32),
    /// A fetch is not empty and lies within its object.
    #[error("piece {0} fetches an empty range, or beyond its object")]
    BadRange(usize),
    /// A fetch begins where the data before it ended, and so lies where the plan says.
    #[error("piece {0} fetches from byte {1}")]
    RangeMisplaced(usize, Mismatch),
    /// A fetch or slot names a body that exists.
    #[error("piece {0} names body {1}, which does not exist")]
    NoSuchBody(usize, u32),
    /// One body for each entry with data in the part, and no other.
    #[error("body {0} is unused, shared by entries, or not the only one of its entry")]
    BodyNotOwn(u32),
    /// The only body of a part that joins a segment is that segment, of the size it has, with no rest.
    #[error("body {0} is not the segment that the part joins")]
    BodyNotSegment(u32),
    /// A body names its entry's object as it was listed.
    #[error("body {0} does not name the object of entry {1}")]
    BodyMismatch(u32, u32),
    /// A body's rest is all of its object behind the part where the header waits for that, else nothing.
    #[error("body {0} has a rest of {1}")]
    RestMissized(u32, Mismatch),
    /// Slots do not overlap, and stand in order.
    #[error("piece {0} has a slot {1} that overlaps the one before or stands behind it")]
    SlotsOverlap(usize, usize),
    /// A slot lies within its literal.
    #[error("piece {0} has a slot {1} that reaches beyond it")]
    SlotOutside(usize, usize),
    /// A slot lies on the CRC of a header whose entry's data is in the part.
    #[error("piece {0} has a slot {1} that lies on no CRC to be filled in")]
    SlotStray(usize, usize),
    /// A slot points at the body of its header's entry.
    #[error("piece {0} has a slot {1} that does not point at the body of its entry")]
    SlotWrongBody(usize, usize),
    /// Every header whose entry's data is in the part has a slot.
    #[error("piece {0} has no slot for the {1} of entry {2}")]
    SlotMissing(usize, Record, u32),
}

/// Which of an entry's two headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// The one before its data.
    LocalHeader,
    /// The one in the directory.
    CentralHeader,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LocalHeader => "local header",
            Self::CentralHeader => "central header",
        })
    }
}

/// A value that is not what the rules make it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// By the rules.
    pub expected: u64,
    /// In the plan or work.
    pub found: u64,
}

impl Mismatch {
    /// The two values, if they differ.
    pub(super) fn between(expected: u64, found: u64) -> Option<Self> {
        (expected != found).then_some(Self { expected, found })
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} instead of {}", self.found, self.expected)
    }
}
