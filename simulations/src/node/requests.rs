//! The requests of a node: each waits for its turn and a permit, goes out on a connection, moves its bytes.

use std::collections::VecDeque;

use proto::batch::AttemptId;
use proto::failure::{Failure, FailureKind, S3ErrorKind};
use proto::limits::{COPIES_AT_ONCE, COPY_COST_BYTES};
use proto::plan::Piece;
use proto::retry::Attempts;

use super::Node;
use super::what::What;
use crate::pipe::Sent;
use crate::s3::Answer;
use crate::world::{Alarm, World};

/// Longest wait before a pace is looked at again, as on a real node, in milliseconds.
const PACE_STALE_MS: u64 = 250;

/// Names a request of a node; what is said of one that has ended concerns no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    slot: u32,
    generation: u32,
}

/// A request that has not ended.
#[derive(Clone, Copy, Debug)]
struct Request {
    attempt: AttemptId,
    /// Which of the things it is for that are done side by side to compose a part.
    doing: u32,
    what: What,
    bytes: u64,
    phase: Phase,
    /// Since when it is in that phase.
    since_us: u64,
    /// When it was given leave.
    admitted_us: u64,
    tries: Attempts,
    bytes_per_s: f64,
    /// What is to come after its bytes, in microseconds.
    latency_us: u64,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Waits until its pace allows it.
    Turn,
    /// Waits until another ends.
    Permit,
    /// Goes out, on a connection that may have to be opened first.
    Sending,
    /// S3 has refused it.
    Refused,
    /// The first byte is waited for.
    FirstByte,
    /// Its bytes are on their way.
    Moving(Sent),
    /// The answer is waited for, or S3 copies.
    Answer,
}

impl Phase {
    fn has_permit(self) -> bool {
        !matches!(self, Self::Turn | Self::Permit)
    }
}

/// All requests of a node, and leave for them.
#[derive(Debug)]
pub(super) struct Requests {
    slots: Vec<(u32, Option<Request>)>,
    free: Vec<u32>,
    pub(super) level: usize,
    in_flight: usize,
    copies: usize,
    waiting: VecDeque<Key>,
    waiting_copies: VecDeque<Key>,
    was_full: bool,
    was_refused: bool,
    /// Of the moves that were planned last.
    generation: u64,
    planned_us: u64,
}

impl Requests {
    pub(super) fn new(level: usize) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            level,
            in_flight: 0,
            copies: 0,
            waiting: VecDeque::new(),
            waiting_copies: VecDeque::new(),
            was_full: false,
            was_refused: false,
            generation: 0,
            planned_us: u64::MAX,
        }
    }

    /// Whether some request had to wait for another, and whether S3 refused one, since this was last asked.
    pub(super) fn take_signs(&mut self) -> (bool, bool) {
        (std::mem::take(&mut self.was_full), std::mem::take(&mut self.was_refused))
    }

    /// Those that hold leave of the same kind.
    fn in_use(&mut self, what: What) -> &mut usize {
        if what.moves_bytes() { &mut self.in_flight } else { &mut self.copies }
    }

    fn add(&mut self, request: Request) -> Key {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            self.slots.len() as u32 - 1
        });
        let (generation, place) = &mut self.slots[slot as usize];
        *generation += 1;
        *place = Some(request);
        Key { slot, generation: *generation }
    }

    fn get(&mut self, key: Key) -> Option<&mut Request> {
        let (generation, request) = &mut self.slots[key.slot as usize];
        request.as_mut().filter(|_| *generation == key.generation)
    }

    fn remove(&mut self, key: Key) -> Option<Request> {
        self.get(key)?;
        self.free.push(key.slot);
        self.slots[key.slot as usize].1.take()
    }
}

/// The bytes that a piece has to be fetched of, if any.
pub(super) fn fetch_bytes(piece: &Piece) -> Option<u64> {
    matches!(piece, Piece::Fetch { .. }).then(|| piece.bytes())
}

