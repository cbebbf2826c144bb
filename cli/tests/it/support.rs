//! A private S3, the real program run against it, and a reader of archives that owes nothing to the writer.

use std::fs::{File, read_to_string};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use simulations_s3::{Rope, Server, Twin, TwinOptions};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// Far longer than anything takes: only what hangs gets there.
const DEADLINE: Duration = Duration::from_secs(120);

/// An S3 on a free port of this machine, and a home directory for the program.
pub(crate) struct World {
    pub(crate) twin: Twin,
    pub(crate) endpoint: String,
    home: TempDir,
    runs: AtomicU32,
    // The server's task needs the runtime to end, so it goes first.
    _server: Server,
    _runtime: Runtime,
}

impl World {
    /// With buckets `src` and `out`, both empty.
    pub(crate) fn new() -> Self {
        Self::with(TwinOptions::default())
    }

    /// With a twin of these options, and buckets `src` and `out`.
    pub(crate) fn with(options: TwinOptions) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let twin = Twin::new(options);
        twin.create_bucket("src");
        twin.create_bucket("out");
        let server = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
            twin.serve(listener).expect("a bound listener has an address")
        });
        let home = TempDir::new().expect("a directory for temporary files");
        Self {
            twin,
            endpoint: server.endpoint(),
            home,
            runs: AtomicU32::new(0),
            _server: server,
            _runtime: runtime,
        }
    }

    /// The program as a person at a clean machine with the right keys would run it.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zipfleet"));
        command
            .args(args)
            .current_dir(self.home.path())
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", self.home.path())
            .env("AWS_ENDPOINT_URL_S3", &self.endpoint)
            .env("AWS_ACCESS_KEY_ID", "zipfleet")
            .env("AWS_SECRET_ACCESS_KEY", "zipfleet-secret")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }

    /// Starts a command.
    pub(crate) fn start(&self, command: Command) -> Running {
        self.start_reading(command, Stdio::null())
    }

    /// Starts a command with something to read on standard input.
    pub(crate) fn start_reading(&self, mut command: Command, stdin: impl Into<Stdio>) -> Running {
        let number = self.runs.fetch_add(1, Relaxed);
        // Files, unlike pipes, never make the program wait for a reader, and can be looked into meanwhile.
        let file = |name: &str| self.home.path().join(format!("{name}-{number}"));
        let (stdout, stderr) = (file("stdout"), file("stderr"));
        let child = command
            .stdin(stdin)
            .stdout(File::create(&stdout).expect("a file for its output"))
            .stderr(File::create(&stderr).expect("a file for its errors"))
            .spawn()
            .expect("the program starts");
        Running { child, stdout, stderr }
    }

    /// A file in the home directory, which is where commands run.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Starts the program with these arguments.
    pub(crate) fn spawn(&self, args: &[&str]) -> Running {
        self.start(self.command(args))
    }

    /// Runs the program with these arguments to its end.
    pub(crate) fn zipfleet(&self, args: &[&str]) -> Ended {
        self.spawn(args).wait()
    }

    /// Name and content that the entries of `s3://bucket/prefix` should have, in order.
    pub(crate) fn entries(&self, bucket: &str, prefix: &str) -> Vec<(String, Rope)> {
        let keys = self.twin.keys(bucket).into_iter().filter(|key| key.starts_with(prefix));
        let content = |key: &str| self.twin.object(bucket, key).expect("it was just listed").content;
        keys.map(|key| (key[prefix.len()..].to_owned(), content(&key))).collect()
    }

    /// Panics if S3 holds an open upload.
    pub(crate) fn no_upload_left(&self) {
        let left = self.twin.uploads();
        assert!(left.is_empty(), "uploads left: {left:?}");
        let mut made = self.twin.keys("out");
        made.retain(|key| key.contains(".zipfleet-"));
        assert!(made.is_empty(), "made on the way, and left: {made:?}");
    }

    /// Panics if there is an object, an open upload anywhere, or something that was made on the way.
    pub(crate) fn nothing_left(&self, bucket: &str, key: &str) {
        self.no_upload_left();
        assert!(self.twin.object(bucket, key).is_none(), "there is an object at s3://{bucket}/{key}");
    }

    /// Panics unless the object is an archive of just these entries in this order, and no upload is left.
    pub(crate) fn archive_is_right(&self, bucket: &str, key: &str, expected: &[(String, Rope)]) {
        self.no_upload_left();
        let archive =
            self.twin.object(bucket, key).unwrap_or_else(|| panic!("no archive at s3://{bucket}/{key}"));
        let read = read_archive(&archive.content);
        assert_eq!(read.len(), expected.len(), "number of entries");
        for ((name, content), (expected_name, expected_content)) in read.iter().zip(expected) {
            assert_eq!(name, expected_name);
            assert!(content == expected_content, "content of {name}: {content:?}, not {expected_content:?}");
        }
    }
}

