//! Whatever happens on the way: every client sees every message once and in order, or is told.

use tidings_testkit::seeds;

use super::client::Shape;
use super::world::World;

/// How long things go wrong, and how long it may then take to get over it; in virtual milliseconds.
const ROUGH: u64 = 1_000;
const CALM: u64 = 60_000;

/// Twice a storm and a calm. Nothing is published in the calm: whoever still misses something must
/// get it without being woken by anything new.
fn scenario(seed: u64, shapes: &[Shape], messages: usize) {
    let mut world = World::new(seed);
    for shape in shapes {
        world.add_client(*shape);
    }
    for _ in 0..2 {
        world.set_rough(true);
        world.plan_traffic(ROUGH, messages);
        world.play(ROUGH);
        world.set_rough(false);
        let mut calm = 0;
        while calm < CALM && !world.has_all() {
            world.play(100);
            calm += 100;
        }
        world.check_seen();
    }
    world.check_gone();
}

#[test]
fn every_client_sees_each_message_once_and_in_order_or_is_told() {
    seeds(3_000, |seed| {
        let shapes: Vec<_> = Shape::ALL.into_iter().chain(Shape::ALL).collect();
        scenario(seed, &shapes, 24);
    });
}
