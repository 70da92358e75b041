//! What cannot be written, read or handled at once.

use std::cell::RefCell;

use futures_util::FutureExt;
use tidings_websocket::tokio::event_loop::{EventLoop, Options};
use tidings_websocket::{Close, CloseCode, Config, Event, SendError, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Door, echo, echo_all, event_loop, from_client, in_time, note_end, to_client};

/// What one read takes at most.
const READ_BYTES: usize = 256 * 1024;

#[tokio::test]
async fn a_stalled_reader_pins_no_more_than_the_limit_and_gets_everything_once_it_reads() {
    const LIMIT: usize = 100_000;
    const MESSAGES: usize = 4_000;
    let options = Options {
        unsent_bytes_max: LIMIT,
        ..Options::default()
    };
    let (door, mut sockets) = (Door::open().await, EventLoop::new(options).unwrap());
    let (client, websocket) = door.connect_bare().await;
    let key = sockets.insert(websocket, ()).unwrap();
    let (mut reader, mut writer) = client.into_split();
    let messages: Vec<Event> = (0..MESSAGES)
        .map(|at| vec![at as u8; 16_000].into())
        .collect();
    let bytes = from_client(messages.iter().cloned());
    let mut written = tokio::spawn(async move { writer.write_all(&bytes).await.map(|()| writer) });
    // When nothing has moved for a while, both directions are full.
    let mut most = 0;
    while let Ok(turned) =
        tokio::time::timeout(std::time::Duration::from_millis(300), sockets.turn(echo)).await
    {
        turned.unwrap();
        most = most.max(sockets.sockets().get_mut(key).unwrap().unsent_bytes());
    }
    assert!(!written.is_finished(), "the kernel must not take all of it");
    assert!(
        most > LIMIT && most <= LIMIT + READ_BYTES + 16_000,
        "{most} bytes"
    );
    let read = async {
        let mut heard = vec![0; MESSAGES * (16_000 + 4)];
        reader.read_exact(&mut heard).await.unwrap();
        assert!(to_client(heard) == messages);
        (&mut written).await.unwrap().unwrap()
    };
    tokio::select! {
        _writer = in_time(read) => {}
        error = echo_all(&mut sockets) => panic!("{error}"),
    }
}

#[tokio::test]
async fn what_a_write_does_not_take_is_written_when_there_is_room() {
    let (door, mut sockets) = (Door::open().await, event_loop());
    let (mut client, websocket) = door.connect_bare().await;
    let key = sockets.insert(websocket, ()).unwrap();
    let message: Vec<u8> = (0..20_000_000u32).map(|at| at as u8).collect();
    let mut socket = sockets.sockets().get_mut(key).unwrap();
    socket.send(&message[..]).unwrap();
    socket.send("small").unwrap();
    sockets.flush();
    let unsent = sockets.sockets().get_mut(key).unwrap().unsent_bytes();
    assert!(unsent > 0, "the kernel must not take all of it");
    assert_eq!(sockets.sockets().unsent_bytes(), unsent);
    let (_other, websocket) = door.connect_bare().await;
    let other = sockets.insert(websocket, ()).unwrap();
    let mut socket = sockets.sockets().get_mut(other).unwrap();
    socket.send("small").unwrap();
    assert_eq!(sockets.sockets().unsent_bytes(), unsent + 7);
    let read = async {
        let mut heard = vec![0; 10 + message.len() + 2 + 5];
        client.read_exact(&mut heard).await.unwrap();
        assert!(heard[10..][..message.len()] == message && heard.ends_with(b"\x81\x05small"));
    };
    tokio::select! {
        () = in_time(read) => {}
        error = echo_all(&mut sockets) => panic!("{error}"),
    }
    assert_eq!(sockets.sockets().get_mut(key).unwrap().unsent_bytes(), 0);
    assert_eq!(sockets.sockets().unsent_bytes(), 0);
}

