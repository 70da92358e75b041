//! A server to ask, and the ways to ask it.

pub(crate) mod door;
pub(crate) mod exposition;
pub(crate) mod framed;
pub(crate) mod http;
pub(crate) mod http2;
pub(crate) mod liar;
pub(crate) mod server;
pub(crate) mod subscriber;
pub(crate) mod tapped;
pub(crate) mod tls;
pub(crate) mod websocket;
pub(crate) mod webtransport;

use std::future::Future;
use std::time::Duration;

/// Whatever is waited for comes within this time, even on a busy machine, or the test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Waits for `future`, but not for ever.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not come within {DEADLINE:?}"),
    }
}

/// Asks again and again until `ask` gives something.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    soon(what, async {
        loop {
            if let Some(value) = ask().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}
