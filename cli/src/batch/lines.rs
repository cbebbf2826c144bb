//! The jobs of a batch, a line each: JSON as the job API takes it, or CSV. Whatever its length, one line is held at a
//! time.

use std::cell::Cell;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use csv::{ByteRecord, ReaderBuilder, Terminator, Trim};
use proto::api::Submission;
use proto::job::{Goal, JobSpec, Priority};
use proto::limits::BATCH_LINE_BYTES_MAX;
use proto::location::{parse_object, parse_source};
use serde_json::{Map, Value};

use crate::units::parse_bytes;

/// The columns of a CSV file.
const COLUMNS: [&str; 11] = [
    "source",
    "destination",
    "priority",
    "include",
    "exclude",
    "strip_prefix",
    "no_overwrite",
    "part_size",
    "goal",
    "unsafe_names",
    "name",
];
/// What stands between several sources or patterns in one field of CSV.
const BETWEEN: char = ';';
/// Most bytes of CSV that are read at once.
const PIECE: usize = 4 << 10;
/// A mark that some programs write at the beginning of a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A job of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// On which line of the file it begins, from 1 on.
    pub(crate) number: u64,
    /// What it is called, if it has a name.
    pub(crate) name: Option<String>,
    /// The job, or why it is none.
    pub(crate) job: Result<Submission, String>,
}

/// How jobs are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// An object of JSON on each line.
    Json,
    /// A head with the names of the columns, and a record for each job.
    Csv,
}

impl Format {
    /// What a file's name says it is, if it does.
    fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" | "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Reads the jobs of a batch, as long as `take` wants more of them. If neither its name nor its beginning says that it
/// is JSON, it is CSV.
///
/// # Errors
/// When it cannot be read any further; what was read before has been taken.
pub(crate) fn read(path: &Path, from: impl Read, take: &mut dyn FnMut(Line) -> bool) -> Result<(), String> {
    let mut from = BufReader::new(from);
    let begin = from.fill_buf().map_err(|error| format!("cannot be read: {error}"))?;
    if begin.starts_with(BYTE_ORDER_MARK) {
        from.consume(BYTE_ORDER_MARK.len());
    }
    let begin = from.fill_buf().map_err(|error| format!("cannot be read: {error}"))?;
    let is_json = begin.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| *byte == b'{');
    match Format::of(path).unwrap_or(if is_json { Format::Json } else { Format::Csv }) {
        Format::Json => read_json(from, take),
        Format::Csv => read_csv(from, take),
    }
}

fn read_json(mut from: impl BufRead, take: &mut dyn FnMut(Line) -> bool) -> Result<(), String> {
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        let most = BATCH_LINE_BYTES_MAX as u64 + 1;
        let read = from.by_ref().take(most).read_until(b'\n', &mut bytes);
        if read.map_err(|error| format!("cannot be read beyond line {number}: {error}"))? == 0 {
            break;
        }
        let is_whole = bytes.len() <= BATCH_LINE_BYTES_MAX || bytes.ends_with(b"\n");
        if !is_whole {
            from.skip_until(b'\n')
                .map_err(|error| format!("cannot be read beyond line {number}: {error}"))?;
        }
        let (name, job) = match is_whole {
            true if bytes.trim_ascii().is_empty() => continue,
            true => of_json(&bytes),
            false => (None, Err(format!("it is longer than {BATCH_LINE_BYTES_MAX} bytes"))),
        };
        if !take(Line { number, name, job }) {
            break;
        }
    }
    Ok(())
}

/// The name of a job and the job.
fn of_json(line: &[u8]) -> (Option<String>, Result<Submission, String>) {
    let wrong = |error: serde_json::Error| error.to_string().replace(" at line 1 column ", " at column ");
    let mut fields: Map<String, Value> = match serde_json::from_slice(line) {
        Ok(fields) => fields,
        Err(error) => return (None, Err(format!("this is no job: {}", wrong(error)))),
    };
    let name = match fields.remove("name") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name),
        Some(_) => return (None, Err("`name` must be a text".to_owned())),
    };
    let job =
        serde_json::from_value(Value::Object(fields)).map_err(|error| format!("this is no job: {error}"));
    (name, job.and_then(checked))
}

