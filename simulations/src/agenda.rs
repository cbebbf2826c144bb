//! What is to happen when: the heap of events that drives virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Events in the order of their times; those of one time in the order in which they were put there.
#[derive(Debug)]
pub struct Agenda<E> {
    heap: BinaryHeap<Reverse<Due<E>>>,
    put: u64,
    now_us: u64,
}

#[derive(Debug)]
struct Due<E> {
    at_us: u64,
    number: u64,
    event: E,
}

impl<E> PartialEq for Due<E> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl<E> Eq for Due<E> {}

impl<E> PartialOrd for Due<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Due<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_us, self.number).cmp(&(other.at_us, other.number))
    }
}

impl<E> Default for Agenda<E> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), put: 0, now_us: 0 }
    }
}

impl<E> Agenda<E> {
    /// The time, in microseconds: that of the event that was taken last.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.now_us
    }

    /// Has an event happen `in_us` microseconds from now.
    pub fn after(&mut self, in_us: u64, event: E) {
        self.at(self.now_us.saturating_add(in_us), event);
    }

    /// Has an event happen at a time, in microseconds; at once if that has passed.
    pub fn at(&mut self, at_us: u64, event: E) {
        let at_us = at_us.max(self.now_us);
        self.put += 1;
        self.heap.push(Reverse(Due { at_us, number: self.put, event }));
    }

    /// The next event; time moves to it.
    pub fn take(&mut self) -> Option<E> {
        let Reverse(Due { at_us, event, .. }) = self.heap.pop()?;
        self.now_us = at_us;
        Some(event)
    }

    /// How many events have been taken.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.put - self.heap.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_as_they_were_put() {
        let mut agenda = Agenda::default();
        agenda.after(20, 'c');
        agenda.after(10, 'a');
        agenda.after(10, 'b');
        assert_eq!((agenda.take(), agenda.take(), agenda.now_us()), (Some('a'), Some('b'), 10));
        agenda.at(5, 'd');
        assert_eq!((agenda.take(), agenda.now_us()), (Some('d'), 10), "time does not go back");
        assert_eq!((agenda.take(), agenda.take(), agenda.taken()), (Some('c'), None, 4));
    }
}
