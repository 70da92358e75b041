//! The hub says what `docs/vectors` have; the browser client's own test reads the same.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where by panicking"
)]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tidings_engine::{EngineError, ManualClock, Retention, RetentionPolicies};
use tidings_hub::{
    Auth, Hub, HubConfig, Identity, Limits, Link, NamespacePolicies, NamespacePolicy, Push, Room,
    Shard,
};
use tidings_wire::{
    ChannelName, Command, Data, Epoch, Format, Heartbeat, MessageId, Request, RequestError,
};
use tokio::task::LocalSet;
use tokio::time::sleep;

#[path = "../examples/session_model/log.rs"]
#[allow(
    dead_code,
    reason = "the model test lets this log come back after a restart"
)]
mod log;

use log::NamedLog;

/// The vectors' clock, which stands still.
const NOW: u64 = 1_763_800_000_000;

const ROOM: Room = Room {
    bytes: 1 << 20,
    events: 1000,
};

#[test]
fn the_hub_says_what_the_vectors_have() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/vectors");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        seen += 1;
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let vector: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let steps = vector["steps"].as_array().unwrap().clone();
        runtime.block_on(LocalSet::new().run_until(async move {
            let mut stage = Stage::new(name);
            for step in &steps {
                stage.play(step).await;
            }
            stage.assert_silent().await;
        }));
    }
    assert!(seen >= 13, "the vectors have moved: {seen}");
}

/// A hub, the client's link to it, and others in its channels.
struct Stage {
    name: String,
    log: Arc<NamedLog>,
    shard: Shard,
    link: Link,
    others: Vec<(Value, Link)>,
    /// What was pushed and is not looked at yet.
    pushed: Vec<Push>,
}

impl Stage {
    fn new(name: String) -> Self {
        let few = Retention {
            messages: Some(2),
            age: None,
            bytes: None,
        };
        let retention = RetentionPolicies {
            default: Retention::default(),
            namespaces: [("few".to_owned(), few)].into(),
        };
        let clock = Arc::new(ManualClock::new(NOW));
        let log = Arc::new(NamedLog::new(
            vec![Epoch::new("e").unwrap()],
            clock,
            retention,
        ));
        let silent = NamespacePolicy {
            presence: false,
            ..NamespacePolicy::default()
        };
        let config = HubConfig {
            auth: Auth::Guests,
            limits: Limits::default(),
            namespaces: NamespacePolicies {
                default: silent,
                namespaces: [("people".to_owned(), NamespacePolicy::default())].into(),
            },
            heartbeat: Heartbeat {
                interval: 20_000,
                timeout: 5_000,
                tries: 2,
            },
        };
        let shard = Shard::start(Hub::new(log.clone(), config));
        Self {
            link: shard.connect(None).unwrap(),
            name,
            log,
            shard,
            others: Vec::new(),
            pushed: Vec::new(),
        }
    }

    async fn play(&mut self, step: &Value) {
        if let Some(frame) = step.get("client") {
            self.hear(frame);
        } else if let Some(frame) = step.get("server") {
            let any = step["any"].as_array().cloned().unwrap_or_default();
            self.expect(frame, &any).await;
        } else if let Some(code) = step.get("closes") {
            let Push::Close { code: said, .. } = self.next().await else {
                panic!("{}: it was not closed", self.name);
            };
            assert_eq!(code, said.as_str(), "{}", self.name);
        } else if let Some(world) = step.get("world") {
            self.act(world).await;
        } else if let Some(milliseconds) = step.get("passes") {
            sleep(Duration::from_millis(milliseconds.as_u64().unwrap())).await;
        }
    }

    /// A frame of the client's, which is the same in both formats.
    fn hear(&mut self, frame: &Value) {
        let json = Request::decode(&Format::Json.encode(frame), Format::Json);
        let cbor = Request::decode(&Format::Cbor.encode(frame), Format::Cbor);
        let req = |error: &RequestError| error.req;
        assert_eq!(
            json.as_ref().map_err(req),
            cbor.as_ref().map_err(req),
            "{}",
            self.name
        );
        match json {
            Ok(request) => self.link.handle(request),
            Err(error) => self.link.handle_bad_frame(error),
        }
    }

