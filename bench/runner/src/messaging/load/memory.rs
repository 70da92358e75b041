//! Memory of followers who wait.

use std::time::Duration;

use super::crowd::Crowd;
use super::fanout::deliver;
use super::{Target, held, idle};
use crate::messaging::scenario::Door;
use crate::process::resident_bytes;

/// For what a server puts off: timers that close nothing, memory that is given back.
pub(super) const SETTLES: Duration = Duration::from_millis(700);
const BYTES: usize = 128;
/// The first followers are let in before: for them a server reads its own code, and makes the room
/// that it needs once.
const FIRST: usize = 64;

/// Resident bytes of the server for each of `count` followers that came through `door`. That all
/// of them do wait is shown by a message, once it has been measured.
pub(crate) fn run(target: Target<'_>, count: usize, door: Door) -> Result<f64, String> {
    let held = match door {
        Door::WebSocket => return websockets(target, count),
        Door::Held(held) => held,
    };
    let mut requests = held::Requests::new(target, held)?;
    requests.open(FIRST)?;
    std::thread::sleep(SETTLES);
    let before = resident_bytes(target.process);
    requests.open(count)?;
    std::thread::sleep(SETTLES);
    let after = resident_bytes(target.process);
    let mut crowd = Crowd::new(target.address, target.protocol, 1)?;
    crowd.publishers(&[0])?;
    crowd.publish(crowd.last(), 0, 1, BYTES, 0)?;
    requests.all_get_a_message()?;
    Ok((after as f64 - before as f64) / count as f64)
}

fn websockets(target: Target<'_>, count: usize) -> Result<f64, String> {
    let mut crowd = Crowd::new(target.address, target.protocol, 1)?;
    crowd.follow(0, FIRST)?;
    idle::rest(&mut crowd, SETTLES)?;
    let before = resident_bytes(target.process);
    crowd.follow(0, count)?;
    idle::rest(&mut crowd, SETTLES)?;
    let after = resident_bytes(target.process);
    crowd.publishers(&[0])?;
    crowd.publish(crowd.last(), 0, 1, BYTES, 0)?;
    deliver(&mut crowd, 0, (FIRST + count) as u64)?;
    Ok((after as f64 - before as f64) / count as f64)
}
