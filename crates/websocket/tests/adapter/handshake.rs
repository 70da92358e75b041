//! The handshake on a stream, where the two ends do not simply say yes.

use futures_util::future::join;
use tidings_websocket::Event;
use tidings_websocket::handshake::head::{self, Incoming};
use tidings_websocket::handshake::{client, server};
use tidings_websocket::tokio::{Connected, HandshakeError, Options, open};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use crate::support::in_time;

// As the client

/// What a client makes of `before`, a 101 and a message "hello", which come `piece` bytes at a time.
async fn open_after(
    before: &[u8],
    piece: usize,
) -> Result<Connected<DuplexStream>, HandshakeError> {
    let (ours, mut theirs) = duplex(1 << 20);
    let uri = "ws://example.org/".parse().unwrap();
    let offer = client::Options::default();
    let serve = async {
        let mut request = Incoming::new();
        let request = loop {
            theirs.read_buf(&mut request.room()).await.unwrap();
            if let Some((request, _)) = request.parse(head::parse_request).unwrap() {
                break request;
            }
        };
        let accepted = server::accept(&request, &server::Options::default()).unwrap();
        let yes = head::write_response(&accepted.response());
        for piece in [before, &yes, b"\x81\x05hello"].concat().chunks(piece) {
            theirs.write_all(piece).await.unwrap();
            // The client, which waits for it, has the thread now.
            tokio::task::yield_now().await;
        }
    };
    let ((), opened) = in_time(join(serve, open(ours, &uri, &offer, Options::default()))).await;
    opened
}

#[tokio::test]
async fn a_client_reads_past_interim_answers_in_any_pieces() {
    let interim = b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n\
                    HTTP/1.1 102 Processing\r\n\r\n";
    for piece in [1, 2, 7, 50, 1000] {
        let mut connected = open_after(interim, piece).await.unwrap();
        assert_eq!(connected.response.status(), 101, "pieces of {piece}");
        let event = in_time(connected.websocket.recv()).await.unwrap();
        assert_eq!(event, Some(Event::from("hello")), "pieces of {piece}");
    }
}

#[tokio::test]
async fn a_client_reads_so_many_interim_answers_and_no_more() {
    for (number, expected) in [(7, None), (8, None), (9, Some(103))] {
        let interim = b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(number);
        let status = open_after(&interim, 1000).await.err();
        let status = status.map(|error| error.status().unwrap().as_u16());
        assert_eq!(status, expected, "{number}");
    }
}
