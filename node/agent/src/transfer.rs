//! Work on its own that ends with whoever began it.

use tokio::task::AbortHandle;

/// Something under way; it stops when this is dropped.
#[derive(Debug)]
pub(crate) struct Transfer(AbortHandle);

impl Transfer {
    pub(crate) fn new(handle: AbortHandle) -> Self {
        Self(handle)
    }

    /// Stops it.
    pub(crate) fn abort(&self) {
        self.0.abort();
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.abort();
    }
}
