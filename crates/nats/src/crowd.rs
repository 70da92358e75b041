//! Who is present anywhere: every node's own people, and what the other nodes tell of theirs.
//!
//! Pure: what is heard and `now` in, events for the followers out. Each node numbers the moves of its people and tells
//! them to all others; whoever misses one asks that node for the whole list. A node that is not heard of for
//! [`GHOST_AFTER`] is gone, and its people with it.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings_engine::{Entry, Roster};
use tidings_wire::{ChannelName, Event, Presence, User};

/// How often a node says that it is there.
pub const BEAT_EVERY: Duration = Duration::from_secs(2);

/// After how long a node that says nothing is gone: four beats may be lost, and a server that pauses for its memory is
/// there still.
pub const GHOST_AFTER: Duration = Duration::from_secs(10);

/// How many moves of a node wait at most while its list is on its way; more, and the list is asked for again.
const MOVES_WAITING_MAX: usize = 100_000;

/// A node names its connections by numbers of its own; here they are told apart by these bits above them.
const CONNECTION_BITS: u32 = 48;

/// A process, by a number that no other one has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct NodeId(pub(crate) u64);

/// Somebody comes or goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Move {
    /// Whether they come.
    #[serde(rename = "in")]
    pub(crate) comes: bool,
    pub(crate) channel: ChannelName,
    pub(crate) user: User,
    pub(crate) connection: u64,
    /// When, in milliseconds since the Unix epoch.
    pub(crate) at: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Crowd {
    me: NodeId,
    everybody: Roster,
    /// Our own, and since when.
    mine: HashMap<Entry, u64>,
    /// The number of our last move.
    moves: u64,
    neighbours: Neighbours,
}

/// The other nodes.
#[derive(Debug, Default)]
struct Neighbours {
    there: HashMap<NodeId, Neighbour>,
    /// How many there have been.
    met: u64,
}

/// Another node.
#[derive(Debug)]
struct Neighbour {
    /// What stands for it in the numbers of its connections.
    mark: u64,
    /// All its moves up to this one are known; `None`: its list is on its way.
    known: Option<u64>,
    entries: HashMap<Entry, u64>,
    /// Moves, with their numbers, that came before the list.
    waiting: Vec<(u64, Move)>,
    heard_at: u64,
}

impl Crowd {
    pub(crate) fn new(me: NodeId) -> Self {
        Self {
            me,
            everybody: Roster::default(),
            mine: HashMap::new(),
            moves: 0,
            neighbours: Neighbours::default(),
        }
    }

    /// One of ours comes; the move to tell to the others, if it is one.
    pub(crate) fn enter(&mut self, entry: Entry, now: u64) -> (Option<Event>, Option<Move>) {
        if self.mine.insert(entry.clone(), now).is_some() {
            return (None, None);
        }
        let told = self.number(&entry, true, now);
        (self.everybody.enter(entry, now), Some(told))
    }

    /// One of ours goes.
    pub(crate) fn leave(&mut self, entry: &Entry, now: u64) -> (Option<Event>, Option<Move>) {
        if self.mine.remove(entry).is_none() {
            return (None, None);
        }
        let told = self.number(entry, false, now);
        (self.everybody.leave(entry, now), Some(told))
    }

    fn number(&mut self, entry: &Entry, comes: bool, at: u64) -> Move {
        self.moves += 1;
        let Entry {
            channel,
            user,
            connection,
        } = entry.clone();
        Move {
            comes,
            channel,
            user,
            connection,
            at,
        }
    }

    /// The number of our last move.
    pub(crate) fn moves(&self) -> u64 {
        self.moves
    }

    /// Our own people as moves, up to the last one.
    pub(crate) fn mine(&self) -> Vec<Move> {
        let come = |(entry, at): (&Entry, &u64)| {
            let Entry {
                channel,
                user,
                connection,
            } = entry.clone();
            Move {
                comes: true,
                channel,
                user,
                connection,
                at: *at,
            }
        };
        self.mine.iter().map(come).collect()
    }

    /// Who is in `channel`, anywhere.
    pub(crate) fn present(&self, channel: &ChannelName) -> Presence {
        self.everybody.present(channel)
    }

    /// Whether `node` has been heard of.
    pub(crate) fn knows(&self, node: NodeId) -> bool {
        node == self.me || self.neighbours.there.contains_key(&node)
    }

    /// How many other nodes there are.
    pub(crate) fn neighbours(&self) -> usize {
        self.neighbours.there.len()
    }

    /// `node` tells of moves, of which the first is number `first`. `false`: its list must be asked for.
    pub(crate) fn hear_moves(
        &mut self,
        node: NodeId,
        first: u64,
        moves: Vec<Move>,
        tick: u64,
        events: &mut Vec<Event>,
    ) -> bool {
        if node == self.me {
            return true;
        }
        let numbered = (first..).zip(moves);
        let neighbour = self.neighbours.hear(node, tick);
        match neighbour.known {
            Some(known) if first <= known + 1 => {
                for (number, it) in numbered.filter(|(number, _)| *number > known) {
                    neighbour.known = Some(number);
                    neighbour.apply(it, &mut self.everybody, events);
                }
                true
            }
            _ => {
                // The list that is on its way may be older than these.
                let is_awaited = neighbour.known.take().is_none() && !neighbour.waiting.is_empty();
                if neighbour.waiting.len() >= MOVES_WAITING_MAX {
                    neighbour.waiting.clear();
                    return false;
                }
                neighbour.waiting.extend(numbered);
                is_awaited
            }
        }
    }

