//! Where the end of a job is to be told, and with which key that is signed.

use std::sync::Arc;

use proto::api::ProblemCode;

use super::caller::{Caller, check_within};
use super::problem::Problem;
use crate::roster::CallbackTarget;
use crate::tokens::Tokens;

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
    let target = CallbackTarget::new(url.to_owned(), Arc::clone(key));
    target.map_err(|failure| Problem::bad_job(failure.message))
}

/// The same for a job that was submitted before, by the name of the token it belongs to.
pub(crate) fn target_of(
    owner: Option<&str>,
    url: &str,
    tokens: Option<&Tokens>,
    key: Option<&Arc<[u8]>>,
) -> Option<CallbackTarget> {
    let caller = match owner {
        None => Caller(None),
        Some(name) => Caller(Some(tokens?.named(name)?)),
    };
    target(&caller, url, key).ok()
}

/// Refuses an address that some client may read otherwise than the prefix it is compared with: dots that lead
/// upwards, backslashes and escapes that stand for either, and what is taken out when it is read.
fn check_url(url: &str) -> Result<(), Problem> {
    let path = url.split('?').next().unwrap_or_default().to_ascii_lowercase().replace("%2e", ".");
    let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#'))
        && !path.split('/').any(|step| matches!(step, "." | ".."))
        && !path.contains("%2f")
        && !path.contains("%5c");
    if is_plain {
        return Ok(());
    }
    Err(Problem::bad_job(
        "`callback` is an address such as https://hooks.example.com/done, without dots as steps, backslashes or a fragment",
    ))
}
