//! A stream that has lost its end, as when all servers of NATS lose their power at once.

use tidings_engine::{Engine, EngineError};
use tidings_nats::{Login, Nats, NatsConfig};
use tidings_testkit::nats::Server;

use crate::support::{answered, config, draft, hear, open, publish, read, until};

fn ids(node: &Nats, channel: &str) -> Vec<String> {
    let messages = read(node, channel, Some(0)).messages;
    messages.into_iter().map(|it| it.id.to_string()).collect()
}

/// Why `node` can never be used again, once it cannot.
fn ruin(node: &Nats) -> String {
    let mut ruin = None;
    until("it to be over for good", || {
        ruin = match node.check() {
            Err(EngineError::Failed(why)) => Some(why),
            _ => None,
        };
        ruin.is_some()
    });
    ruin.expect("it is over")
}

/// Two nodes have heard of messages that the stream then loses, and one of them publishes into `channel`.
fn the_end_is_lost_and_published_into(channel: &str) {
    let server = Server::start("");
    let config = config(&server);
    let [publisher, listener] = [(); 2].map(|()| open(&config));
    let mut watches = [publisher.watch(), listener.watch()];
    for id in ["1", "2", "3"] {
        publish(&publisher, "room", id);
    }
    server.keep();
    for id in ["4", "5", "6"] {
        publish(&publisher, "room", id);
    }
    for watch in &mut watches {
        assert_eq!(hear(watch, 6).last().map(String::as_str), Some("6"));
    }
    server.lose();

    // It gets a place that everybody knows as another message's: nobody may take it for that.
    let refused = || publisher.publish(draft(channel, "new")).wait();
    let mut error = None;
    until("the server to be found again", || {
        error = Some(refused().expect_err("it is not acknowledged").to_string());
        error.as_ref().is_some_and(|it| it.contains("lost its end"))
    });
    assert!(refused().is_err(), "and no other one is");
    for node in [&publisher, &listener] {
        let why = ruin(node);
        assert!(why.contains("started again"), "{why}");
    }
    for watch in &mut watches {
        assert!(watch.try_next().is_none(), "nothing was told");
    }

    // Started again it is another log with what is left, and goes on.
    let again = open(&config);
    assert_ne!(again.epochs(), publisher.epochs());
    assert_eq!(again.head(0), 4);
    let said_again = publish(&again, channel, "new");
    assert_eq!((said_again.seq, said_again.repeated), (4, true));
    assert_eq!(publish(&again, channel, "newer").seq, 5);
    let mut left = ids(&again, "room");
    if channel != "room" {
        left.extend(ids(&again, channel));
    }
    assert_eq!(left, ["1", "2", "3", "new", "newer"]);
}

#[test]
fn a_publish_into_a_channel_that_lost_messages_tells() {
    the_end_is_lost_and_published_into("room");
}

#[test]
fn a_publish_into_another_channel_tells() {
    the_end_is_lost_and_published_into("elsewhere");
}

/// A node that has heard of messages, or has only begun behind them, comes back when others have taken their places.
fn places_are_given_again(was_there: bool) {
    let server = Server::start("");
    let config = config(&server);
    let publisher = open(&config);
    let early = was_there.then(|| open(&config));
    publish(&publisher, "room", "1");
    server.keep();
    for id in ["2", "3"] {
        publish(&publisher, "room", id);
    }
    let node = early.unwrap_or_else(|| open(&config));
    until("it to know of them", || node.head(0) == 3);
    // Those who notice a publish are gone, and there is somebody new to whom it is a log as any other.
    drop(publisher);
    server.lose();
    let stranger = open(&config);
    for id in ["a", "b", "c", "d"] {
        // Until it is noticed.
        let _ = stranger.publish(draft("room", id)).wait();
    }
    ruin(&node);
    ruin(&stranger);
    assert_ne!(open(&config).epochs(), node.epochs());
}

#[test]
fn a_node_that_heard_of_what_is_lost_notices_another_in_its_place() {
    places_are_given_again(true);
}

#[test]
fn a_node_that_began_behind_what_is_lost_notices_another_in_its_place() {
    places_are_given_again(false);
}

#[test]
fn a_node_that_has_left_out_a_large_gap_notices_another_behind_it() {
    /// More than a node reads for everybody, and how many are published at once.
    const GAP: usize = 10_100;
    const ONCE: usize = 100;
    let server = Server::start("");
    let near = config(&server);
    let far = NatsConfig {
        servers: vec![server.far_url()],
        ..near.clone()
    };
    let (publisher, node) = (open(&near), open(&far));
    publish(&publisher, "room", "heard");
    until("it to be heard", || node.head(0) == 1);
    server.cut_off();
    for first in (0..GAP).step_by(ONCE) {
        if first + ONCE == GAP {
            server.keep();
        }
        let drafts = (first..first + ONCE).map(|n| draft("room", &n.to_string()));
        let answers: Vec<_> = drafts.map(|draft| publisher.publish(draft)).collect();
        answers.into_iter().for_each(|it| _ = answered(it));
    }
    server.heal();
    until("the end to be known", || node.head(0) == 1 + GAP as u64);
    assert_eq!(node.statistics().jumps, 1);
    drop(publisher);
    server.lose();
    let stranger = open(&near);
    for n in 0..=ONCE {
        // Until it is noticed.
        let _ = stranger
            .publish(draft("room", &format!("another {n}")))
            .wait();
    }
    ruin(&node);
}

#[test]
fn nothing_is_stored_until_what_has_lost_its_end_is_another() {
    let may = |what: &str| {
        format!(
            r#"authorization {{ users: [{{ user: "ada", password: "a", permissions: {{ publish: {{ {what} }} }} }}] }}"#
        )
    };
    let server = Server::start(may(r#"allow: [">"], deny: ["$JS.API.STREAM.UPDATE.>"]"#));
    let config = NatsConfig {
        login: Login::Password {
            user: "ada".to_owned(),
            password: "a".to_owned(),
        },
        ..config(&server)
    };
    let node = open(&config);
    server.keep();
    publish(&node, "room", "1");
    server.lose();
    let refused = |id| {
        node.publish(draft("room", id))
            .wait()
            .expect_err("it is lost")
    };
    until("the server to be found again", || {
        refused("new").to_string().contains("lost its end")
    });
    // This one would have a place that nobody was told of.
    let error = refused("newer");
    assert!(matches!(error, EngineError::Unavailable(_)), "{error}");
    let error = node.check().expect_err("it is not well");
    assert!(matches!(error, EngineError::Unavailable(_)), "{error}");
    server.kill();
    server.reconfigure(&may(r#"allow: [">"]"#));
    server.restart();
    ruin(&node);
    assert_ne!(open(&config).epochs(), node.epochs());
}
