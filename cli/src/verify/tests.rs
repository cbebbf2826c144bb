//! Archives in a twin of S3, read back over the wire.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use coordinator::verify::{Expected, Kind, Report, judge};
use proto::crc::Crc;
use proto::failure::{Failure, FailureKind};
use proto::limits::NODE_MEMORY_DEFAULT;
use proto::listing::{Etag, SourceObject};
use proto::location::Location;
use proto_s3::{Keys, S3};
use simulations_s3::{
    Fault, FaultKind, Occasion, Op, PutAttributes, Rope, Server, StoredChecksum, Twin, TwinOptions,
};

use super::{Options, verify};

/// 2026-11-24 21:00:00 UTC, in the DOS form too.
const TIME: u32 = 1_795_554_000;
const DOS: u32 = (46 << 9 | 11 << 5 | 24) << 16 | 21 << 11;

/// How a test archive is written.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Canonical,
    Descriptors,
}

fn archive(files: &[(String, Vec<u8>)], form: Form) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    let time = [&b"UT\x05\0\x01"[..], &TIME.to_le_bytes()].concat();
    for (name, data) in files {
        let described = form == Form::Descriptors;
        let flags = if described { 0x0808u16 } else { 0x0800 };
        let size = (data.len() as u32).to_le_bytes();
        let sums = [Crc::of(data).value.to_le_bytes(), size, size].concat();
        let lengths = [(name.len() as u16).to_le_bytes(), 9u16.to_le_bytes()].concat();
        let head = |sums: &[u8]| {
            [&[20, 0], &flags.to_le_bytes()[..], &[0, 0], &DOS.to_le_bytes(), sums, &lengths].concat()
        };
        let offset = (bytes.len() as u32).to_le_bytes();
        directory.extend(
            [
                b"PK\x01\x02\x2d\x03",
                &head(&sums)[..],
                b"\0\0\0\0\0\0\0\0\xa4\x81",
                &offset,
                name.as_bytes(),
                &time,
            ]
            .concat(),
        );
        let local = if described { head(&[0; 12]) } else { head(&sums) };
        bytes.extend([b"PK\x03\x04", &local[..], name.as_bytes(), &time, data].concat());
        if described {
            bytes.extend([&b"PK\x07\x08"[..], &sums].concat());
        }
    }
    let (count, offset) = ((files.len() as u16).to_le_bytes(), (bytes.len() as u32).to_le_bytes());
    let size = (directory.len() as u32).to_le_bytes();
    [&bytes[..], &directory, b"PK\x05\x06\0\0\0\0", &count, &count, &size, &offset, b"\0\0"].concat()
}

/// One file of several runs among many small ones.
fn files() -> Vec<(String, Vec<u8>)> {
    let small = |n: usize| (format!("small/{n:03}"), format!("contents of {n}").repeat(n % 50).into_bytes());
    let mut files: Vec<_> = (0..200).map(small).collect();
    files.insert(100, ("large".into(), (0..3_000_000u32).map(|n| (n / 7 + n / 65_521) as u8).collect()));
    files
}

struct World {
    twin: Twin,
    s3: S3,
    _server: Server,
    expected: Vec<Expected>,
}

const NAME: &str = "made.zip";

