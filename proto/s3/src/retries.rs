//! Trying again: carries out what [`proto::retry`] decides.

use proto::retry::backoff;

use crate::error::Error;

/// Carries out `request`, again and again as [`backoff`] decides, sleeping in between.
///
/// # Errors
/// The last attempt's error, when it is not worth repeating or was repeated often enough.
pub async fn with_retries<T, R>(mut request: impl FnMut() -> R) -> Result<T, Error>
where
    // Not an `AsyncFnMut`: rustc cannot yet see that its futures are `Send`, so none could be spawned.
    R: Future<Output = Result<T, Error>>,
{
    let mut failed = 0;
    loop {
        let error = match request().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        failed += 1;
        let Some(wait) = backoff(error.kind(), failed, rand::random()) else { return Err(error) };
        tracing::debug!(%error, failed, wait_ms = wait.as_millis(), "trying again");
        tokio::time::sleep(wait).await;
    }
}
