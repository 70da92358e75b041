//! One framed session of a fan-out, asked directly: what the tests of its bounds and lanes share.

use std::time::SystemTime;

use tidings_engine::{Batch, Page, Query};
use tidings_wire::{
    ChannelName, Code, Command, Cursor, Data, Epoch, Event, Heartbeat, MessageId, ReplyBody,
    Request,
};

use super::message;
use crate::effect::{Ask, Effect};
use crate::fanout::{Fanout, Fresh, LinkKey, Said};
use crate::logs::{Heads, Logs};
use crate::session::{Moment, Settings};
use crate::{
    Auth, Behind, Identity, Limits, NamespacePolicies, NamespacePolicy, Push, Refusal, Room,
    StreamRequest,
};

pub(super) const ROOM: Room = Room {
    bytes: 1 << 20,
    events: 1000,
};

/// One framed session of alice on a shard that has heard everything up to 100.
pub(super) struct Play {
    pub(super) fanout: Fanout,
    pub(super) link: LinkKey,
    pub(super) req: u64,
}

/// A shard over one log, `e`, that has heard everything up to 100.
pub(super) fn fanout(limits: Limits) -> Fanout {
    let logs = Logs::new(&[Epoch::new("e").unwrap()], |_| 0);
    fanout_over(logs, &Heads::One(100), limits)
}

/// The same over other logs.
pub(super) fn fanout_over(logs: Logs, heads: &Heads, limits: Limits) -> Fanout {
    let mut namespaces = NamespacePolicies::default();
    let policy = NamespacePolicy {
        presence: false,
        ..NamespacePolicy::default()
    };
    namespaces.namespaces.insert("quiet".into(), policy);
    let policy = NamespacePolicy {
        behind: Behind::Newest,
        ..NamespacePolicy::default()
    };
    namespaces.namespaces.insert("now".into(), policy);
    let settings = Settings {
        logs,
        limits,
        namespaces,
        heartbeat: Heartbeat {
            interval: 1,
            timeout: 1,
            tries: 1,
        },
    };
    Fanout::new(settings, heads)
}

pub(super) fn moment() -> Moment {
    Moment {
        at: 0,
        tick: 0,
        heads: Heads::One(100),
    }
}

pub(super) fn fresh() -> Fresh {
    Fresh {
        id: MessageId::new("s").unwrap(),
        connection: 1,
    }
}

pub(super) fn alice() -> Identity {
    let token = Some("guest:alice");
    Auth::Guests
        .verify(token, SystemTime::UNIX_EPOCH, 0)
        .unwrap()
}

pub(super) fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).unwrap()
}

/// A stream of alice's, whose cursor is of what is known.
pub(super) fn stream(
    fanout: &mut Fanout,
    request: StreamRequest,
    moment: &Moment,
) -> Result<LinkKey, Refusal> {
    let arrival = fanout.arrive(alice(), request, &moment.heads)?;
    assert!(arrival.beyond.is_empty());
    fanout.stream(arrival, fresh(), moment)
}

impl Play {
    pub(super) fn new(limits: Limits) -> Self {
        Self::of(limits, alice())
    }

    pub(super) fn of(limits: Limits, identity: Identity) -> Self {
        let mut fanout = fanout(limits);
        let link = fanout.connect(Some(identity), fresh(), &moment());
        let mut play = Self {
            fanout,
            link,
            req: 0,
        };
        assert_eq!(play.poll().len(), 1, "hello");
        play
    }

    pub(super) fn poll(&mut self) -> Vec<Push> {
        let mut out = Vec::new();
        self.fanout.poll(self.link, ROOM, &mut out);
        out
    }

    /// Commands, without polling; the number of the request.
    pub(super) fn command(&mut self, command: Command) -> u64 {
        self.req += 1;
        let request = Request {
            req: Some(self.req),
            command,
        };
        self.fanout
            .handle(self.link, Said::Request(request), &moment());
        self.req
    }

    /// Commands, and the code of the error that comes back.
    pub(super) fn refused(&mut self, command: Command) -> Option<Code> {
        let req = self.command(command);
        let reply = |push| match push {
            Push::Reply(reply) if reply.req == Some(req) => Some(reply.body),
            _ => None,
        };
        match self.poll().into_iter().find_map(reply) {
            Some(ReplyBody::Error { code, .. }) => Some(code),
            _ => None,
        }
    }

    pub(super) fn asks(&mut self) -> Vec<Ask> {
        let ask = |effect| match effect {
            Effect::Publish { ask, .. }
            | Effect::History { ask, .. }
            | Effect::Reach { ask, .. }
            | Effect::Presence { ask, .. } => Some(ask),
            _ => None,
        };
        let effects = self.fanout.take_effects();
        effects.into_iter().filter_map(ask).collect()
    }

    /// Reads that were begun.
    pub(super) fn reads(&mut self) -> Vec<Query> {
        let read = |effect| match effect {
            Effect::Read { query } => Some(query),
            _ => None,
        };
        let effects = self.fanout.take_effects();
        effects.into_iter().filter_map(read).collect()
    }

    pub(super) fn commit(&mut self, seqs: &[u64], name: &str) {
        let batch = Batch {
            log: 0,
            after: seqs[0] - 1,
            events: seqs.iter().map(|seq| message(name, *seq)).collect(),
        };
        self.fanout.handle_batch(&batch);
    }
}

pub(super) fn subscribe(name: &str, after: Option<u64>) -> Command {
    Command::Subscribe {
        channel: channel(name),
        after: after.map(|seq| {
            let epoch = Epoch::new("e").unwrap();
            Cursor { epoch, seq }.into()
        }),
        history: None,
    }
}

pub(super) fn publish(data: &str) -> Command {
    Command::Publish {
        channel: channel("a"),
        data: Data::from_text(data),
        id: None,
    }
}

pub(super) fn history(limit: u32) -> Command {
    Command::History {
        channel: channel("a"),
        before: None,
        after: None,
        limit: Some(limit),
    }
}

pub(super) fn seqs(pushes: &[Push]) -> Vec<u64> {
    let seq = |push: &Push| match push {
        Push::Event(event) => event.seq(),
        _ => None,
    };
    pushes.iter().filter_map(seq).collect()
}

pub(super) fn page(seqs: &[u64], head: u64) -> Page {
    let messages = seqs.iter().map(|seq| match message("a", *seq).event() {
        Event::Message(message) => message.clone(),
        _ => unreachable!("a message"),
    });
    Page {
        messages: messages.collect(),
        more: false,
        truncated: false,
        oldest: 1,
        head,
    }
}
