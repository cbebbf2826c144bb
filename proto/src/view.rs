//! What a cluster shows of its jobs and nodes.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::failure::FailureKind;
use crate::job::{JobId, Outcome, Priority, Progress};
use crate::location::Location;
use crate::report::Vitals;

/// In what state a job is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It waits for others to end.
    #[default]
    Waiting,
    /// It is in progress.
    Running,
    /// The archive is there.
    Completed,
    /// There is no archive.
    Failed,
    /// There is no archive, because someone no longer wanted it.
    Cancelled,
}

impl JobState {
    /// What an ended job is in.
    #[must_use]
    pub fn ended(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Completed(_) => Self::Completed,
            Outcome::Failed { failure, .. } if failure.kind == FailureKind::Cancelled => Self::Cancelled,
            Outcome::Failed { .. } => Self::Failed,
        }
    }
}

impl FromStr for JobState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "waiting" => Ok(Self::Waiting),
            "running" => Ok(Self::Running),
            "completed" => Ok(Self::Completed),
            "failed" => Ok(Self::Failed),
            "cancelled" => Ok(Self::Cancelled),
            _ => Err(format!("`{text}` is none of waiting, running, completed, failed, cancelled")),
        }
    }
}

/// A job as a cluster shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobView {
    /// Its id.
    pub id: JobId,
    /// In what state it is.
    pub state: JobState,
    /// Where the archive goes.
    pub destination: Location,
    /// How much of the fleet it gets.
    pub priority: Priority,
    /// Who submitted it: the name of a token, if callers need one.
    pub owner: Option<String>,
    /// When it was submitted, in milliseconds of the coordinator's clock; a coordinator that serves others goes by
    /// Unix time.
    pub submitted_ms: u64,
    /// How far it has come, or had when it ended.
    pub progress: Progress,
    /// How it ended; `None` while it has not.
    pub outcome: Option<Outcome>,
}

impl JobView {
    /// The job, having ended like this.
    #[must_use]
    pub fn ended(self, outcome: Outcome) -> Self {
        Self { state: JobState::ended(&outcome), outcome: Some(outcome), ..self }
    }
}

/// A node as a cluster shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// Version of its program.
    pub version: String,
    /// What it is up to.
    pub state: NodeState,
    /// Processor cores.
    pub cores: u32,
    /// Bytes of part bodies it can hold.
    pub body_budget_bytes: u64,
    /// Attempts it has and has not answered.
    pub attempts: u64,
    /// Bytes of parts that wait for it at the coordinator.
    pub queued_bytes: u64,
    /// Bytes of parts it moves a second, as measured; 0 until then.
    pub bytes_per_second: u64,
    /// How it said it is.
    pub vitals: Vitals,
}

/// What a node is up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// It takes parts.
    Active,
    /// It has not been heard of for a while.
    Silent,
    /// It takes no more parts, because it is about to leave.
    Draining,
}
