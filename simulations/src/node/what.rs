//! What a node asks of S3.

use node::pace::Target;
use proto::part::Effort;
use proto::requests::RequestClass;

use crate::s3::Op;

/// A request of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Some of an object.
    Fetch,
    /// A part, or what small objects are composed behind.
    Upload,
    /// A copy of a part's range, or of something that is to be composed.
    Copy,
    /// The upload of an object that something is composed in.
    Create,
    /// Such an object, of so many parts.
    Complete(u32),
    /// Such an object goes.
    Delete,
}

impl What {
    /// How S3 knows it.
    pub(super) fn op(self) -> Op {
        match self {
            Self::Fetch => Op::Get,
            Self::Upload => Op::Put,
            Self::Copy => Op::Copy,
            Self::Create => Op::Create,
            Self::Complete(parts) => Op::Complete(parts.into()),
            Self::Delete => Op::Delete,
        }
    }

    /// Whether its bytes go through the node, so that it needs leave of those that do.
    pub(super) fn moves_bytes(self) -> bool {
        matches!(self, Self::Fetch | Self::Upload)
    }

    pub(super) fn class(self) -> RequestClass {
        self.op().class()
    }

    pub(super) fn bucket(self) -> &'static str {
        match self.class() {
            RequestClass::Read => crate::world::SOURCE_BUCKET,
            RequestClass::Write => crate::world::ARCHIVE_BUCKET,
        }
    }

    /// All objects are below one prefix, and so is the archive.
    pub(super) fn target(self) -> Target<'static> {
        match self.class() {
            RequestClass::Read => Target::read(self.bucket(), ""),
            RequestClass::Write => Target::write(self.bucket(), ""),
        }
    }

    /// Where it is counted in what an attempt takes.
    pub(super) fn count(self, effort: &mut Effort) -> &mut u32 {
        match self {
            Self::Fetch => &mut effort.gets,
            Self::Upload => &mut effort.uploads,
            Self::Copy => &mut effort.copies,
            Self::Create => &mut effort.creates,
            Self::Complete(_) => &mut effort.completes,
            Self::Delete => &mut effort.deletes,
        }
    }
}
