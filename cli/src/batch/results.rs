//! What became of the jobs of a batch: a file that is only ever added to, so that whatever ends the batch, running it
//! again goes on where it stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

use proto::api::Submission;
use proto::failure::Failure;
use proto::job::{JobId, Summary};
use proto::limits::BATCH_RESULT_BYTES_MAX;
use proto::view::JobState;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// How a job of a batch ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ResultLine {
    /// On which line of the batch it stands.
    pub(crate) line: u64,
    /// What it is called there.
    pub(crate) name: Option<String>,
    /// The job, if it became one.
    pub(crate) id: Option<JobId>,
    /// How it ended.
    pub(crate) state: JobState,
    /// What was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) summary: Option<Summary>,
    /// Why nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<Failure>,
    /// What the line looked like, if it could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fingerprint: Option<Fingerprint>,
    /// The [`Key::serial`] it was submitted under.
    #[serde(default)]
    pub(crate) serial: u32,
}

/// Under which key a job is submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// Which of the keys of alike jobs it is, from 0 on.
    pub(crate) serial: u32,
    /// The key.
    pub(crate) text: String,
}

/// The first line of the file.
#[derive(Serialize, Deserialize)]
struct Head {
    /// Tells jobs of this batch from those of others that look alike.
    batch: String,
}

/// How often a job stands in a batch and how often it was made; alike jobs are counted together, so that lines can be
/// added and taken away between runs.
#[derive(Clone, Copy, Default)]
struct Count {
    /// Times it ended well in earlier runs.
    done: u32,
    /// Times it was met in this one.
    met: u32,
    /// The first of its keys that were not given out in this one.
    next: u32,
}

/// The results of a batch.
pub(crate) struct Results {
    /// `None` when they are not kept.
    file: Option<File>,
    batch: String,
    counts: BTreeMap<u64, Count>,
    /// The keys under which jobs ended in earlier runs, well or not: to submit under one is to be told that again.
    ended: BTreeSet<(u64, u32)>,
}

impl Results {
    /// Results that nobody will ask for.
    pub(crate) fn unkept() -> Self {
        let batch = format!("{:016x}", rand::random::<u64>());
        Self { file: None, batch, counts: BTreeMap::new(), ended: BTreeSet::new() }
    }

    /// The results kept in a file, of earlier runs as well if it is there already.
    ///
    /// # Errors
    /// When it cannot be used, or is of something else, or used by another run.
    pub(crate) fn at(path: &Path) -> Result<Self, String> {
        let unusable = |error: std::io::Error| format!("cannot be used for results: {error}");
        let file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err("is in use: the batch is already running".to_owned()),
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        let mut results = Self { file: Some(file.try_clone().map_err(unusable)?), ..Self::unkept() };
        let mut from = BufReader::new(file);
        let (mut line, mut whole, mut number) = (Vec::new(), 0, 0_u64);
        while read_line(&mut from, &mut line).map_err(unusable)? {
            (whole, number) = (whole + line.len() as u64, number + 1);
            let understood = if number == 1 { results.begin(&line) } else { results.learn(&line) };
            understood.map_err(|_| {
                format!("line {number} is no result of a batch: name another file with --results")
            })?;
        }
        if number == 0 && line.is_empty() {
            let head = Head { batch: results.batch.clone() };
            results.append(&head).map_err(unusable)?;
        } else if number == 0 {
            return Err("is something else: name another file with --results".to_owned());
        } else if !line.is_empty() {
            // Whoever wrote it was ended in the middle of a line.
            from.into_inner().set_len(whole).map_err(unusable)?;
        }
        Ok(results)
    }

    fn begin(&mut self, line: &[u8]) -> serde_json::Result<()> {
        let Head { batch } = serde_json::from_slice(line)?;
        self.batch = batch;
        Ok(())
    }

    fn learn(&mut self, line: &[u8]) -> serde_json::Result<()> {
        let result: ResultLine = serde_json::from_slice(line)?;
        if let Some(Fingerprint(alike)) = result.fingerprint {
            let count = self.counts.entry(alike).or_default();
            count.done = count.done.saturating_add(u32::from(result.state == JobState::Completed));
            self.ended.insert((alike, result.serial));
        }
        Ok(())
    }

    /// Takes note that a job stands in the batch, once more if it did before. Gives the key under which it is to be
    /// submitted: when the batch is run again one that was given out before, as long as what was submitted under it
    /// may go on; `None` when it was made already.
    pub(crate) fn meet(&mut self, job: &Submission, fingerprint: Fingerprint) -> Option<Key> {
        let count = self.counts.entry(fingerprint.0).or_default();
        let Count { done, met, next } = *count;
        count.met = met.saturating_add(1);
        let own = job.idempotency_key.as_ref();
        // Whoever gives alike jobs one key wants one of them.
        if met < done || own.is_some() && done > 0 {
            return None;
        }
        let mut serial = next;
        while self.ended.contains(&(fingerprint.0, serial)) {
            serial += 1;
        }
        if own.is_none() {
            count.next = serial + 1;
        }
        let text = match own {
            Some(own) if serial == 0 => own.clone(),
            // Not made of its own key, which may be as long as keys may be, or become another line's.
            _ => format!("{}-{fingerprint}-{serial}", self.batch),
        };
        Some(Key { serial, text })
    }

    /// Writes down how a job ended.
    pub(crate) fn add(&mut self, result: &ResultLine) -> std::io::Result<()> {
        self.append(result)
    }

    /// Writes a line at once: a process that is killed has written it or not.
    fn append(&mut self, line: &impl Serialize) -> std::io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        file.write_all(&text)
    }
}

