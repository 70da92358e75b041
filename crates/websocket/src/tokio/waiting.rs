//! Who waits for a connection whose halves two tasks hold, as after `StreamExt::split`.
//!
//! A stream of bytes remembers one waker for reading and one for writing: the last that asked.
//! Receiving writes as well, so the task that receives and the one that sends take the place
//! of writing from each other, and the one that lost it would sleep for ever, all the more
//! when the other one leaves. So each half's waker is kept here too, and while both wait the
//! stream is given one that wakes both.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// A half of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    /// Whoever waits for events. It writes, too.
    Receiving,
    /// Whoever waits until everything is written, or for room.
    Sending,
}

/// The wakers of the halves that wait.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    receiving: Option<Waker>,
    sending: Option<Waker>,
}

impl Waiting {
    /// Keeps the waker of a half that has to wait.
    pub(super) fn keep(&mut self, half: Half, waker: &Waker) {
        match self.of(half) {
            // In the steady state the same task waits again.
            Some(kept) => kept.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    /// Forgets the waker of a half that has what it waited for.
    pub(super) fn forget(&mut self, half: Half) {
        *self.of(half) = None;
    }

    /// Wakes a half, if it waits.
    pub(super) fn wake(&mut self, half: Half) {
        if let Some(waker) = self.of(half).take() {
            waker.wake();
        }
    }

    /// Polls the writing on behalf of `half` so that the other one, if it waits, is woken as well.
    pub(super) fn poll_writing<T>(
        &mut self,
        half: Half,
        context: &mut Context<'_>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let outcome = poll(context);
        if outcome.is_ready() {
            return outcome;
        }
        let other = match half {
            Half::Receiving => &self.sending,
            Half::Sending => &self.receiving,
        };
        match other {
            Some(other) if !other.will_wake(context.waker()) => {
                let both = Both(other.clone(), context.waker().clone());
                poll(&mut Context::from_waker(&Waker::from(Arc::new(both))))
            }
            _ => outcome,
        }
    }

    fn of(&mut self, half: Half) -> &mut Option<Waker> {
        match half {
            Half::Receiving => &mut self.receiving,
            Half::Sending => &mut self.sending,
        }
    }
}

struct Both(Waker, Waker);

impl Wake for Both {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.wake_by_ref();
        self.1.wake_by_ref();
    }
}