#[tokio::test]
async fn frames_can_be_written_at_once_and_never_overtake_what_waits() {
    let (door, mut sockets) = (Door::open().await, event_loop());
    let (mut client, websocket) = door.connect_bare().await;
    let key = sockets.insert(websocket, ()).unwrap();
    let mut socket = sockets.sockets().get_mut(key).unwrap();
    // No turn, no flush.
    socket.write_encoded(&frame::encode_text("a")).unwrap();
    let mut heard = [0; 3];
    in_time(client.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"\x81\x01a");
    // What the kernel does not take waits, and what comes after it waits behind it.
    let large: Vec<u8> = (0..20_000_000u32).map(|at| at as u8).collect();
    let large = frame::encode_binary(&large);
    socket.send("b").unwrap();
    socket.write_encoded(&frame::encode_text("c")).unwrap();
    sockets.flush();
    let mut socket = sockets.sockets().get_mut(key).unwrap();
    socket.write_encoded(&large).unwrap();
    assert!((1..large.len()).contains(&socket.unsent_bytes()));
    socket.write_encoded(&frame::encode_text("d")).unwrap();
    let expected = [b"\x81\x01b\x81\x01c", &large[..], b"\x81\x01d"].concat();
    let read = async {
        let mut heard = vec![0; expected.len()];
        client.read_exact(&mut heard).await.unwrap();
        assert!(heard == expected);
    };
    tokio::select! {
        () = in_time(read) => {}
        error = echo_all(&mut sockets) => panic!("{error}"),
    }
    let mut socket = sockets.sockets().get_mut(key).unwrap();
    socket.close(Close::new(CloseCode::NORMAL, "")).unwrap();
    let refused = socket.write_encoded(&frame::encode_text("e"));
    assert_eq!(refused, Err(SendError::Closed));
}

#[tokio::test]
async fn a_write_at_once_to_a_peer_that_is_gone_tells_the_end_once() {
    let (door, mut sockets) = (Door::open().await, event_loop());
    let (client, websocket) = door.connect_bare().await;
    let key = sockets.insert(websocket, ()).unwrap();
    client.set_zero_linger().unwrap();
    drop(client); // resets
    let mut ends = Vec::new();
    let mut written = 0;
    in_time(async {
        while ends.is_empty() {
            if let Some(mut socket) = sockets.sockets().get_mut(key) {
                // An error of the stream is told as the end.
                socket.write_encoded(&frame::encode_text("a")).unwrap();
                written += 1;
            }
            sockets.turn(note_end(&mut ends)).await.unwrap();
        }
    })
    .await;
    assert!(written > 0);
    assert_eq!(ends.len(), 1);
    assert_eq!(sockets.sockets().len(), 0);
}

/// What a server does that sends a long tale no faster than it is read.
#[tokio::test]
async fn whoever_asks_hears_when_all_was_written_and_can_go_on() {
    const CHUNK: usize = 20_000_000; // more than the kernel takes
    const CHUNKS: usize = 3;
    let (door, mut sockets) = (Door::open().await, event_loop());
    let (mut client, websocket) = door.connect_bare().await;
    let key = sockets.insert(websocket, ()).unwrap();
    let (mut sent, mut most, mut written) = (0, 0, vec![key]);
    let tell = async {
        while sent < CHUNKS {
            for key in written.drain(..) {
                let mut socket = sockets.sockets().get_mut(key).unwrap();
                most = most.max(socket.unsent_bytes());
                socket.send(vec![sent as u8; CHUNK]).unwrap();
                socket.tell_when_written();
                sent += 1;
            }
            sockets.turn(echo).await.unwrap();
            sockets.sockets().take_written(&mut written);
        }
        echo_all(&mut sockets).await
    };
    let read = async {
        let mut chunk = vec![0; 10 + CHUNK];
        for at in 0..CHUNKS {
            tokio::task::yield_now().await;
            client.read_exact(&mut chunk).await.unwrap();
            assert!(chunk[10..].iter().all(|byte| *byte == at as u8));
        }
    };
    tokio::select! {
        () = in_time(read) => {}
        error = tell => panic!("{error}"),
    }
    assert_eq!(most, 0, "it was told before everything was written");
}

#[tokio::test]
async fn nobody_who_does_not_ask_is_told_of() {
    let (door, mut sockets) = (Door::open().await, event_loop());
    let (_client, websocket) = door.connect_bare().await;
    let key = sockets.insert(websocket, ()).unwrap();
    let mut written = Vec::new();
    let mut told = |sockets: &mut EventLoop<()>, asks: bool| {
        let mut socket = sockets.sockets().get_mut(key).unwrap();
        socket.send("a").unwrap();
        if asks {
            socket.tell_when_written();
        }
        sockets.flush();
        sockets.sockets().take_written(&mut written);
        std::mem::take(&mut written)
    };
    assert_eq!(told(&mut sockets, false), []);
    assert_eq!(told(&mut sockets, true), [key]);
    assert_eq!(told(&mut sockets, false), [], "asking counts once");
    let mut socket = sockets.sockets().get_mut(key).unwrap();
    socket.tell_when_written(); // nothing is unsent
    sockets.sockets().take_written(&mut written);
    assert_eq!(written, [key]);
}

