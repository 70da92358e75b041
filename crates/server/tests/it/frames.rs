//! Frames of HTTP/2 that break a rule (RFC 9113, sections 4 to 6 and 8): each ends its stream, or all of its connection, and
//! says with which code.

use crate::support::framed::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Framed, GOAWAY, HEADERS, PADDED, PING,
    PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, get, post,
};
use crate::support::server::Server;

/// RFC 9113, section 7.
const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const FRAME_SIZE_ERROR: u32 = 6;

/// The h2 crate's code for what it cannot read, or reads where a stream is over. The RFC has others for some of
/// it (`FRAME_SIZE_ERROR`, `COMPRESSION_ERROR`, `STREAM_CLOSED`), and some of it need cost no more than a stream.
const UNREADABLE: u32 = PROTOCOL_ERROR;

const CANCEL: [u8; 4] = [0, 0, 0, 8];
const WHOLE: u8 = END_STREAM | END_HEADERS;

/// The largest frame that is taken, which is the least that the RFC allows.
const FRAME_BYTES_MAX: usize = 16 << 10;

/// The largest window.
const WINDOW_MAX: u32 = (1 << 31) - 1;

/// A stream that waits for its body.
fn opened() -> Vec<u8> {
    frame(HEADERS, END_HEADERS, 1, &post("/v1/channels/a/messages"))
}

/// One setting.
fn setting(name: u16, value: u32) -> Vec<u8> {
    let bytes = [&name.to_be_bytes()[..], &value.to_be_bytes()].concat();
    frame(SETTINGS, 0, 0, &bytes)
}

/// A request with one field more, `name: value`.
fn with_field(name: &str, value: &str) -> Vec<u8> {
    let mut fields = get("/healthz");
    fields.push(0);
    for text in [name, value] {
        fields.push(u8::try_from(text.len()).unwrap());
        fields.extend(text.bytes());
    }
    fields
}

