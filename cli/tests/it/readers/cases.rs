//! What is archived for the readers: each case is a population with something that could go wrong.

use std::time::{Duration, UNIX_EPOCH};

use simulations_s3::{PutAttributes, Rope, StoredChecksum};

use crate::support::World;

/// An archive to be made and opened.
pub(super) struct Case {
    pub(super) title: &'static str,
    pub(super) sources: &'static [&'static str],
    /// Puts the sources in place.
    pub(super) fill: fn(&World),
    /// Panics if the archive is not the hard case it should be.
    pub(super) check: fn(&Rope),
    /// The reader whose known bug this archive meets, and some words of what it then gets wrong.
    pub(super) quirk: Option<(&'static str, &'static str)>,
}

const EASY: Case = Case { title: "", sources: &["s3://src/"], fill: |_| {}, check: |_| {}, quirk: None };

pub(super) const CASES: &[Case] = &[
    Case { title: "names of every kind", fill: names, sources: &["s3://src/some/folder/"], ..EASY },
    Case { title: "times from 1970 to 2100", fill: times, check: no_zip64, ..EASY },
    // Info-ZIP takes 2100 for a leap year, and so each later day for the next.
    Case {
        title: "times from 2101 on",
        fill: late_times,
        check: no_zip64,
        quirk: Some(("unzip", "has the time of")),
        ..EASY
    },
    Case { title: "several sources and buckets", fill: several, sources: SEVERAL, ..EASY },
    Case { title: "40 MB over several parts", fill: spanning, ..EASY },
    Case { title: "contents that look like a ZIP", fill: hostile, check: no_zip64, ..EASY },
    Case { title: "70,000 tiny entries", fill: tiny, check: has_zip64, ..EASY },
    Case { title: "last name like a zip64 locator", fill: lookalike, check: no_zip64, ..EASY },
    Case {
        title: "false locator: offset, 7-byte name",
        fill: false_locator,
        check: has_false_locator,
        ..EASY
    },
    Case {
        title: "false locator: no time, 16-byte name",
        fill: false_locator_2040,
        check: has_false_locator,
        ..EASY
    },
    Case { title: "one empty object", fill: |world| world.twin.put("src", "empty", Rope::default()), ..EASY },
];

/// These take long.
pub(super) const LARGE_CASES: &[Case] = &[
    Case {
        title: "65,534 entries, the most without zip64",
        fill: |world| empties(world, 65_534),
        check: no_zip64,
        ..EASY
    },
    Case { title: "65,535 entries", fill: |world| empties(world, 65_535), check: has_zip64, ..EASY },
    Case {
        title: "an entry of 4 GiB + 1, small ones after",
        fill: |world| large(world, (4 << 30) + 1),
        check: has_zip64,
        ..EASY
    },
    Case {
        title: "an entry of 0xFFFFFFFE bytes",
        fill: |world| large(world, 0xFFFF_FFFE),
        check: has_zip64,
        ..EASY
    },
    Case {
        title: "an entry of 0xFFFFFFFF bytes",
        fill: |world| large(world, 0xFFFF_FFFF),
        check: has_zip64,
        // After an entry of exactly this size Info-ZIP 6.00 takes the next entry's sizes for saturated, and
        // reports a corrupt zip64 extra field and overlapping components that are not there.
        quirk: Some(("unzip", "extra field")),
        ..EASY
    },
    Case { title: "4.5 GiB of smaller entries", fill: many_gigabytes, check: has_zip64, ..EASY },
];

/// A decomposed accent.
pub(super) const NAME_NFD: &str = "decomposed u\u{308}.txt";
/// The same, composed.
pub(super) const NAME_NFC: &str = "decomposed \u{fc}.txt";