/// A job whose addresses make sense.
fn checked(job: Submission) -> Result<Submission, String> {
    if job.sources.is_empty() {
        return Err("it has no sources".to_owned());
    }
    job.spec().map_err(|error| error.to_string())?;
    Ok(job)
}

fn read_csv(from: impl Read, take: &mut dyn FnMut(Line) -> bool) -> Result<(), String> {
    let left = Rc::new(Cell::new(0));
    let bounded = Bounded { from, left: Rc::clone(&left), held: false, ends_line: true };
    // Records with too many or too few fields are told one by one.
    let mut format = ReaderBuilder::new();
    format.flexible(true).trim(Trim::Headers).terminator(Terminator::Any(b'\n'));
    let mut reader = format.from_reader(bounded);
    left.set(BATCH_LINE_BYTES_MAX);
    let heads = reader.byte_headers().map_err(|error| unreadable(&error, 1))?;
    let heads: Vec<String> = heads.iter().map(|head| String::from_utf8_lossy(head).into_owned()).collect();
    check_heads(&heads)?;
    let mut record = ByteRecord::new();
    loop {
        left.set(BATCH_LINE_BYTES_MAX);
        let begins = reader.position().line();
        if !reader.read_byte_record(&mut record).map_err(|error| unreadable(&error, begins))? {
            return Ok(());
        }
        // Its own position is before the empty lines above it.
        let within = record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
        let number = reader.position().line() - 1 - within;
        let (name, job) = of_record(&heads, &record);
        if !take(Line { number, name, job }) {
            return Ok(());
        }
    }
}

fn unreadable(error: &csv::Error, line: u64) -> String {
    format!("cannot be read beyond line {line}: {error}")
}

fn check_heads(heads: &[String]) -> Result<(), String> {
    let columns = || COLUMNS.join(", ");
    if let Some(unknown) = heads.iter().find(|head| !COLUMNS.contains(&head.as_str())) {
        return Err(format!(
            "line 1 must name the columns, and there is no column `{unknown}`, but {}",
            columns()
        ));
    }
    for (column, may_repeat) in
        COLUMNS.map(|column| (column, matches!(column, "source" | "include" | "exclude")))
    {
        let many = heads.iter().filter(|head| *head == column).count();
        if many > 1 && !may_repeat {
            return Err(format!("line 1 names the column `{column}` {many} times"));
        }
        if many == 0 && matches!(column, "source" | "destination") {
            return Err(format!("line 1 must name the columns, and there is none called `{column}`"));
        }
    }
    Ok(())
}

/// The name of a job and the job.
fn of_record(heads: &[String], record: &ByteRecord) -> (Option<String>, Result<Submission, String>) {
    let Ok(fields) = record.iter().map(std::str::from_utf8).collect::<Result<Vec<_>, _>>() else {
        return (None, Err("it is not written in UTF-8".to_owned()));
    };
    if fields.len() != heads.len() {
        let why = format!("it has {} fields, but there are {} columns", fields.len(), heads.len());
        return (None, Err(why));
    }
    let all = |column: &str| {
        let column = heads.iter().zip(&fields).filter(|(head, _)| *head == column).map(|(_, field)| *field);
        column.flat_map(|field| field.split(BETWEEN)).filter(|text| !text.is_empty()).collect::<Vec<_>>()
    };
    let one = |column: &str| {
        let found = heads.iter().zip(&fields).find(|(head, _)| *head == column);
        found.map(|(_, field)| *field).filter(|field| !field.is_empty())
    };
    let name = one("name").map(ToOwned::to_owned);
    let job = || {
        let owned = |texts: Vec<&str>| texts.into_iter().map(ToOwned::to_owned).collect();
        let sources = all("source").into_iter().map(parse_source).collect::<Result<_, _>>();
        let destination =
            parse_object(one("destination").unwrap_or_default()).map_err(|error| error.to_string())?;
        let spec = JobSpec {
            include: owned(all("include")),
            exclude: owned(all("exclude")),
            strip_prefix: one("strip_prefix").map(ToOwned::to_owned),
            no_overwrite: one("no_overwrite").map_or(Ok(false), parse_switch)?,
            part_bytes: one("part_size").map(parse_bytes).transpose()?,
            goal: one("goal").map_or(Ok(Goal::default()), str::parse)?,
            unsafe_names: one("unsafe_names").map_or(Ok(Default::default()), str::parse)?,
            priority: one("priority").map_or(Ok(Priority::default()), str::parse)?,
            ..JobSpec::new(sources.map_err(|error| error.to_string())?, destination)
        };
        checked(Submission::of(&spec))
    };
    (name, job())
}

