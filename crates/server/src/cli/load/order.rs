//! Whether one follower gets each message once and in order: pure, and as small as a number while it does.
//!
//! A message names the one before it in its channel (`prev`). So a follower knows of a hole at once, though
//! not how many messages are in it; that is counted in the end, when it is known what was acknowledged.

use std::collections::BTreeSet;

/// What a follower has of its channel, which was empty when it came.
#[derive(Debug, Default)]
pub(in crate::cli) struct Order {
    /// The highest `seq` that came; 0: none.
    last: u64,
    /// What was jumped over: from behind the first `seq` to the second, ascending.
    holes: Vec<(u64, u64)>,
    /// What came later, out of a hole.
    late: BTreeSet<u64>,
    /// How many came, each counted once.
    different: u64,
}

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Arrival {
    /// In its turn, as far as is known: what may be missing before it is counted in the end.
    Next,
    /// After one that is behind it, or with a `prev` that contradicts what came before.
    OutOfOrder,
    /// It was there already.
    Duplicate,
}

impl Order {
    /// Takes a message.
    pub(in crate::cli) fn arrive(&mut self, seq: u64, prev: u64) -> Arrival {
        if seq > self.last {
            self.different += 1;
            let last = std::mem::replace(&mut self.last, seq);
            if prev > last {
                self.holes.push((last, prev));
            }
            return match prev < last {
                true => Arrival::OutOfOrder,
                false => Arrival::Next,
            };
        }
        if self.was_jumped_over(seq) && self.late.insert(seq) {
            self.different += 1;
            return Arrival::OutOfOrder;
        }
        Arrival::Duplicate
    }

    /// How many of the messages that its channel has acknowledged (their `seq`, ascending) never came.
    pub(in crate::cli) fn missing(&self, acknowledged: &[u64]) -> u64 {
        let upto = |seq: u64| acknowledged.partition_point(|&other| other <= seq);
        let never_came = acknowledged.len() - upto(self.last);
        let in_holes: usize = self
            .holes
            .iter()
            .map(|&(from, to)| {
                let hole = &acknowledged[upto(from)..upto(to)];
                hole.iter().filter(|&seq| !self.late.contains(seq)).count()
            })
            .sum();
        // A server that forgets a message may forget it in `prev` as well: then the sum tells.
        let fewer = (acknowledged.len() as u64).saturating_sub(self.different);
        fewer.max((never_came + in_holes) as u64)
    }

    fn was_jumped_over(&self, seq: u64) -> bool {
        let at = self.holes.partition_point(|&(_, to)| to < seq);
        self.holes
            .get(at)
            .is_some_and(|&(from, to)| from < seq && seq <= to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Arrival::{Duplicate, Next, OutOfOrder};

    fn arrivals(order: &mut Order, messages: &[(u64, u64)]) -> Vec<Arrival> {
        let arrive = |&(seq, prev): &(u64, u64)| order.arrive(seq, prev);
        messages.iter().map(arrive).collect()
    }

    #[test]
    fn a_whole_channel_is_in_order_and_lacks_nothing() {
        let mut order = Order::default();
        // Between them are the messages of other channels.
        let came = arrivals(&mut order, &[(3, 0), (4, 3), (9, 4)]);
        assert_eq!(came, [Next, Next, Next]);
        assert_eq!(order.missing(&[3, 4, 9]), 0);
    }

    #[test]
    fn what_was_acknowledged_and_never_came_is_missing() {
        let mut order = Order::default();
        assert_eq!(order.missing(&[1, 2]), 2, "nothing came at all");
        arrivals(&mut order, &[(2, 1), (7, 6)]);
        // 1 before the first, 4 and 6 within, 8 after the last; 5 is another channel's.
        assert_eq!(order.missing(&[1, 2, 4, 6, 7, 8]), 4);
    }

    #[test]
    fn what_is_missing_is_seen_where_no_message_names_it() {
        let mut order = Order::default();
        arrivals(&mut order, &[(1, 0), (3, 1)]);
        assert_eq!(order.missing(&[1, 2, 3]), 1);
    }

    #[test]
    fn what_was_never_acknowledged_is_not_missing() {
        let mut order = Order::default();
        arrivals(&mut order, &[(2, 1), (7, 6)]);
        assert_eq!(order.missing(&[2, 7]), 0);
    }

    #[test]
    fn what_comes_twice_is_a_duplicate() {
        let mut order = Order::default();
        let came = arrivals(&mut order, &[(1, 0), (1, 0), (2, 1), (1, 0)]);
        assert_eq!(came, [Next, Duplicate, Next, Duplicate]);
    }

    #[test]
    fn what_comes_late_is_out_of_order_once_and_not_missing() {
        let mut order = Order::default();
        let came = arrivals(
            &mut order,
            &[(1, 0), (4, 3), (2, 1), (2, 1), (5, 4), (3, 2)],
        );
        assert_eq!(came, [Next, Next, OutOfOrder, Duplicate, Next, OutOfOrder]);
        assert_eq!(order.missing(&[1, 2, 3, 4, 5]), 0);
    }

    #[test]
    fn a_predecessor_that_was_not_the_last_one_is_a_contradiction() {
        let mut order = Order::default();
        let came = arrivals(&mut order, &[(1, 0), (2, 1), (3, 1)]);
        assert_eq!(came, [Next, Next, OutOfOrder]);
    }
}
