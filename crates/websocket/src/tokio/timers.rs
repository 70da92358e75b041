//! The timers of one connection on tokio's clock: the pure [`Keepalive`], and one sleep that
//! wakes it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ::tokio::time::{Instant, Sleep, sleep_until};

use crate::close::CloseCode;
use crate::keepalive::{Action, Keepalive, Options};

/// When to ping a quiet peer, and when to give up a silent or a closing one.
#[derive(Debug)]
pub(super) struct Timers {
    keepalive: Keepalive,
    options: Options,
    closing: bool,
    /// Made when there is something to wait for. It may ring early, never late: what the peer
    /// says moves the due instant on, and resetting the sleep each time would cost more.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timers {
    pub(super) fn new(options: Options) -> Self {
        Self {
            keepalive: Keepalive::new(options, now()),
            options,
            closing: false,
            sleep: None,
        }
    }

    /// Says that the peer is alive. Without pings the clock is not even read.
    pub(super) fn hear(&mut self) {
        if self.options.ping_after.is_some() {
            self.keepalive.handle_received(now());
        }
    }

    /// What a silent peer is told before it is given up.
    pub(super) fn silence_close(&self) -> Option<(CloseCode, &'static str)> {
        self.options.silence_close
    }

    /// Says that the closing began; gives whether it was the first to say so, which alone counts.
    pub(super) fn begin_closing(&mut self) -> bool {
        let first = !self.closing;
        if first {
            self.closing = true;
            self.keepalive.handle_closing(now());
        }
        first
    }

    /// Says that the closing begins now and may take this long.
    pub(super) fn begin_closing_within(&mut self, within: Duration) {
        self.options.closing_within = within;
        self.keepalive = Keepalive::new(self.options, now());
        self.closing = false;
        self.begin_closing();
    }

    /// Waits until something is due: never [`Action::Wait`].
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Action> {
        loop {
            let Some(due) = self.keepalive.poll_timeout().map(Instant::from_std) else {
                return Poll::Pending;
            };
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if due < sleep.deadline() {
                sleep.as_mut().reset(due);
            }
            ready!(sleep.as_mut().poll(context));
            match self.keepalive.handle_timeout(now()) {
                Action::Wait => sleep.as_mut().reset(due),
                action => return Poll::Ready(action),
            }
        }
    }

    /// Gives the sleep's memory back: nothing is waited for any more.
    pub(super) fn stop(&mut self) {
        self.sleep = None;
    }
}

/// tokio's clock, which tests can pause.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}
