//! What it costs to keep connections over which nothing happens.

use std::time::{Duration, Instant};

use super::Target;
use super::crowd::Crowd;
use super::watch::{Used, Watch};

/// For what a server does once after a connection has come.
const SETTLES: Duration = Duration::from_secs(1);

/// Keeps `count` followers for a while, answers what they are asked, and gives what that took.
pub(crate) fn run(target: Target<'_>, count: usize, measured: Duration) -> Result<Used, String> {
    let mut crowd = Crowd::new(target.address, target.protocol, 1)?;
    crowd.follow(0, count)?;
    rest(&mut crowd, SETTLES)?;
    let watch = Watch::begin(target.process);
    rest(&mut crowd, measured)?;
    Ok(watch.end())
}

/// Turns for a while, so that pings are answered.
pub(super) fn rest(crowd: &mut Crowd<'_>, duration: Duration) -> Result<(), String> {
    let until = Instant::now() + duration;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        crowd.turn(left)?;
    }
    Ok(())
}
