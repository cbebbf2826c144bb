//! Preconditions of reads and writes.

use std::time::SystemTime;

use super::Object;
use super::Refusal;

/// What a condition on an ETag names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// `*`: any object.
    Any,
    /// One ETag, without quotes.
    Tag(String),
}

impl Wanted {
    fn is(&self, object: &Object) -> bool {
        match self {
            Self::Any => true,
            Self::Tag(tag) => *tag == object.etag,
        }
    }
}

/// What must hold of the object that is read.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadConditions {
    pub(crate) if_match: Option<Wanted>,
    pub(crate) if_none_match: Option<Wanted>,
    pub(crate) if_modified_since: Option<SystemTime>,
    pub(crate) if_unmodified_since: Option<SystemTime>,
}

impl ReadConditions {
    /// Whether they hold. A condition on the ETag outranks the one on the date that goes with it.
    pub(crate) fn check(&self, object: &Object) -> Result<(), Refusal> {
        let fresh = match (&self.if_match, self.if_unmodified_since) {
            (Some(wanted), _) => wanted.is(object),
            (None, Some(date)) => object.last_modified <= date,
            (None, None) => true,
        };
        let changed = match (&self.if_none_match, self.if_modified_since) {
            (Some(unwanted), _) => !unwanted.is(object),
            (None, Some(date)) => object.last_modified > date,
            (None, None) => true,
        };
        match (fresh, changed) {
            (false, _) => Err(Refusal::PreconditionFailed),
            (true, false) => Err(Refusal::NotModified),
            (true, true) => Ok(()),
        }
    }

    /// Whether they hold for the source of a copy, where no failure is "not modified".
    pub(crate) fn check_source(&self, object: &Object) -> Result<(), Refusal> {
        self.check(object).map_err(|_| Refusal::PreconditionFailed)
    }
}

/// What must hold of the object that is overwritten or deleted.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteConditions {
    pub(crate) if_match: Option<Wanted>,
    pub(crate) if_none_match: Option<Wanted>,
}

impl WriteConditions {
    /// Whether they hold of the object that is there, if one is.
    pub(crate) fn check(&self, present: Option<&Object>) -> Result<(), Refusal> {
        match (&self.if_match, &self.if_none_match) {
            (None, None) => Ok(()),
            (None, Some(Wanted::Any)) if present.is_none() => Ok(()),
            (None, Some(Wanted::Any)) => Err(Refusal::PreconditionFailed),
            (Some(wanted @ Wanted::Tag(_)), None) => {
                let present = present.ok_or(Refusal::NoSuchKey)?;
                wanted.is(present).then_some(()).ok_or(Refusal::PreconditionFailed)
            }
            _ => Err(Refusal::NotImplemented("If-Match and If-None-Match in this combination")),
        }
    }

    /// Whether they hold for the completion of an upload. `overtaken` is whether the key was written or deleted
    /// since the upload was created; then no condition on it can hold any more.
    pub(crate) fn check_completion(&self, present: Option<&Object>, overtaken: bool) -> Result<(), Refusal> {
        self.check(present)?;
        let conditional = self.if_match.is_some() || self.if_none_match.is_some();
        if conditional && overtaken { Err(Refusal::Conflict) } else { Ok(()) }
    }
}
