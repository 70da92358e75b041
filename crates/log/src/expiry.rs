//! Which messages at the old end of the log are to go, by age and by bytes. Pure.
//!
//! An account's sweep goes through the log from its old end, a bounded window at a time, deletes what
//! is the account's and too old or too much, and stops at the first message that stays. So what is
//! kept of a channel is always its newest messages without a hole.

use std::time::Duration;

use tidings_engine::Retention;

/// A message as the sweep sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) seq: u64,
    pub(crate) at: u64,
    pub(crate) bytes: u64,
    pub(crate) account: usize,
}

/// How far an account's sweep came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sweep {
    /// Nothing of the account is left up to this `seq`.
    pub(crate) after: u64,
    pub(crate) next: Next,
}

/// When a sweep has something to do again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Next {
    /// At once.
    #[default]
    Now,
    /// At this time, in milliseconds since the Unix epoch; it was `asked` then.
    At { due: u64, asked: u64 },
    /// When there is something behind [`Sweep::after`]: nothing is known of its age, for it may have been
    /// said elsewhere, long ago.
    Come,
    /// When bytes are too many.
    Full,
}

impl Sweep {
    /// Whether to look at the next window, in a log whose newest message is `head`.
    pub(crate) fn is_due(&self, retention: Retention, bytes: u64, head: u64, now: u64) -> bool {
        retention.bytes.is_some_and(|bound| bytes > bound)
            || match self.next {
                Next::Now => true,
                // A clock that was set back makes nothing of what was reckoned before.
                Next::At { due, asked } => now >= due || now < asked,
                Next::Come => head > self.after,
                Next::Full => false,
            }
    }

    /// Looks at `window`, the log's next messages after [`Sweep::after`]. If there are no more, `end` is the
    /// log's newest `seq`.
    pub(crate) fn step(
        &mut self,
        window: &[Candidate],
        end: Option<u64>,
        account: usize,
        retention: Retention,
        mut bytes: u64,
        now: u64,
    ) -> Swept {
        let ages = Ages {
            retention: retention.age,
            now,
        };
        let mut delete = Vec::new();
        for (index, (candidate, at)) in window.iter().zip(ages.said(window)).enumerate() {
            let is_much = retention.bytes.is_some_and(|bound| bytes > bound);
            let is_old = ages.is_old(at);
            if !is_old && !is_much {
                self.next = ages.next(at);
                return Swept {
                    delete,
                    is_empty: false,
                };
            }
            self.after = candidate.seq;
            if candidate.account == account {
                bytes = bytes.saturating_sub(candidate.bytes);
                delete.push(index);
            }
        }
        self.after = end.unwrap_or(self.after);
        self.next = match end {
            None => Next::Now,
            Some(_) if retention.age.is_some() => Next::Come,
            Some(_) => Next::Full,
        };
        Swept {
            delete,
            is_empty: end.is_some(),
        }
    }
}

/// What one step of a sweep decided.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Swept {
    /// The places in the window that are to be deleted.
    pub(crate) delete: Vec<usize>,
    /// Nothing of the account is left in the log.
    pub(crate) is_empty: bool,
}

#[derive(Clone, Copy)]
struct Ages {
    retention: Option<Duration>,
    now: u64,
}

impl Ages {
    /// When each message was said, as far as that can be: what is said to come yet, by a clock that ran
    /// ahead, came before all that came after it, so that it is not kept for ever. Others are taken at
    /// their word, for what stands behind them may come from elsewhere and be older.
    fn said(self, window: &[Candidate]) -> Vec<u64> {
        let mut earliest = u64::MAX;
        let mut said: Vec<_> = window
            .iter()
            .rev()
            .map(|candidate| {
                earliest = earliest.min(candidate.at);
                match candidate.at > self.now {
                    true => earliest,
                    false => candidate.at,
                }
            })
            .collect();
        said.reverse();
        said
    }

    fn is_old(self, at: u64) -> bool {
        self.retention
            .is_some_and(|age| u128::from(self.now.saturating_sub(at)) >= age.as_millis())
    }

