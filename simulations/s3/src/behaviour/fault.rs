//! Faults: what goes wrong, with which requests, and how often.

use std::str::FromStr;

use crate::content::mix;
use crate::op::{Op, Target, UnknownOp, parse_op};

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// 500 InternalError; nothing is carried out.
    InternalError,
    /// 503 SlowDown; nothing is carried out.
    SlowDown,
    /// The connection is closed before anything is read; nothing is carried out.
    ResetBefore,
    /// The connection is closed in the middle of the response body, or of the request body of an upload, which
    /// is then not carried out.
    ResetDuring,
    /// The operation is carried out, then the connection is closed without an answer.
    LostAnswer,
    /// The response body ends before its Content-Length, and the connection is closed in an orderly way.
    Truncate,
    /// One byte of the response body is flipped, or of an upload's request body.
    Corrupt,
    /// CompleteMultipartUpload and UploadPartCopy answer status 200 with an error document in it; nothing is
    /// carried out. Other operations do not know it.
    ErrorIn200,
}

impl FaultKind {
    const NAMES: [(&str, Self); 8] = [
        ("500", Self::InternalError),
        ("503", Self::SlowDown),
        ("reset-before", Self::ResetBefore),
        ("reset-during", Self::ResetDuring),
        ("lost-answer", Self::LostAnswer),
        ("truncate", Self::Truncate),
        ("corrupt", Self::Corrupt),
        ("error-in-200", Self::ErrorIn200),
    ];
}

/// Which of the requests that a fault could strike it does strike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Occasion {
    /// Each with this probability, 0 to 1.
    Chance(f64),
    /// Only the n-th, counted from 1.
    Nth(u64),
    /// The first n.
    First(u64),
}

/// Something that goes wrong with some requests.
///
/// As text, `op:kind:probability`, such as `GetObject:503:0.05`; `op` may be `*` for all operations.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The operation it strikes; `None` means all.
    pub op: Option<Op>,
    /// What the keys it strikes begin with; empty means all.
    pub key_prefix: String,
    /// What goes wrong.
    pub kind: FaultKind,
    /// How often.
    pub occasion: Occasion,
}

impl Fault {
    /// A fault that strikes every request of an operation, or of all.
    pub fn new(op: impl Into<Option<Op>>, kind: FaultKind) -> Self {
        Self { op: op.into(), key_prefix: String::new(), kind, occasion: Occasion::Chance(1.0) }
    }

    /// The same fault on other occasions.
    #[must_use]
    pub fn on(self, occasion: Occasion) -> Self {
        Self { occasion, ..self }
    }

    /// The same fault only for keys that begin with `prefix`.
    #[must_use]
    pub fn keys(self, prefix: impl Into<String>) -> Self {
        Self { key_prefix: prefix.into(), ..self }
    }

    fn concerns(&self, target: &Target) -> bool {
        self.op.is_none_or(|op| op == target.op) && target.key.starts_with(&self.key_prefix)
    }
}

/// What a text that is no [`Fault`] lacks.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParseFaultError {
    /// It has not three fields.
    #[error("`{0}` is not a fault: write `op:kind:probability`, such as `GetObject:503:0.05`")]
    Form(String),
    /// Its operation is none.
    #[error(transparent)]
    Op(#[from] UnknownOp),
    /// Its kind is none.
    #[error("`{0}` is not a kind of fault: give one of {names}", names = FaultKind::NAMES.map(|(name, _)| name).join(", "))]
    Kind(String),
    /// Its probability is not in 0 to 1.
    #[error("`{0}` is not a probability from 0 to 1")]
    Probability(String),
}

impl FromStr for Fault {
    type Err = ParseFaultError;

    fn from_str(text: &str) -> Result<Self, ParseFaultError> {
        let fields: Vec<&str> = text.split(':').collect();
        let [op, kind, probability] = fields[..] else {
            return Err(ParseFaultError::Form(text.to_owned()));
        };
        let named = FaultKind::NAMES.iter().find(|(name, _)| *name == kind);
        let (_, kind) = named.ok_or_else(|| ParseFaultError::Kind(kind.to_owned()))?;
        let chance = probability.parse().ok().filter(|p| (0.0..=1.0).contains(p));
        let chance = chance.ok_or_else(|| ParseFaultError::Probability(probability.to_owned()))?;
        Ok(Self::new(parse_op(op)?, *kind).on(Occasion::Chance(chance)))
    }
}

/// A fault that strikes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strike {
    /// What goes wrong.
    pub(crate) kind: FaultKind,
    /// Where in a body, 0 to 1 exclusive.
    pub(crate) place: f64,
}

/// The faults in force, in the order they are tried, and a seeded source of chance.
#[derive(Debug)]
pub(crate) struct Faults {
    faults: Vec<(Fault, u64)>,
    state: u64,
}

impl Faults {
    /// No faults; the same seed strikes the same requests of the same sequence.
    pub(crate) fn new(seed: u64) -> Self {
        Self { faults: Vec::new(), state: seed }
    }

    /// Adds a fault after those there are.
    pub(crate) fn add(&mut self, fault: Fault) {
        self.faults.push((fault, 0));
    }

    /// Ends all faults.
    pub(crate) fn clear(&mut self) {
        self.faults.clear();
    }

    /// The faults in force.
    pub(crate) fn list(&self) -> Vec<Fault> {
        self.faults.iter().map(|(fault, _)| fault.clone()).collect()
    }

    /// The fault that strikes this request, if any: the first whose occasion it is. All count it.
    pub(crate) fn strike(&mut self, target: &Target) -> Option<Strike> {
        let mut struck = None;
        for i in 0..self.faults.len() {
            let (fault, seen) = &mut self.faults[i];
            if !fault.concerns(target) {
                continue;
            }
            *seen += 1;
            let (kind, occasion, seen) = (fault.kind, fault.occasion, *seen);
            let strikes = match occasion {
                Occasion::Chance(chance) => self.chance() < chance,
                Occasion::Nth(n) => seen == n,
                Occasion::First(n) => seen <= n,
            };
            if strikes && struck.is_none() {
                struck = Some(Strike { kind, place: self.chance() });
            }
        }
        struck
    }

    /// A number from 0 to 1 exclusive.
    fn chance(&mut self) -> f64 {
        self.state = self.state.wrapping_add(1);
        (mix(self.state) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
