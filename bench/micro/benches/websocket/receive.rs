//! The whole way of receiving: from bytes as a client sent them to text messages.
//!
//! Every peer reads the same endless stream out of memory, so that what a read costs in the kernel
//! is missing, and copying what was read is not.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use futures_util::{FutureExt, StreamExt};
use tidings_websocket::{Connection, tokio::WebSocket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::SIZES;

/// Messages that are received per turn of the clock: what one read of the loop may bring, and at
/// least one.
fn count(size: usize) -> usize {
    ((64 << 10) / size).clamp(1, 64)
}

/// A client that sends the same messages for ever, and takes whatever it is sent.
struct Client {
    frames: Vec<u8>,
    position: usize,
}

impl Client {
    fn new(size: usize) -> Self {
        const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
        let mut frame = vec![0x81];
        match size {
            0..=125 => frame.push(0x80 | size as u8),
            126..=0xffff => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(size as u16).to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 127);
                frame.extend_from_slice(&(size as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(&KEY);
        frame.extend((0..size).map(|index| b'a' ^ KEY[index % 4]));
        Self {
            frames: frame.repeat(count(size)),
            position: 0,
        }
    }

    fn copy(&mut self, to: &mut [u8]) -> usize {
        let count = to.len().min(self.frames.len() - self.position);
        to[..count].copy_from_slice(&self.frames[self.position..self.position + count]);
        self.position = (self.position + count) % self.frames.len();
        count
    }
}

impl Read for Client {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.copy(buffer))
    }
}

impl Write for Client {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Client {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let count = self.copy(buffer.initialize_unfilled());
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Receives as many messages as `Client` repeats; `next` gives the length of one.
fn received(bencher: Bencher<'_, '_>, size: usize, mut next: impl FnMut() -> usize) {
    bencher
        .counter(ItemsCount::new(count(size)))
        .counter(BytesCount::new(count(size) * size))
        .bench_local(|| {
            for _ in 0..count(size) {
                assert_eq!(black_box(next()), size);
            }
        });
}

/// What is always ready; where a peer lets others have their turn it is asked again.
fn now<T>(mut future: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(value) = future() {
            return value;
        }
    }
}

/// The core on its own, as the server loop drives it: one buffer that is read into and handled.
#[divan::bench(args = SIZES)]
fn tidings_core(bencher: Bencher<'_, '_>, size: usize) {
    let mut client = Client::new(size);
    let mut connection = Connection::server(tidings_websocket::Config::default());
    let mut buffer = vec![0; client.frames.len()];
    bencher
        .counter(ItemsCount::new(count(size)))
        .counter(BytesCount::new(count(size) * size))
        .bench_local(|| {
            let read = client.copy(&mut buffer);
            let mut input = &mut buffer[..read];
            let mut messages = 0;
            while let Some(event) = connection
                .receive(&mut input)
                .expect("what is sent is right")
            {
                black_box(&event);
                messages += 1;
            }
            assert_eq!(messages, count(size));
        });
}

#[divan::bench(args = SIZES)]
fn tidings_recv(bencher: Bencher<'_, '_>, size: usize) {
    let mut websocket = WebSocket::server(Client::new(size), [], Default::default());
    received(bencher, size, || {
        let event = now(|| websocket.recv().now_or_never());
        match event.expect("what is sent is right") {
            Some(tidings_websocket::Event::Text(text)) => text.len(),
            _ => 0,
        }
    });
}

#[divan::bench(args = SIZES)]
fn tungstenite(bencher: Bencher<'_, '_>, size: usize) {
    use tungstenite::protocol::{Role, WebSocket};
    let mut websocket = WebSocket::from_raw_socket(Client::new(size), Role::Server, None);
    received(bencher, size, || {
        websocket.read().expect("what is sent is right").len()
    });
}

#[divan::bench(args = SIZES)]
fn fastwebsockets(bencher: Bencher<'_, '_>, size: usize) {
    use fastwebsockets::{FragmentCollector, Role, WebSocket};
    let mut websocket =
        FragmentCollector::new(WebSocket::after_handshake(Client::new(size), Role::Server));
    received(bencher, size, || {
        let frame = now(|| websocket.read_frame().now_or_never());
        frame.expect("what is sent is right").payload.len()
    });
}

#[divan::bench(args = SIZES)]
fn tokio_websockets(bencher: Bencher<'_, '_>, size: usize) {
    let mut websocket = tokio_websockets::ServerBuilder::new().serve(Client::new(size));
    received(bencher, size, || {
        let message = now(|| websocket.next().now_or_never()).expect("it has no end");
        message.expect("what is sent is right").as_payload().len()
    });
}

#[divan::bench(args = SIZES)]
fn yawc(bencher: Bencher<'_, '_>, size: usize) {
    use yawc::{Options, Role, WebSocket};
    let options = Options::default()
        .with_utf8()
        .with_limits(16 << 20, 32 << 20);
    let mut websocket = WebSocket::from_stream(Client::new(size), Role::Server, options)
        .expect("there is no extension to be wrong about");
    received(bencher, size, || {
        now(|| websocket.next().now_or_never())
            .expect("it has no end")
            .payload()
            .len()
    });
}
