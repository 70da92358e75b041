//! Messages there and back.

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Door, echo_all, event_loop, in_time};

/// Around the borders of the three forms of length, of a shared piece, of one read and of several.
const LENGTHS: [usize; 10] = [
    0,
    1,
    125,
    126,
    4096,
    65_535,
    65_536,
    200_000,
    262_144,
    1 << 20,
];

#[tokio::test]
async fn another_implementation_gets_every_message_back() {
    let (door, mut sockets) = (Door::open().await, event_loop());
    let (mut client, websocket) = door.connect().await;
    sockets.insert(websocket, ()).unwrap();
    let talk = async {
        for length in LENGTHS {
            let text: String = "aé世🌍".chars().cycle().take(length / 3).collect();
            for message in [Message::text(text), Message::binary(vec![7; length])] {
                client.send(message.clone()).await.unwrap();
                let echo = client.next().await.unwrap().unwrap();
                assert!(echo == message, "{length} bytes");
            }
        }
        client.send(Message::Ping("life?".into())).await.unwrap();
        let pong = client.next().await.unwrap().unwrap();
        assert_eq!(pong, Message::Pong("life?".into()));
    };
    tokio::select! {
        () = in_time(talk) => {}
        error = echo_all(&mut sockets) => panic!("{error}"),
    }
}
