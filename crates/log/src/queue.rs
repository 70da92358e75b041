//! The queue before the writer: bounded, and taken from a batch at a time.
//!
//! What comes together is put in under one lock and wakes the writer once, when all of it is there. Put in
//! one by one, on a machine with few cores, each would have the writer push its publisher aside and store
//! it by a commit of its own.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tidings_engine::{Answer, Draft, EngineError, Published, Responder};

use crate::shared::lock;

/// See the module.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    messages_max: usize,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    drafts: VecDeque<(Draft, Responder<Published>)>,
    /// Of their data.
    bytes: usize,
    is_closed: bool,
}

/// One commit's work.
#[derive(Debug, Default)]
pub(crate) struct Work {
    pub(crate) drafts: Vec<(Draft, Responder<Published>)>,
    /// Nothing comes after it.
    pub(crate) is_last: bool,
}

impl Queue {
    /// A queue for at most so many messages, and so many bytes of data but for a single larger message.
    pub(crate) fn new(messages_max: usize, bytes_max: usize) -> Self {
        Self {
            waiting: Mutex::default(),
            arrived: Condvar::new(),
            messages_max,
            bytes_max,
        }
    }

    /// Puts in what came together, in its order. What finds no room is answered
    /// [`Busy`](EngineError::Busy), and after the end everything [`Closed`](EngineError::Closed).
    pub(crate) fn put(&self, drafts: impl IntoIterator<Item = Draft>) -> Vec<Answer<Published>> {
        let mut waiting = lock(&self.waiting);
        let put = |draft: Draft| {
            let bytes = waiting.bytes + draft.data.len();
            let is_full = waiting.drafts.len() >= self.messages_max
                || (waiting.bytes > 0 && bytes > self.bytes_max);
            if waiting.is_closed {
                return Answer::ready(Err(EngineError::Closed));
            }
            if is_full {
                return Answer::ready(Err(EngineError::Busy));
            }
            let (responder, answer) = Answer::pending();
            waiting.bytes = bytes;
            waiting.drafts.push_back((draft, responder));
            answer
        };
        let answers = drafts.into_iter().map(put).collect();
        drop(waiting);
        self.arrived.notify_one();
        answers
    }

    /// Waits until there is something, but no longer than `wait`, and takes it: at most so many messages,
    /// and so many bytes but for a single larger message.
    pub(crate) fn take(&self, wait: Duration, messages_max: usize, bytes_max: usize) -> Work {
        let until = Instant::now() + wait;
        let mut waiting = lock(&self.waiting);
        while waiting.drafts.is_empty() && !waiting.is_closed {
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                break;
            }
            let waited = self.arrived.wait_timeout(waiting, rest);
            (waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        let (mut count, mut bytes) = (0, 0);
        for (draft, _) in waiting.drafts.iter().take(messages_max) {
            if count > 0 && bytes + draft.data.len() > bytes_max {
                break;
            }
            count += 1;
            bytes += draft.data.len();
        }
        waiting.bytes -= bytes;
        let drafts = waiting.drafts.drain(..count).collect();
        let is_last = waiting.is_closed && waiting.drafts.is_empty();
        if waiting.drafts.is_empty() {
            // After a rush it keeps no more than a usual batch needs.
            waiting.drafts.shrink_to(messages_max);
        }
        Work { drafts, is_last }
    }

    /// Nothing is put in any more.
    pub(crate) fn close(&self) {
        lock(&self.waiting).is_closed = true;
        self.arrived.notify_one();
    }

    /// Bytes of data that wait.
    pub(crate) fn bytes(&self) -> usize {
        lock(&self.waiting).bytes
    }
}

#[cfg(test)]
mod tests {
    use tidings_wire::{ChannelName, Data, MessageId, User};

    use super::*;

    const AT_ONCE: Duration = Duration::ZERO;
    const LONG: Duration = Duration::from_secs(60);

    fn draft(id: usize, bytes: usize) -> Draft {
        Draft {
            channel: ChannelName::new("a").unwrap(),
            id: MessageId::new(&id.to_string()).unwrap(),
            from: User::new("alice").unwrap(),
            data: Data::Bytes(vec![0; bytes].into()),
            at: None,
        }
    }

    fn ids(work: &Work) -> Vec<&str> {
        work.drafts.iter().map(|(it, _)| it.id.as_str()).collect()
    }

    #[test]
    fn what_came_together_is_taken_together_in_its_order_up_to_the_bounds() {
        let queue = Queue::new(10, 100);
        let _answers = queue.put((0..5).map(|id| draft(id, 10)));
        assert_eq!(ids(&queue.take(AT_ONCE, 3, 100)), ["0", "1", "2"]);
        assert_eq!(ids(&queue.take(AT_ONCE, 9, 19)), ["3"]);
        assert_eq!(queue.bytes(), 10);
        assert_eq!(
            ids(&queue.take(AT_ONCE, 9, 1)),
            ["4"],
            "one is always taken"
        );
        assert!(queue.take(AT_ONCE, 9, 1).drafts.is_empty());
    }

    #[test]
    fn what_finds_no_room_is_busy_and_the_rest_is_not() {
        let queue = Queue::new(3, 100);
        let answers = queue.put((0..4).map(|id| draft(id, 1)));
        assert_eq!(queue.take(AT_ONCE, 9, 100).drafts.len(), 3);
        let refused = answers.into_iter().next_back().map(Answer::wait);
        assert_eq!(refused, Some(Err(EngineError::Busy)));
        // One that is larger than the bound passes an empty queue, and nothing passes after it.
        let mut answers = queue.put([draft(5, 101), draft(6, 1)]);
        assert_eq!(ids(&queue.take(AT_ONCE, 9, 100)), ["5"]);
        assert_eq!(answers.remove(1).wait(), Err(EngineError::Busy));
    }

    #[test]
    fn after_the_end_what_waits_is_taken_and_nothing_put_in() {
        let queue = Queue::new(9, 100);
        let _answers = queue.put([draft(0, 1), draft(1, 1)]);
        queue.close();
        let refused = queue.put([draft(2, 1)]).remove(0).wait();
        assert_eq!(refused, Err(EngineError::Closed));
        let first = queue.take(LONG, 1, 100);
        assert!(!first.is_last && ids(&first) == ["0"]);
        let last = queue.take(AT_ONCE, 1, 100);
        assert!(last.is_last && ids(&last) == ["1"]);
    }

    #[test]
    fn whoever_waits_is_woken_by_what_comes_and_by_the_end() {
        let queue = Queue::new(9, 100);
        std::thread::scope(|scope| {
            let taken = scope.spawn(|| queue.take(LONG, 9, 100).drafts.len());
            let _answers = queue.put([draft(0, 1)]);
            assert_eq!(taken.join().unwrap(), 1);
            let taken = scope.spawn(|| queue.take(LONG, 9, 100).is_last);
            queue.close();
            assert!(taken.join().unwrap());
        });
    }
}