fn parse_switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("`{text}` is neither true nor false")),
    }
}

/// Something to read from, as much as is allowed: where a quote is missing, all that follows is one field. Every line
/// ends as lines do on Unix, the last one too, so that they can be counted.
struct Bounded<R> {
    from: R,
    left: Rc<Cell<usize>>,
    /// A carriage return that has been read, and counts unless the line ends there.
    held: bool,
    ends_line: bool,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.left.get() == 0 {
            let why =
                format!("there are {BATCH_LINE_BYTES_MAX} bytes without an end; is there a quote too many?");
            return Err(std::io::Error::other(why));
        }
        // One byte more than is read may have to be put.
        let mut piece = [0; PIECE];
        let most = piece.len().min(into.len().saturating_sub(1));
        let mut length = 0;
        let mut put = |byte: u8| {
            into[length] = byte;
            length += 1;
        };
        let read = loop {
            let read = self.from.read(&mut piece[..most])?;
            if (read, piece[0], self.held) != (1, b'\r', false) {
                break read;
            }
            // It alone is nothing yet, which would be taken for the end.
            self.held = true;
        };
        for byte in piece[..read].iter().copied() {
            if std::mem::take(&mut self.held) && byte != b'\n' {
                put(b'\r');
            }
            if byte == b'\r' {
                self.held = true;
            } else {
                put(byte);
                self.ends_line = byte == b'\n';
            }
        }
        if read == 0 && !std::mem::replace(&mut self.ends_line, true) {
            put(b'\n');
        }
        self.left.set(self.left.get().saturating_sub(length));
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(path: &str, text: &[u8]) -> (Vec<Line>, Result<(), String>) {
        let mut lines = Vec::new();
        let read = read(Path::new(path), text, &mut |line| {
            lines.push(line);
            true
        });
        (lines, read)
    }

    fn job(line: &Line) -> &Submission {
        line.job.as_ref().unwrap_or_else(|why| panic!("line {}: {why}", line.number))
    }