fn window(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

#[tokio::test]
async fn what_breaks_the_rules_of_the_connection_ends_it_and_says_why() {
    let server = Server::start();
    let now = server.get("/v1/events?channel=a").await.json();
    let now = now["cursor"].as_str().unwrap();
    // Its stream is open on our side, for the answer waits, and says nothing more on the client's.
    let poll = get(&format!("/v1/events?channel=a&wait=60&after={now}"));
    let asked = &frame(HEADERS, WHOLE, 1, &poll)[..];
    let opened = &opened()[..];
    let large = vec![0; FRAME_BYTES_MAX + 1];
    let whole = |stream, fields: &[u8]| frame(HEADERS, WHOLE, stream, fields);
    let unended = &frame(HEADERS, 0, 1, &get("/"))[..];
    let promise = [&[0, 0, 0, 2][..], &get("/")].concat();
    for (what, before, breach, code) in [
        (
            "4.2: DATA too large",
            opened,
            frame(DATA, 0, 1, &large),
            FRAME_SIZE_ERROR,
        ),
        (
            "4.2: HEADERS too large",
            b"",
            whole(1, &large),
            FRAME_SIZE_ERROR,
        ),
        (
            "4.3: a block that is none",
            b"",
            whole(1, &[0x80]),
            UNREADABLE,
        ),
        (
            "4.3: a frame within a block",
            unended,
            frame(PING, 0, 0, &[0; 8]),
            PROTOCOL_ERROR,
        ),
        (
            "5.1: DATA of no stream",
            b"",
            frame(DATA, 0, 1, b"x"),
            PROTOCOL_ERROR,
        ),
        (
            "5.1: RST_STREAM of none",
            b"",
            frame(RST_STREAM, 0, 1, &CANCEL),
            PROTOCOL_ERROR,
        ),
        (
            "5.1: WINDOW_UPDATE of none",
            b"",
            window(1, 1),
            PROTOCOL_ERROR,
        ),
        (
            "5.1: DATA behind the end",
            asked,
            frame(DATA, 0, 1, b"x"),
            UNREADABLE,
        ),
        (
            "5.1: HEADERS behind the end",
            asked,
            whole(1, &get("/")),
            UNREADABLE,
        ),
        (
            "5.1.1: a number of ours",
            b"",
            whole(2, &get("/")),
            PROTOCOL_ERROR,
        ),
        (
            "5.1.1: a number below",
            &whole(5, &get("/")),
            whole(3, &get("/")),
            PROTOCOL_ERROR,
        ),
        (
            "6.1: DATA of stream 0",
            b"",
            frame(DATA, 0, 0, b"x"),
            PROTOCOL_ERROR,
        ),
        (
            "6.1: more padding than DATA",
            opened,
            frame(DATA, PADDED, 1, &[5, 0]),
            PROTOCOL_ERROR,
        ),
        (
            "6.2: HEADERS of stream 0",
            b"",
            whole(0, &get("/")),
            PROTOCOL_ERROR,
        ),
        (
            "6.2: more padding than HEADERS",
            b"",
            frame(HEADERS, WHOLE | PADDED, 1, &[200, 0x82]),
            PROTOCOL_ERROR,
        ),
        (
            "6.3: PRIORITY of stream 0",
            b"",
            frame(PRIORITY, 0, 0, &[0; 5]),
            PROTOCOL_ERROR,
        ),
        (
            "6.3: PRIORITY of 4 bytes",
            asked,
            frame(PRIORITY, 0, 1, &[0; 4]),
            UNREADABLE,
        ),
        (
            "6.4: RST_STREAM of stream 0",
            b"",
            frame(RST_STREAM, 0, 0, &CANCEL),
            PROTOCOL_ERROR,
        ),
        (
            "6.4: RST_STREAM of 3 bytes",
            opened,
            frame(RST_STREAM, 0, 1, &[0; 3]),
            UNREADABLE,
        ),
        (
            "6.5: SETTINGS of a stream",
            b"",
            frame(SETTINGS, 0, 1, b""),
            PROTOCOL_ERROR,
        ),
        (
            "6.5: SETTINGS of 5 bytes",
            b"",
            frame(SETTINGS, 0, 0, &[0; 5]),
            UNREADABLE,
        ),
        (
            "6.5: an ACK with settings",
            b"",
            frame(SETTINGS, ACK, 0, &[0; 6]),
            UNREADABLE,
        ),
        (
            "6.5.2: ENABLE_PUSH of 2",
            b"",
            setting(2, 2),
            PROTOCOL_ERROR,
        ),
        (
            "6.5.2: INITIAL_WINDOW_SIZE of 2^31",
            b"",
            setting(4, 1 << 31),
            UNREADABLE,
        ),
        (
            "6.5.2: MAX_FRAME_SIZE too small",
            b"",
            setting(5, (16 << 10) - 1),
            PROTOCOL_ERROR,
        ),
        (
            "6.5.2: MAX_FRAME_SIZE too large",
            b"",
            setting(5, 1 << 24),
            PROTOCOL_ERROR,
        ),
        (
            "6.6: PUSH_PROMISE of a client",
            opened,
            frame(PUSH_PROMISE, END_HEADERS, 1, &promise),
            PROTOCOL_ERROR,
        ),
        (
            "6.7: PING of a stream",
            b"",
            frame(PING, 0, 1, &[0; 8]),
            PROTOCOL_ERROR,
        ),
        (
            "6.7: PING of 7 bytes",
            b"",
            frame(PING, 0, 0, &[0; 7]),
            UNREADABLE,
        ),
        (
            "6.8: GOAWAY of a stream",
            b"",
            frame(GOAWAY, 0, 1, &[0; 8]),
            PROTOCOL_ERROR,
        ),
        (
            "6.8: GOAWAY of 7 bytes",
            b"",
            frame(GOAWAY, 0, 0, &[0; 7]),
            UNREADABLE,
        ),
        ("6.9: WINDOW_UPDATE of 0", b"", window(0, 0), PROTOCOL_ERROR),
        ("6.9: the same of a stream", asked, window(1, 0), UNREADABLE),
        (
            "6.9: WINDOW_UPDATE of 3 bytes",
            b"",
            frame(WINDOW_UPDATE, 0, 0, &[0; 3]),
            UNREADABLE,
        ),
        (
            "6.9.1: a window over 2^31",
            b"",
            window(0, WINDOW_MAX),
            FLOW_CONTROL_ERROR,
        ),
        (
            "6.9.2: the same by a setting",
            &[opened, &window(1, WINDOW_MAX - 65_535)].concat(),
            setting(4, 65_536),
            FLOW_CONTROL_ERROR,
        ),
        (
            "6.10: CONTINUATION of nothing",
            opened,
            frame(CONTINUATION, END_HEADERS, 1, b""),
            PROTOCOL_ERROR,
        ),
        (
            "6.10: CONTINUATION of another",
            unended,
            frame(CONTINUATION, END_HEADERS, 3, b""),
            PROTOCOL_ERROR,
        ),
        (
            "8.2: a name in capitals",
            b"",
            whole(1, &with_field("X", "y")),
            UNREADABLE,
        ),
        (
            "8.3: an unknown pseudo-field",
            b"",
            whole(1, &with_field(":x", "y")),
            UNREADABLE,
        ),
    ] {
        let mut framed = Framed::open(server.address(), &[]).await;
        framed.write(&[before, &breach].concat()).await;
        let goaway = framed.next_of(GOAWAY).await;
        assert_eq!(goaway.map(|goaway| goaway.code()), Some(code), "{what}");
        framed.ended().await;
    }
}

#[tokio::test]
async fn what_breaks_the_rules_of_a_stream_ends_that_alone() {
    let server = Server::start();
    let now = server.get("/v1/events?channel=a").await.json();
    let now = now["cursor"].as_str().unwrap();
    let poll = get(&format!("/v1/events?channel=a&wait=60&after={now}"));
    let asked = frame(HEADERS, WHOLE, 1, &poll);
    let head = |fields: &[u8]| frame(HEADERS, WHOLE, 1, fields);
    let late_path = [&with_field("x", "y")[..], &[0x84]].concat();
    // `content-length: 9`, its name by its number in the static table.
    let short = [&post("/v1/channels/a/messages")[..], &[0x0F, 0x0D, 1, b'9']].concat();
    let short = frame(HEADERS, END_HEADERS, 1, &short);
    for (what, breach, code) in [
        (
            "6.9.1: a window over 2^31",
            [asked, window(1, WINDOW_MAX)].concat(),
            FLOW_CONTROL_ERROR,
        ),
        (
            "8.1: trailers that do not end",
            [
                opened(),
                frame(HEADERS, END_HEADERS, 1, &[0, 1, b'x', 1, b'y']),
            ]
            .concat(),
            PROTOCOL_ERROR,
        ),
        (
            "8.1.1: less than was promised",
            [short, frame(DATA, END_STREAM, 1, b"x")].concat(),
            PROTOCOL_ERROR,
        ),
        (
            "8.2.2: a connection's field",
            head(&with_field("connection", "close")),
            PROTOCOL_ERROR,
        ),
        ("8.2.2: TE", head(&with_field("te", "gzip")), PROTOCOL_ERROR),
        (
            "8.3: an answer's pseudo-field",
            head(&with_field(":status", "200")),
            PROTOCOL_ERROR,
        ),
        (
            "8.3: a pseudo-field twice",
            head(&with_field(":path", "/")),
            PROTOCOL_ERROR,
        ),
        (
            "8.3: a pseudo-field behind others",
            head(&late_path),
            PROTOCOL_ERROR,
        ),
        ("8.3.1: an empty path", head(&get("")), PROTOCOL_ERROR),
    ] {
        let mut framed = Framed::open(server.address(), &[]).await;
        framed.write(&breach).await;
        let reset = framed.next_of(RST_STREAM).await.expect(what);
        assert_eq!((reset.stream, reset.code()), (1, code), "{what}");
        let healthz = frame(HEADERS, WHOLE, 3, &get("/healthz"));
        framed.write(&healthz).await;
        assert_eq!(framed.next_of(HEADERS).await.unwrap().stream, 3, "{what}");
    }
}
