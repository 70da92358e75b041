//! Three NATS servers of which some fail: nothing that was acknowledged is lost, doubled or out of order.

use std::collections::BTreeSet;
use std::time::Instant;

use tidings_engine::{Engine, Page, Query, Watch};
use tidings_nats::{Nats, NatsConfig, Step};
use tidings_testkit::nats::{Clients, Cluster, SERVERS};

use crate::support::{channel, hear, name, open, publish, publish_whatever, read, until};

const STREAM: &str = "TD_any_0";

/// A node on each server, which goes to another one if it must.
fn nodes(cluster: &Cluster) -> Vec<Nats> {
    let urls: Vec<_> = (0..SERVERS).map(|server| cluster.url(server)).collect();
    (0..SERVERS)
        .map(|first| {
            let mut urls = urls.clone();
            urls.rotate_left(first);
            open(&NatsConfig::new(urls))
        })
        .collect()
}

/// Publishes in turn at all nodes while `fail` does something, then at once behind it, and holds what everybody heard to
/// what was acknowledged.
fn nothing_is_lost(nodes: &[Nats], fail: impl FnOnce()) {
    const MESSAGES: usize = 60;
    let round = format!("{}/", name());
    let mut watches: Vec<Watch> = nodes.iter().map(Nats::watch).collect();
    let say = |n: usize| publish_whatever(&nodes[n % nodes.len()], "room", &format!("{round}{n}"));
    let mut places: Vec<_> = (0..MESSAGES / 3).map(|n| say(n).seq).collect();
    fail();
    places.extend((MESSAGES / 3..MESSAGES).map(|n| say(n).seq));
    assert!(
        places.is_sorted_by(|a, b| a < b),
        "what came later is later: {places:?}"
    );
    let ids: Vec<_> = (0..MESSAGES).map(|n| format!("{round}{n}")).collect();
    for watch in &mut watches {
        let mut heard = Vec::new();
        while heard.len() < MESSAGES {
            heard.extend(
                hear(watch, 1)
                    .into_iter()
                    .filter(|id| id.starts_with(&round)),
            );
        }
        assert_eq!(heard, ids);
    }
    for node in nodes {
        let page = read(node, "room", Some(places[0] - 1));
        let stored = page.messages.iter().map(|it| it.id.to_string());
        assert_eq!(
            stored
                .filter(|id| id.starts_with(&round))
                .collect::<Vec<_>>(),
            ids
        );
    }
}

#[test]
fn whatever_fails_nothing_is_lost() {
    let cluster = Cluster::start("");
    let nodes = nodes(&cluster);
    let plan = Nats::plan(&NatsConfig::new([cluster.url(0)])).expect("NATS is there");
    assert_eq!(
        (plan.replicas, plan.streams[0].step.clone()),
        (3, Step::Keep)
    );
    until("the nodes to know each other", || {
        nodes.iter().all(|it| it.statistics().nodes == SERVERS)
    });
    let leader = || cluster.wait_leader(STREAM);

    nothing_is_lost(&nodes, || {});

    // A crash of the leader: another one is elected.
    let killed = leader();
    nothing_is_lost(&nodes, || cluster.kill(killed));
    cluster.restart(killed);
    cluster.ready();

    // A leader that stands still, with the connections of its clients.
    let stopped = leader();
    nothing_is_lost(&nodes, || cluster.stop(stopped));
    cluster.cont(stopped);
    cluster.ready();

    // A leader that the others have lost, and whose clients it keeps: they have to find out.
    let lost = leader();
    nothing_is_lost(&nodes, || cluster.cut_off(lost, Clients::Stay));
    cluster.heal();
    cluster.ready();

    // A planned end: nobody notices.
    let retired = leader();
    let begun = Instant::now();
    nothing_is_lost(&nodes, || cluster.lame_duck(retired));
    println!("with a leader that retired: {:?}", begun.elapsed());
    cluster.restart(retired);
    cluster.ready();

    // All of them.
    nothing_is_lost(&nodes, || {
        (0..SERVERS).for_each(|server| cluster.kill(server));
        let error = nodes[0]
            .publish(crate::support::draft("room", "away"))
            .wait();
        assert!(error.is_err(), "there is nobody to store it");
        until("it to be known", || {
            nodes.iter().all(|node| node.check().is_err())
        });
        (0..SERVERS).for_each(|server| cluster.restart(server));
        cluster.ready();
        until("it to be known", || {
            nodes.iter().all(|node| node.check().is_ok())
        });
    });
    let page = read(&nodes[0], "room", Some(0));
    let distinct: BTreeSet<_> = page.messages.iter().map(|it| it.id.clone()).collect();
    assert_eq!(distinct.len(), page.messages.len());
}

#[test]
fn a_node_that_was_away_hears_what_it_missed() {
    let cluster = Cluster::start("");
    let urls: Vec<_> = (0..SERVERS).map(|server| cluster.url(server)).collect();
    let well = open(&NatsConfig::new(urls[1..].to_vec()));
    let away = open(&NatsConfig::new([urls[0].clone()]));
    let mut watch = away.watch();
    publish(&well, "room", "before");
    assert_eq!(hear(&mut watch, 1), ["before"]);
    // Its server is cut off with its clients; what is published meanwhile it must find by itself.
    cluster.cut_off(0, Clients::CutToo);
    for n in 0..100 {
        publish_whatever(&well, "room", &n.to_string());
    }
    cluster.heal();
    let heard = hear(&mut watch, 100);
    assert_eq!(heard, (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(away.statistics().filled > 0, "nobody told it");
}

#[test]
fn a_leader_that_has_lost_the_others_is_not_believed() {
    let cluster = Cluster::start("");
    let at = |server| open(&NatsConfig::new([cluster.url(server)]));
    publish(&at(0), "room", "before");
    let lost = cluster.wait_leader(STREAM);
    let (deceived, well) = (at(lost), at((lost + 1) % SERVERS));
    cluster.cut_off(lost, Clients::Stay);
    let later = publish_whatever(&well, "room", "later").seq;
    let query = Query {
        channel: channel("room"),
        after: Some(later - 1),
        before: None,
        limit: 10,
    };
    // Until it has found another server it may refuse, and must not deny what there is.
    until("the node to find another server", || {
        let head = deceived.reach(0, later).wait();
        assert!(!head.as_ref().is_ok_and(|head| *head < later), "{head:?}");
        let page = deceived.read(query.clone()).wait();
        let denies = |page: &Page| page.messages.is_empty() && page.head >= later;
        assert!(!page.as_ref().is_ok_and(denies), "{page:?}");
        head.is_ok() && page.is_ok_and(|page| page.messages.len() == 1)
    });
}

#[test]
fn a_server_that_has_lost_the_others_is_left_though_they_have_failed() {
    let cluster = Cluster::start("");
    let node = open(&NatsConfig::new((0..SERVERS).map(|it| cluster.url(it))));
    publish(&node, "room", "before");
    let is_told = |why| {
        let check = node.check();
        check.is_err_and(|error| error.to_string().contains(why))
    };
    (0..SERVERS).for_each(|server| cluster.kill(server));
    until("all to have failed", || is_told("NATS is away"));
    cluster.restart(0);
    until("the first to be found again", || is_told("does not answer"));
    (1..SERVERS).for_each(|server| cluster.restart(server));
    cluster.ready();
    until("all to be well", || node.check().is_ok());
    cluster.cut_off(0, Clients::Stay);
    publish_whatever(&node, "room", "after");
}