    /// The next frame of the server's is this one in both formats, but for the fields `any`, which it has.
    async fn expect(&mut self, expected: &Value, any: &[Value]) {
        let (json, cbor) = match self.next().await {
            Push::Event(event) => (
                event.bytes(Format::Json).to_vec(),
                event.bytes(Format::Cbor).to_vec(),
            ),
            Push::Reply(reply) => (Format::Json.encode(&reply), Format::Cbor.encode(&reply)),
            Push::Close { reason, .. } => panic!("{}: closed: {reason}", self.name),
        };
        let mut said: Map<_, _> = serde_json::from_slice(&json).unwrap();
        // Bytes are a string of their own in CBOR, which JSON has not.
        if !String::from_utf8_lossy(&json).contains("\"bytes\"") {
            let cbor: Map<String, Value> = Format::Cbor.decode(&cbor).unwrap();
            assert_eq!(said, cbor, "{}: in CBOR", self.name);
        }
        let mut expected = expected.as_object().unwrap().clone();
        for field in any {
            let field = field.as_str().unwrap();
            assert!(
                said.remove(field).is_some(),
                "{}: {said:?} has no {field}",
                self.name
            );
            expected.remove(field);
        }
        assert_eq!(said, expected, "{}", self.name);
    }

    async fn next(&mut self) -> Push {
        self.poll().await;
        assert!(!self.pushed.is_empty(), "{}: nothing comes", self.name);
        self.pushed.remove(0)
    }

    async fn assert_silent(&mut self) {
        self.poll().await;
        assert!(self.pushed.is_empty(), "{}: {:?}", self.name, self.pushed);
    }

    /// A first poll may find that the log is to be read, a second one what was read.
    async fn poll(&mut self) {
        for _ in 0..2 {
            // Paused time moves on when no task has anything left to do.
            sleep(Duration::from_millis(1)).await;
            self.link.poll(ROOM, &mut self.pushed);
        }
    }

    /// What somebody else does.
    async fn act(&mut self, world: &Value) {
        let (deed, what) = world.as_object().unwrap().iter().next().unwrap();
        match deed.as_str() {
            "publish" => {
                let who = self.guest(what);
                let data = Data::from_json(&what["data"].to_string()).unwrap();
                let id = MessageId::new(what["id"].as_str().unwrap()).unwrap();
                let hub = self.shard.hub().clone();
                hub.publish(&who, channel(what), data, Some(id))
                    .await
                    .unwrap();
            }
            "enter" => {
                let mut link = self.shard.connect(Some(self.guest(what))).unwrap();
                link.handle(Request {
                    req: None,
                    command: Command::Subscribe {
                        channel: channel(what),
                        after: None,
                        history: None,
                    },
                });
                self.others.push((what.clone(), link));
            }
            "leave" => {
                let other = self.others.iter_mut().find(|(who, _)| who == what);
                other.unwrap().1.handle(Request {
                    req: None,
                    command: Command::Unsubscribe {
                        channel: channel(what),
                    },
                });
            }
            "busy" => {
                let error = what.as_bool().unwrap().then_some(EngineError::Busy);
                self.log.faults().fail_publishes(error);
            }
            other => panic!("{}: nobody can {other}", self.name),
        }
        sleep(Duration::from_millis(1)).await;
    }

    fn guest(&self, what: &Value) -> Identity {
        let token = format!("guest:{}", what["user"].as_str().unwrap());
        self.shard.hub().authenticate(Some(&token)).unwrap()
    }
}

fn channel(what: &Value) -> ChannelName {
    ChannelName::new(what["channel"].as_str().unwrap()).unwrap()
}
