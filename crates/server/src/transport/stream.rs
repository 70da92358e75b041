//! What `GET /v1/events` asks for, whichever way it will be answered.

use std::time::Duration;

use http::HeaderName;
use http::request::Parts;
use tidings_hub::{Limits, Refusal};
use tidings_wire::{ChannelName, Code, MessageId, StreamCursor};

use crate::http::negotiate::preferred_wait;
use crate::http::problem::refusal;
use crate::http::query;

/// The longest wait of a poll, in seconds: proxies cut what is silent for longer.
pub(crate) const WAIT_SECONDS_MAX: u64 = 60;

/// What a client would read.
#[derive(Debug, PartialEq)]
pub(crate) struct EventsRequest {
    /// Which channels, in one stream; none in a probe, which looks whether streams get through.
    pub(crate) channels: Vec<ChannelName>,
    /// From behind this cursor on.
    pub(crate) after: Option<StreamCursor>,
    /// The poller's own id.
    pub(crate) session: Option<MessageId>,
    /// At most so many events in one answer.
    pub(crate) limit: usize,
    /// How long to wait for the first of them.
    pub(crate) wait: Wait,
}

/// How long a poll waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Not at all.
    Not,
    /// The client said so in the query.
    Asked(Duration),
    /// The client would like it (RFC 7240), and is told that it was heard.
    Preferred(Duration),
}

impl Wait {
    /// As a span of time.
    pub(crate) fn duration(self) -> Duration {
        match self {
            Self::Not => Duration::ZERO,
            Self::Asked(wait) | Self::Preferred(wait) => wait,
        }
    }
}

impl EventsRequest {
    /// Reads a request's query and headers.
    pub(crate) fn parse(parts: &Parts, limits: &Limits) -> Result<Self, Refusal> {
        let mut request = Self {
            channels: Vec::new(),
            after: None,
            session: None,
            limit: limits.poll_default,
            wait: match preferred_wait(&parts.headers) {
                // More than can be had is not wrong in a preference.
                Some(seconds) => {
                    Wait::Preferred(Duration::from_secs(seconds.min(WAIT_SECONDS_MAX)))
                }
                None => Wait::Not,
            },
        };
        let mut is_probe = false;
        for pair in query::pairs(&parts.uri) {
            let (name, value) = pair?;
            is_probe |= name == "probe";
            request.take(&name, &value, limits)?;
        }
        if request.channels.is_empty() && !is_probe {
            return Err(bad(
                "name a channel to read: /v1/events?channel=chat:lobby (it may be given many times)",
            ));
        }
        // A browser that reconnects asks for the same URL again, and says here how far it came.
        let last_event_id = parts.headers.get(HeaderName::from_static("last-event-id"));
        if let Some(value) = last_event_id.filter(|value| !value.is_empty()) {
            let text = String::from_utf8_lossy(value.as_bytes());
            request.after = Some(cursor("Last-Event-ID", &text)?);
        }
        Ok(request)
    }

    fn take(&mut self, name: &str, value: &str, limits: &Limits) -> Result<(), Refusal> {
        match name {
            "channel" => {
                let channel = ChannelName::new(value).map_err(|error| bad(error.to_string()))?;
                if !self.channels.contains(&channel) {
                    self.channels.push(channel);
                }
                if self.channels.len() > limits.subscriptions {
                    return Err(refusal(
                        Code::LimitReached,
                        format!("one stream reads at most {} channels", limits.subscriptions),
                    ));
                }
            }
            "after" => self.after = Some(cursor("after", value)?),
            "session" => {
                let session = MessageId::new(value);
                self.session = Some(session.map_err(|error| bad(format!("session: {error}")))?);
            }
            "limit" => {
                self.limit = query::parse(name, value, "a number")?;
                if !(1..=limits.poll_max).contains(&self.limit) {
                    return Err(bad(format!("limit is from 1 to {}", limits.poll_max)));
                }
            }
            "wait" => {
                let seconds = query::parse(name, value, "a number of seconds")?;
                if seconds > WAIT_SECONDS_MAX {
                    return Err(bad(format!("wait is at most {WAIT_SECONDS_MAX} seconds")));
                }
                self.wait = match seconds {
                    0 => Wait::Not,
                    _ => Wait::Asked(Duration::from_secs(seconds)),
                };
            }
            // A newer client is understood as far as it goes.
            _ => {}
        }
        Ok(())
    }
}

