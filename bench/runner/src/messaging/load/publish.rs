//! Many publish, each with one message under way until it is acknowledged.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::crowd::{Crowd, STALLED_AFTER};
use super::tally::latencies;
use super::watch::{Used, Watch};
use super::{Target, Window};

/// What came of it.
pub(crate) struct Published {
    pub(crate) acknowledged: u64,
    pub(crate) used: Used,
    /// From a publish until its acknowledgement.
    pub(crate) latency: Histogram<u64>,
}

/// Channels among which the publishers are spread: one would be a rarity, as would one for each.
const CHANNELS: u32 = 16;

/// Lets `publishers` connections publish messages of `bytes` bytes.
pub(crate) fn run(
    target: Target<'_>,
    publishers: usize,
    bytes: usize,
    window: Window,
) -> Result<Published, String> {
    let mut crowd = Crowd::new(target.address, target.protocol, CHANNELS as usize)?;
    let channels: Vec<u32> = (0..CHANNELS).cycle().take(publishers).collect();
    crowd.publishers(&channels)?;
    let mut latency = latencies();
    let mut count = 0;
    let mut asked_at = vec![0; publishers];
    for index in 0..publishers {
        asked_at[index] = crowd.now();
        crowd.publish(index, channels[index], 1, bytes, asked_at[index])?;
    }
    let mut watch = None;
    let mut until = crowd.now() + window.warm_up.as_nanos() as u64;
    let mut progress = crowd.now();
    loop {
        crowd.turn(Duration::from_millis(50))?;
        let now = crowd.now();
        for index in std::mem::take(&mut crowd.acknowledged) {
            count += 1;
            latency.saturating_record(now - asked_at[index]);
            asked_at[index] = now;
            progress = now;
            crowd.publish(index, channels[index], 1, bytes, now)?;
        }
        if now - progress > STALLED_AFTER.as_nanos() as u64 {
            return Err(format!("no acknowledgement any more, after {count}"));
        }
        if now < until {
            continue;
        }
        if count == 0 {
            continue; // a slow one gets the time that it takes
        }
        if let Some(watch) = watch {
            return Ok(Published {
                acknowledged: count,
                used: Watch::end(&watch),
                latency,
            });
        }
        until = now + window.measured.as_nanos() as u64;
        (count, watch) = (0, Some(Watch::begin(target.process)));
        latency.reset();
    }
}