impl Node {
    /// Asks for the next fetch of each attempt whose last one was admitted: one after the other, so that parts share
    /// fairly.
    pub(super) fn go_on(&mut self, world: &mut World) {
        while let Some(id) = self.going_on.pop_front() {
            let Some(running) = self.running.get_mut(&id) else { continue };
            let mut rest = running.work.pieces.iter().enumerate().skip(running.next_piece);
            let Some((index, bytes)) = rest.find_map(|(index, piece)| Some((index, fetch_bytes(piece)?)))
            else {
                continue;
            };
            running.next_piece = index + 1;
            self.ask(id, 0, What::Fetch, bytes, world);
        }
    }

    pub(super) fn begin_copy(&mut self, id: AttemptId, world: &mut World) {
        let bytes = self.running.get(&id).map_or(0, |running| running.work.bytes);
        self.ask(id, 0, What::Copy, bytes, world);
    }

    pub(super) fn begin_upload(&mut self, id: AttemptId, world: &mut World) {
        let bytes = self.running.get(&id).map_or(0, |running| running.work.bytes);
        self.ask(id, 0, What::Upload, bytes, world);
    }

    pub(super) fn ask(&mut self, attempt: AttemptId, doing: u32, what: What, bytes: u64, world: &mut World) {
        let now_us = world.agenda.now_us();
        let key = self.requests.add(Request {
            attempt,
            doing,
            what,
            bytes,
            phase: Phase::Turn,
            since_us: now_us,
            admitted_us: now_us,
            tries: Attempts::default(),
            bytes_per_s: 0.0,
            latency_us: 0,
        });
        if let Some(running) = self.running.get_mut(&attempt) {
            running.requests.push(key);
        }
        self.step(key, world);
    }

    /// What a request waited for has come.
    pub(super) fn step(&mut self, key: Key, world: &mut World) {
        let Some(request) = self.requests.get(key) else { return };
        match request.phase {
            Phase::Turn => self.turn(key, world),
            Phase::Sending => self.sent(key, world),
            Phase::Refused => self.refused(key, world),
            Phase::FirstByte => self.move_bytes(key, world),
            Phase::Answer => self.answered(key, world),
            // Others wake them.
            Phase::Permit | Phase::Moving(_) => {}
        }
    }

    /// Moves a request on to its next phase; it, and how long the last one took.
    fn enter(&mut self, key: Key, phase: Phase, now_us: u64) -> Option<(&mut Request, u64)> {
        let request = self.requests.get(key)?;
        request.phase = phase;
        let took_us = now_us - request.since_us;
        request.since_us = now_us;
        Some((request, took_us))
    }

    fn turn(&mut self, key: Key, world: &mut World) {
        let now_us = world.agenda.now_us();
        let Some(Request { what, .. }) = self.requests.get(key).copied() else { return };
        if let Err(wait_ms) = self.pacer.admit(what.target(), now_us / 1_000) {
            return world.alarm(self.index, wait_ms.min(PACE_STALE_MS) * 1_000, Alarm::Request(key));
        }
        let Some((_, took_us)) = self.enter(key, Phase::Permit, now_us) else { return };
        world.times.turn_us += took_us;
        if what.moves_bytes() {
            self.requests.waiting.push_back(key);
        } else {
            self.requests.waiting_copies.push_back(key);
        }
        self.permit(world);
        self.requests.was_full |= !self.requests.waiting.is_empty();
    }

    /// Gives leave to those that wait, as far as it goes.
    pub(super) fn permit(&mut self, world: &mut World) {
        while self.requests.in_flight < self.requests.level
            && let Some(key) = self.requests.waiting.pop_front()
        {
            self.admit(key, world);
        }
        while self.requests.copies < COPIES_AT_ONCE
            && let Some(key) = self.requests.waiting_copies.pop_front()
        {
            self.admit(key, world);
        }
    }

    fn admit(&mut self, key: Key, world: &mut World) {
        let now_us = world.agenda.now_us();
        let Some((request, took_us)) = self.enter(key, Phase::Sending, now_us) else { return };
        world.times.permit_us += took_us;
        request.admitted_us = now_us;
        let Request { what, attempt, tries, .. } = *request;
        *self.requests.in_use(what) += 1;
        let idle_us = (world.model.connections.idle_s * 1e6) as u64;
        let is_new = self.pools[what.class() as usize].take(idle_us, now_us);
        let cpu_us = world.model.cpu.request_us / self.cores;
        self.cores_free_us = self.cores_free_us.max(now_us) + cpu_us.round() as u64;
        let mut wait_us = self.cores_free_us - now_us;
        if is_new {
            world.s3.counts.connections_opened += 1;
            let set_up_us = (world.model.connections.set_up_ms * 1e3) as u64;
            world.times.connect_us += set_up_us;
            wait_us += set_up_us;
        }
        world.alarm(self.index, wait_us, Alarm::Request(key));
        // Only the first time: what is sent again does not hold up the fetches behind it.
        if what == What::Fetch && tries == Attempts::default() {
            self.going_on.push_back(attempt);
        }
    }

