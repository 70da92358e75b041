//! Who is in which channel on one node: counts connections, tells of people.
//!
//! Pure: entries and `now` in, the event for the channel's followers out.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tidings_wire::{ChannelName, Event, Presence, Present, User};

use crate::Entry;

/// In a channel with more users than this, joins and leaves are told to nobody: each would go to
/// everybody, and the users of so large a room are asked for rather than watched. Beyond it a crowd
/// that arrives costs what it is, and not its square.
pub const PRESENCE_TOLD_USERS_MAX: usize = 1000;

/// How many users an answer to "who is here" names: a page of some 60 KiB.
pub const PRESENT_USERS_MAX: usize = 1000;

/// The presence table of a local engine. Its size is that of what its callers hold: one entry for
/// each connection in each channel.
#[derive(Debug, Default)]
pub struct Roster {
    channels: HashMap<ChannelName, BTreeMap<User, Member>>,
}

#[derive(Debug)]
struct Member {
    since: u64,
    connections: Connections,
}

/// Of one user in one channel; never none for long. Most have one, and thousands are in a channel.
#[derive(Debug)]
enum Connections {
    One(u64),
    Several(BTreeSet<u64>),
}

impl Connections {
    fn insert(&mut self, connection: u64) {
        match self {
            Self::One(known) if *known == connection => {}
            Self::One(known) => *self = Self::Several([*known, connection].into()),
            Self::Several(known) => {
                known.insert(connection);
            }
        }
    }

    /// Whether that was the last one.
    fn remove(&mut self, connection: u64) -> bool {
        match self {
            Self::One(known) => *known == connection,
            Self::Several(known) => {
                known.remove(&connection);
                // Who came back has had two for a while, and keeps no memory for that.
                if let (Some(last), 1) = (known.first().copied(), known.len()) {
                    *self = Self::One(last);
                }
                false
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Several(known) => known.len(),
        }
    }
}

impl Roster {
    /// Takes a connection in. The user's first one in the channel is a [`Event::Join`], up to
    /// [`PRESENCE_TOLD_USERS_MAX`]; entering twice is entering once.
    pub fn enter(&mut self, entry: Entry, now: u64) -> Option<Event> {
        let Entry {
            channel,
            user,
            connection,
        } = entry;
        let members = self.channels.entry(channel.clone()).or_default();
        if let Some(member) = members.get_mut(&user) {
            member.connections.insert(connection);
            return None;
        }
        let member = Member {
            since: now,
            connections: Connections::One(connection),
        };
        members.insert(user.clone(), member);
        let is_told = members.len() <= PRESENCE_TOLD_USERS_MAX;
        is_told.then_some(Event::Join {
            channel,
            user,
            at: now,
        })
    }

    /// Lets a connection out. The user's last one in the channel is a [`Event::Leave`], up to
    /// [`PRESENCE_TOLD_USERS_MAX`]; leaving where one is not does nothing.
    pub fn leave(&mut self, entry: &Entry, now: u64) -> Option<Event> {
        let members = self.channels.get_mut(&entry.channel)?;
        let member = members.get_mut(&entry.user)?;
        if !member.connections.remove(entry.connection) {
            return None;
        }
        let is_told = members.len() <= PRESENCE_TOLD_USERS_MAX;
        members.remove(&entry.user);
        if members.is_empty() {
            self.channels.remove(&entry.channel);
        }
        is_told.then(|| Event::Leave {
            channel: entry.channel.clone(),
            user: entry.user.clone(),
            at: now,
        })
    }

    /// Who is in `channel`, in the order of their names, up to [`PRESENT_USERS_MAX`].
    pub fn present(&self, channel: &ChannelName) -> Presence {
        let Some(members) = self.channels.get(channel) else {
            return Presence::default();
        };
        let user = |(user, member): (&User, &Member)| Present {
            user: user.clone(),
            since: member.since,
            connections: u32::try_from(member.connections.len()).unwrap_or(u32::MAX),
        };
        Presence {
            users: members.iter().take(PRESENT_USERS_MAX).map(user).collect(),
            count: members.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(user: &str, connection: u64) -> Entry {
        Entry {
            channel: ChannelName::new("chat:lobby").unwrap(),
            user: User::new(user).unwrap(),
            connection,
        }
    }

    #[test]
    fn a_user_joins_with_the_first_connection_and_leaves_with_the_last() {
        let mut roster = Roster::default();
        let joined = roster.enter(entry("alice", 1), 10);
        assert!(matches!(joined, Some(Event::Join { at: 10, .. })));
        assert_eq!(roster.enter(entry("alice", 2), 11), None);
        assert_eq!(roster.enter(entry("alice", 2), 12), None, "twice is once");
        assert_eq!(roster.leave(&entry("alice", 1), 13), None);
        let left = roster.leave(&entry("alice", 2), 14);
        assert!(matches!(left, Some(Event::Leave { at: 14, .. })));
        assert!(roster.channels.is_empty(), "nobody there costs nothing");
    }

    #[test]
    fn who_has_come_back_keeps_no_memory_for_two() {
        let mut roster = Roster::default();
        for connection in [1, 2, 3] {
            roster.enter(entry("alice", connection), 0);
        }
        let channel = entry("alice", 0).channel;
        for gone in [1, 9, 3] {
            assert_eq!(roster.leave(&entry("alice", gone), 1), None);
        }
        let member = &roster.channels[&channel][&entry("alice", 0).user];
        assert!(matches!(member.connections, Connections::One(2)));
    }

    #[test]
    fn leaving_where_one_is_not_does_nothing() {
        let mut roster = Roster::default();
        assert_eq!(roster.leave(&entry("alice", 1), 0), None);
        roster.enter(entry("alice", 1), 0);
        assert_eq!(roster.leave(&entry("alice", 9), 1), None);
        assert_eq!(roster.leave(&entry("bob", 1), 1), None);
        assert_eq!(
            roster.present(&entry("alice", 1).channel).users[0].connections,
            1
        );
    }

    #[test]
    fn in_a_crowd_nobody_is_told_who_comes_and_goes() {
        let mut roster = Roster::default();
        let number = |number: usize| entry(&format!("user-{number}"), number as u64);
        for user in 1..=PRESENCE_TOLD_USERS_MAX {
            assert!(roster.enter(number(user), 0).is_some());
        }
        let one_above = PRESENCE_TOLD_USERS_MAX + 1;
        assert_eq!(roster.enter(number(one_above), 0), None);
        let present = roster.present(&number(1).channel);
        assert_eq!(
            (present.users.len(), present.count),
            (PRESENT_USERS_MAX, one_above)
        );
        assert_eq!(roster.leave(&number(1), 1), None);
        assert!(roster.leave(&number(2), 1).is_some(), "at the bound again");
        assert!(roster.enter(number(2), 2).is_some());
    }

    #[test]
    fn the_present_are_told_in_the_order_of_their_names() {
        let mut roster = Roster::default();
        for (user, connection) in [("zoe", 1), ("alice", 2), ("zoe", 3)] {
            roster.enter(entry(user, connection), connection);
        }
        let present = roster.present(&entry("alice", 0).channel);
        let told: Vec<_> = present
            .users
            .iter()
            .map(|present| (present.user.as_str(), present.since, present.connections))
            .collect();
        assert_eq!(told, [("alice", 2, 1), ("zoe", 1, 2)]);
    }
}
