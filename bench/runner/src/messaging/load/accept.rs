//! How many come in, from the first packet to a subscription.

use super::Target;
use super::crowd::Crowd;
use super::watch::{Used, Watch};

/// Lets `count` followers in, and gives what that took.
pub(crate) fn run(target: Target<'_>, count: usize) -> Result<Used, String> {
    let mut crowd = Crowd::new(target.address, target.protocol, 1)?;
    let watch = Watch::begin(target.process);
    crowd.follow(0, count)?;
    Ok(watch.end())
}