#[tokio::test]
async fn a_turn_does_not_wait_while_somebody_is_to_be_told_of() {
    let (door, mut sockets) = (Door::open().await, event_loop());
    let (_client, websocket) = door.connect_bare().await;
    let key = sockets.insert(websocket, ()).unwrap();
    let mut socket = sockets.sockets().get_mut(key).unwrap();
    socket.tell_when_written(); // nothing is unsent
    // The ticks of the timeouts end a turn as well, but not as many in that time.
    in_time(async {
        for _ in 0..100 {
            sockets.turn(echo).await.unwrap();
        }
    })
    .await;
    let mut written = Vec::new();
    sockets.sockets().take_written(&mut written);
    assert_eq!(written, [key]);
}

#[tokio::test]
async fn a_read_that_fills_the_buffer_exactly_is_followed_by_another() {
    // From the sixth on, the rest of the message is left to the next turn.
    for reads in 1..=7 {
        let config = Config {
            frame_bytes_max: 8 * READ_BYTES,
            message_bytes_max: 8 * READ_BYTES,
            ..Config::default()
        };
        let (door, mut sockets) = (Door::with_config(config).await, event_loop());
        let (mut client, websocket) = door.connect_bare().await;
        // 14 bytes of header, and the rest of `reads` whole buffers.
        let message = Event::from(vec![7; reads * READ_BYTES - 14]);
        let bytes = from_client([message.clone()]);
        assert_eq!(bytes.len(), reads * READ_BYTES);
        let talk = async {
            client.write_all(&bytes).await.unwrap();
            for message in [message, "and on".into()] {
                if !matches!(message, Event::Binary(_)) {
                    client
                        .write_all(&from_client([message.clone()]))
                        .await
                        .unwrap();
                }
                let header = if matches!(message, Event::Binary(_)) {
                    10
                } else {
                    2
                };
                let length = match &message {
                    Event::Binary(bytes) => bytes.len(),
                    _ => 6,
                };
                let mut heard = vec![0; header + length];
                client.read_exact(&mut heard).await.unwrap();
                assert!(to_client(heard) == [message]);
            }
        };
        sockets.insert(websocket, ()).unwrap();
        tokio::select! {
            () = in_time(talk) => {}
            error = echo_all(&mut sockets) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_turn_that_is_dropped_loses_nothing() {
    let (door, mut sockets) = (Door::open().await, event_loop());
    let (mut client, websocket) = door.connect_bare().await;
    sockets.insert(websocket, ()).unwrap();
    let told = RefCell::new(Vec::new());
    in_time(async {
        for at in 0..500 {
            let message = format!("{at}");
            client
                .write_all(&from_client([message.as_str().into()]))
                .await
                .unwrap();
            while told.borrow().len() <= at {
                // Polled once and dropped, whatever it was at.
                let turned = sockets.turn(|_, _, event| {
                    told.borrow_mut().push(event.unwrap().into_owned());
                });
                match turned.now_or_never() {
                    Some(turned) => turned.unwrap(),
                    None => tokio::task::yield_now().await,
                }
            }
        }
    })
    .await;
    let expected: Vec<Event> = (0..500).map(|at| format!("{at}").into()).collect();
    assert_eq!(told.into_inner(), expected);
}

#[tokio::test]
async fn any_cut_gives_the_same_messages() {
    let (door, mut sockets) = (Door::open().await, event_loop());
    let (mut client, websocket) = door.connect_bare().await;
    sockets.insert(websocket, ()).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    let messages: Vec<Event> = (0..200)
        .map(|_| "aé世🌍".repeat(random.usize(..100)).into())
        .collect();
    let bytes = from_client(messages.iter().cloned());
    let expected: usize = messages
        .iter()
        .map(|message| match message {
            Event::Text(text) => text.len() + if text.len() < 126 { 2 } else { 4 },
            _ => 0,
        })
        .sum();
    client.set_nodelay(true).unwrap();
    let (mut reader, mut writer) = client.split();
    let write = async {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let cut = random.usize(1..=rest.len().min(300));
            writer.write_all(&rest[..cut]).await.unwrap();
            rest = &rest[cut..];
            tokio::task::yield_now().await; // the loop reads what there is
        }
    };
    let read = async {
        let mut heard = vec![0; expected];
        reader.read_exact(&mut heard).await.unwrap();
        assert!(to_client(heard) == messages);
    };
    tokio::select! {
        _ = in_time(futures_util::future::join(write, read)) => {}
        error = echo_all(&mut sockets) => panic!("{error}"),
    }
}
