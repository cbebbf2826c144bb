//! An archive that somebody wants, and what it must be.

use coordinator::machine::Question;
use proto::archive::zip::{EndRecords, EntryHeader, central_header, end_records, local_header};
use proto::crc::Crc;
use proto::job::{Goal, JobId, JobSpec, Priority};
use proto::limits::MIB;
use proto::listing::{Page, SourceObject};
use proto::location::{Location, Source};

use super::bytes::Bytes;
use super::s3::{ARCHIVES, SOURCES, seed};
use super::world::World;
use crate::dice::Dice;

/// An archive that somebody wants, and submits again when a coordinator forgets it.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) spec: JobSpec,
    /// What is wanted of the coordinator at present.
    pub(super) job: Option<JobId>,
    pub(super) is_over: bool,
    pub(super) is_cancelled: bool,
    /// Objects on a page of its listing.
    page_objects: usize,
    /// What has been listed for the job, as S3 told it.
    pub(super) listed: Vec<SourceObject>,
}

fn any<T: Copy>(of: &[T], chance: &mut Dice) -> T {
    of[chance.below(of.len() as u64) as usize]
}

impl Wish {
    /// Puts its objects there.
    pub(super) fn draw(at: u64, chance: &mut Dice, world: &mut World) -> Self {
        let sources: Vec<String> =
            (0..1 + chance.below(2)).map(|source| format!("w{at}/{source}/")).collect();
        // Few of the large ones, which take many parts each.
        let (objects, bytes) = any(&[(60, 9 * MIB), (40, 300_000), (12, 90 * MIB), (3, 400 * MIB)], chance);
        for number in 0..1 + chance.below(objects) {
            let source = chance.below(sources.len() as u64) as usize;
            let size = if chance.happens(0.05) { 0 } else { 1 + chance.below(bytes) };
            world.s3.put_source(format!("{}{source}-{number:04}", sources[source]), size);
        }
        let sources = sources.into_iter().map(|prefix| Source::Prefix { bucket: SOURCES.into(), prefix });
        let destination = Location { bucket: ARCHIVES.into(), key: format!("{at}.zip") };
        let spec = JobSpec {
            part_bytes: any(
                &[None, None, Some(5 * MIB), Some(8 * MIB), Some(110 * MIB), Some(300 * MIB)],
                chance,
            ),
            priority: any(&[Priority::Low, Priority::Normal, Priority::High], chance),
            goal: any(&[Goal::Speed, Goal::Balanced, Goal::Price], chance),
            no_overwrite: chance.happens(0.1),
            ..JobSpec::new(sources.collect(), destination)
        };
        Self {
            spec,
            job: None,
            is_over: false,
            is_cancelled: false,
            page_objects: any(&[1_000, 20, 3], chance),
            listed: Vec::new(),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// The page that is asked for, as S3 has it now.
    pub(super) fn list(&mut self, question: &Question, world: &World) -> Page {
        let Question::List { index, source, from, .. } = question else {
            unreachable!("only listings are listed")
        };
        let Source::Prefix { prefix, .. } = source else { unreachable!("all sources are prefixes") };
        let first = from.as_deref().unwrap_or(prefix.as_str());
        let mut found = world
            .s3
            .sources
            .range(first.to_owned()..)
            .take_while(|(key, _)| key.starts_with(prefix.as_str()));
        let object = |(key, held): (&String, &super::s3::Source)| SourceObject {
            source: *index,
            bucket: 0,
            stored: proto::crc::StoredKind::None,
            key: key.as_str().into(),
            size: held.size,
            etag: held.etag(),
            modified: 1_700_000_000,
        };
        let objects: Vec<SourceObject> = found.by_ref().take(self.page_objects).map(object).collect();
        let next = found.next().map(|(key, _)| key.clone());
        self.listed.extend(objects.iter().cloned());
        Page { objects, buckets: vec![SOURCES.into()], next }
    }

    /// CRC and size of the archive that was listed, written from front to back.
    pub(super) fn archive(&self, bytes: &Bytes) -> Crc {
        let (mut archive, mut directory, mut last) = (Crc::EMPTY, Vec::new(), None);
        for object in &self.listed {
            // The name is what follows the source's own folder.
            let name = object.key.rsplit('/').next().unwrap_or_default();
            let version = u64::from_str_radix(&object.etag.to_string(), 16).unwrap_or_default();
            let data = bytes.crc(seed(version), &(0..object.size));
            let (size, modified, offset) = (object.size, object.modified, archive.bytes);
            let header = EntryHeader { name, size, offset, modified, crc32: data.value };
            archive = archive.then(Crc::of(&local_header(&header))).then(data);
            directory.extend(central_header(&header));
            last = Some(header);
        }
        let end = EndRecords {
            entries: self.listed.len() as u64,
            directory_offset: archive.bytes,
            directory_bytes: directory.len() as u64,
            last,
        };
        archive.then(Crc::of(&directory)).then(Crc::of(&end_records(&end)))
    }
}