    fn next(self, at: u64) -> Next {
        self.retention.map_or(Next::Full, |age| {
            let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
            Next::At {
                due: at.saturating_add(age),
                asked: self.now,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retention(age: Option<u64>, bytes: Option<u64>) -> Retention {
        Retention {
            messages: None,
            age: age.map(Duration::from_millis),
            bytes,
        }
    }

    /// Messages of 10 bytes, `(at, account)`.
    fn window(messages: &[(u64, usize)]) -> Vec<Candidate> {
        let candidates = messages.iter().zip(1..);
        candidates
            .map(|(&(at, account), seq)| Candidate {
                seq,
                at,
                bytes: 10,
                account,
            })
            .collect()
    }

    #[test]
    fn the_old_go_and_the_first_young_one_says_when_to_come_back() {
        let mut sweep = Sweep::default();
        let window = window(&[(10, 0), (20, 1), (30, 0), (40, 0)]);
        let Swept { delete, .. } =
            sweep.step(&window, Some(4), 0, retention(Some(100), None), 30, 130);
        assert_eq!(delete, [0, 2]);
        let next = Next::At {
            due: 140,
            asked: 130,
        };
        assert_eq!(sweep, Sweep { after: 3, next });
        let bound = retention(Some(100), None);
        assert!(!sweep.is_due(bound, 10, 9, 139));
        assert!(sweep.is_due(bound, 10, 4, 140));
        assert!(sweep.is_due(bound, 10, 4, 5), "set back");
    }

    #[test]
    fn as_many_go_as_are_too_much() {
        let mut sweep = Sweep::default();
        let bound = retention(None, Some(15));
        let Swept { delete, .. } = sweep.step(
            &window(&[(1, 0), (2, 1), (3, 0), (4, 0)]),
            Some(4),
            0,
            bound,
            30,
            9,
        );
        assert_eq!(delete, [0, 2]);
        assert_eq!(sweep.next, Next::Full);
        assert!(!sweep.is_due(bound, 15, 4, 9) && sweep.is_due(bound, 16, 4, 9));
    }

    #[test]
    fn a_full_window_is_followed_by_the_next() {
        let mut sweep = Sweep::default();
        let bound = retention(Some(1), None);
        let swept = sweep.step(&window(&[(1, 1), (2, 0)]), None, 0, bound, 9, 99);
        assert_eq!((swept.delete.as_slice(), swept.is_empty), (&[1][..], false));
        assert_eq!((sweep.after, sweep.next), (2, Next::Now));
    }

    #[test]
    fn a_log_without_anything_left_is_looked_at_when_something_comes() {
        let mut sweep = Sweep::default();
        let bound = retention(Some(100), None);
        let swept = sweep.step(&[], Some(7), 0, bound, 0, 105);
        assert!(swept.is_empty);
        assert_eq!((sweep.after, sweep.next), (7, Next::Come));
        assert!(!sweep.is_due(bound, 0, 7, 9_000) && sweep.is_due(bound, 10, 8, 105));
        // It was said long ago, elsewhere.
        let brought = [Candidate {
            seq: 8,
            ..window(&[(6, 0)])[0]
        }];
        sweep.step(&brought, Some(8), 0, bound, 10, 105);
        let (due, asked) = (106, 105);
        assert_eq!(sweep.next, Next::At { due, asked });
        sweep.step(&[], Some(8), 0, retention(None, None), 0, 105);
        assert_eq!(sweep.next, Next::Full);
    }

    #[test]
    fn what_is_older_and_comes_later_takes_nobody_along() {
        let mut sweep = Sweep::default();
        let window = window(&[(100, 0), (10, 0)]);
        let bound = retention(Some(100), None);
        let Swept { delete, .. } = sweep.step(&window, Some(2), 0, bound, 20, 150);
        assert!(delete.is_empty());
        assert_eq!(
            sweep.next,
            Next::At {
                due: 200,
                asked: 150
            }
        );
        let Swept { delete, .. } = sweep.step(&window, Some(2), 0, bound, 20, 200);
        assert_eq!(delete, [0, 1]);
    }

    #[test]
    fn a_message_from_the_future_goes_with_those_behind_it() {
        let mut sweep = Sweep::default();
        let window = window(&[(9_000_000, 0), (10, 0), (100, 0)]);
        let Swept { delete, .. } =
            sweep.step(&window, Some(3), 0, retention(Some(100), None), 30, 150);
        assert_eq!(delete, [0, 1]);
    }
}
