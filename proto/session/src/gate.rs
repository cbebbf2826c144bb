//! Who is at the door: connections that have not greeted yet, and those that have.
//!
//! A flood of connections that never greet must not keep out those that do. So when the room before the door is
//! full, a newcomer waits in the system's queue until somebody has greeted, or until somebody has had a fair
//! time and has not: very little for one that says nothing at all, because a node speaks at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proto::limits::{HELLO_DEADLINE_MS, SILENT_GRACE_MS, SLOW_GRACE_MS};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep, timeout_at};
use tonic::Status;

use crate::listen::Caps;
use crate::metered::Meter;

/// The room before the door, and the house behind it.
#[derive(Debug)]
pub(crate) struct Gate {
    caps: Caps,
    room: Mutex<Room>,
    /// Somebody left the room.
    left: Notify,
}

#[derive(Debug, Default)]
struct Room {
    next: u64,
    /// In the order of their arrival.
    ungreeted: BTreeMap<u64, Waiting>,
    greeted: BTreeSet<u64>,
}

impl Room {
    /// Makes one go that has had its fair time; else says when there will be one.
    fn expel(&mut self) -> Option<Instant> {
        let (&id, waiting) = self.ungreeted.iter().min_by_key(|(_, waiting)| waiting.fair_until())?;
        let fair_until = waiting.fair_until();
        if fair_until > Instant::now() {
            return Some(fair_until);
        }
        if let Some(waiting) = self.ungreeted.remove(&id) {
            // One that cannot be told is gone already.
            let _ = waiting.expel.send(());
        }
        None
    }
}

#[derive(Debug)]
struct Waiting {
    since: Instant,
    meter: Arc<Meter>,
    /// Tells the connection to go; dropped when it has greeted.
    expel: oneshot::Sender<()>,
}

impl Waiting {
    /// When it may be made to go for another.
    fn fair_until(&self) -> Instant {
        let grace_ms = if self.meter.is_silent() { SILENT_GRACE_MS } else { SLOW_GRACE_MS };
        self.since + Duration::from_millis(grace_ms)
    }
}

impl Gate {
    pub(crate) fn new(caps: Caps) -> Self {
        Self { caps, room: Mutex::default(), left: Notify::new() }
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        // Each change is a single step, so nothing is ever left half done.
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn connections(&self) -> usize {
        let room = self.room();
        room.ungreeted.len() + room.greeted.len()
    }

    /// Waits until there is room for one more.
    pub(crate) async fn has_room(&self) {
        while let Some(fair_until) = self.make_room() {
            tokio::select! {
                () = self.left.notified() => {}
                () = sleep(fair_until.saturating_duration_since(Instant::now())) => {}
            }
        }
    }

    /// Makes one go if the room is full and one has had its time; else says when that will be.
    fn make_room(&self) -> Option<Instant> {
        let mut room = self.room();
        if room.ungreeted.len() < self.caps.ungreeted { None } else { room.expel() }
    }

    /// Makes all go that have had their time.
    pub(crate) fn clear(&self) {
        let mut room = self.room();
        while !room.ungreeted.is_empty() && room.expel().is_none() {}
    }

    /// Lets a connection in.
    pub(crate) fn enter(self: &Arc<Self>) -> (Stay, Patience) {
        let (expel, expelled) = oneshot::channel();
        let meter = Arc::new(Meter::default());
        let since = Instant::now();
        let mut room = self.room();
        let id = room.next;
        room.next += 1;
        room.ungreeted.insert(id, Waiting { since, meter: Arc::clone(&meter), expel });
        drop(room);
        let deadline = since + Duration::from_millis(HELLO_DEADLINE_MS);
        (Stay(Visitor { gate: Arc::clone(self), id, meter }), Patience { deadline, expelled })
    }
}

/// A connection, as the gate knows it.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    gate: Arc<Gate>,
    id: u64,
    meter: Arc<Meter>,
}

impl Visitor {
    pub(crate) fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// Lets it through, with all the time it wants: it has said a valid Hello.
    pub(crate) fn greeted(&self) -> Result<(), Status> {
        let mut room = self.gate.room();
        if room.greeted.len() >= self.gate.caps.greeted {
            return Err(Status::unavailable(
                "this coordinator has too many connections: raise --nodes-max there",
            ));
        }
        if room.ungreeted.remove(&self.id).is_none() {
            return Err(Status::unavailable("this came too late"));
        }
        room.greeted.insert(self.id);
        self.meter.trust();
        drop(room);
        self.gate.left.notify_one();
        Ok(())
    }
}

/// A connection's presence, until this is dropped.
#[derive(Debug)]
pub(crate) struct Stay(Visitor);

impl Stay {
    pub(crate) fn visitor(&self) -> &Visitor {
        &self.0
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let Visitor { gate, id, .. } = &self.0;
        let mut room = gate.room();
        if room.ungreeted.remove(id).is_none() {
            room.greeted.remove(id);
        }
        drop(room);
        gate.left.notify_one();
    }
}

/// How long a connection may take until it has greeted.
pub(crate) struct Patience {
    deadline: Instant,
    expelled: oneshot::Receiver<()>,
}

impl Patience {
    /// Waits until the connection has to go; forever once it has greeted.
    pub(crate) async fn exhausted(self) {
        if let Ok(Err(_greeted)) = timeout_at(self.deadline, self.expelled).await {
            std::future::pending::<()>().await;
        }
    }
}
