//! What is found when the engine is opened, what is changed, and what is refused.

use std::io::Write;
use std::net::TcpListener;
use std::thread;

use tidings_engine::{Engine, Retention, RetentionPolicies};
use tidings_nats::{Nats, NatsConfig, NatsError, Step};
use tidings_testkit::nats::Server;

use crate::support::{config, open, publish, read, refusal, until};

/// Who uses the same NATS for something else.
struct Somebody {
    runtime: tokio::runtime::Runtime,
    jetstream: async_nats::jetstream::Context,
}

impl Somebody {
    fn come(server: &Server) -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let jetstream = runtime.block_on(async {
            let client = async_nats::connect(server.url()).await;
            async_nats::jetstream::new(client.expect("NATS is there"))
        });
        Self { runtime, jetstream }
    }

    fn make(&self, name: &str, subject: &str) {
        let stream = async_nats::jetstream::stream::Config {
            name: name.to_owned(),
            subjects: vec![subject.to_owned()],
            ..Default::default()
        };
        let made = self.runtime.block_on(self.jetstream.create_stream(stream));
        made.expect("it is made");
    }

    /// How often anybody was.
    fn refused(&self) -> u64 {
        let account = self.runtime.block_on(self.jetstream.query_account());
        account.expect("NATS is there").requests.errors
    }

    fn remove(&self, name: &str) {
        let removed = self.runtime.block_on(self.jetstream.delete_stream(name));
        removed.expect("it is removed");
    }
}

#[test]
fn a_plan_says_what_an_opening_does() {
    let server = Server::start("");
    let config = config(&server);
    let steps = |config: &NatsConfig| -> Vec<_> {
        let plan = Nats::plan(config).expect("NATS is there");
        plan.streams.into_iter().map(|it| it.step).collect()
    };
    assert_eq!(steps(&config), [Step::Make]);
    let node = open(&config);
    publish(&node, "room", "1");
    assert_eq!(steps(&config), [Step::Keep]);
    let default = Retention {
        messages: Some(7),
        ..Retention::default()
    };
    let changed = NatsConfig {
        retention: RetentionPolicies {
            default,
            ..RetentionPolicies::default()
        },
        ..config
    };
    let [Step::Change(differences)] = &steps(&changed)[..] else {
        panic!("a bound has changed");
    };
    let told: Vec<_> = differences.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["max_msgs_per_subject: 10000 -> 7"]);
    let again = open(&changed);
    assert_eq!(steps(&changed), [Step::Keep]);
    assert_eq!(again.epochs(), node.epochs(), "it is the same log");
    assert_eq!(read(&again, "room", None).messages.len(), 1);
}

#[test]
fn messages_do_not_move_between_shards() {
    let server = Server::start("");
    let config = config(&server);
    drop(open(&config));
    let error = refusal(NatsConfig {
        shards: 2,
        ..config
    });
    assert!(error.to_string().contains("set `shards = 1`"), "{error}");
}

#[test]
fn a_stream_of_somebody_else_is_not_used() {
    let server = Server::start("");
    let config = config(&server);
    let somebody = Somebody::come(&server);
    somebody.make(
        &format!("{}_any_0", config.name.to_uppercase()),
        "somebody.else",
    );
    let error = refusal(config);
    assert!(error.to_string().contains("not made by Tidings"), "{error}");
}

#[test]
fn what_jetstream_refuses_is_tried_again() {
    let server = Server::start("");
    let config = config(&server);
    let somebody = Somebody::come(&server);
    somebody.make("theirs", &format!("{}.>", config.name));
    let error = refusal(config.clone());
    assert!(error.to_string().contains("subjects overlap"), "{error}");
    thread::scope(|scope| {
        let opening = scope.spawn(|| open(&config));
        let refused = somebody.refused();
        // It is looked for, and then made.
        until("it to be refused", || somebody.refused() >= refused + 2);
        somebody.remove("theirs");
        publish(&opening.join().expect("it opens"), "room", "1");
    });
}

#[test]
fn a_server_that_is_not_there_or_without_jetstream_is_told_of() {
    let nowhere = refusal(NatsConfig::new(["nats://127.0.0.1:1"]));
    assert!(
        matches!(nowhere, NatsError::Unreachable { .. }),
        "{nowhere}"
    );
    // An account that may not use it.
    let server = Server::start(
        r#"accounts { A { users: [{ user: "ada", password: "secret" }] } }, no_auth_user: ada"#,
    );
    let without = refusal(config(&server));
    assert!(
        matches!(without, NatsError::NoJetStream { .. }),
        "{without}"
    );
}

#[test]
fn a_server_that_is_too_old_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("a port");
    thread::spawn(move || {
        // What Debian's says of itself.
        for mut client in listener.incoming().flatten() {
            let info = r#"INFO {"server_id":"X","server_name":"debian","version":"2.9.10","go":"go1.19","host":"0.0.0.0","port":4222,"headers":true,"max_payload":1048576,"proto":1,"jetstream":true}"#;
            let _ = client.write_all(format!("{info}\r\nPONG\r\n").as_bytes());
            thread::spawn(move || std::io::copy(&mut client, &mut std::io::sink()));
        }
    });
    let error = refusal(NatsConfig::new([format!("nats://{address}")]));
    let NatsError::TooOld { name, version } = error else {
        panic!("{error}");
    };
    assert_eq!((name.as_str(), version.as_str()), ("debian", "2.9.10"));
}
