//! The tasks that hyper starts for one connection. They end with it, whatever they wait for: left to themselves,
//! those of a connection that is stuck would outlive everyone who had any use for it.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::rt::Executor;
use tokio::task::JoinSet;

/// The tasks of a connection, until this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Crew(Arc<Mutex<JoinSet<()>>>);

impl Crew {
    /// What new tasks are given to.
    pub(crate) fn recruiter(&self) -> Recruiter {
        Recruiter(Arc::clone(&self.0))
    }

    /// Waits until all have ended.
    pub(crate) async fn ended(&self) {
        while poll_fn(|context| lock(&self.0).poll_join_next(context)).await.is_some() {}
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        // The tasks hold recruiters, so the set would not go by itself.
        lock(&self.0).abort_all();
    }
}

/// Starts tasks for a [`Crew`].
#[derive(Clone, Debug)]
pub(crate) struct Recruiter(Arc<Mutex<JoinSet<()>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Recruiter {
    fn execute(&self, task: F) {
        let mut crew = lock(&self.0);
        while crew.try_join_next().is_some() {}
        crew.spawn(task);
    }
}

fn lock(crew: &Mutex<JoinSet<()>>) -> MutexGuard<'_, JoinSet<()>> {
    // A set of tasks is never left half changed.
    crew.lock().unwrap_or_else(PoisonError::into_inner)
}