    #[test]
    fn the_same_jobs_in_both_formats() {
        let json =
            br#"{"sources": ["s3://src/a/", "s3://src/b/"], "destination": "s3://out/1.zip", "name": "one"}

{"sources": ["s3://src/c"], "destination": "s3://out/2.zip", "priority": "high", "include": ["*.jpg"],
"#;
        let json = [&json[..json.len() - 1], br#" "part_bytes": 8388608, "no_overwrite": true}"#].concat();
        let csv = b"\xef\xbb\xbfname, source,source,destination,priority,include,part_size,no_overwrite\r\n\
            one,s3://src/a/;s3://src/b/,,s3://out/1.zip,,,,\r\n\r\n\
            ,s3://src/c,,s3://out/2.zip,high,*.jpg,8MiB,true";
        let (json, json_read) = all("-", &json);
        assert_eq!((json_read, json.len()), (Ok(()), 2));
        assert_eq!(
            (json[0].number, json[1].number, &job(&json[1]).include[..]),
            (1, 3, &["*.jpg".to_owned()][..])
        );
        let unix: Vec<u8> = csv.iter().copied().filter(|byte| *byte != b'\r').collect();
        for csv in [&csv[..], &[csv, &b"\r\n"[..]].concat(), &unix] {
            let (csv, csv_read) = all("-", csv);
            assert_eq!((csv_read, csv.len()), (Ok(()), 2));
            assert_eq!((csv[0].number, csv[1].number), (2, 4));
            for (json, csv) in json.iter().zip(&csv) {
                assert_eq!((&json.name, job(json)), (&csv.name, job(csv)));
            }
        }
    }

    #[test]
    fn fields_may_hold_ends_of_lines() {
        let text = b"name,source,destination\r\n\"a\r\nb\rc\",s3://src/a/,s3://out/1.zip\r\n,s3://src/b/,s3://out/2.zip";
        struct Drops<'a>(&'a [u8]);
        impl Read for Drops<'_> {
            fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
                self.0.read(&mut into[..1])
            }
        }
        for from in [Box::new(&text[..]) as Box<dyn Read>, Box::new(Drops(text))] {
            let mut lines = Vec::new();
            let mut take = |line| {
                lines.push(line);
                true
            };
            assert_eq!(read(Path::new("jobs.csv"), from, &mut take), Ok(()));
            assert_eq!((lines[0].number, lines[0].name.as_deref()), (2, Some("a\nb\rc")));
            assert_eq!((lines[1].number, job(&lines[1]).destination.key.as_str()), (4, "2.zip"));
        }
    }

    #[test]
    fn bad_lines_are_told_and_do_not_stop_the_others() {
        let good = r#"{"sources": ["s3://src/a/"], "destination": "s3://out/1.zip"}"#;
        for (bad, why) in [
            ("nonsense", "expected ident at column"),
            ("[]", "expected a map"),
            (r#"{"destination": "s3://out/1.zip"}"#, "no sources"),
            (r#"{"sources": ["s3://src/a/"]}"#, "missing field `destination`"),
            (r#"{"sources": ["/src"], "destination": "s3://out/1.zip"}"#, "not an S3 address"),
            (r#"{"sources": [], "destination": "s3://out/1.zip", "nmae": 1}"#, "unknown field `nmae`"),
            (r#"{"name": 1}"#, "`name` must be a text"),
            (&"x".repeat(BATCH_LINE_BYTES_MAX + 9), "longer than"),
        ] {
            let (lines, read) = all("jobs.jsonl", format!("{good}\n{bad}\n{good}").as_bytes());
            assert_eq!((read, lines.len()), (Ok(()), 3));
            let told = lines[1].job.as_ref().expect_err("it is bad");
            assert!(told.contains(why), "{told}");
            job(&lines[2]);
        }
        for (bad, why) in [
            (&b"s3://src/a/,s3://out/1.zip,x"[..], "is none of low, normal, high"),
            (b"/src,s3://out/1.zip,", "not an S3 address"),
            (b",s3://out/1.zip,", "no sources"),
            (b"s3://src/a/,,", "not an S3 address"),
            (b"s3://src/a/,s3://out/1.zip", "2 fields, but there are 3 columns"),
            (b"s3://src/\xff/,s3://out/1.zip,", "UTF-8"),
        ] {
            let text =
                [b"source,destination,priority\n", bad, b"\n\"s3://src/a/\",s3://out/1.zip,low\n"].concat();
            let (lines, read) = all("jobs.csv", &text);
            assert_eq!((read, lines.len()), (Ok(()), 2));
            let told = lines[0].job.as_ref().expect_err("it is bad");
            assert!(told.contains(why), "{told}");
            assert_eq!((lines[1].number, job(&lines[1]).priority), (3, Priority::Low));
        }
    }

    #[test]
    fn what_is_no_batch_at_all_is_refused() {
        let endless = format!("source,destination\n\"{}", "x".repeat(3 * BATCH_LINE_BYTES_MAX));
        for (text, why) in [
            ("", "there is none called `source`"),
            ("source,dest\n", "no column `dest`"),
            ("source\n", "none called `destination`"),
            ("source,destination,name,name\n", "`name` 2 times"),
            (&endless, "beyond line 2"),
        ] {
            let told = all("jobs.csv", text.as_bytes()).1.expect_err("it is none");
            assert!(told.contains(why), "{told}");
        }
    }
}