impl World {
    /// The files as objects, and an archive.
    async fn with(archive: Vec<u8>) -> Self {
        let twin = Twin::new(TwinOptions::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let server = twin.serve(listener).expect("it is bound");
        let keys = Keys { access_key_id: "zipfleet".into(), secret_access_key: "zipfleet-secret".into() };
        let options = proto_s3::Options {
            endpoint_url: Some(server.endpoint()),
            region: Some("us-east-1".into()),
            keys: Some(keys),
            ..proto_s3::Options::default()
        };
        let s3 = S3::connect(&options).await.expect("the endpoint is a URL");
        let mut world = Self { twin, s3, _server: server, expected: Vec::new() };
        world.twin.put_with(
            "zips",
            NAME,
            archive.into(),
            PutAttributes { checksum: StoredChecksum::Crc32, ..Default::default() },
        );
        for (name, data) in files() {
            world.put_source(&name, data);
        }
        world
    }

    fn put_source(&mut self, name: &str, data: Vec<u8>) {
        let last_modified = Some(UNIX_EPOCH + Duration::from_secs(TIME.into()));
        self.twin.put_with(
            "sources",
            name,
            data.into(),
            PutAttributes { last_modified, ..Default::default() },
        );
        let view = self.twin.object("sources", name).expect("it was just put");
        let (size, etag, modified) = (view.size, Etag::parse(&view.etag), TIME.into());
        let object = SourceObject {
            source: 1,
            bucket: 0,
            stored: proto::crc::StoredKind::None,
            key: name.into(),
            size,
            etag,
            modified,
        };
        self.expected.retain(|other| &*other.name != name);
        let at = if name == "large" { self.expected.len().min(100) } else { self.expected.len() };
        self.expected.insert(at, Expected { name: name.into(), object });
    }

    async fn verify(&self, compared: bool, concurrency: usize) -> Result<Report, Failure> {
        let location = Location { bucket: "zips".into(), key: NAME.into() };
        let expected = compared.then(|| self.expected.clone());
        let buckets = ["elsewhere".to_owned(), "sources".to_owned()];
        let options = Options { concurrency, memory_bytes: NODE_MEMORY_DEFAULT };
        let (done, of) = (AtomicU64::new(0), AtomicU64::new(0));
        let progress = |bytes, total| {
            assert!(done.fetch_max(bytes, Ordering::Relaxed) <= bytes);
            of.store(total, Ordering::Relaxed);
        };
        let report = verify(&self.s3, &location, expected, &buckets, options, progress).await?;
        if report.crc.is_some() {
            assert_eq!(done.into_inner(), report.bytes);
        }
        assert_eq!(of.into_inner(), report.bytes);
        Ok(report)
    }
}

fn kinds(report: &Report) -> Vec<Kind> {
    report.findings.iter().map(|(kind, _)| kind).collect()
}

#[tokio::test]
async fn a_good_archive_is_clean() {
    let bytes = archive(&files(), Form::Canonical);
    let world = World::with(bytes.clone()).await;
    for (compared, concurrency) in [(false, 1), (false, 32), (true, 1), (true, 2), (true, 32)] {
        let report = world.verify(compared, concurrency).await.expect("S3 is there");
        assert!(report.findings.is_clean(), "{:#?}", report.findings);
        assert_eq!((report.entries, report.checked), (201, 201));
        assert_eq!(report.crc, Some(Crc::of(&bytes).value));
    }
    assert_eq!(judge(&bytes), world.verify(false, 7).await.expect("S3 is there"));
}

#[tokio::test]
async fn broken_connections_do_not_matter() {
    let world = World::with(archive(&files(), Form::Canonical)).await;
    for kind in
        [FaultKind::Truncate, FaultKind::ResetDuring, FaultKind::ResetBefore, FaultKind::InternalError]
    {
        world.twin.clear_faults();
        world.twin.add_fault(Fault::new(Op::GetObject, kind).on(Occasion::Chance(0.1)));
        let report = world.verify(true, 16).await.expect("what fails is tried again");
        assert!(report.findings.is_clean(), "{kind:?}: {:#?}", report.findings);
    }
}

#[tokio::test]
async fn a_flipped_byte_is_found() {
    let world = World::with(archive(&files(), Form::Canonical)).await;
    let flip = Fault::new(Op::GetObject, FaultKind::Corrupt).keys(NAME);
    // The first two requests read the end and the directory.
    world.twin.add_fault(flip.on(Occasion::Nth(4)));
    let report = world.verify(true, 8).await.expect("S3 answers");
    assert!(kinds(&report).contains(&Kind::StoredCrc), "{:#?}", report.findings);
    assert!(!report.is_sound());
}

#[tokio::test]
async fn differing_sources_are_found() {
    let mut world = World::with(archive(&files(), Form::Canonical)).await;
    let mut large = files().swap_remove(100).1;
    large[1_234_567] ^= 1;
    large[2_999_999] ^= 1;
    world.put_source("large", large);
    world.put_source("small/001", b"contents of !".to_vec());
    let report = world.verify(true, 8).await.expect("S3 answers");
    assert_eq!(kinds(&report), [Kind::SourceBytes, Kind::SourceOrder], "{:#?}", report.findings);
    let sentences: Vec<_> =
        report.findings.iter().flat_map(|(_, found)| &found.examples).map(ToString::to_string).collect();
    assert!(sentences[0].ends_with("differ from its source object's from byte 12 on"), "{sentences:?}");
    assert!(sentences[1].ends_with("differ from its source object's from byte 1234567 on"), "{sentences:?}");
}

#[tokio::test]
async fn archives_of_other_forms_are_compared_too() {
    let mut files = files();
    files[100].1[2_000_000] ^= 1;
    let world = World::with(archive(&files, Form::Descriptors)).await;
    let report = world.verify(true, 8).await.expect("S3 answers");
    assert_eq!(kinds(&report), [Kind::SourceBytes, Kind::DataDescriptor], "{:#?}", report.findings);
    assert_eq!(report.checked, 201);
}

#[tokio::test]
async fn what_is_no_archive_is_a_report() {
    for bytes in [vec![], b"PK".to_vec(), vec![7; 300_000]] {
        let world = World::with(bytes).await;
        assert_eq!(kinds(&world.verify(true, 8).await.expect("S3 answers")), [Kind::NoEnd]);
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_a_failure() {
    let mut world = World::with(archive(&files(), Form::Canonical)).await;
    let ended = |report: Result<Report, Failure>| report.expect_err("it cannot be read").kind;
    world.twin.put("sources", "small/017", Rope::from("changed since the listing"));
    assert_eq!(ended(world.verify(true, 8).await), FailureKind::SourceChanged);
    world.twin.delete("sources", "small/017");
    assert_eq!(ended(world.verify(true, 8).await), FailureKind::NotFound);
    world.put_source("small/017", files().swap_remove(17).1);
    world.twin.add_fault(Fault::new(Op::GetObject, FaultKind::InternalError).keys("large"));
    assert_eq!(ended(world.verify(true, 8).await), FailureKind::Unavailable);
    world.twin.delete("zips", NAME);
    assert_eq!(ended(world.verify(false, 8).await), FailureKind::NotFound);
}
