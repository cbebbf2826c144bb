//! Numbered items over a connection that may lose, repeat, delay and reorder: each arrives once, in order.
//!
//! Whatever has not been acknowledged is kept, and sent again after a while or on a new connection. So a
//! session outlives its connections, and neither side has to ask whether a message was carried out.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::limits::{FRAME_BYTES_AIM, FRAME_ITEMS_MAX};

/// Time without acknowledgement after which items are sent again, in milliseconds. A living connection loses nothing,
/// so this is far above any round trip, and only for what cannot be foreseen.
pub const RESEND_MS: u64 = 2_000;
/// How long an acknowledgement waits for something to be sent along with, in milliseconds: alone it would double
/// the messages of a busy session.
pub const ACKNOWLEDGE_MS: u64 = 200;

/// Items in the order of their numbers, and how far those of the other side have come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame<T> {
    /// Number of the first item; the others follow without a gap.
    pub first: u64,
    /// Number of the item the sender expects next: all before it have arrived.
    pub expected: u64,
    /// The items; none in a frame that only acknowledges.
    pub items: Vec<Arc<T>>,
}

/// One side of a session: the items it has yet to see acknowledged, and what it expects next.
#[derive(Debug)]
pub struct Link<T> {
    /// Not acknowledged, the oldest first, each with about how many bytes it takes.
    outbox: VecDeque<(Arc<T>, usize)>,
    /// Number of the oldest item in the outbox.
    first: u64,
    /// How many of the outbox have been sent, and need not be sent again yet.
    sent: usize,
    /// Number behind the last item ever sent.
    ever_sent: u64,
    /// Since when the oldest item waits to be acknowledged, or when one before it was, in milliseconds.
    stirred_ms: u64,
    /// Number of the item expected next from the other side.
    expected: u64,
    /// Since when something that arrived has not been acknowledged, in milliseconds.
    owes_since_ms: Option<u64>,
}

impl<T> Default for Link<T> {
    fn default() -> Self {
        Self {
            outbox: VecDeque::new(),
            first: 0,
            sent: 0,
            ever_sent: 0,
            stirred_ms: 0,
            expected: 0,
            owes_since_ms: None,
        }
    }
}

impl<T> Link<T> {
    /// Takes in an item to be sent that takes about `bytes` bytes.
    pub fn push(&mut self, item: T, bytes: usize) {
        self.outbox.push_back((Arc::new(item), bytes));
    }