const NAMES: &[&str] = &[
    "plain.txt",
    "nested/a/b/c/deep.txt",
    "composed \u{e9}.txt",
    NAME_NFD,
    "\u{1f980}\u{1f680} family \u{1f469}\u{200d}\u{1f467}.txt",
    "\u{65e5}\u{672c}\u{8a9e}/\u{30d5}\u{30a1}\u{30a4}\u{30eb}.txt",
    "two  spaces.txt",
    " leading and trailing ",
    "a+b.txt",
    "a%2Bb.txt",
    "100% %41 %25.txt",
    "'single' \"double\" `back`.txt",
    "a&b &amp; <c> d.txt",
    "semi;colon,equals=hash#query?.txt",
    "[brackets]{braces}*star|pipe:colon",
    "~tilde^caret$dollar!bang@at",
    "-dash",
    "--option=1",
    "@file",
    ".hidden",
    "..double",
    "...",
    "trailing dot.",
    "right-to-left \u{202e}txt.exe",
    "con",
    "nul.txt",
    "no extension",
    "many.dots.in.it.tar.gz",
    "\u{feff}bom",
];

fn names(world: &World) {
    let put = |name: &str, content: Rope| world.twin.put("src", &format!("some/folder/{name}"), content);
    for name in NAMES {
        put(name, name.as_bytes().to_vec().into());
    }
    // The longest component a file system holds, and the longest key S3 takes.
    let longest = "x".repeat(255);
    put(&longest, "one component of 255 bytes".into());
    let prefix = "some/folder/".len();
    let path = [&longest[..200], "/", &longest, "/", &longest, "/", &longest, "/"].concat();
    put(&format!("{path}{}", &longest[..1_024 - prefix - path.len()]), "a key of 1,024 bytes".into());
    put("empty object", Rope::default());
    put("one byte", "1".into());
    put("directory/", Rope::default());
    put("outer/inner directory \u{e9}/", Rope::default());
    put("marked/", Rope::default());
    put("marked/file in a directory that has a marker", "3".into());
}

fn times(world: &World) {
    put_at(world, 0, "1970, the first second", "1970");
    put_at(world, 315_532_799, "1979, the last second", "1979");
    put_at(world, 315_532_800, "1980, the first second", "1980");
    put_at(world, 1_709_210_097, "2024, an odd second of February 29", "2024");
    put_at(world, 0x7FFF_FFFF, "2038, the last that fits 31 bits", "2038");
    put_at(world, 0x8000_0000, "2038, the first that does not", "2038");
    put_at(world, 4_102_444_800, "2100", "2100");
}

fn late_times(world: &World) {
    put_at(world, 4_354_819_199, "2107, the last second", "2107");
    put_at(world, 7_258_118_400, "2200, which becomes 2107", "2200");
}

fn put_at(world: &World, seconds: u64, key: &str, content: impl Into<Rope>) {
    let last_modified = Some(UNIX_EPOCH + Duration::from_secs(seconds));
    let attributes = PutAttributes { last_modified, ..PutAttributes::default() };
    world.twin.put_with("src", key, content.into(), attributes);
}

const SEVERAL: &[&str] =
    &["s3://src/photos/", "s3://other/", "s3://src/single/file.txt", "s3://third/deep/down/"];

fn several(world: &World) {
    for (bucket, keys) in [
        ("src", &["photos/a.jpg", "photos/2026/b.jpg", "single/file.txt", "single/not this"][..]),
        ("other", &["zebra", "documents/c.txt"]),
        ("third", &["deep/down/x", "deep/down/y/z", "deep/not this"]),
    ] {
        keys.iter().for_each(|key| world.twin.put(bucket, key, (*key).into()));
    }
}

fn spanning(world: &World) {
    world.twin.put("src", "before", "small".into());
    world.twin.put("src", "large", Rope::synthetic(1, 40_000_000));
    world.twin.put("src", "middle", Rope::synthetic(2, 5 << 20));
    world.twin.put("src", "then", "small".into());
}

