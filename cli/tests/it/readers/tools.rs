//! The readers: how each is run on an archive, and how what it reads comes back.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};

use super::cases::{NAME_NFC, NAME_NFD};

/// What is under a name. Directories have names that end in `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) size: u64,
    pub(super) sha256: String,
    /// In seconds since 1970; `None` if the reader does not tell.
    pub(super) modified: Option<u64>,
}

/// What is in an archive, by name.
pub(super) type Listing = BTreeMap<String, Content>;

/// A program that opens archives.
pub(super) struct Reader {
    pub(super) title: &'static str,
    /// Names it goes by.
    pub(super) programs: &'static [&'static str],
    /// Reads an archive in full, with nothing but an empty directory at its disposal.
    pub(super) read: fn(program: &Path, archive: &Path, dir: &Path) -> Result<Listing, String>,
    /// Whether it makes files, and with them the folders they are in.
    pub(super) extracts: bool,
    /// Under which name it hands out an entry.
    pub(super) renames: fn(&str) -> String,
}

pub(super) const READERS: [Reader; 7] = [
    extractor("unzip", &["unzip"], |unzip, archive, dir| {
        run(Command::new(unzip).arg("-tqq").arg(archive))?;
        run(Command::new(unzip).arg("-qq").arg(archive).arg("-d").arg(dir))?;
        extracted(dir)
    }),
    extractor("7-Zip", &["7zz", "7z", "7za"], |seven_zip, archive, dir| {
        let to = format!("-o{}", dir.display());
        let quiet = ["-bso0", "-bsp0", "-y"];
        let tested = run(Command::new(seven_zip).arg("t").arg("-bsp0").arg(archive))?;
        // It ends with 0 even where it warns.
        if tested.contains("WARNING") || !tested.contains("Everything is Ok") {
            return Err(tested);
        }
        run(Command::new(seven_zip).arg("x").args(quiet).arg(to).arg(archive))?;
        extracted(dir)
    }),
    Reader {
        renames: composed,
        ..extractor("bsdtar", &["bsdtar"], |bsdtar, archive, dir| {
            run(Command::new(bsdtar).arg("-xf").arg(archive).arg("-C").arg(dir))?;
            extracted(dir)
        })
    },
    Reader {
        renames: composed,
        ..extractor("bsdtar, pipe", &["bsdtar"], |bsdtar, archive, dir| {
            let pipe = r#"cat "$1" | "$0" -xf - -C "$2""#;
            run(Command::new("sh").arg("-c").arg(pipe).arg(bsdtar).arg(archive).arg(dir))?;
            extracted(dir)
        })
    },
    lister("Python zipfile", &["python3"], |python, archive, _| {
        listed(Command::new(python).arg(script("zipfile_reader.py")).arg(archive))
    }),
    lister("Java ZipFile", &["java"], |java, archive, _| listed(run_java(java).arg("file").arg(archive))),
    lister("Java stream", &["java"], |java, archive, _| listed(run_java(java).arg("stream").arg(archive))),
];

type Run = fn(&Path, &Path, &Path) -> Result<Listing, String>;

const fn extractor(title: &'static str, programs: &'static [&'static str], read: Run) -> Reader {
    Reader { title, programs, read, extracts: true, renames: unchanged }
}

const fn lister(title: &'static str, programs: &'static [&'static str], read: Run) -> Reader {
    Reader { title, programs, read, extracts: false, renames: unchanged }
}

fn unchanged(name: &str) -> String {
    name.to_owned()
}

/// libarchive composes accents when it extracts on Linux; the one decomposed name of the cases is known.
fn composed(name: &str) -> String {
    name.replace(NAME_NFD, NAME_NFC)
}

fn script(name: &str) -> String {
    format!("{}/tests/readers/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn run_java(java: &Path) -> Command {
    let mut command = Command::new(java);
    // No second compiler for a program that lives for seconds.
    command.arg("-XX:TieredStopAtLevel=1").arg(script("Reader.java"));
    command
}

/// Runs a command to its end; what it printed if it ended well, and all it said if not. Warnings count.
fn run(command: &mut Command) -> Result<String, String> {
    // Times and names must not depend on whose machine this is.
    let ended =
        command.env("TZ", "UTC").env("LC_ALL", "C.UTF-8").output().map_err(|error| error.to_string())?;
    let (stdout, stderr) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    if !ended.status.success() || !stderr.trim().is_empty() {
        let said: String = format!("{stdout}{stderr}").chars().take(2_000).collect();
        return Err(format!("{:?} ended with {}: {said}", command.get_program(), ended.status));
    }
    Ok(stdout.into_owned())
}

/// Runs one of the scripts, which print `SHA-256 size name` for each entry, the name in hexadecimal.
fn listed(command: &mut Command) -> Result<Listing, String> {
    let line = |line: &str| {
        let mut fields = line.split(' ');
        let (sha256, size, name) = (fields.next()?.to_owned(), fields.next()?.parse().ok()?, fields.next()?);
        let digits = (0..name.len()).step_by(2).map(|at| u8::from_str_radix(name.get(at..at + 2)?, 16).ok());
        let name = String::from_utf8(digits.collect::<Option<_>>()?).ok()?;
        Some((name, Content { size, sha256, modified: None }))
    };
    let output = run(command)?;
    let lines: Option<Vec<_>> = output.lines().map(line).collect();
    let lines = lines.ok_or("the script printed something else")?;
    let (count, listing) = (lines.len(), Listing::from_iter(lines));
    if listing.len() == count { Ok(listing) } else { Err("the same name twice".to_owned()) }
}

/// Everything below a directory.
fn extracted(dir: &Path) -> Result<Listing, String> {
    let mut listing = Listing::new();
    walk(dir, "", &mut vec![0; 1 << 18], &mut listing).map_err(|error| error.to_string())?;
    Ok(listing)
}

fn walk(dir: &Path, prefix: &str, buffer: &mut [u8], listing: &mut Listing) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_str().expect("names are UTF-8"));
        if entry.file_type()?.is_dir() {
            let content = Content { size: 0, sha256: sha256([]), modified: None };
            walk(&entry.path(), &format!("{name}/"), buffer, listing)?;
            listing.insert(format!("{name}/"), content);
            continue;
        }
        let modified = entry.metadata()?.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut file = File::open(entry.path())?;
        let (mut digest, mut size) = (Sha256::new(), 0);
        loop {
            let read = file.read(buffer)?;
            if read == 0 {
                break;
            }
            digest.update(&buffer[..read]);
            size += read as u64;
        }
        let sha256 = hex(&digest.finalize());
        listing.insert(name, Content { size, sha256, modified: Some(modified.as_secs()) });
    }
    Ok(())
}

/// The SHA-256 of chunks one after the other, in hexadecimal.
pub(super) fn sha256(chunks: impl IntoIterator<Item = bytes::Bytes>) -> String {
    let mut digest = Sha256::new();
    chunks.into_iter().for_each(|chunk| digest.update(&chunk));
    hex(&digest.finalize())
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