    /// Items that have not been acknowledged.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        self.outbox.len()
    }

    /// Whether something has arrived that the other side does not know of: `frame` has to be asked again long before
    /// `RESEND_MS` is over.
    #[must_use]
    pub fn owes_acknowledgement(&self) -> bool {
        self.owes_since_ms.is_some()
    }

    /// The next frame to send, if there is anything to say.
    pub fn frame(&mut self, now_ms: u64) -> Option<Frame<T>> {
        if self.sent > 0 && now_ms >= self.stirred_ms.saturating_add(RESEND_MS) {
            self.sent = 0;
        }
        let mut bytes = 0;
        let mut items = Vec::new();
        for (item, size) in self.outbox.iter().skip(self.sent).take(FRAME_ITEMS_MAX) {
            bytes += size;
            if !items.is_empty() && bytes > FRAME_BYTES_AIM {
                break;
            }
            items.push(Arc::clone(item));
        }
        let is_due = self.owes_since_ms.is_some_and(|since_ms| now_ms >= since_ms + ACKNOWLEDGE_MS);
        if items.is_empty() && !is_due {
            return None;
        }
        let first = self.first + self.sent as u64;
        if !items.is_empty() {
            // Not by what is sent after it: who always has more to say would never send again what was lost.
            if self.sent == 0 {
                self.stirred_ms = now_ms;
            }
            self.sent += items.len();
            self.ever_sent = self.ever_sent.max(first + items.len() as u64);
        }
        self.owes_since_ms = None;
        Some(Frame { first, expected: self.expected, items })
    }

    /// Takes in a frame of the other side; gives the items that are new, in order. What came before is not
    /// given again, and what comes too early is left to be sent again.
    pub fn accept<U: Clone>(&mut self, frame: Frame<U>, now_ms: u64) -> Vec<U> {
        // A number beyond what was sent is nonsense, and acknowledges no more than that.
        let acknowledged = frame.expected.min(self.ever_sent).saturating_sub(self.first) as usize;
        if acknowledged > 0 {
            self.outbox.drain(..acknowledged);
            self.first += acknowledged as u64;
            self.sent = self.sent.saturating_sub(acknowledged);
            self.stirred_ms = now_ms;
        }
        if !frame.items.is_empty() {
            self.owes_since_ms.get_or_insert(now_ms);
        }
        let Some(known) = self.expected.checked_sub(frame.first) else { return Vec::new() };
        let fresh = frame.items.into_iter().skip(usize::try_from(known).unwrap_or(usize::MAX));
        let fresh: Vec<U> = fresh.map(Arc::unwrap_or_clone).collect();
        self.expected += fresh.len() as u64;
        fresh
    }

    /// Begins a new connection: whatever has not been acknowledged goes out again.
    pub fn reconnected(&mut self) {
        self.sent = 0;
        // At once, to tell the other side what need not be sent again.
        self.owes_since_ms = (self.expected > 0).then_some(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What an unkind network does with the next frame in flight.
    #[derive(Clone, Copy, Debug)]
    enum Mischief {
        Deliver,
        Drop,
        Repeat,
        Later,
        Reconnect,
    }

    fn mischief() -> impl Strategy<Value = Mischief> {
        prop_oneof![
            4 => Just(Mischief::Deliver),
            2 => Just(Mischief::Drop),
            2 => Just(Mischief::Repeat),
            2 => Just(Mischief::Later),
            1 => Just(Mischief::Reconnect),
        ]
    }

    /// One direction's frames in flight; delivers the next, or does something worse.
    fn carry(
        way: &mut VecDeque<Frame<u32>>,
        mischief: Mischief,
        from: &mut Link<u32>,
        to: &mut Link<u32>,
        arrived: &mut Vec<u32>,
        now_ms: u64,
    ) {
        if matches!(mischief, Mischief::Reconnect) {
            way.clear();
            from.reconnected();
            return;
        }
        let Some(frame) = way.pop_front() else { return };
        match mischief {
            Mischief::Drop | Mischief::Reconnect => {}
            Mischief::Later => way.push_back(frame),
            Mischief::Repeat => {
                way.push_back(frame.clone());
                arrived.extend(to.accept(frame, now_ms));
            }
            Mischief::Deliver => arrived.extend(to.accept(frame, now_ms)),
        }
    }

    proptest! {
        #[test]
        fn each_item_arrives_once_and_in_order(
            plan in proptest::collection::vec((mischief(), mischief(), 0u32..3, 0u64..700), 1..300),
        ) {
            let (mut node, mut coordinator) = (Link::default(), Link::default());
            let (mut up, mut down) = (VecDeque::new(), VecDeque::new());
            let (mut heard, mut told) = (Vec::new(), Vec::new());
            let (mut now_ms, mut next) = (0, 0);
            let kind = std::iter::repeat_n((Mischief::Deliver, Mischief::Deliver, 0, RESEND_MS), 400);
            for (above, below, items, pause) in plan.into_iter().chain(kind) {
                now_ms += pause;
                for _ in 0..items {
                    node.push(next, 1);
                    coordinator.push(next, 1);
                    next += 1;
                }
                up.extend(node.frame(now_ms));
                down.extend(coordinator.frame(now_ms));
                carry(&mut up, above, &mut node, &mut coordinator, &mut heard, now_ms);
                carry(&mut down, below, &mut coordinator, &mut node, &mut told, now_ms);
            }
            let all: Vec<u32> = (0..next).collect();
            prop_assert_eq!(&heard, &all);
            prop_assert_eq!(&told, &all);
            prop_assert_eq!((node.unacknowledged(), coordinator.unacknowledged()), (0, 0));
        }
    }

    #[test]
    fn frames_are_neither_too_long_nor_empty() {
        let mut link = Link::default();
        assert_eq!(link.frame(0), None);
        for item in 0..3 {
            link.push(item, FRAME_BYTES_AIM);
        }
        for item in 0..3 {
            let frame = link.frame(0).expect("there is more");
            assert_eq!((frame.first, frame.items), (item, vec![Arc::new(item)]));
        }
        assert_eq!(link.frame(RESEND_MS - 1), None);
        assert!(
            link.frame(RESEND_MS).is_some_and(|frame| frame.first == 0),
            "after a while all goes out again"
        );
    }

    #[test]
    fn what_was_lost_is_sent_again_however_much_there_is_to_say() {
        let (mut from, mut to) = (Link::default(), Link::<u32>::default());
        let mut heard = Vec::new();
        for item in 0..10_u32 {
            from.push(item, 1);
            let now_ms = u64::from(item) * RESEND_MS / 4;
            let frame = from.frame(now_ms).expect("there is something to say");
            if item > 0 {
                heard.extend(to.accept(frame, now_ms));
            }
        }
        assert!(heard.starts_with(&[0, 1, 2, 3, 4]), "{heard:?}");
    }

    #[test]
    fn nonsense_numbers_do_no_harm() {
        let mut link = Link::default();
        link.push(1u8, 1);
        let odd = |first, expected| Frame { first, expected, items: vec![Arc::new(7u8)] };
        assert!(link.accept(odd(u64::MAX, u64::MAX), 0).is_empty());
        assert_eq!(link.unacknowledged(), 1, "what was never sent cannot have arrived");
        assert_eq!(link.accept(odd(0, 0), 0), [7]);
        assert!(link.accept(odd(0, 0), 0).is_empty());
    }
}
