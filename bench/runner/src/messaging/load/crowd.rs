//! Many connections on one thread: followers, whose deliveries are counted and checked, and
//! publishers, whose acknowledgements are noted.

use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use super::frame::push_text;
use super::mark::{self, Finder};
use super::member::{Came, Left, Member};
use super::tally::Tally;
use crate::messaging::protocol::{Begin, Protocol, Role};
use crate::socket::{Poller, Socket};

/// What one generator holds open, and what came over it.
pub(super) struct Crowd<'p> {
    address: SocketAddrV4,
    protocol: &'p dyn Protocol,
    poller: Poller,
    members: Vec<Option<Member>>,
    buffer: Vec<u8>,
    begun: Instant,
    finder: Finder,
    /// Deliveries, by channel.
    pub(super) tallies: Vec<Tally>,
    /// Publishers, by their index, whose publish was acknowledged since this was last looked at.
    pub(super) acknowledged: Vec<usize>,
    /// How many are what their role says.
    pub(super) ready: usize,
    keeps_places: bool,
}

/// Handshakes under way at once: below the backlog of 128 that many servers listen with.
pub(super) const AT_ONCE: usize = 100;
/// Larger than a socket's usual buffer, so that one read brings what is there.
const READ_BYTES: usize = 256 << 10;
/// Without progress for so long, a server is taken for stuck.
pub(super) const STALLED_AFTER: Duration = Duration::from_secs(10);

impl<'p> Crowd<'p> {
    /// Nobody yet; of `channels` channels deliveries will be counted.
    pub(super) fn new(
        address: SocketAddrV4,
        protocol: &'p dyn Protocol,
        channels: usize,
    ) -> Result<Self, String> {
        Ok(Self {
            address,
            protocol,
            poller: Poller::new().map_err(|error| error.to_string())?,
            members: Vec::new(),
            buffer: vec![0; READ_BYTES],
            begun: Instant::now(),
            finder: Finder::default(),
            tallies: (0..channels).map(|_| Tally::new()).collect(),
            acknowledged: Vec::new(),
            ready: 0,
            keeps_places: false,
        })
    }

    /// Nanoseconds since the crowd began.
    #[inline]
    pub(super) fn now(&self) -> u64 {
        self.begun.elapsed().as_nanos() as u64
    }

    /// Lets `count` more followers of `channel` in, at most [`AT_ONCE`] at a time; returns when all of
    /// them follow.
    pub(super) fn follow(&mut self, channel: u32, count: usize) -> Result<(), String> {
        let from = match self.keeps_places {
            true => Begin::NowToReturn,
            false => Begin::Now,
        };
        let next = self.tallies[channel as usize].published();
        self.open(count, |_| (Role::Follower { channel, from }, next))
    }

    /// Lets a publisher for each of `channels` in; they are the last members then.
    pub(super) fn publishers(&mut self, channels: &[u32]) -> Result<(), String> {
        self.open(channels.len(), |index| {
            let channel = channels[index];
            (Role::Publisher { channel }, 0)
        })
    }

    /// Followers will come back: their places are kept from now on.
    pub(super) fn keep_places(&mut self) {
        self.keeps_places = true;
    }

    /// Cuts all followers of `channel`; gives where they were.
    pub(super) fn cut(&mut self, channel: u32) -> Vec<Left> {
        let of_channel = |slot: &&mut Option<Member>| {
            slot.as_ref().is_some_and(|member| member.follows(channel))
        };
        let cut: Vec<Left> = self
            .members
            .iter_mut()
            .filter(of_channel)
            .filter_map(Option::take)
            .map(Member::leave)
            .collect();
        self.ready -= cut.len();
        cut
    }

    /// Begins to connect one who was cut; it catches up during the turns that follow.
    pub(super) fn come_back(&mut self, channel: u32, left: &Left) -> Result<(), String> {
        let from = Begin::At(&left.place);
        self.connect(Role::Follower { channel, from }, left.next)
    }

    fn open<'r>(
        &mut self,
        count: usize,
        role: impl Fn(usize) -> (Role<'r>, u64),
    ) -> Result<(), String> {
        let ready_before = self.ready;
        let mut progress = (Instant::now(), ready_before);
        let mut begun = 0;
        while self.ready - ready_before < count {
            while begun < count && begun - (self.ready - ready_before) < AT_ONCE {
                let (role, next) = role(begun);
                self.connect(role, next)?;
                begun += 1;
            }
            self.turn(Duration::from_millis(200))?;
            if self.ready > progress.1 {
                progress = (Instant::now(), self.ready);
            } else if progress.0.elapsed() > STALLED_AFTER {
                let done = self.ready - ready_before;
                return Err(format!("connecting stalled after {done} of {count}"));
            }
        }
        Ok(())
    }

    fn connect(&mut self, role: Role<'_>, next: u64) -> Result<(), String> {
        let index = self.members.len();
        let failed = |error| format!("connection {index}: {error}");
        let socket = Socket::connect(self.address, index).map_err(failed)?;
        socket.reset_at_end().map_err(failed)?;
        self.poller.add(&socket, index).map_err(failed)?;
        let member = Member::new(socket, self.protocol, self.address, role, next);
        self.members.push(Some(member));
        Ok(())
    }

    /// Publishes on the connection of the member that came in as the `publisher`th. The messages have
    /// the numbers that follow, and count as sent at `at`.
    pub(super) fn publish(
        &mut self,
        publisher: usize,
        channel: u32,
        count: usize,
        bytes: usize,
        at: u64,
    ) -> Result<(), String> {
        let tally = &mut self.tallies[channel as usize];
        let mut frames = Vec::with_capacity(count * (bytes + 128));
        for _ in 0..count {
            let number = tally.publish(at);
            let data = mark::data(number, bytes);
            push_text(&mut frames, &self.protocol.publish(channel, number, &data));
        }
        match &mut self.members[publisher] {
            Some(member) => member.link.send(&frames),
            None => Err("it is gone".to_owned()),
        }
        .map_err(|error| format!("publishing: {error}"))
    }

    /// The index of the member that came last.
    pub(super) fn last(&self) -> usize {
        self.members.len() - 1
    }

    /// Handles what is ready; waits at most for `limit` until something is.
    pub(super) fn turn(&mut self, limit: Duration) -> Result<(), String> {
        let Self {
            protocol,
            poller,
            members,
            buffer,
            begun,
            finder,
            tallies,
            acknowledged,
            ready,
            keeps_places,
            ..
        } = self;
        poller.wait(limit).map_err(|error| error.to_string())?;
        for (index, readable) in poller.ready() {
            // One who was cut may have had something to say.
            let Some(member) = &mut members[index] else {
                continue;
            };
            let failed = |error| format!("connection {index}: {error}");
            member.progress().map_err(failed)?;
            if !readable {
                continue;
            }
            while let Some(got) = member.link.receive(buffer).map_err(failed)? {
                let now = begun.elapsed().as_nanos() as u64;
                let mut came = Came {
                    protocol: *protocol,
                    finder,
                    tallies,
                    acknowledged,
                    keeps_places: *keeps_places,
                    now,
                    index,
                };
                let was_ready = member.is_ready();
                member.take(&buffer[..got], &mut came).map_err(failed)?;
                *ready += usize::from(!was_ready && member.is_ready());
                if got < buffer.len() {
                    break;
                }
            }
        }
        Ok(())
    }
}
