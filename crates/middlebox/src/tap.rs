//! Who is told what passes: for a person who wants to see it.

use std::fmt;

use crate::{Direction, Transport};

/// Hears of everything that a middlebox carries, on the thread that carries it, and so must not wait.
pub trait Tap: fmt::Debug + Send + Sync {
    /// Something passed, or happened to a connection.
    fn hear(&self, heard: Heard<'_>);
}

/// What happened, and where.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    /// What kind of a connection it is; of UDP a client's address counts as one.
    pub transport: Transport,
    /// Its number, 1 and up; of one that was refused, 0.
    pub connection: u64,
    /// What happened to it.
    pub event: Event<'a>,
}

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// It was accepted.
    Open,
    /// Bytes, or a datagram, were delivered.
    Passed(Direction, &'a [u8]),
    /// So many bytes were taken, and will not be delivered.
    Lost(usize),
    /// It is over.
    Close,
    /// It was reset at once, by `refuse`.
    Refused,
}
