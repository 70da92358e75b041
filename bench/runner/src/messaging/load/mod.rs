//! The load: one thread with an epoll instance of its own, and no WebSocket library.
//!
//! A [`crowd`] holds the connections and checks every delivery; what is asked of it is in a file for
//! each kind of scenario. Times are nanoseconds since the crowd began.

mod accept;
mod crowd;
mod fanout;
mod frame;
mod held;
mod idle;
mod link;
mod mark;
mod member;
mod memory;
mod publish;
mod resume;
mod tally;
#[cfg(test)]
mod tests;
mod watch;

pub(crate) use accept::run as accept;
pub(crate) use fanout::{Fanned, Pace, run as fanout};
pub(crate) use idle::run as idle;
pub(crate) use memory::run as memory;
pub(crate) use publish::{Published, run as publish};
pub(crate) use resume::{Resumed, run as resume};
pub(crate) use watch::Used;

use std::net::SocketAddrV4;
use std::time::Duration;

use super::protocol::Protocol;

/// A server under load.
#[derive(Clone, Copy)]
pub(crate) struct Target<'t> {
    pub(crate) address: SocketAddrV4,
    pub(crate) process: u32,
    pub(crate) protocol: &'t dyn Protocol,
}

/// When to measure.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}
