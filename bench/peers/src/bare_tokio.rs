//! tokio without a protocol: what is left of the ceiling once tasks and wakers are paid for.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::raw_epoll::Rewriter;
use crate::serve::serve;
use crate::{Mode, Outcome, handshake};

/// Per connection, so smaller than the raw loop's shared one.
const READ_BYTES: usize = 64 << 10;

pub(crate) fn run(address: SocketAddr, _: Mode) -> Outcome {
    serve(address, echo)
}

async fn echo(mut stream: TcpStream) -> Outcome {
    let mut request = Vec::new();
    let rest = loop {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
        if let Some((answer, used)) = handshake::answer(&request) {
            stream.write_all(&answer).await?;
            break request.split_off(used);
        }
    };
    let mut rewriter = Rewriter::default();
    if !rest.is_empty() {
        let mut output = vec![0; rest.len() + 16];
        let made = rewriter.rewrite(&rest, &mut output);
        stream.write_all(&output[..made]).await?;
    }
    drop((request, rest));
    // Shared by all connections of the thread: a buffer is only filled and emptied between two
    // waits, so that only what could not be written is a connection's own.
    loop {
        stream.readable().await?;
        let unsent = BUFFERS.with_borrow_mut(|(input, output)| -> std::io::Result<_> {
            let got = match stream.try_read(input) {
                Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                Ok(got) => got,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    return Ok(Vec::new());
                }
                Err(error) => return Err(error),
            };
            let made = rewriter.rewrite(&input[..got], output);
            let sent = match stream.try_write(&output[..made]) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => 0,
                other => other?,
            };
            Ok(output[sent..made].to_vec())
        })?;
        stream.write_all(&unsent).await?;
    }
}

thread_local! {
    static BUFFERS: std::cell::RefCell<(Vec<u8>, Vec<u8>)> =
        std::cell::RefCell::new((vec![0; READ_BYTES], vec![0; READ_BYTES + 16]));
}
