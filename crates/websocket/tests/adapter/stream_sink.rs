//! The connection as a `Stream` and a `Sink`.

use std::time::Duration;

use futures_util::future::{poll_immediate, ready};
use futures_util::{Sink, SinkExt, Stream, StreamExt as _, TryStreamExt as _};
use tidings_websocket::tokio::{Error, Options, WebSocket};
use tidings_websocket::{Close, CloseCode, Event, SendError, keepalive};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use crate::support::{Endless, close, in_time, pair, pair_with, text};

#[tokio::test]
async fn a_thousand_that_are_fed_and_flushed_once_go_out_in_one_write() {
    let stream = Endless::new(b"");
    let mut websocket = WebSocket::server(stream, Vec::new(), Options::default());
    for _ in 0..1000 {
        SinkExt::feed(&mut websocket, Event::from("hi"))
            .await
            .unwrap();
    }
    assert_eq!(
        (websocket.stream().writes, websocket.unsent_bytes()),
        (0, 4000)
    );
    SinkExt::flush(&mut websocket).await.unwrap();
    assert_eq!(
        (websocket.stream().writes, websocket.unsent_bytes()),
        (1, 0)
    );
}

#[tokio::test]
async fn send_all_writes_once_for_what_is_ready() {
    let stream = Endless::new(b"");
    let mut websocket = WebSocket::server(stream, Vec::new(), Options::default());
    let events = (0..1000).map(|_| Ok(Event::from("hi")));
    let mut events = futures_util::stream::iter(events);
    websocket.send_all(&mut events).await.unwrap();
    assert_eq!(
        (websocket.stream().writes, websocket.unsent_bytes()),
        (1, 0)
    );
}

#[tokio::test]
async fn a_sink_waits_only_when_the_unsent_limit_is_reached() {
    let options = Options {
        unsent_bytes_max: 1000,
        ..Options::default()
    };
    let (mut websocket, mut theirs) = pair_with(16, options);
    let mut fed = 0;
    while let Some(outcome) =
        poll_immediate(SinkExt::feed(&mut websocket, Event::from(vec![0; 98]))).await
    {
        outcome.unwrap();
        fed += 1;
    }
    // Eleven of 100 bytes are more than the limit; then 16 found room in the pipe.
    assert_eq!((fed, websocket.unsent_bytes()), (11, 1084));
    let mut read = vec![0; 100];
    let waiting = SinkExt::feed(&mut websocket, Event::from(vec![0; 98]));
    let (outcome, _) = in_time(futures_util::future::join(
        waiting,
        theirs.read_exact(&mut read),
    ))
    .await;
    outcome.unwrap();
}

#[tokio::test]
async fn a_split_connection_echoes_by_forward() {
    let (websocket, mut theirs) = pair(1 << 20);
    let (sink, stream) = websocket.split();
    let echo = stream
        .try_filter(|event| ready(event.is_message()))
        .forward(sink);
    let talk = async {
        theirs.write_all(&text("hi").repeat(100)).await.unwrap();
        let mut echoed = vec![0; 400];
        theirs.read_exact(&mut echoed).await.unwrap();
        theirs.write_all(&close()).await.unwrap();
        let mut answer = [0; 4];
        theirs.read_exact(&mut answer).await.unwrap();
        (echoed, answer)
    };
    let (outcome, (echoed, answer)) = in_time(futures_util::future::join(echo, talk)).await;
    outcome.unwrap();
    assert_eq!(echoed, b"\x81\x02hi".repeat(100));
    assert_eq!(&answer, b"\x88\x02\x03\xe8");
}

#[tokio::test]
async fn a_stream_forwarded_whole_ends_in_order() {
    let (websocket, mut theirs) = pair(1 << 20);
    let (sink, stream) = websocket.split();
    let mut forward = stream.forward(sink);
    // The sink of a split stream holds one event back until it is polled again, so a Close right
    // after a message would come before its echo is sent.
    for bytes in [text("hi"), close()] {
        theirs.write_all(&bytes).await.unwrap();
        if let Some(outcome) = poll_immediate(&mut forward).await {
            return outcome.unwrap();
        }
    }
    in_time(forward).await.unwrap();
}

