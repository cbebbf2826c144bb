//! What a node has yet to report: one answer for each attempt, as many to a report as it carries well.

use std::collections::VecDeque;

use proto::failure::Failure;
use proto::limits::FRAME_BYTES_AIM;
use proto::part::{PartDone, PartFailed, PartReturned};
use proto::report::Report;

/// About what a report takes without answers, in bytes.
const REPORT_BYTES: usize = 256;
/// About what an answer takes beside its text and CRCs, in bytes.
const ANSWER_BYTES: usize = 64;
/// About what the CRC of a body takes, in bytes.
const CRC_BYTES: usize = 24;

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The part is in S3.
    Done(PartDone),
    /// It was given up, because something failed.
    Failed(PartFailed),
    /// It was dropped, though nothing failed.
    Returned(PartReturned),
}

impl Answer {
    fn bytes(&self) -> usize {
        match self {
            Self::Done(done) => done_bytes(done),
            Self::Failed(failed) => failed_bytes(&failed.failure),
            Self::Returned(_) => ANSWER_BYTES,
        }
    }
}

/// Answers in the order they arose. There are never more of them than attempts that were granted.
#[derive(Debug, Default)]
pub struct Answers {
    waiting: VecDeque<Answer>,
}

impl Answers {
    /// Takes in an answer.
    pub fn push(&mut self, answer: Answer) {
        self.waiting.push_back(answer);
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The next report, whose vitals are yet to be filled in.
    pub fn report(&mut self) -> Report {
        let mut report = Report::default();
        let mut bytes = 0;
        while let Some(answer) = self.waiting.pop_front() {
            bytes += answer.bytes();
            match answer {
                Answer::Done(done) => report.done.push(done),
                Answer::Failed(failed) => report.failed.push(failed),
                Answer::Returned(returned) => report.returned.push(returned),
            }
            if bytes >= FRAME_BYTES_AIM {
                break;
            }
        }
        report
    }
}

/// About how many bytes a report takes on its way.
#[must_use]
pub fn report_bytes(report: &Report) -> usize {
    let done: usize = report.done.iter().map(done_bytes).sum();
    let failed: usize = report.failed.iter().map(|failed| failed_bytes(&failed.failure)).sum();
    REPORT_BYTES + done + failed + ANSWER_BYTES * (report.returned.len() + report.vitals.throttled.len())
}

fn done_bytes(done: &PartDone) -> usize {
    ANSWER_BYTES + done.etag.len() + CRC_BYTES * done.bodies.len()
}

fn failed_bytes(failure: &Failure) -> usize {
    ANSWER_BYTES + failure.message.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::batch::AttemptId;
    use proto::crc::Crc;
    use proto::job::JobId;
    use proto::part::Effort;
    use proto::plan::PartNumber;

    #[test]
    fn reports_are_not_too_long() {
        let mut answers = Answers::default();
        let id = |part| AttemptId { job: JobId(1), part: PartNumber(part), attempt: 1 };
        for part in 1..=5 {
            let bodies = vec![Crc::EMPTY; FRAME_BYTES_AIM / CRC_BYTES / 2];
            answers.push(Answer::Done(PartDone {
                id: id(part),
                etag: String::new(),
                crc: Crc::EMPTY,
                bodies,
                effort: Effort::default(),
            }));
        }
        answers.push(Answer::Returned(PartReturned { id: id(6), effort: Effort::default() }));
        let mut reports = Vec::new();
        while !answers.is_empty() {
            reports.push(answers.report());
        }
        let told: Vec<_> = reports.iter().map(|report| (report.done.len(), report.returned.len())).collect();
        assert_eq!(told, [(2, 0), (2, 0), (1, 1)]);
        assert!(reports.iter().all(|report| report_bytes(report) < 2 * FRAME_BYTES_AIM));
    }
}