fn cursor(name: &str, text: &str) -> Result<StreamCursor, Refusal> {
    text.parse()
        .map_err(|error| bad(format!("{name}: {error}")))
}

fn bad(detail: impl Into<String>) -> Refusal {
    refusal(Code::BadRequest, detail)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parse(query: &str, headers: &[(&str, &str)]) -> Result<EventsRequest, Refusal> {
        let mut request = Request::get(format!("/v1/events?{query}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        EventsRequest::parse(&parts, &Limits::default())
    }

    #[test]
    fn channels_may_repeat_and_at_least_one_is_named() {
        let request = parse("channel=a&channel=b&channel=a", &[]).unwrap();
        let names: Vec<_> = request.channels.iter().map(ChannelName::as_str).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(request.wait, Wait::Not);
        assert_eq!(parse("wait=1", &[]).unwrap_err().code, Code::BadRequest);
        assert_eq!(parse("probe&wait=1", &[]).unwrap().channels, []);
        assert_eq!(parse("channel=*", &[]).unwrap_err().code, Code::BadRequest);
    }

    #[test]
    fn the_channels_of_a_stream_are_bounded() {
        let query = |count: usize| {
            let names: Vec<_> = (0..count).map(|n| format!("channel=c{n}")).collect();
            parse(&names.join("&"), &[]).map(|request| request.channels.len())
        };
        assert_eq!(query(99).unwrap(), 99);
        assert_eq!(query(100).unwrap(), 100);
        assert_eq!(query(101).unwrap_err().code, Code::LimitReached);
    }

    #[test]
    fn a_wait_and_a_limit_are_bounded() {
        let refused = |query| parse(query, &[]).unwrap_err().code == Code::BadRequest;
        let wait = |query| parse(query, &[]).unwrap().wait;
        assert_eq!(
            wait("channel=a&wait=59"),
            Wait::Asked(Duration::from_secs(59))
        );
        assert_eq!(
            wait("channel=a&wait=60"),
            Wait::Asked(Duration::from_secs(60))
        );
        assert!(refused("channel=a&wait=61"));
        assert!(refused("channel=a&wait=-1"));
        assert!(refused("channel=a&limit=0"));
        assert_eq!(parse("channel=a&limit=999", &[]).unwrap().limit, 999);
        assert_eq!(parse("channel=a&limit=1000", &[]).unwrap().limit, 1000);
        assert!(refused("channel=a&limit=1001"));
    }

    #[test]
    fn a_preference_is_shortened_and_gives_way_to_the_query() {
        let prefer = |query| parse(query, &[("prefer", "wait=600")]).unwrap().wait;
        assert_eq!(
            prefer("channel=a"),
            Wait::Preferred(Duration::from_secs(60))
        );
        assert_eq!(
            prefer("channel=a&wait=5"),
            Wait::Asked(Duration::from_secs(5))
        );
    }

    #[test]
    fn what_the_browser_read_last_wins_over_the_url() {
        let after = |headers: &[(&str, &str)]| {
            let request = parse("channel=a&after=e-1", headers).unwrap();
            request.after.unwrap().to_string()
        };
        assert_eq!(after(&[]), "e-1");
        assert_eq!(after(&[("last-event-id", "e-7")]), "e-7");
        assert_eq!(after(&[("last-event-id", "e-7.f-2")]), "e-7.f-2");
        assert_eq!(after(&[("last-event-id", "")]), "e-1");
        assert!(parse("channel=a", &[("last-event-id", "seven")]).is_err());
        assert!(parse("channel=a&after=7", &[]).is_err());
    }
}
