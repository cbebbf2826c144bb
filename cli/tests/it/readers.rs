//! Goal: archives made by the program open in every reader people have, with every byte, name and time.
//!
//! Method: the populations of `cases` are zipped by the program, checked by its `verify`, and the archive is
//! handed to each independent reader of `tools`, whose result is compared with the sources: the names, the
//! SHA-256 of every content, and the times where the reader sets them. Closes with a table, reader by archive.
//! A reader that is not installed is skipped, but not where `ZIPFLEET_READERS=all`, as in CI (Debian packages:
//! unzip 7zip libarchive-tools). Archives beyond 4 GiB only where `ZIPFLEET_HEAVY=1`.

#![expect(clippy::print_stdout, reason = "the table is what the tests are for")]

mod cases;
mod tools;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, UNIX_EPOCH};

use simulations_s3::{ObjectView, Rope};
use tempfile::TempDir;

use crate::support::World;
use cases::{CASES, Case, LARGE_CASES};
use tools::{Content, Listing, READERS, Reader, sha256};

/// The last time a DOS date can tell, 2107-12-31 23:59:58.
const DOS_LAST: u64 = 4_354_819_198;

#[test]
fn every_reader_opens_every_archive() {
    open_all(CASES);
}

#[test]
fn every_reader_opens_archives_beyond_4_gib() {
    if std::env::var_os("ZIPFLEET_HEAVY").is_none() {
        println!("skipped: it takes 25 GB of disk and minutes; ZIPFLEET_HEAVY=1 runs it");
        return;
    }
    open_all(LARGE_CASES);
}

/// What came of a reader and an archive.
enum Outcome {
    Ok,
    Skipped,
    /// A known bug of that reader.
    Quirk,
    Wrong(String),
}

