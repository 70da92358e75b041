//! What the peers on tokio share: one thread, one task per connection.

use std::future::Future;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

use crate::Outcome;

/// Accepts for ever; each connection runs in a task of its own.
///
/// The tasks are `unconstrained`, as the examples of fastwebsockets and tokio-websockets have
/// them: without it tokio's budget ends a turn after 128 operations, which costs some per cent.
pub(crate) fn serve<F>(address: SocketAddr, echo: impl Fn(TcpStream) -> F) -> Outcome
where
    F: Future<Output = Outcome> + 'static,
{
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async {
        let listener = TcpListener::bind(address).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let echo = echo(stream);
            tokio::task::spawn_local(tokio::task::unconstrained(async move {
                // That a client went away is not worth a word.
                let _ = echo.await;
            }));
        }
    })
}
