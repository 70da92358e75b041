//! Who waits for a session, and how it hears that a poll may find something.
//!
//! Either a task of the session's own does, and is woken; or somebody who has many sessions does. Then
//! each of them stands under a token on a list, and its holder is woken once for all of them.

use std::task::{Context, Poll, Waker};

/// See the module.
#[derive(Default)]
pub(crate) struct Waiting {
    /// By session.
    waiters: Vec<Waiter>,
    /// The tokens of the sessions that were marked since somebody took them. As each is marked once
    /// until it is polled, there are no more than sessions if whoever takes them polls.
    listed: Vec<u64>,
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
            Waiter::Holder { token } => self.listed.push(*token),
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

    /// Moves the tokens of those that are listed to the end of `tokens`.
    pub(crate) fn take_listed(&mut self, tokens: &mut Vec<u64>) {
        tokens.append(&mut self.listed);
    }

    fn waiter(&mut self, session: usize) -> &mut Waiter {
        if self.waiters.len() <= session {
            self.waiters.resize(session + 1, Waiter::Nobody);
        }
        &mut self.waiters[session]
    }
}
