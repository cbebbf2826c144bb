//! Where the end of a job is to be told, and with which key that is signed.

use std::sync::Arc;

use axum::http::Uri;
use proto::api::ProblemCode;
use proto::limits::CALLBACK_URL_BYTES_MAX;

use super::caller::{Caller, check_within};
use super::problem::Problem;
use crate::roster::CallbackTarget;

/// The callback at `url`, if the caller may have it called; `key` signs those of callers without tokens.
pub(crate) fn target(caller: &Caller, url: &str, key: Option<&Arc<[u8]>>) -> Result<CallbackTarget, Problem> {
    check_url(url)?;
    let key = match &caller.0 {
        None => key.ok_or_else(|| {
            Problem::bad_job(
                "`callback` needs a key to be signed with: start the coordinator with --callback-key-file",
            )
        })?,
        Some(token) => {
            check_within(token, url, "call back", &token.callbacks)?;
            let unsigned = || {
                let detail = format!("token `{}` has no `callback_key` to sign with", token.name);
                Problem::new(ProblemCode::Forbidden, detail)
            };
            token.callback_key.as_ref().ok_or_else(unsigned)?
        }
    };
    Ok(CallbackTarget { url: url.to_owned(), key: Arc::clone(key) })
}

fn check_url(url: &str) -> Result<(), Problem> {
    let wrong = || {
        Problem::bad_job(
            "`callback` is an address such as https://hooks.example.com/done, without a password or fragment",
        )
    };
    if url.len() > CALLBACK_URL_BYTES_MAX || url.contains('#') {
        return Err(wrong());
    }
    let parsed: Uri = url.parse().map_err(|_| wrong())?;
    let authority = parsed.authority().ok_or_else(wrong)?;
    let is_web = matches!(parsed.scheme_str(), Some("http" | "https"));
    // Dots that lead upwards would lead out of what a token may call; some clients follow backslashes and escapes alike.
    let is_plain = !parsed.path().split('/').any(|step| {
        let step = step.to_ascii_lowercase().replace("%2e", ".");
        matches!(&*step, "." | "..") || step.contains("%2f") || step.contains("%5c") || step.contains('\\')
    });
    if !is_web || authority.host().is_empty() || authority.as_str().contains('@') || !is_plain {
        return Err(wrong());
    }
    Ok(())
}
