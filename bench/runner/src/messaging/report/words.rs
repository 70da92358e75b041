//! What a scenario is called, and what its figures say, for who has not read the code.

use crate::messaging::load::Pace;
use crate::messaging::protocol::Held;
use crate::messaging::scenario::{Door, FANOUT_BYTES, IDLE_FOR, PUBLISH_BYTES, Scenario};

impl Scenario {
    /// In a few words.
    pub(super) fn title(self) -> String {
        match self {
            Self::Fanout { followers, pace } => {
                format!("{} followers, {}", thousands(followers), at(pace))
            }
            Self::Shards { followers, pace } => format!(
                "Two shards against one: {} followers, {}",
                thousands(followers),
                at(pace)
            ),
            Self::Latency { hertz } => {
                format!("Publish to delivery on an idle server, {hertz} a second")
            }
            Self::Publish { publishers } => format!("{} publishers", thousands(publishers)),
            Self::Accept { followers } => format!("{} followers come in", thousands(followers)),
            Self::Resume { followers } => {
                format!("{} followers come back at once", thousands(followers))
            }
            Self::Memory { followers, door } => {
                format!(
                    "Memory of {} waiting {}",
                    thousands(followers),
                    through(door)
                )
            }
            Self::Idle { followers } => {
                format!("CPU time of {} idle WebSockets", thousands(followers))
            }
        }
    }

    /// What a bar of its plot is.
    pub(super) fn measure(self) -> &'static str {
        match self {
            Self::Fanout { .. } => "Deliveries per second of the server's CPU time",
            Self::Shards { .. } => "Deliveries a second",
            Self::Latency { .. } => "Median latency",
            Self::Publish { .. } => "Acknowledged messages per second of the server's CPU time",
            Self::Accept { .. } => "Handshake to subscription, per second of the server's CPU time",
            Self::Resume { .. } => "Time until all are current",
            Self::Memory { .. } => "Resident memory for each",
            Self::Idle { .. } => "CPU time a second for each",
        }
    }

    /// What is done, and what it does not say.
    pub(super) fn meaning(self) -> String {
        match self {
            Self::Fanout { followers, pace } => {
                let followers = thousands(followers);
                let how = match pace {
                    Pace::Bursts(1) => {
                        "the next message is published when all have the last: the cost of a \
                         message that comes alone"
                            .to_owned()
                    }
                    Pace::Bursts(count) => format!(
                        "{count} messages are published at once, the next {count} when all have \
                         these: the cost where messages come faster than one can be written to all. \
                         Who writes once for many messages is ahead here. Latency is that of a whole \
                         burst"
                    ),
                    Pace::Hertz(hertz) => format!(
                        "{hertz} messages a second are published, whatever has become of those before; \
                         latency counts from when a message was to be sent. The load is the same for \
                         all, so throughput says nothing"
                    ),
                };
                format!(
                    "One publisher, {followers} followers on one channel, {FANOUT_BYTES} bytes of \
                     data; {how}. Every follower's every message is counted, and has to be the next \
                     one."
                )
            }
            Self::Shards { .. } => "\
                The same with one shard and with two, on all cores of the machine. The generator takes \
                part of one of them (*generator*), and so does the log: with two cores throughput \
                cannot double, and what a second shard gives where there is room has to be measured \
                on a larger machine."
                .to_owned(),
            Self::Latency { .. } => format!(
                "One publisher, one follower, {FANOUT_BYTES} bytes: from when a message was to be sent \
                 until it was read, with everything that generator, kernel and server do for it. Of \
                 those who store nothing it is the way through memory; `tidings` has committed each \
                 message to its log before, `tidings-disk` has also synced it to the disk. \
                 The disk is that of this machine."
            ),
            Self::Publish { .. } => format!(
                "Each publisher has one message of {PUBLISH_BYTES} bytes under way, over WebSocket, and \
                 waits for its acknowledgement; 16 channels, nobody follows. An acknowledgement is not \
                 the same everywhere: see the table of who keeps what."
            ),
            Self::Accept { .. } => "\
                From the first packet to a subscription that is confirmed, or, where there is nothing \
                to confirm, to the end of the handshake; up to 100 at a time."
                .to_owned(),
            Self::Resume { .. } => "\
                All are cut by a reset, 100 messages are published, and all come back, up to 400 \
                handshakes at a time, each with its place. The time is until the last has the last \
                message, once and in order. Meanwhile 100 others go on to follow a channel with 50 \
                messages a second: *live p99* is theirs. The generator does part of the work on the \
                other core; where it is near 1.00 it was the limit. Servers that keep nothing cannot \
                take part."
                .to_owned(),
            Self::Memory { door, .. } => {
                let what = match door {
                    Door::WebSocket => "",
                    Door::Held(Held::Sse) => " The streams are idle.",
                    Door::Held(Held::LongPoll) => " No poll is answered meanwhile.",
                };
                format!(
                    "Growth of the server's resident memory, divided by the followers, each with one \
                     channel.{what} Afterwards one message is published and has to come to all. The \
                     kernel's own memory for sockets, 8 to 10 KB each for everybody, is not in it."
                )
            }
            Self::Idle { .. } => format!(
                "Nothing happens but heartbeats, as they are by default (each connection is asked every \
                 20 s), for {} s.",
                IDLE_FOR.as_secs()
            ),
        }
    }
}

fn at(pace: Pace) -> String {
    match pace {
        Pace::Bursts(1) => "one message at a time".to_owned(),
        Pace::Bursts(count) => format!("bursts of {count}"),
        Pace::Hertz(hertz) => format!("{hertz} messages a second"),
    }
}

fn through(door: Door) -> &'static str {
    match door {
        Door::WebSocket => "WebSockets",
        Door::Held(Held::Sse) => "SSE streams",
        Door::Held(Held::LongPoll) => "long polls",
    }
}

/// With a comma before the last three digits.
fn thousands(count: usize) -> String {
    match count {
        0..1000 => count.to_string(),
        _ => format!("{},{:03}", count / 1000, count % 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_for_people() {
        let title = |name: &str| name.parse::<Scenario>().unwrap().title();
        assert_eq!(title("fanout-10000-16"), "10,000 followers, bursts of 16");
        assert_eq!(
            title("memory-2000-poll"),
            "Memory of 2,000 waiting long polls"
        );
        assert_eq!(title("publish-256"), "256 publishers");
    }
}
