//! All are cut, miss a hundred messages, and come back at once.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::Target;
use super::crowd::{Crowd, STALLED_AFTER};
use super::fanout::{Pacer, deliver};
use super::idle::rest;
use super::watch::{Used, Watch};
use crate::process::{forget_peak, peak_resident_bytes};

/// What came of it.
pub(crate) struct Resumed {
    /// From the first connection until the last message came to the last who came back.
    pub(crate) seconds: f64,
    pub(crate) used: Used,
    /// The most that the server had in memory meanwhile.
    pub(crate) peak_bytes: u64,
    /// Of the messages to those who had not been cut.
    pub(crate) live: Histogram<u64>,
}

/// Messages that each misses.
const MISSED: usize = 100;
const BYTES: usize = 128;
/// Followers on a channel of their own, who go on as if nothing were the matter.
const LIVE_FOLLOWERS: usize = 100;
const LIVE_HERTZ: u32 = 50;
/// How many come back at a time at most: no more than wait in any server's backlog, and
/// enough that it always has the next one.
const AT_ONCE: usize = 400;
/// For the server to see that they have gone.
const SETTLES: Duration = Duration::from_millis(500);

const CUT: u32 = 0;
const LIVE: u32 = 1;

/// Cuts `count` followers and lets them come back.
pub(crate) fn run(target: Target<'_>, count: usize) -> Result<Resumed, String> {
    let mut crowd = Crowd::new(target.address, target.protocol, 2)?;
    crowd.follow(LIVE, LIVE_FOLLOWERS)?;
    crowd.publishers(&[CUT, LIVE])?;
    let (cut_publisher, live_publisher) = (crowd.last() - 1, crowd.last());
    crowd.keep_places();
    crowd.follow(CUT, count)?;
    // One that all of them get: so all have a place, whatever it is made of.
    publish(&mut crowd, cut_publisher, 1)?;
    deliver(&mut crowd, CUT, count as u64)?;

    let left = crowd.cut(CUT);
    rest(&mut crowd, SETTLES)?;
    publish(&mut crowd, cut_publisher, MISSED)?;

    for tally in &mut crowd.tallies {
        tally.restart();
    }
    forget_peak(target.process);
    let watch = Watch::begin(target.process);
    let begun = crowd.now();
    let mut live = Pacer::new(LIVE_HERTZ, begun);
    let mut live_messages = 0;
    let expected = (count * MISSED) as u64;
    let ready_before = crowd.ready;
    let mut returned = left.iter();
    let mut progress = (Instant::now(), 0);
    while crowd.tallies[CUT as usize].deliveries < expected {
        while let Some(at) = live.due(crowd.now()) {
            crowd.publish(live_publisher, LIVE, 1, BYTES, at)?;
            live_messages += 1;
        }
        let under_way = |crowd: &Crowd<'_>, begun: usize| begun - (crowd.ready - ready_before);
        while under_way(&crowd, count - returned.len()) < AT_ONCE
            && let Some(one) = returned.next()
        {
            crowd.come_back(CUT, one)?;
        }
        let wait = live.next.saturating_sub(crowd.now());
        crowd.turn(Duration::from_nanos(wait))?;
        let tally = &crowd.tallies[CUT as usize];
        tally.wrong()?;
        let came = tally.deliveries;
        if came > progress.1 {
            progress = (Instant::now(), came);
        } else if progress.0.elapsed() > STALLED_AFTER {
            return Err(format!("WRONG: {came} of {expected} missed messages came"));
        }
    }
    let used = watch.end();
    deliver(&mut crowd, LIVE, live_messages * LIVE_FOLLOWERS as u64)?;
    Ok(Resumed {
        seconds: (crowd.tallies[CUT as usize].last_at - begun) as f64 / 1e9,
        used,
        peak_bytes: peak_resident_bytes(target.process),
        live: crowd.tallies[LIVE as usize].latency.clone(),
    })
}

/// Publishes on the channel of those who are cut, and waits for the acknowledgements.
fn publish(crowd: &mut Crowd<'_>, publisher: usize, count: usize) -> Result<(), String> {
    crowd.acknowledged.clear();
    crowd.publish(publisher, CUT, count, BYTES, crowd.now())?;
    let until = Instant::now() + STALLED_AFTER;
    while crowd.acknowledged.len() < count {
        if Instant::now() > until {
            return Err("publishes are not acknowledged".to_owned());
        }
        crowd.turn(Duration::from_millis(100))?;
    }
    Ok(())
}