/// Reads a line; whether it is a whole one. At the end of the file what is left is none.
fn read_line(from: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    from.by_ref().take(BATCH_RESULT_BYTES_MAX).read_until(b'\n', line)?;
    let is_whole = line.ends_with(b"\n");
    if !is_whole && !from.fill_buf()?.is_empty() {
        return Err(std::io::Error::other("it has lines of a length that results do not have"));
    }
    Ok(is_whole)
}

/// What a job looks like: the same for the same job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    pub(crate) fn of(job: &Submission) -> Self {
        let text = serde_json::to_vec(job).expect("a submission has nothing that JSON has not");
        let hash: [u8; 32] = Sha256::digest(text).into();
        let (first, _) = hash.split_first_chunk().expect("a hash is longer");
        Self(u64::from_be_bytes(*first))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

// As text: many readers of JSON take large numbers for floating ones.
impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16).map(Self).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(destination: &str) -> Submission {
        let text = serde_json::json!({ "sources": ["s3://src/a/"], "destination": destination });
        serde_json::from_value(text).expect("it is a job")
    }

    fn ended(job: &Submission, state: JobState) -> ResultLine {
        let fingerprint = Some(Fingerprint::of(job));
        ResultLine {
            line: 1,
            name: None,
            id: None,
            state,
            summary: None,
            error: None,
            fingerprint,
            serial: 0,
        }
    }

    #[test]
    fn what_ended_well_is_not_done_again_and_what_failed_gets_another_key() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("results.jsonl");
        let [one, two, three] = ["s3://out/1", "s3://out/2", "s3://out/3"].map(job);
        let keys = |results: &mut Results| {
            [&one, &two, &two, &three].map(|job| Some(results.meet(job, Fingerprint::of(job))?.text))
        };
        let mut results = Results::at(&path).expect("it is new");
        let first = keys(&mut results);
        let different: BTreeSet<_> = first.iter().flatten().collect();
        assert_eq!(different.len(), 4);
        assert!(Results::at(&path).is_err_and(|why| why.contains("already running")));
        for (job, state) in
            [(&one, JobState::Completed), (&two, JobState::Completed), (&three, JobState::Failed)]
        {
            results.add(&ended(job, state)).expect("there is room");
        }
        drop(results);
        // It was killed in the middle of a line.
        let mut file = OpenOptions::new().append(true).open(&path).expect("it is there");
        file.write_all(b"{\"line\": 7, \"sta").expect("there is room");
        drop(file);
        for _ in 0..2 {
            let again = keys(&mut Results::at(&path).expect("it is ours"));
            assert_eq!(again[..2], [None, None]);
            assert_eq!(again[2], first[2]);
            assert_ne!(again[3], first[3]);
        }
    }

    /// They are one another's twins: which of them was made does not matter, but each is made once.
    #[test]
    fn alike_jobs_are_each_made_once_whichever_of_them_failed_or_was_under_way() {
        let job = job("s3://out/1");
        let fingerprint = Fingerprint::of(&job);
        let (done, failed) = (JobState::Completed, JobState::Failed);
        // How the first and the second ended, if they had when the batch was stopped; and of their keys those that
        // are met again.
        for (ends, again) in [
            ([Some(failed), Some(done)], &[][..]),
            ([Some(done), Some(failed)], &[]),
            ([Some(failed), None], &[1]),
            ([None, Some(failed)], &[0]),
            ([Some(done), None], &[1]),
            ([None, Some(done)], &[0]),
            ([None, None], &[0, 1]),
        ] {
            let dir = tempfile::tempdir().expect("a directory");
            let path = dir.path().join("results.jsonl");
            let mut results = Results::at(&path).expect("it is new");
            let first = [0; 2].map(|_| results.meet(&job, fingerprint).expect("it is new"));
            for (key, state) in first.iter().zip(ends) {
                let ended = state.map(|state| ResultLine { serial: key.serial, ..ended(&job, state) });
                ended.iter().for_each(|ended| results.add(ended).expect("there is room"));
            }
            drop(results);
            let mut results = Results::at(&path).expect("it is ours");
            let second: Vec<Key> = (0..2).filter_map(|_| results.meet(&job, fingerprint)).collect();
            assert_eq!(second.len(), 2 - ends.iter().filter(|end| **end == Some(done)).count());
            let known: Vec<usize> =
                second.iter().filter_map(|key| first.iter().position(|first| first == key)).collect();
            assert_eq!(known, again, "{ends:?}");
        }
    }

    /// However long a key of one's own is, and whatever others are called.
    #[test]
    fn a_job_with_a_key_of_its_own_gets_a_fit_one_when_it_has_failed() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("results.jsonl");
        let own = "k".repeat(200);
        let job = Submission { idempotency_key: Some(own.clone()), ..job("s3://out/1") };
        let mut results = Results::at(&path).expect("it is new");
        assert_eq!(results.meet(&job, Fingerprint::of(&job)).map(|key| key.text), Some(own.clone()));
        results.add(&ended(&job, JobState::Failed)).expect("there is room");
        drop(results);
        let again = Results::at(&path).expect("it is ours").meet(&job, Fingerprint::of(&job));
        assert!(again.is_some_and(|key| key.text.len() <= 200 && !key.text.starts_with(&own)));
    }

    #[test]
    fn a_file_of_something_else_is_left_alone() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("letter.txt");
        for text in ["Dear Sir", "Dear Sir,\nit is", "{\"batch\": \"x\"}\nDear Sir,\n"] {
            std::fs::write(&path, text).expect("there is room");
            assert!(Results::at(&path).is_err_and(|why| why.contains("--results")));
            assert_eq!(std::fs::read_to_string(&path).expect("it is there"), text);
        }
    }
}
