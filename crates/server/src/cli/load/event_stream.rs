//! A stream of server-sent events that is read for as long as it lasts.

use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout};

use super::lines::Lines;
use crate::cli::client::{ANSWER_WITHIN, Client, Failure};

/// One whose `hello` has come.
pub(in crate::cli) struct EventStream {
    body: Incoming,
    lines: Lines,
    /// The connection lives as long as who asked on it.
    _client: Client,
}

impl EventStream {
    /// Asks for `path`: when it returns, whatever is published from then on comes.
    pub(in crate::cli) async fn open(mut client: Client, path: &str) -> Result<Self, Failure> {
        let response = client.get(path, "text/event-stream", ANSWER_WITHIN).await?;
        let mut body = response.into_body();
        let mut lines = Lines::default();
        let mut has_begun = false;
        let beginning = async {
            while !has_begun {
                let bytes = next(&mut body).await.map_err(Failure::passing)?;
                // The hello is the first event; messages come behind it.
                lines.push(&bytes, |line| has_begun |= line == b"event: hello");
            }
            Ok(())
        };
        timeout(ANSWER_WITHIN, beginning)
            .await
            .unwrap_or_else(|_| Err(Failure::passing("no hello in time")))?;
        Ok(Self {
            body,
            lines,
            _client: client,
        })
    }

    /// Hands out the JSON of each event until the stream ends, or `take` has enough; gives why.
    pub(in crate::cli) async fn read(
        &mut self,
        mut take: impl FnMut(&[u8], Instant) -> Result<(), String>,
    ) -> String {
        loop {
            let bytes = match next(&mut self.body).await {
                Ok(bytes) => bytes,
                Err(broken) => return broken,
            };
            let now = Instant::now();
            let mut taken = Ok(());
            self.lines.push(&bytes, |line| {
                // An event is one line of JSON here, whatever its name and its id.
                if let Some(json) = line.strip_prefix(b"data: ")
                    && taken.is_ok()
                {
                    taken = take(json, now);
                }
            });
            if let Err(enough) = taken {
                return enough;
            }
        }
    }
}

/// The next bytes of the stream.
async fn next(body: &mut Incoming) -> Result<bytes::Bytes, String> {
    loop {
        match body.frame().await {
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(data);
                }
            }
            Some(Err(error)) => return Err(error.to_string()),
            None => return Err("the stream ended".to_owned()),
        }
    }
}