#[tokio::test]
async fn closing_the_sink_says_goodbye_and_the_stream_brings_the_answer() {
    let (websocket, mut theirs) = pair(1 << 20);
    let (mut sink, stream) = websocket.split();
    in_time(sink.close()).await.unwrap();
    assert!(matches!(
        sink.send(Event::from("late")).await,
        Err(Error::Send(SendError::Closed))
    ));
    in_time(sink.close()).await.unwrap();
    let mut goodbye = [0; 4];
    in_time(theirs.read_exact(&mut goodbye)).await.unwrap();
    assert_eq!(&goodbye, b"\x88\x02\x03\xe8");
    theirs
        .write_all(&[text("still"), close()].concat())
        .await
        .unwrap();
    let events: Vec<_> = in_time(stream.try_collect::<Vec<_>>()).await.unwrap();
    let last = Event::Close(Close::new(CloseCode::NORMAL, ""));
    assert_eq!(events, [Event::from("still"), last]);
}

#[tokio::test]
async fn a_sender_is_woken_though_the_receiver_that_took_its_place_has_left() {
    let (websocket, mut theirs) = pair(16);
    let (mut sink, mut stream) = websocket.split();
    let sender = tokio::spawn(async move {
        sink.send(Event::from(vec![0; 1000])).await.unwrap();
    });
    tokio::task::yield_now().await; // the sender waits until it can write
    let receiver = tokio::spawn(async move { stream.next().await });
    tokio::task::yield_now().await; // the receiver writes, too, and waits after it
    receiver.abort();
    let mut read = vec![0; 1004];
    in_time(theirs.read_exact(&mut read)).await.unwrap();
    in_time(sender).await.unwrap();
}

#[tokio::test]
async fn a_receiver_held_up_by_unsent_bytes_goes_on_when_a_sender_has_written_them() {
    let options = Options {
        unsent_bytes_max: 100,
        ..Options::default()
    };
    let (websocket, mut theirs) = pair_with(64, options);
    let (mut sink, mut stream) = websocket.split();
    sink.feed(Event::from(vec![0; 1000])).await.unwrap();
    let receiver = tokio::spawn(async move { stream.next().await });
    tokio::task::yield_now().await;
    let sender = tokio::spawn(async move { sink.flush().await });
    tokio::task::yield_now().await;
    theirs.write_all(&text("hello")).await.unwrap();
    let mut read = vec![0; 1004];
    in_time(theirs.read_exact(&mut read)).await.unwrap();
    in_time(sender).await.unwrap().unwrap();
    let event = in_time(receiver).await.unwrap();
    assert_eq!(event.unwrap().unwrap(), Event::from("hello"));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_waits_gives_up_on_a_peer_that_a_sender_has_closed() {
    let (websocket, _theirs) = pair(1 << 20);
    let (mut sink, mut stream) = websocket.split();
    let receiver = tokio::spawn(async move { stream.next().await });
    tokio::task::yield_now().await;
    let begin = tokio::time::Instant::now();
    sink.close().await.unwrap();
    let event = in_time(receiver).await.unwrap();
    assert_eq!(event.unwrap().unwrap(), Event::Close(Close::abnormal()));
    let within = keepalive::Options::default().closing_within;
    assert!(begin.elapsed() < within + Duration::from_secs(1));
}

#[test]
fn a_connection_and_its_halves_can_be_sent_to_other_threads() {
    fn check<T: Send + Unpin>(_: impl Fn() -> T) {}
    fn stream()
    -> impl Stream<Item = Result<Event<'static>, Error>> + Sink<Event<'static>, Error = Error> {
        pair(1).0
    }
    check(|| -> WebSocket<DuplexStream> { pair(1).0 });
    check(|| stream().split());
}
