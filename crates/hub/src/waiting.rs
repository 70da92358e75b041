//! Who waits for a session, and how it hears that a poll may find something.
//!
//! Either a task of the session's own does, and is woken; or somebody who has many sessions does. Then
//! each of them stands under a token on a list, and its holder is woken once for all of them.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

/// See the module.
#[derive(Default)]
pub(crate) struct Waiting {
    /// By session.
    waiters: Vec<Waiter>,
    /// The sessions that were marked since somebody took them, with their tokens. As each is marked once
    /// until it is polled, there are no more than sessions if whoever takes them polls.
    listed: VecDeque<(u32, u64)>,
    /// How many were taken from the list since it was made.
    taken: u64,
    /// When somebody waits for the list not to be empty.
    holder: Option<Waker>,
}

#[derive(Clone)]
enum Waiter {
    Nobody,
    /// Once.
    Task(Waker),
    /// Until it is forgotten.
    Holder {
        token: u64,
    },
}

impl Waiter {
    fn is_held_under(&self, token: u64) -> bool {
        matches!(self, Self::Holder { token: known } if *known == token)
    }
}

impl Waiting {
    /// A task waits for a session, once.
    pub(crate) fn wait(&mut self, session: usize, waker: &Waker) {
        match self.waiter(session) {
            Waiter::Task(known) => known.clone_from(waker),
            other => *other = Waiter::Task(waker.clone()),
        }
    }

    /// From now on the session is listed under `token`.
    pub(crate) fn list(&mut self, session: usize, token: u64) {
        *self.waiter(session) = Waiter::Holder { token };
    }

    /// Nobody waits for the session any longer.
    pub(crate) fn forget(&mut self, session: usize) {
        *self.waiter(session) = Waiter::Nobody;
    }

    /// A poll of the session may find something.
    pub(crate) fn tell(&mut self, session: usize) {
        let Some(waiter) = self.waiters.get_mut(session) else {
            return;
        };
        match waiter {
            Waiter::Nobody => {}
            Waiter::Holder { token } => self.listed.push_back((session as u32, *token)),
            Waiter::Task(_) => {
                if let Waiter::Task(waker) = std::mem::replace(waiter, Waiter::Nobody) {
                    waker.wake();
                }
            }
        }
    }

    /// Wakes whoever waits for the list, once for all that were told of.
    pub(crate) fn wake_holder(&mut self) {
        if !self.listed.is_empty()
            && let Some(waker) = self.holder.take()
        {
            waker.wake();
        }
    }

    /// Waits until somebody is listed.
    pub(crate) fn poll_listed(&mut self, context: &Context<'_>) -> Poll<()> {
        if !self.listed.is_empty() {
            return Poll::Ready(());
        }
        match &mut self.holder {
            Some(known) => known.clone_from(context.waker()),
            empty => *empty = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    /// Takes the one that was listed first, with its token. Those that are gone are not listed any longer.
    pub(crate) fn next_listed(&mut self) -> Option<(usize, u64)> {
        loop {
            let (session, token) = self.listed.pop_front()?;
            let session = session as usize;
            if self.waiters[session].is_held_under(token) {
                return Some((session, token));
            }
        }
    }

    /// How many are listed.
    pub(crate) fn listed(&self) -> usize {
        self.listed.len()
    }

    /// Counts those that were taken since so many were `listed`, and nobody since then.
    pub(crate) fn count_taken(&mut self, listed: usize) {
        self.taken += (listed - self.listed.len()) as u64;
    }

    /// How many were taken until now.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// How many will have been taken when all that are listed now have been.
    pub(crate) fn goal(&self) -> u64 {
        self.taken + self.listed.len() as u64
    }

    fn waiter(&mut self, session: usize) -> &mut Waiter {
        if self.waiters.len() <= session {
            self.waiters.resize(session + 1, Waiter::Nobody);
        }
        &mut self.waiters[session]
    }
}
