//! The source objects' bytes beside those of the archive, for one run.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use coordinator::verify::Seen;
use proto_s3::{Error, S3};
use tokio::task::JoinSet;

use super::reader::{Pinned, Reader};

/// What a run holds of one entry: its index, the range of its contents, and where these come from.
pub(super) type Body = (u32, Range<u64>, Pinned);

/// Reads the sources of a run's bodies in step with the archive, a few of them ahead of it: each is opened
/// and waits, with no more of its bytes held than its connection has taken in.
pub(super) struct Sources<'a> {
    s3: &'a S3,
    bodies: Box<dyn Iterator<Item = Body> + Send + 'a>,
    ahead: usize,
    opening: JoinSet<(u32, Result<Source, Error>)>,
    opened: BTreeMap<u32, Result<Source, Error>>,
    /// The entry at hand; no source when it was found to differ.
    current: Option<(u32, Option<Source>)>,
    /// Entries that differ, and from which byte on.
    pub(super) differences: Vec<(u32, u64)>,
}

/// A source object, and what has come of it but was not compared yet.
struct Source {
    reader: Reader,
    frame: Bytes,
}

impl<'a> Sources<'a> {
    /// For `bodies` in the order in which they will be seen. Keeps up to `ahead` of them in flight.
    pub(super) fn new(s3: &'a S3, ahead: usize, bodies: impl Iterator<Item = Body> + Send + 'a) -> Self {
        let mut sources = Self {
            s3,
            bodies: Box::new(bodies),
            ahead,
            opening: JoinSet::new(),
            opened: BTreeMap::new(),
            current: None,
            differences: Vec::new(),
        };
        sources.open_ahead();
        sources
    }

    /// Compares some of an entry's contents with its source. It must be of one of the bodies; these must be
    /// seen in their order, each from its beginning without a gap. Those never seen are passed over.
    pub(super) async fn compare(&mut self, seen: Seen<'_>) -> Result<(), Error> {
        if self.current.as_ref().is_none_or(|(entry, _)| *entry != seen.entry) {
            self.current = Some((seen.entry, Some(self.wait_for(seen.entry).await?)));
        }
        let Some((_, Some(source))) = &mut self.current else { return Ok(()) };
        match source.first_difference(seen.bytes).await? {
            None => Ok(()),
            Some(at) => {
                self.differences.push((seen.entry, seen.at + at));
                self.current = Some((seen.entry, None));
                Ok(())
            }
        }
    }

    fn open_ahead(&mut self) {
        while self.opening.len() + self.opened.len() < self.ahead {
            let Some((entry, range, object)) = self.bodies.next() else { return };
            let mut reader = Reader::new(self.s3, object, range);
            self.opening.spawn(async move {
                let first = reader.next().await;
                (entry, first.map(|frame| Source { reader, frame: frame.unwrap_or_default() }))
            });
        }
    }

    async fn wait_for(&mut self, entry: u32) -> Result<Source, Error> {
        loop {
            // What lies before was not seen: its entry has no readable header.
            self.opened = self.opened.split_off(&entry);
            self.open_ahead();
            if let Some(source) = self.opened.remove(&entry) {
                self.open_ahead();
                return source;
            }
            let joined = self.opening.join_next().await.expect("whatever is seen was announced as a body");
            let (entry, source) = joined.expect("opening a source neither panics nor is aborted");
            self.opened.insert(entry, source);
        }
    }
}

impl Source {
    /// Compares the source's next bytes with `bytes`; where they differ, if they do.
    async fn first_difference(&mut self, bytes: &[u8]) -> Result<Option<u64>, Error> {
        let mut at = 0;
        while at < bytes.len() {
            if self.frame.is_empty() {
                match self.reader.next().await? {
                    Some(frame) => self.frame = frame,
                    None => return Ok(Some(at as u64)),
                }
            }
            let both = self.frame.len().min(bytes.len() - at);
            let (archived, source) = (&bytes[at..at + both], self.frame.split_to(both));
            if *archived != *source {
                let same = archived.iter().zip(&source).take_while(|(a, b)| a == b).count();
                return Ok(Some((at + same) as u64));
            }
            at += both;
        }
        Ok(None)
    }
}
