//! Tokens: who may call, and what each may read, write and do.

mod file;
mod pace;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use self::pace::Pace;

pub use self::file::NewToken;

/// How often the file is looked at for changes.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Why tokens cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct TokensError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// One caller, and what it may.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) name: String,
    digest: [u8; 32],
    /// What addresses of sources begin with.
    pub(crate) read: Vec<String>,
    /// What addresses of destinations begin with.
    pub(crate) write: Vec<String>,
    submissions_per_minute: u32,
    /// Most jobs that have not ended.
    pub(crate) jobs_max: usize,
    /// What URLs of callbacks begin with.
    pub(crate) callbacks: Vec<String>,
    /// What callbacks are signed with.
    pub(crate) callback_key: Option<Arc<[u8]>>,
    /// Whether it sees all jobs, may have nodes leave, and reads metrics.
    pub(crate) is_operator: bool,
}

// There is a key in it.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The tokens of a file, which may change while they are used.
#[derive(Debug)]
pub struct Tokens {
    path: PathBuf,
    now: watch::Sender<Read>,
    pace: Mutex<Pace>,
}

/// A file as it was read.
#[derive(Debug)]
struct Read {
    text: String,
    tokens: Arc<[Arc<Token>]>,
}

impl Tokens {
    /// Reads the tokens in a file.
    ///
    /// # Errors
    /// When it cannot be read, or holds something that makes no sense.
    pub fn load(path: &Path) -> Result<Self, TokensError> {
        let text = file::read(path)?;
        let tokens = file::parse(path, &text)?;
        Ok(Self {
            path: path.to_owned(),
            now: watch::Sender::new(Read { text, tokens }),
            pace: Mutex::default(),
        })
    }

    /// Whose secret this is. Takes as long whichever it is, and if it is none.
    pub(crate) fn find(&self, secret: &str) -> Option<Arc<Token>> {
        let digest = digest::digest(&digest::SHA256, secret.as_bytes());
        let tokens = Arc::clone(&self.now.borrow().tokens);
        let mut found = None;
        for token in tokens.iter() {
            if verify_slices_are_equal(digest.as_ref(), &token.digest).is_ok() {
                found = Some(Arc::clone(token));
            }
        }
        found
    }

    /// The token of this name.
    pub(crate) fn named(&self, name: &str) -> Option<Arc<Token>> {
        self.now.borrow().tokens.iter().find(|token| token.name == name).cloned()
    }

    /// Waits until a token is no longer among them as it was: it is gone, or may do something else now.
    pub(crate) async fn revoked(&self, token: &Token) {
        let is_gone = |now: &Read| !now.tokens.iter().any(|other| **other == *token);
        // Fails only when there are no tokens any more.
        let _ = self.now.subscribe().wait_for(is_gone).await;
    }

    /// Counts a submission of a token; says how long to wait if there were too many.
    pub(crate) fn admit_submission(&self, token: &Token) -> Result<(), Duration> {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        pace.admit(&token.name, token.submissions_per_minute)
    }

    /// Reads the file again whenever it has changed; a bad one leaves what was. Never ends.
    pub(crate) async fn keep_fresh(&self) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut refused = None;
        loop {
            looks.tick().await;
            let path = self.path.clone();
            let text = tokio::task::spawn_blocking(move || file::read(&path)).await;
            let text = text.unwrap_or_else(|error| {
                Err(TokensError { path: self.path.clone(), why: format!("cannot be read: {error}") })
            });
            match text.and_then(|text| self.renew(text)) {
                Ok(()) => refused = None,
                Err(error) => {
                    if refused.as_ref() != Some(&error) {
                        tracing::error!(%error, "the tokens stay as they were");
                    }
                    refused = Some(error);
                }
            }
        }
    }

    fn renew(&self, text: String) -> Result<(), TokensError> {
        if self.now.borrow().text == text {
            return Ok(());
        }
        let tokens = file::parse(&self.path, &text)?;
        tracing::info!(tokens = tokens.len(), "the tokens have changed");
        self.now.send_replace(Read { text, tokens });
        Ok(())
    }
}
