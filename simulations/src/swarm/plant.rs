//! Defects of the kind the invariants are for, planted between the machine and the world to see that they are found.

use std::fmt;

/// A defect. It shows now and then, not every time there is an occasion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plant {
    /// A report is acknowledged and not handed on.
    LostReport,
    /// A report is handed on twice.
    RepeatedReport,
    /// A node that begins another session goes on with what it held in the one before.
    StaleSession,
    /// A batch is granted to another node as well.
    DoubleGrant,
    /// An order is acknowledged and not carried out.
    LostOrder,
    /// A range begins and ends one byte too late.
    ShiftedRange,
    /// A batch is told the upload of another job.
    ForeignUpload,
    /// A header's CRC is that of its own part alone, not joined with the parts behind it.
    UnjoinedCrc,
    /// S3's refusal to put an archive together is taken for success.
    RefusalTakenForSuccess,
    /// Parts with more than one attempt are not told to S3's door, which does not read back their ETags.
    ForgottenContest,
    /// An upload is not removed.
    SkippedAbort,
    /// What is beside the archive is not removed.
    SkippedDiscard,
    /// An upload is removed without waiting for nodes that were told to stop.
    UnawaitedCancel,
    /// A node that is gone is taken for one that has nothing to say.
    LostNodeKept,
    /// An upload is begun without a record of it.
    UnrecordedUpload,
}

impl Plant {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::LostReport,
        Self::RepeatedReport,
        Self::StaleSession,
        Self::DoubleGrant,
        Self::LostOrder,
        Self::ShiftedRange,
        Self::ForeignUpload,
        Self::UnjoinedCrc,
        Self::RefusalTakenForSuccess,
        Self::ForgottenContest,
        Self::SkippedAbort,
        Self::SkippedDiscard,
        Self::UnawaitedCancel,
        Self::LostNodeKept,
        Self::UnrecordedUpload,
    ];
}

impl fmt::Display for Plant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LostReport => "a report is lost",
            Self::RepeatedReport => "a report is handed on twice",
            Self::StaleSession => "a node goes on with an earlier session's work",
            Self::DoubleGrant => "a batch is granted twice",
            Self::LostOrder => "an order is lost",
            Self::ShiftedRange => "a range is off by one",
            Self::ForeignUpload => "a batch goes to another job's upload",
            Self::UnjoinedCrc => "a header's CRC is not joined",
            Self::RefusalTakenForSuccess => "a refusal is taken for success",
            Self::ForgottenContest => "ETags of parts made twice are not read back",
            Self::SkippedAbort => "an upload is not aborted",
            Self::SkippedDiscard => "what is beside the archive is not discarded",
            Self::UnawaitedCancel => "an upload is removed while nodes write",
            Self::LostNodeKept => "a lost node's attempts are waited for",
            Self::UnrecordedUpload => "an upload is begun without a record",
        })
    }
}