    /// A request has reached S3.
    fn sent(&mut self, key: Key, world: &mut World) {
        let now_us = world.agenda.now_us();
        let Some(request) = self.requests.get(key) else { return };
        let (what, attempt, bytes) = (request.what, request.attempt, request.bytes);
        let answer = world.s3.ask(what.op(), now_us);
        if let Some(running) = self.running.get_mut(&attempt) {
            *what.count(&mut running.effort) += 1;
        }
        let (latency_us, bytes_per_s) = match answer {
            Answer::Refused { latency_us } => {
                self.enter(key, Phase::Refused, now_us);
                return world.alarm(self.index, latency_us, Alarm::Request(key));
            }
            Answer::Taken { latency_us, bytes_per_s } => (latency_us, bytes_per_s),
        };
        let speed = self.speed;
        let next = match what {
            What::Fetch => Phase::FirstByte,
            _ => Phase::Answer,
        };
        let Some((request, _)) = self.enter(key, next, now_us) else { return };
        (request.bytes_per_s, request.latency_us) = (bytes_per_s * speed, latency_us);
        match what {
            What::Fetch => world.alarm(self.index, latency_us, Alarm::Request(key)),
            What::Upload => self.move_bytes(key, world),
            What::Copy => {
                let copying_us = (bytes as f64 / bytes_per_s * 1e6) as u64;
                world.times.copying_us += latency_us + copying_us;
                world.alarm(self.index, latency_us + copying_us, Alarm::Request(key));
            }
            What::Create | What::Complete(_) | What::Delete => {
                world.alarm(self.index, latency_us, Alarm::Request(key));
            }
        }
    }

    fn refused(&mut self, key: Key, world: &mut World) {
        let now_us = world.agenda.now_us();
        let Some((request, _)) = self.enter(key, Phase::Turn, now_us) else { return };
        let wait = request.tries.failed(S3ErrorKind::Throttled, false, world.jitter.uniform());
        let (what, attempt) = (request.what, request.attempt);
        self.pacer.refused(what.target());
        self.requests.was_refused = true;
        self.release(what, world);
        match wait {
            Some(wait) => {
                // What it waits before it asks for its turn again is no waiting for that.
                world.times.backoff_us += wait.as_micros() as u64;
                world.alarm(self.index, wait.as_micros() as u64, Alarm::Request(key));
            }
            None => {
                let message = format!("S3 refused a request to {} again and again", what.bucket());
                self.failed(attempt, Failure::new(FailureKind::Unavailable, message), world);
            }
        }
    }

    /// Gives back what a request held that was in flight.
    fn release(&mut self, what: What, world: &mut World) {
        *self.requests.in_use(what) -= 1;
        self.pools[what.class() as usize].put(world.agenda.now_us());
        self.permit(world);
    }

    fn move_bytes(&mut self, key: Key, world: &mut World) {
        let now_us = world.agenda.now_us();
        let Some(Request { what, bytes, bytes_per_s, .. }) = self.requests.get(key).copied() else { return };
        let pipe = if what == What::Fetch { &mut self.receiving } else { &mut self.sending };
        let sent = pipe.send(key, bytes, bytes_per_s, now_us);
        let Some((_, took_us)) = self.enter(key, Phase::Moving(sent), now_us) else { return };
        if what == What::Fetch {
            world.times.first_byte_us += took_us;
        }
    }

    /// Has the node look when the next bytes have come through.
    pub(super) fn plan_moves(&mut self, world: &mut World) {
        let (first, second) = (self.receiving.next_us(), self.sending.next_us());
        let next_us = first.unwrap_or(u64::MAX).min(second.unwrap_or(u64::MAX));
        // One that is planned too early looks and plans anew; one that is planned too late would be missed.
        if next_us < self.requests.planned_us {
            self.requests.planned_us = next_us;
            self.requests.generation += 1;
            world.alarm_at(self.index, next_us, Alarm::Moved(self.requests.generation));
        }
    }

