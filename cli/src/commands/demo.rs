//! `zipfleet demo`: the whole story in under a minute, on this machine alone.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use proto::failure::{Failure, FailureKind};
use proto::job::{JobSpec, UnsafeNames};
use proto::limits::{NODE_CONCURRENCY_DEFAULT, NODE_MEMORY_DEFAULT};
use proto::location::{Location, Source, parse_source};
use proto_s3::{Keys, Options};
use simulations_s3::{PutAttributes, Rope, StoredChecksum, Twin, TwinOptions};
use tokio::net::TcpListener;

use super::zip::{Made, Unmade, make};
use super::{connect, verify};
use crate::args::{DemoArgs, ResourceArgs};
use crate::failures::{internal, usage};
use crate::local::Fleet;
use crate::output::{Voice, count, rate, size};
use crate::signals::Signals;
use crate::summary::times;

/// One in thirty of the population all published results are about: 3,000 objects of about 5 MB.
const PHOTOS: u64 = 100;
/// Most bytes of real files taken along: the demo is to end within a minute on a small machine.
const FILES_BYTES_MAX: u64 = 100_000_000;
const RESOURCES: ResourceArgs =
    ResourceArgs { concurrency: NODE_CONCURRENCY_DEFAULT, memory: NODE_MEMORY_DEFAULT, bandwidth: None };

pub(crate) async fn run(args: DemoArgs, voice: Voice) -> Result<ExitCode, Failure> {
    refuse_unwritable(&args.output)?;
    let mut signals = Signals::listen().map_err(internal)?;
    let twin = Twin::new(TwinOptions::default());
    let server = twin.serve(TcpListener::bind("127.0.0.1:0").await.map_err(internal)?).map_err(internal)?;
    voice.say(&format!("1. An S3 in memory is up at {}.", server.endpoint()));
    let keys = Keys { access_key_id: "zipfleet".to_owned(), secret_access_key: "zipfleet-secret".to_owned() };
    let region = Some("us-east-1".to_owned());
    let s3 =
        connect(&Options { endpoint_url: Some(server.endpoint()), region, keys: Some(keys), profile: None })
            .await?;

    let sources = fill(&twin, voice)?;
    let spec = JobSpec {
        // Whole keys: the sources share no folder.
        strip_prefix: Some(String::new()),
        no_overwrite: true,
        unsafe_names: UnsafeNames::Map,
        ..JobSpec::new(sources, Location { bucket: "out".to_owned(), key: "demo.zip".to_owned() })
    };

    let nodes = usize::from(args.nodes);
    voice.say(&format!(
        "3. A coordinator and {} make {} of it:",
        count(nodes as u64, "node"),
        spec.destination
    ));
    let fleet = Fleet::start(&s3, nodes, RESOURCES).await?;
    let made = match make(&s3, fleet, spec.clone(), voice, &mut signals).await {
        Ok(made) => made,
        Err(Unmade { failure, code }) => return Ok(voice.failure_with(&failure, code)),
    };
    voice.say(&indented(&made.describe(&spec.destination)));
    voice.say(&indented(&where_the_time_went(&made)));

    voice.say("4. Read back, every CRC checked, and compared with the sources byte by byte:");
    let began = Instant::now();
    let report = tokio::select! {
        report = verify::check(&s3, &spec.destination, Some(&spec), RESOURCES, voice) => report?,
        code = signals.next() => {
            return Ok(voice.failure_with(&Failure::new(FailureKind::Cancelled, "stopped"), code));
        }
    };
    let seconds = began.elapsed().as_secs_f64();
    voice.say(&indented(&format!(
        "{} ({seconds:.1} s, {})",
        verify::describe(&report),
        rate(made.summary.bytes, seconds)
    )));

    save(&twin, &spec.destination, &args.output)?;
    let file = args.output.display();
    voice.say(&format!(
        "5. The archive is at {file}; open it with what you like, for example `unzip -l {file}`."
    ));
    let value = serde_json::json!({ "file": args.output, "summary": made.summary, "requests": made.requests, "verified": report.is_sound() });
    voice.result("Next: `zipfleet zip --help`, with your own buckets.", &value);
    server.stop().await;
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::from(crate::exit_code::ARCHIVE_WRONG) })
}

