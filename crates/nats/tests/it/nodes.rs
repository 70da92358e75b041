//! Several nodes on one NATS server are one.

use std::thread;

use tidings_engine::{Engine, Entry, Retention, RetentionPolicies};
use tidings_nats::NatsConfig;
use tidings_testkit::nats::Server;
use tidings_wire::Data;

use crate::support::{
    answered, channel, config, draft, hear, nodes, open, publish, read, until, user,
};

#[test]
fn what_one_stores_the_other_hears_and_reads() {
    let server = Server::start("");
    let [a, b] = nodes(&server);
    assert_eq!(a.epochs(), b.epochs());
    let mut watch = b.watch();
    let seq = publish(&a, "room", "1").seq;
    assert_eq!(hear(&mut watch, 1), ["1"]);
    assert_eq!(b.head(0), seq);
    let page = read(&b, "room", None);
    assert_eq!((page.messages.len(), page.head), (1, seq));
    // A node that comes later knows where the log is.
    drop(a);
    let c = open(&NatsConfig {
        name: "elsewhere".to_owned(),
        ..config(&server)
    });
    assert_eq!(c.head(0), 0);
}

#[test]
fn a_place_that_another_node_told_is_reached() {
    let server = Server::start("");
    let [a, b] = nodes(&server);
    for n in 0..50 {
        let seq = publish(&a, "room", &n.to_string()).seq;
        assert!(answered(b.reach(0, seq)) >= seq);
    }
    let beyond = answered(b.reach(0, 1000));
    assert_eq!(beyond, 50, "what is not there is not reached");
}

#[test]
fn an_id_counts_on_all_nodes() {
    let server = Server::start("");
    let [a, b] = nodes(&server);
    let first = publish(&a, "room", "x");
    let second = publish(&b, "room", "x");
    assert!(!first.repeated && second.repeated);
    assert_eq!((first.seq, first.at), (second.seq, second.at));
}

#[test]
fn two_nodes_that_publish_into_one_channel_break_no_link() {
    const EACH: usize = 100;
    let server = Server::start("");
    let nodes: [_; 2] = nodes(&server);
    let mut watch = nodes[0].watch();
    thread::scope(|scope| {
        for (number, node) in nodes.iter().enumerate() {
            scope.spawn(move || {
                let drafts = (0..EACH).map(|n| draft("room", &format!("{number}/{n}")));
                node.publish_all(drafts.collect())
                    .into_iter()
                    .for_each(|it| drop(answered(it)));
            });
        }
    });
    let heard = hear(&mut watch, 2 * EACH);
    for number in 0..2 {
        let own = heard
            .iter()
            .filter(|id| id.starts_with(&format!("{number}/")));
        assert!(
            own.eq((0..EACH)
                .map(|n| format!("{number}/{n}"))
                .collect::<Vec<_>>()
                .iter())
        );
    }
    let page = read(&nodes[1], "room", Some(0));
    assert_eq!(page.messages.len(), 2 * EACH);
    let mut before = 0;
    for message in page.messages {
        assert_eq!(message.prev, before);
        before = message.seq;
    }
}

#[test]
fn what_is_not_ours_is_left_out() {
    let server = Server::start("");
    let config = config(&server);
    let node = open(&config);
    let mut watch = node.watch();
    publish(&node, "room", "1");
    let stranger = tokio::runtime::Runtime::new().expect("a runtime");
    stranger.block_on(async {
        let client = async_nats::connect(server.url())
            .await
            .expect("NATS is there");
        for subject in [
            format!("{}.ch.any.0.room", config.name),
            format!("{}.live.any.0.room", config.name),
        ] {
            client
                .publish(subject, "hello?".into())
                .await
                .expect("it is sent");
        }
        client.flush().await.expect("it is sent");
    });
    until("the stranger's message", || answered(node.reach(0, 2)) == 2);
    let seq = publish(&node, "room", "2").seq;
    assert_eq!(
        (seq, hear(&mut watch, 2)),
        (3, vec!["1".to_owned(), "2".to_owned()])
    );
    let page = read(&node, "room", Some(0));
    assert_eq!(page.messages.len(), 2);
    assert!(!page.more && !page.truncated);
}

#[test]
fn signals_are_heard_everywhere_once() {
    let server = Server::start("");
    let [a, b] = nodes(&server);
    let mut watches = [a.watch(), b.watch()];
    until("the nodes to know each other", || a.statistics().nodes == 2);
    a.signal(channel("room"), user("ada"), Data::from_text("hi"));
    b.signal(
        channel("room"),
        user("eve"),
        Data::Bytes(vec![0, 255].into()),
    );
    for watch in &mut watches {
        let mut heard = hear(watch, 2);
        heard.sort();
        assert_eq!(heard, ["signal ada", "signal eve"]);
    }
}

#[test]
fn people_are_seen_on_all_nodes() {
    let server = Server::start("");
    let [a, b] = nodes(&server);
    let entry = |name, connection| Entry {
        channel: channel("room"),
        user: user(name),
        connection,
    };
    let mut watches = [a.watch(), b.watch()];
    a.enter(entry("ada", 1));
    b.enter(entry("eve", 1));
    for watch in &mut watches {
        let mut heard = hear(watch, 2);
        heard.sort();
        assert_eq!(heard, ["join ada", "join eve"]);
    }
    // Whoever goes from one to the other has never left.
    b.enter(entry("ada", 2));
    until("both of ada's connections", || {
        answered(a.present(channel("room"))).users[0].connections == 2
    });
    a.leave(entry("ada", 1));
    b.leave(entry("eve", 1));
    for watch in &mut watches {
        assert_eq!(hear(watch, 1), ["leave eve"]);
    }
    // One that comes later is told who is there, and one that ends takes its people along.
    let c = open(&NatsConfig { ..config(&server) });
    drop(c);
    drop(b);
    assert_eq!(hear(&mut watches[0], 1), ["leave ada"]);
}

#[test]
fn a_node_that_comes_later_learns_who_is_there() {
    const PEOPLE: u64 = 4000;
    let server = Server::start("");
    let config = config(&server);
    let early = open(&config);
    for n in 0..PEOPLE {
        early.enter(Entry {
            channel: channel("room"),
            user: user(&format!("user-{n:05}")),
            connection: n,
        });
    }
    let late = open(&config);
    until("everybody", || {
        answered(late.present(channel("room"))).count as u64 == PEOPLE
    });
    let present = answered(late.present(channel("room")));
    assert_eq!(present.users[0].user, user("user-00000"));
}

#[test]
fn each_retention_and_shard_has_a_stream_of_its_own() {
    let server = Server::start("");
    let short = Retention {
        messages: Some(1),
        ..Retention::default()
    };
    let retention = RetentionPolicies {
        namespaces: [("short".to_owned(), short)].into(),
        ..RetentionPolicies::default()
    };
    let config = NatsConfig {
        retention,
        shards: 2,
        ..config(&server)
    };
    let node = open(&config);
    assert_eq!(node.epochs().len(), 4);
    let logs: Vec<_> = (0..20)
        .map(|n| node.log_of(&channel(&format!("short:{n}"))))
        .collect();
    assert!(logs.contains(&2) && logs.contains(&3) && logs.iter().all(|log| *log >= 2));
    for id in ["1", "2"] {
        publish(&node, "short:a", id);
        publish(&node, "long:a", id);
    }
    assert_eq!(read(&node, "short:a", None).messages.len(), 1);
    assert!(read(&node, "short:a", Some(0)).truncated);
    assert_eq!(read(&node, "long:a", None).messages.len(), 2);
}