    /// `node` is there, and its last move was number `moves`. `false`: its list must be asked for.
    pub(crate) fn hear_beat(&mut self, node: NodeId, moves: u64, tick: u64) -> bool {
        if node == self.me {
            return true;
        }
        let neighbour = self.neighbours.hear(node, tick);
        if neighbour.known.is_none_or(|known| known < moves) {
            neighbour.known = None;
            return false;
        }
        true
    }

    /// The whole list of `node`, as it was after its move number `upto`.
    pub(crate) fn hear_list(
        &mut self,
        node: NodeId,
        upto: u64,
        list: Vec<Move>,
        tick: u64,
        events: &mut Vec<Event>,
    ) {
        if node == self.me {
            return;
        }
        let neighbour = self.neighbours.hear(node, tick);
        if neighbour.known.is_some_and(|known| known >= upto) {
            return;
        }
        let gone = std::mem::take(&mut neighbour.entries);
        for it in list {
            neighbour.apply(it, &mut self.everybody, events);
        }
        for (entry, at) in gone {
            if !neighbour.entries.contains_key(&entry) {
                events.extend(self.everybody.leave(&entry, at));
            }
        }
        let mut known = upto;
        let waiting = std::mem::take(&mut neighbour.waiting);
        for (number, it) in waiting {
            if number == known + 1 {
                known = number;
                neighbour.apply(it, &mut self.everybody, events);
            }
        }
        neighbour.known = Some(known);
    }

    /// `node` has ended.
    pub(crate) fn hear_end(&mut self, node: NodeId, now: u64, events: &mut Vec<Event>) {
        let Some(neighbour) = self.neighbours.there.remove(&node) else {
            return;
        };
        let left = neighbour
            .entries
            .keys()
            .filter_map(|entry| self.everybody.leave(entry, now));
        events.extend(left);
    }

    /// Nobody could be heard until now: silence before it says nothing.
    pub(crate) fn excuse_silence(&mut self, tick: u64) {
        for neighbour in self.neighbours.there.values_mut() {
            neighbour.heard_at = tick;
        }
    }

    /// Lets go of the nodes that have not been heard of for too long.
    pub(crate) fn expire(&mut self, tick: u64, now: u64, events: &mut Vec<Event>) -> usize {
        let patience = GHOST_AFTER.as_millis() as u64;
        let is_gone = |it: &Neighbour| tick.saturating_sub(it.heard_at) >= patience;
        let there = self.neighbours.there.iter();
        let gone: Vec<_> = there
            .filter(|(_, it)| is_gone(it))
            .map(|(node, _)| *node)
            .collect();
        for node in &gone {
            self.hear_end(*node, now, events);
        }
        gone.len()
    }
}

impl Neighbours {
    /// `node` says something.
    fn hear(&mut self, node: NodeId, tick: u64) -> &mut Neighbour {
        let met = &mut self.met;
        let neighbour = self.there.entry(node).or_insert_with(|| {
            *met += 1;
            Neighbour {
                mark: *met << CONNECTION_BITS,
                known: None,
                entries: HashMap::new(),
                waiting: Vec::new(),
                heard_at: tick,
            }
        });
        neighbour.heard_at = tick;
        neighbour
    }
}

