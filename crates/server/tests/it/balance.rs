//! Shards that share their work out: connections as they come, and followers of a busy channel while they
//! follow.

use futures_util::future::join_all;
use tidings_websocket::tokio::MaybeTls;
use tidings_wire::{Data, Format};

use crate::support::door::{Hello, Publish, Said, Subscribe};
use crate::support::server::Server;
use crate::support::until;
use crate::support::websocket::Frames;

/// How many WebSockets each of two shards has.
async fn websockets(server: &Server) -> [usize; 2] {
    let metrics = server.metrics().await;
    [0, 1].map(|shard| {
        let sample = format!("tidings_links{{transport=\"websocket\",shard=\"{shard}\"}}");
        metrics.value(&sample) as usize
    })
}

/// So many WebSockets on the first shard, and none on the second. They follow nothing, so none moves.
async fn on_the_first_shard(server: &Server, count: usize) -> Vec<Frames> {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    while first.len() < count {
        let frames = Frames::open(server, Format::Json).await;
        let is_first = websockets(server).await[0] > first.len();
        let side = if is_first { &mut first } else { &mut second };
        side.push(frames);
    }
    drop(second);
    until("the end of the others", async || {
        (websockets(server).await == [count, 0]).then_some(())
    })
    .await;
    first
}

#[tokio::test]
async fn a_connection_goes_to_the_shard_that_has_fewer() {
    let server = Server::configured("shards = 2\n");
    let kept = on_the_first_shard(&server, 24).await;
    let mut others = Vec::new();
    for _ in 0..16 {
        others.push(Frames::open(&server, Format::Json).await);
    }
    // By chance alone half of them would be on the first one.
    let [first, second] = websockets(&server).await;
    assert!(first <= kept.len() + 1 && second >= 15, "{first}, {second}");
}

async fn hear(frames: &mut Frames, kind: &str) -> Said {
    loop {
        let said: Said = frames.hear().await.unwrap();
        if said.kind == kind {
            return said;
        }
    }
}

async fn say_hello(frames: &mut Frames, name: String) {
    let (kind, token) = ("hello", format!("guest:{name}"));
    frames.say(&Hello { kind, token }).await;
    hear(frames, "hello").await;
}

/// Reads what comes over so many connections and looks at none of it, on a thread of its own.
fn drain(connections: Vec<Frames>) {
    let streams: Vec<_> = connections
        .into_iter()
        .map(|frames| match frames.websocket.into_parts().stream {
            MaybeTls::Plain(stream) => stream.into_std().unwrap(),
            _ => panic!("the server speaks no TLS"),
        })
        .collect();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(join_all(streams.into_iter().map(async |stream| {
            let mut stream = tokio::net::TcpStream::from_std(stream).unwrap();
            // Until the server ends.
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        })));
    });
}

#[tokio::test]
async fn followers_of_a_busy_channel_move_to_a_shard_with_less_to_do_and_miss_nothing() {
    const FOLLOWERS: usize = 300;
    // On a machine that is busy with other tests nobody knows how busy a shard can get.
    let server = Server::configured("shards = 2\nrelieve_at = 5\n");
    let mut followers = on_the_first_shard(&server, FOLLOWERS).await;
    // All the work is on one shard.
    let mut publisher = followers.pop().unwrap();
    for (number, frames) in followers.iter_mut().enumerate() {
        say_hello(frames, format!("user-{number}")).await;
        let subscribe = Subscribe {
            kind: "subscribe",
            req: 1,
            channel: "busy",
            after: None,
        };
        frames.say(&subscribe).await;
        hear(frames, "subscribed").await;
    }
    // Some are looked at closely.
    drain(followers.split_off(5));
    let follow = join_all(followers.iter_mut().map(async |follower| {
        let mut last = None;
        loop {
            let message = hear(follower, "message").await;
            assert!(
                last.is_none() || message.prev == last,
                "in order, each once"
            );
            last = message.seq;
            if message.data() == Data::from_text("end") {
                return;
            }
        }
    }));
    let publish = async {
        say_hello(&mut publisher, "publisher".to_owned()).await;
        let mut say = async |text: &str| {
            let publish = Publish {
                kind: "publish",
                req: 1,
                channel: "busy",
                data: Data::from_text(text),
            };
            publisher.say(&publish).await;
            hear(&mut publisher, "published").await;
        };
        until("relief for the busy shard", async || {
            for _ in 0..100 {
                say("on").await;
            }
            (websockets(&server).await[1] >= 10).then_some(())
        })
        .await;
        say("end").await;
    };
    tokio::join!(follow, publish);
    let metrics = server.metrics().await;
    let moved = metrics.sum("tidings_connections_moved_total");
    assert!(moved >= 10.0, "{moved}");
    for shard in [0, 1] {
        let busy = format!("tidings_shard_busy_seconds_total{{shard=\"{shard}\"}}");
        assert!(metrics.value(&busy) > 0.0);
    }
}