/// Fills the twin with real files and made-up photos; gives the sources to archive.
fn fill(twin: &Twin, voice: Voice) -> Result<Vec<Source>, Failure> {
    twin.create_bucket("out");
    let mut left = FILES_BYTES_MAX;
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = 0;
    for (prefix, dir) in [("source/", checkout), ("documentation/", PathBuf::from("/usr/share/doc"))] {
        files += load(twin, prefix, &dir, &mut left);
    }
    let mut chance = SplitMix(2026);
    for number in 0..PHOTOS {
        let attributes = PutAttributes { checksum: StoredChecksum::Crc32, ..PutAttributes::default() };
        let content = Rope::synthetic(number, chance.normal(5e6, 1e6));
        twin.put_with("photos", &format!("2026/img-{number:04}.jpg"), content, attributes);
    }
    voice.say(&format!(
        "2. It holds {} of this machine in s3://files/ and {} made-up photos of about 5 MB in s3://photos/2026/.",
        count(files, "real file"),
        PHOTOS
    ));
    let mut sources = vec!["s3://photos/2026/"];
    if files > 0 {
        sources.insert(0, "s3://files/");
    }
    sources.into_iter().map(|source| parse_source(source).map_err(|error| usage(error.to_string()))).collect()
}

/// Loads regular files below `dir`, leaving out what is hidden or built, up to `left` bytes; what cannot
/// be read is left out too, for a demo takes what it finds.
fn load(twin: &Twin, prefix: &str, dir: &Path, left: &mut u64) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let mut entries: Vec<fs::DirEntry> = entries.flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut loaded = 0;
    for entry in entries {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let (Ok(kind), key) = (entry.file_type(), format!("{prefix}{name}")) else { continue };
        if name.starts_with('.') || name == "target" || name.ends_with(".zip") {
            continue;
        }
        if kind.is_dir() {
            loaded += load(twin, &format!("{key}/"), &entry.path(), left);
        } else if kind.is_file()
            && entry.metadata().is_ok_and(|file| file.len() <= *left)
            && let Ok(bytes) = fs::read(entry.path())
        {
            *left = left.saturating_sub(bytes.len() as u64);
            let last_modified = entry.metadata().and_then(|file| file.modified()).ok();
            let attributes =
                PutAttributes { checksum: StoredChecksum::Crc32, last_modified, ..PutAttributes::default() };
            twin.put_with("files", &key, Rope::from(bytes), attributes);
            loaded += 1;
        }
    }
    loaded
}

fn where_the_time_went(made: &Made) -> String {
    let mut text = times(&made.summary);
    for node in &made.nodes {
        text.push_str(&format!("\n{}: {}, {}", node.name, count(node.parts, "part"), size(node.bytes)));
    }
    text
}

/// Fails before the work, not after it, if the archive could not be left there.
fn refuse_unwritable(file: &Path) -> Result<(), Failure> {
    let is_new = !file.exists();
    fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .map_err(|error| cannot_write(file, &error))?;
    if is_new {
        fs::remove_file(file).map_err(|error| cannot_write(file, &error))?;
    }
    Ok(())
}

/// Written beside and moved into place when complete: a full disk leaves what was there before.
fn save(twin: &Twin, archive: &Location, file: &Path) -> Result<(), Failure> {
    let object = twin.object(&archive.bucket, &archive.key).ok_or_else(|| internal("the archive is gone"))?;
    let mut partial = file.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let written = fs::File::create(&partial).and_then(|mut out| {
        object.content.chunks().try_for_each(|chunk| out.write_all(&chunk))?;
        out.flush()
    });
    written.and_then(|()| fs::rename(&partial, file)).map_err(|error| {
        // It may not even have come into being.
        let _ = fs::remove_file(&partial);
        cannot_write(file, &error)
    })
}

fn cannot_write(file: &Path, error: &std::io::Error) -> Failure {
    usage(format!("cannot write {}: {error}; name another file with --output", file.display()))
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("   {line}")).collect::<Vec<_>>().join("\n")
}

/// A fixed sequence of random numbers, so that every demo is the same.
struct SplitMix(u64);

impl SplitMix {
    /// A number in `0.0..1.0`.
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) as f64 / u64::MAX as f64
    }

    /// A size from a normal distribution: the sum of twelve uniform numbers has a deviation of one.
    fn normal(&mut self, mean: f64, deviation: f64) -> u64 {
        let sum: f64 = (0..12).map(|_| self.uniform()).sum();
        (mean + (sum - 6.0) * deviation).max(0.0) as u64
    }
}
