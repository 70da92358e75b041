//! Connections that are few, for what lives beside the shards: up to a number at a time; of more, the oldest gives
//! way.

use std::io;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::places::Places;

/// How long to wait when the system has no more descriptors: others must end first.
pub(crate) const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Has `carry` carry what `listener` accepts, at most `max` at a time, for as long as the runtime lives. `what`
/// is what such a connection is called when it fails.
pub(crate) async fn accept<C, F>(listener: TcpListener, max: usize, what: &'static str, carry: C)
where
    C: Fn(TcpStream) -> F,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let places = Places::default();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let carried = carry(stream);
                let place = places.take_of(max);
                tokio::spawn(async move {
                    let carried = tokio::select! {
                        carried = carried => carried,
                        () = place => return tracing::debug!("{what} has made room for another"),
                    };
                    if let Err(error) = carried {
                        tracing::debug!(%error, "{what} failed");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept what would be {what}");
                sleep(ACCEPT_AGAIN_AFTER).await;
            }
        }
    }
}