/// A run of the program; killed when dropped.
pub(crate) struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far on standard error.
    pub(crate) fn stderr(&self) -> String {
        read_to_string(&self.stderr).expect("UTF-8")
    }

    /// What it has printed so far on standard output.
    pub(crate) fn stdout(&self) -> String {
        read_to_string(&self.stdout).expect("UTF-8")
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_some()
    }

    /// Sends it a signal: `INT`, `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status();
        assert!(sent.expect("kill is there").success(), "no process to send SIG{name} to: {}", self.stderr());
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Ended {
        let since = Instant::now();
        while !self.has_ended() {
            assert!(
                since.elapsed() < DEADLINE,
                "still running after {DEADLINE:?}; it said: {}",
                self.stderr()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        let status = self.child.wait().expect("it is our child");
        let code = status.code().unwrap_or_else(|| -status.signal().unwrap_or_default());
        Ended { code, stdout: self.stdout(), stderr: self.stderr(), took: since.elapsed() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It fails only when the process has ended.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code; the negative number of the signal that ended it.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

impl Ended {
    /// Panics, showing what was said, unless it ended well.
    #[track_caller]
    pub(crate) fn succeeded(&self) {
        assert_eq!(self.code, 0, "{self:#?}");
    }

    /// Panics unless it ended with `code` and an error message that contains all of `words`.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:#?}");
        for word in words {
            assert!(self.stderr.contains(word), "no `{word}` in {self:#?}");
        }
    }
}

/// Waits until something holds that others bring about.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < DEADLINE, "not after {DEADLINE:?}: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Name and content of each entry in the order of the directory, which must be the order of the archive.
/// Panics unless local headers, contents, directory and end records fill the archive without a gap, are
/// STORED, agree with each other, and have the CRCs of the contents.
pub(crate) fn read_archive(archive: &Rope) -> Vec<(String, Rope)> {
    let (count, directory_at, directory_len, end_at) = read_end(archive);
    assert_eq!(directory_at + directory_len, end_at, "the end records follow the directory");
    let mut entries = Vec::new();
    let directory = archive.slice(directory_at..end_at).to_bytes();
    let (mut rest, mut next_at) = (&directory[..], 0);
    while !rest.is_empty() {
        assert_eq!(rest[..4], *b"PK\x01\x02", "a central header");
        let [name_len, extra_len, comment_len] = [28, 30, 32].map(|at| le(rest, at, 2) as usize);
        let (name, after) = rest[46..].split_at(name_len);
        let extra = &after[..extra_len];
        let mut zip64 = zip64_field(extra);
        let mut wide = |at| widen(le(rest, at, 4), &mut zip64);
        let (size, packed, local_at) = (wide(24), wide(20), wide(42));
        assert_eq!(le(rest, 10, 2), 0, "STORED");
        assert_eq!(size, packed);
        assert_eq!(local_at, next_at, "entries lie side by side");
        let header = archive.slice(local_at..local_at + 30).to_bytes();
        assert_eq!(header[..4], *b"PK\x03\x04", "a local header");
        // Version, flags, method, time, date and CRC.
        assert_eq!(header[4..18], rest[6..20], "local and central header of the same entry agree");
        let name_at = local_at + 30;
        let content_at = name_at + le(&header, 26, 2) + le(&header, 28, 2);
        let local = archive.slice(name_at..content_at).to_bytes();
        assert_eq!(local[..name_len], *name);
        let mut zip64 = zip64_field(&local[name_len..]);
        let sizes = [22, 18].map(|at| widen(le(&header, at, 4), &mut zip64));
        assert_eq!(sizes, [size, size]);
        next_at = content_at + size;
        let content = archive.slice(content_at..next_at);
        let name = String::from_utf8(name.to_vec()).expect("names are UTF-8");
        assert_eq!(u64::from(content.crc32()), le(rest, 16, 4), "CRC-32 of {name}");
        entries.push((name, content));
        rest = &after[extra_len + comment_len..];
    }
    assert_eq!(next_at, directory_at, "the directory follows the last entry");
    assert_eq!(entries.len() as u64, count, "entries as counted in the end record");
    entries
}

/// Entries, begin and length of the directory, and where the end records begin.
fn read_end(archive: &Rope) -> (u64, u64, u64, u64) {
    let end_at = archive.len().checked_sub(22).expect("an end record fits");
    let end = archive.slice(end_at..archive.len()).to_bytes();
    assert_eq!(end[..4], *b"PK\x05\x06", "an end record without a comment is last");
    let (count, len, at) = (le(&end, 10, 2), le(&end, 12, 4), le(&end, 16, 4));
    if count != 0xffff && len != 0xffff_ffff && at != 0xffff_ffff {
        return (count, at, len, end_at);
    }
    let locator = archive.slice(end_at - 20..end_at).to_bytes();
    assert_eq!(locator[..4], *b"PK\x06\x07", "a zip64 locator");
    let end64_at = le(&locator, 8, 8);
    let end64 = archive.slice(end64_at..end_at - 20).to_bytes();
    assert_eq!((&end64[..4], end64.len()), (&b"PK\x06\x06"[..], 56), "a zip64 end record");
    (le(&end64, 32, 8), le(&end64, 48, 8), le(&end64, 40, 8), end64_at)
}

fn le(bytes: &[u8], at: usize, len: usize) -> u64 {
    bytes[at..at + len].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// What the zip64 extra field holds, if there is one.
fn zip64_field(mut extra: &[u8]) -> &[u8] {
    while !extra.is_empty() {
        let (id, end) = (le(extra, 0, 2), 4 + le(extra, 2, 2) as usize);
        if id == 1 {
            return &extra[4..end];
        }
        extra = &extra[end..];
    }
    extra
}

/// A 32-bit value, or the next of the zip64 field where it says so.
fn widen(value: u64, zip64: &mut &[u8]) -> u64 {
    if value != 0xffff_ffff {
        return value;
    }
    let wide = le(zip64, 0, 8);
    *zip64 = &zip64[8..];
    wide
}
