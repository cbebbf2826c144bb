//! An object, and which of its bytes a read selects.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::SystemTime;

use super::Refusal;
use crate::content::{Checksum, Rope};

/// What is stored under a key. Never changed, only replaced: a read in flight keeps what it began with.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) content: Rope,
    /// Without quotes.
    pub(crate) etag: String,
    /// In whole seconds.
    pub(crate) last_modified: SystemTime,
    pub(crate) checksum: Option<Checksum>,
    /// The parts it was uploaded in; none when it was put whole.
    pub(crate) parts: Vec<ObjectPart>,
    pub(crate) attributes: Attributes,
}

/// A part of an object that was uploaded in parts.
#[derive(Clone, Debug)]
pub(crate) struct ObjectPart {
    pub(crate) number: i32,
    /// In bytes.
    pub(crate) size: u64,
    /// In base64, of the object's algorithm; only S3's composite checksums keep those of the parts.
    pub(crate) checksum: Option<String>,
}

/// What a writer says about an object and S3 only hands back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attributes {
    pub(crate) content_type: Option<String>,
    pub(crate) cache_control: Option<String>,
    pub(crate) content_disposition: Option<String>,
    pub(crate) content_encoding: Option<String>,
    pub(crate) content_language: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
}

/// Which bytes of an object a read asks for. Offsets are in bytes; ends are clamped to the object's.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Selection {
    Whole,
    /// The first and the last byte.
    Between(u64, u64),
    From(u64),
    /// So many bytes at the end.
    Last(u64),
    Part(i32),
}

/// The bytes selected.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Selected {
    pub(crate) range: Range<u64>,
    /// Whether the answer is partial content, 206.
    pub(crate) partial: bool,
    /// The index in the object's parts of the part that was asked for.
    pub(crate) part: Option<usize>,
}

impl Object {
    /// The size in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.content.len()
    }

    /// Finds the bytes that a read asks for.
    pub(crate) fn select(&self, selection: Selection) -> Result<Selected, Refusal> {
        let size = self.size();
        let range = match selection {
            Selection::Whole => return Ok(Selected { range: 0..size, partial: false, part: None }),
            Selection::Part(number) => return self.select_part(number),
            Selection::Between(first, last) => first..size.min(last.saturating_add(1)),
            Selection::From(first) => first..size,
            Selection::Last(count) => size - count.min(size)..size,
        };
        if range.start >= range.end {
            return Err(Refusal::InvalidRange);
        }
        Ok(Selected { range, partial: true, part: None })
    }

    fn select_part(&self, number: i32) -> Result<Selected, Refusal> {
        if self.parts.is_empty() && number == 1 {
            return Ok(Selected { range: 0..self.size(), partial: self.size() > 0, part: None });
        }
        let index = self.parts.iter().position(|part| part.number == number);
        let index = index.ok_or(Refusal::InvalidPartNumber)?;
        let start = self.parts[..index].iter().map(|part| part.size).sum();
        Ok(Selected { range: start..start + self.parts[index].size, partial: true, part: Some(index) })
    }
}