    /// Bytes may have come through.
    pub(super) fn moved(&mut self, generation: u64, world: &mut World) {
        if generation != self.requests.generation {
            return;
        }
        self.requests.planned_us = u64::MAX;
        let now_us = world.agenda.now_us();
        while let Some(key) = self.receiving.ended(now_us) {
            if let Some((_, took_us)) = self.enter(key, Phase::Answer, now_us) {
                world.times.receiving_us += took_us;
                self.answered(key, world);
            }
        }
        while let Some(key) = self.sending.ended(now_us) {
            if let Some((request, took_us)) = self.enter(key, Phase::Answer, now_us) {
                world.times.sending_us += took_us;
                let latency_us = request.latency_us;
                world.alarm(self.index, latency_us, Alarm::Request(key));
            }
        }
    }

    /// A request has ended well.
    fn answered(&mut self, key: Key, world: &mut World) {
        let now_us = world.agenda.now_us();
        let Some(request) = self.requests.remove(key) else { return };
        let Request { attempt, doing, what, bytes, admitted_us, since_us, .. } = request;
        self.release(what, world);
        let counts = &mut world.s3.counts;
        match what {
            What::Fetch => {
                world.gets.note(now_us - admitted_us);
                counts.bytes_received += bytes;
            }
            What::Upload => {
                world.times.answer_us += now_us - since_us;
                world.puts.note(now_us - admitted_us);
                counts.bytes_sent += bytes;
            }
            What::Copy => {
                world.copies.note(now_us - admitted_us);
                counts.bytes_copied += bytes;
            }
            What::Create | What::Complete(_) | What::Delete => world.times.answer_us += now_us - since_us,
        }
        let Some(running) = self.running.get_mut(&attempt) else { return };
        running.requests.retain(|other| *other != key);
        match what {
            What::Fetch => {
                running.effort.received_bytes += bytes;
                running.fetched += bytes;
                running.fetches_left -= 1;
                if running.fetches_left == 0 {
                    self.begin_upload(attempt, world);
                }
                return;
            }
            What::Copy => running.effort.copied_bytes += bytes,
            _ => {}
        }
        if running.composing.is_some() {
            self.compose_on(attempt, doing, world);
        } else {
            self.made(attempt, world);
        }
    }

    /// Breaks a request off.
    pub(super) fn break_off(&mut self, key: Key, world: &mut World) {
        let Some(request) = self.requests.remove(key) else { return };
        let now_us = world.agenda.now_us();
        if let Phase::Moving(sent) = request.phase {
            let pipe = if request.what == What::Fetch { &mut self.receiving } else { &mut self.sending };
            pipe.cancel(key, sent, now_us);
        }
        if request.phase.has_permit() {
            self.release(request.what, world);
        }
    }

    /// Notes how far an attempt has come.
    pub(super) fn read_meter(&mut self, id: AttemptId, now_us: u64) {
        let Some(running) = self.running.get(&id) else { return };
        if running.work.is_made_by_s3() {
            // What it counts as, all at once when S3 has copied something.
            let moved = if running.effort.copied_bytes > 0 { COPY_COST_BYTES } else { 0 };
            return self.tally.note(id, moved, moved);
        }
        let (mut fetched, mut uploaded) = (running.fetched, 0);
        for key in &running.requests {
            let Some(request) = self.requests.get(*key) else { continue };
            match (request.what, request.phase) {
                (What::Fetch, Phase::Moving(sent)) => {
                    fetched += request.bytes - self.receiving.left(sent, now_us).min(request.bytes);
                }
                (What::Upload, Phase::Moving(sent)) => {
                    uploaded = request.bytes - self.sending.left(sent, now_us).min(request.bytes);
                }
                (What::Upload, Phase::Answer) => uploaded = request.bytes,
                _ => {}
            }
        }
        self.tally.note(id, fetched, uploaded);
        if let Some(running) = self.running.get_mut(&id).filter(|running| fetched >= running.work.bytes) {
            self.window.fetched(&mut running.cost);
        }
    }
}
