//! Connections that are few, for what lives beside the shards: accepted up to a number at a time; more wait.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::sleep;

/// How long to wait when the system has no more descriptors.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Has `carry` carry what `listener` accepts, at most `max` at a time, for as long as the runtime lives. `what`
/// is what such a connection is called when it fails.
pub(crate) async fn accept<C, F>(listener: TcpListener, max: usize, what: &'static str, carry: C)
where
    C: Fn(TcpStream) -> F,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(max));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return; // it is never closed
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let carried = carry(stream);
                tokio::spawn(async move {
                    if let Err(error) = carried.await {
                        tracing::debug!(%error, "{what} failed");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept what would be {what}");
                sleep(ACCEPT_AGAIN_AFTER).await;
            }
        }
    }
}