impl Neighbour {
    fn apply(&mut self, it: Move, everybody: &mut Roster, events: &mut Vec<Event>) {
        let Move {
            comes,
            channel,
            user,
            connection,
            at,
        } = it;
        let connection = self.mark | connection;
        let entry = Entry {
            channel,
            user,
            connection,
        };
        if comes {
            self.entries.insert(entry.clone(), at);
            events.extend(everybody.enter(entry, at));
        } else if self.entries.remove(&entry).is_some() {
            events.extend(everybody.leave(&entry, at));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn room() -> ChannelName {
        ChannelName::new("room").unwrap()
    }

    fn entry(user: u8, connection: u64) -> Entry {
        let user = User::new(&format!("user-{user}")).unwrap();
        Entry {
            channel: room(),
            user,
            connection,
        }
    }

    fn names(crowd: &Crowd) -> Vec<(String, usize)> {
        let present = crowd.present(&room()).users.into_iter();
        present
            .map(|it| (it.user.to_string(), it.connections as usize))
            .collect()
    }

    #[test]
    fn whoever_is_on_two_nodes_comes_once_and_goes_once() {
        let [mut a, mut b] = [1, 2].map(|node| Crowd::new(NodeId(node)));
        let (event, told) = a.enter(entry(1, 7), 100);
        assert!(matches!(event, Some(Event::Join { .. })));
        let mut events = Vec::new();
        assert!(
            !b.hear_moves(NodeId(1), 1, vec![told.unwrap()], 0, &mut events),
            "who is new is asked for the list"
        );
        b.hear_list(NodeId(1), 1, a.mine(), 0, &mut events);
        assert!(matches!(events[..], [Event::Join { at: 100, .. }]));
        // The same number of a connection is another connection there.
        assert_eq!(b.enter(entry(1, 7), 200).0, None);
        assert_eq!(names(&b), [("user-1".to_owned(), 2)]);
        let (event, told) = a.leave(&entry(1, 7), 300);
        assert!(
            matches!(event, Some(Event::Leave { .. })),
            "nobody told us of the other one"
        );
        events.clear();
        assert!(b.hear_moves(NodeId(1), 2, vec![told.unwrap()], 0, &mut events));
        assert_eq!(events, []);
        assert!(matches!(
            b.leave(&entry(1, 7), 400).0,
            Some(Event::Leave { at: 400, .. })
        ));
        assert_eq!(names(&b), []);
    }

    #[test]
    fn a_node_that_is_silent_takes_its_people_along() {
        let mut crowd = Crowd::new(NodeId(1));
        let mut events = Vec::new();
        let list = vec![Move {
            comes: true,
            channel: room(),
            user: entry(1, 0).user,
            connection: 0,
            at: 5,
        }];
        crowd.hear_list(NodeId(2), 1, list, 0, &mut events);
        let patience = GHOST_AFTER.as_millis() as u64;
        assert!(crowd.hear_beat(NodeId(2), 1, 1000));
        events.clear();
        assert_eq!(crowd.expire(patience, 9, &mut events), 0);
        crowd.excuse_silence(2000);
        assert_eq!(crowd.expire(1999 + patience, 9, &mut events), 0);
        assert_eq!(crowd.expire(2000 + patience, 9, &mut events), 1);
        assert!(matches!(events[..], [Event::Leave { at: 9, .. }]));
        assert!(!crowd.knows(NodeId(2)));
    }

    /// What happens between two nodes: moves of one, of which some never come to the other.
    #[derive(Clone, Debug)]
    enum Step {
        Move {
            user: u8,
            connection: u64,
            comes: bool,
            is_lost: bool,
        },
        Beat {
            is_lost: bool,
        },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0..4u8, 0..3u64, any::<bool>(), prop::bool::weighted(0.2))
                .prop_map(|(user, connection, comes, is_lost)| Step::Move { user, connection, comes, is_lost }),
            1 => prop::bool::weighted(0.3).prop_map(|is_lost| Step::Beat { is_lost }),
        ]
    }

    proptest! {
        #[test]
        fn after_a_beat_that_comes_everybody_is_known(steps in prop::collection::vec(step(), 1..80), late in 0..4usize) {
            let [mut a, mut b] = [1, 2].map(|node| Crowd::new(NodeId(node)));
            let mut events = Vec::new();
            // Lists on their way: they are as old as they were when they were asked for.
            let mut lists: Vec<(usize, u64, Vec<Move>)> = Vec::new();
            for (at, step) in steps.into_iter().chain([Step::Beat { is_lost: false }]).enumerate() {
                let is_well = match step {
                    Step::Move { user, connection, comes, is_lost } => {
                        let entry = entry(user, connection);
                        let told = if comes { a.enter(entry, 0).1 } else { a.leave(&entry, 0).1 };
                        match told {
                            Some(told) if !is_lost => b.hear_moves(NodeId(1), a.moves(), vec![told], 0, &mut events),
                            _ => true,
                        }
                    }
                    Step::Beat { is_lost: true } => true,
                    Step::Beat { is_lost: false } => b.hear_beat(NodeId(1), a.moves(), 0),
                };
                if !is_well {
                    lists.push((at + late, a.moves(), a.mine()));
                }
                while lists.first().is_some_and(|(due, ..)| *due <= at) {
                    let (_, upto, list) = lists.remove(0);
                    b.hear_list(NodeId(1), upto, list, 0, &mut events);
                }
            }
            for (_, upto, list) in lists {
                b.hear_list(NodeId(1), upto, list, 0, &mut events);
            }
            if !b.hear_beat(NodeId(1), a.moves(), 0) {
                b.hear_list(NodeId(1), a.moves(), a.mine(), 0, &mut events);
            }
            prop_assert_eq!(names(&a), names(&b));
            // What was told adds up to who is there.
            let mut told = BTreeMap::new();
            for event in events {
                match event {
                    Event::Join { user, .. } => prop_assert!(told.insert(user.to_string(), ()).is_none()),
                    Event::Leave { user, .. } => prop_assert!(told.remove(user.as_str()).is_some()),
                    _ => {}
                }
            }
            let present: Vec<_> = names(&b).into_iter().map(|(name, _)| name).collect();
            prop_assert_eq!(told.into_keys().collect::<Vec<_>>(), present);
        }
    }
}