fn hostile(world: &World) {
    world.twin.put("out", "inner/a.txt", "in the inner archive".into());
    world.twin.put("out", "inner/b.txt", Rope::default());
    world.zipfleet(&["zip", "s3://out/inner/", "s3://out/inner.zip"]).succeeded();
    let inner = world.twin.object("out", "inner.zip").expect("it was just made").content;
    // The records of an archive, and an end record that claims a directory over everything before it.
    let len = inner.len();
    let local = inner.slice(0..60);
    let mut end = inner.slice(len - 22..len).to_bytes().to_vec();
    let locator = b"PK\x06\x07\0\0\0\0\x10\0\0\0\0\0\0\0\x01\0\0\0".to_vec();
    let end64 = [&b"PK\x06\x06"[..], &44_u64.to_le_bytes(), &[0; 44]].concat();
    world.twin.put("src", "an archive.zip", inner.clone());
    world.twin.put("src", "begins like an entry", Rope::concat([&local, &local, &Rope::synthetic(3, 1_000)]));
    world.twin.put("src", "data descriptors", b"PK\x07\x08\0\0\0\0PK\x07\x08".repeat(50).into());
    world.twin.put(
        "src",
        "ends like an archive",
        Rope::concat([&Rope::synthetic(4, 1_000), &end.clone().into()]),
    );
    world.twin.put("src", "ends like zip64", [end64, locator, end.clone()].concat().into());
    // The last content before the true directory, with a comment length that reaches to the true end.
    end[20..22].copy_from_slice(&200_u16.to_le_bytes());
    world.twin.put("src", "zz last: end records", end.repeat(20).into());
}

fn tiny(world: &World) {
    empties(world, 69_800);
    (0..200_u8).for_each(|number| {
        world.twin.put("src", &format!("tiny/{number:03}"), vec![number; 1 + usize::from(number % 7)].into())
    });
}

/// Empty objects over a hundred folders: they cost no request each, and an entry all the same.
fn empties(world: &World, count: u32) {
    for number in 0..count {
        world.twin.put("src", &format!("{:02}/{number:05}", number % 100), Rope::default());
    }
}

/// The signature of a locator needs control characters, which are unsafe; these bytes are as near as a name comes.
fn lookalike(world: &World) {
    for name in ["a first", "zz PK\u{2406}\u{2407}56789", "zzz PK67PK67PK67567"] {
        world.twin.put("src", name, name.as_bytes().to_vec().into());
    }
}

/// "PK\x06\x07" as the offset of an entry. In the central header of the last entry, whose time extra has 9 bytes,
/// the offset lies 20 bytes before the end record, where a zip64 locator would begin, if the name has 7 bytes.
const LOCATOR: u64 = 0x0706_4B50;

fn false_locator(world: &World) {
    let filler = "filler";
    let header = 30 + filler.len() as u64 + 9;
    world.twin.put("src", filler, Rope::synthetic(5, LOCATOR - header));
    world.twin.put("src", "last.me", "its header lies at byte 117,853,008".into());
}

/// The same where there is no time extra: then a name of 16 bytes brings the offset to that place.
fn false_locator_2040(world: &World) {
    let year_2040 = 2_208_988_800;
    put_at(world, year_2040, "filler", Rope::synthetic(6, LOCATOR - 36));
    put_at(world, year_2040, "last of sixteen.", "its header lies at byte 117,853,008");
}

fn has_false_locator(archive: &Rope) {
    has_zip64(archive);
    let directory_end = archive.len() - 98;
    let trap = archive.slice(directory_end - 20..directory_end - 16).to_bytes();
    assert_eq!(
        trap[..],
        LOCATOR.to_le_bytes()[..4],
        "the trap is where a reader without zip64 would step in"
    );
}

fn has_zip64(archive: &Rope) {
    let end64 = archive.len() - 98;
    assert_eq!(archive.slice(end64..end64 + 4).to_bytes()[..], *b"PK\x06\x06", "a zip64 end record");
}

fn no_zip64(archive: &Rope) {
    let locator = archive.len() - 42;
    assert_ne!(archive.slice(locator..locator + 4).to_bytes()[..], *b"PK\x06\x07", "no zip64 locator");
}

fn large(world: &World, size: u64) {
    let attributes = PutAttributes { checksum: StoredChecksum::Crc32, ..PutAttributes::default() };
    world.twin.put("src", "a before", "small".into());
    world.twin.put_with("src", "large", Rope::synthetic(7, size), attributes);
    world.twin.put("src", "then/one", "its offset needs zip64, its size does not".into());
    world.twin.put("src", "then/two", Rope::default());
    world.twin.put("src", "then/zero/", Rope::default());
}

fn many_gigabytes(world: &World) {
    for number in 0..9 {
        world.twin.put("src", &format!("{number}/half a gigabyte"), Rope::synthetic(number, 1 << 29));
        world.twin.put("src", &format!("{number}/small"), format!("after {number}").into_bytes().into());
    }
}