fn open_all(cases: &[Case]) {
    let dir = TempDir::new().expect("a directory for temporary files");
    let mut table: Vec<Vec<Outcome>> = Vec::new();
    for case in cases {
        let archive = dir.path().join("archive.zip");
        let expected = make(case, &archive);
        table.push(read_by_all(case, &archive, &expected, dir.path()));
    }
    print(cases, &table);
    let wrong = |(case, row): (&Case, &Vec<Outcome>)| {
        let of_reader = |(reader, outcome): (&Reader, &Outcome)| match outcome {
            Outcome::Wrong(why) => Some(format!("{} of {}: {why}", reader.title, case.title)),
            _ => None,
        };
        READERS.iter().zip(row).filter_map(of_reader).collect::<Vec<_>>()
    };
    let wrong: Vec<String> = cases.iter().zip(&table).flat_map(wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Makes the archive of a case and leaves it as a file; returns what must be in it.
fn make(case: &Case, file: &Path) -> Listing {
    let world = World::new();
    (case.fill)(&world);
    let zip = [&["zip"], case.sources, &["s3://out/a.zip"]].concat();
    patiently(&world, &zip).succeeded();
    let verify = [&["verify", "s3://out/a.zip", "--against"], case.sources].concat();
    let verified = patiently(&world, &verify);
    verified.succeeded();
    assert!(verified.stdout.contains("right in every byte"), "{}: {}", case.title, verified.stdout);
    let archive = world.twin.object("out", "a.zip").expect("it was just made").content;
    (case.check)(&archive);
    let mut file = File::create(file).expect("a file for the archive");
    archive.chunks().for_each(|chunk| file.write_all(&chunk).expect("room for the archive"));
    case.sources.iter().flat_map(|source| expected(&world, source)).collect()
}

/// Runs the program to its end, however long that takes: large archives may outlast the deadline of others.
fn patiently(world: &World, args: &[&str]) -> crate::support::Ended {
    let mut running = world.spawn(args);
    while !running.has_ended() {
        std::thread::sleep(Duration::from_millis(5));
    }
    running.wait()
}

/// What a source, a prefix that ends in a slash or a single key, puts into the archive.
fn expected(world: &World, source: &str) -> Vec<(String, Content)> {
    let (bucket, key) = source["s3://".len()..].split_once('/').expect("a source with a key");
    let folder = key.rfind('/').map_or(0, |slash| slash + 1);
    let keys = world.twin.keys(bucket).into_iter();
    keys.filter(|found| found == key || key.is_empty() || key.ends_with('/') && found.starts_with(key))
        .map(|key| {
            let object = world.twin.object(bucket, &key).expect("it was just listed");
            (key[folder..].to_owned(), content(&object))
        })
        .collect()
}

fn content(object: &ObjectView) -> Content {
    let modified =
        object.last_modified.duration_since(UNIX_EPOCH).expect("S3 has no earlier times").as_secs();
    let modified = if i32::try_from(modified).is_ok() { modified } else { modified.min(DOS_LAST) };
    Content { size: object.size, sha256: sha256_of(&object.content), modified: Some(modified) }
}

fn sha256_of(rope: &Rope) -> String {
    sha256(rope.chunks())
}

/// Opens an archive in every reader, two at a time.
fn read_by_all(case: &Case, archive: &Path, expected: &Listing, dir: &Path) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((index, reader)) =
                    Some(next.fetch_add(1, Relaxed)).and_then(|i| Some((i, READERS.get(i)?)))
                {
                    let outcome = read_by(reader, case, archive, expected, dir);
                    outcomes.lock().expect("no reader panics").push((index, outcome));
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().expect("no reader panics");
    outcomes.sort_by_key(|(index, _)| *index);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

fn read_by(reader: &Reader, case: &Case, archive: &Path, expected: &Listing, dir: &Path) -> Outcome {
    let Some(program) = installed(reader.programs) else {
        if std::env::var("ZIPFLEET_READERS").is_ok_and(|wanted| wanted == "all") {
            return Outcome::Wrong(format!("{} is not installed", reader.programs.join(" or ")));
        }
        println!("skipped: {} ({} is not installed)", reader.title, reader.programs.join(" or "));
        return Outcome::Skipped;
    };
    let scratch = scratch(archive, dir);
    let compared =
        (reader.read)(&program, archive, scratch.path()).and_then(|read| compare(reader, read, expected));
    match compared {
        Ok(()) => Outcome::Ok,
        Err(why) if case.quirk.is_some_and(|(title, words)| title == reader.title && why.contains(words)) => {
            Outcome::Quirk
        }
        Err(why) => Outcome::Wrong(why),
    }
}

/// A directory to extract to: in memory for small archives, where many files cost a tenth of what they do on disk.
fn scratch(archive: &Path, dir: &Path) -> TempDir {
    let is_small = archive.metadata().is_ok_and(|archive| archive.len() < 16 << 20);
    let memory = Path::new("/dev/shm");
    let place = if is_small && memory.is_dir() { memory } else { dir };
    TempDir::new_in(place).expect("a directory for what is extracted")
}

pub(crate) fn installed(programs: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let candidates = programs.iter().flat_map(|program| dirs.iter().map(move |dir| dir.join(program)));
    candidates.into_iter().find(|candidate| candidate.is_file())
}

/// Says how what was read differs from the sources.
fn compare(reader: &Reader, mut read: Listing, expected: &Listing) -> Result<(), String> {
    if reader.extracts {
        // Folders that no entry asks for are made on the way to those that are.
        read.retain(|name, _| !name.ends_with('/') || expected.contains_key(name));
    }
    for (name, expected) in expected {
        let name = (reader.renames)(name);
        let Some(content) = read.remove(&name) else { return Err(format!("no entry {name:?}")) };
        if (content.size, &content.sha256) != (expected.size, &expected.sha256) {
            return Err(format!("{name:?} is {content:?}, not {expected:?}"));
        }
        // Where only the DOS time can tell, it is even.
        if content.modified.is_some_and(|time| time.abs_diff(expected.modified.unwrap_or(time)) > 1) {
            return Err(format!("{name:?} has the time of {content:?}, not of {expected:?}"));
        }
    }
    match read.pop_first() {
        None => Ok(()),
        Some((name, _)) => Err(format!("entry {name:?} that no source has")),
    }
}

fn print(cases: &[Case], table: &[Vec<Outcome>]) {
    println!("\n{:<44}{}", "archive", READERS.map(|reader| format!("{:<16}", reader.title)).concat());
    for (case, row) in cases.iter().zip(table) {
        let cell = |outcome: &Outcome| match outcome {
            Outcome::Ok => "ok",
            Outcome::Skipped => "skipped",
            Outcome::Quirk => "known bug",
            Outcome::Wrong(_) => "WRONG",
        };
        let cells: String = row.iter().map(|outcome| format!("{:<16}", cell(outcome))).collect();
        println!("{:<44}{cells}", case.title);
    }
}
