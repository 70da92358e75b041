//! Three servers, of which any may be missed.

use tidings_testkit::nats::{Clients, Cluster};

use crate::client::Client;

const OTHERS: [[usize; 2]; 3] = [[1, 2], [0, 2], [0, 1]];

#[test]
fn a_cluster_goes_on_when_a_leader_is_killed() {
    let cluster = Cluster::start("");
    let mut client = Client::connect(&cluster.url(0));
    client.create_stream("EVENTS", 3);
    client.store("EVENTS", "1");
    let leader = cluster.wait_leader("EVENTS");
    cluster.kill(leader);
    let [one, other] = OTHERS[leader];
    let mut client = Client::connect(&cluster.url(one));
    client.store("EVENTS", "2");
    assert!([one, other].contains(&cluster.wait_leader("EVENTS")));
    cluster.restart(leader);
    cluster.ready();
    let mut client = Client::connect(&cluster.url(leader));
    client.until_count("EVENTS", 2);
}

#[test]
fn who_is_cut_off_serves_its_clients_and_stores_nothing() {
    let cluster = Cluster::start("");
    let mut client = Client::connect(&cluster.url(0));
    client.create_stream("EVENTS", 3);
    let leader = cluster.wait_leader("EVENTS");
    let [other, _] = OTHERS[leader];
    let mut inside = Client::connect(&cluster.url(leader));
    let mut outside = Client::connect(&cluster.url(other));
    cluster.cut_off(leader, Clients::Stay);
    // Only another can store it, for a majority takes two.
    outside.store("EVENTS", "1");
    assert_ne!(cluster.wait_leader("EVENTS"), leader);
    inside.ask("EVENTS", "lost");
    inside.send("PING\r\n");
    inside.until_line("PONG");
    cluster.heal();
    cluster.ready();
    inside.store("EVENTS", "2");
    inside.until_count("EVENTS", 2);
}

#[test]
fn clients_can_be_cut_off_too() {
    let cluster = Cluster::start("");
    let mut client = Client::connect(&cluster.url(0));
    cluster.cut_off(0, Clients::CutToo);
    client.send("PING\r\n");
    cluster.heal();
    let said = client.until_gone();
    assert!(!said.contains(&"PONG".to_owned()), "{said:?}");
    cluster.ready();
    Client::connect(&cluster.url(0)).create_stream("EVENTS", 3);
}

#[test]
fn a_leader_that_stands_still_is_followed_by_another() {
    let cluster = Cluster::start("");
    let mut client = Client::connect(&cluster.url(0));
    client.create_stream("EVENTS", 3);
    let leader = cluster.wait_leader("EVENTS");
    let [other, _] = OTHERS[leader];
    cluster.stop(leader);
    Client::connect(&cluster.url(other)).store("EVENTS", "1");
    cluster.cont(leader);
    cluster.ready();
    Client::connect(&cluster.url(leader)).until_count("EVENTS", 1);
    cluster.lame_duck(leader);
    Client::connect(&cluster.url(other)).store("EVENTS", "2");
}
