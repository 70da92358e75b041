//! Following a stream of server-sent events.

use http_body_util::BodyExt;
use hyper::body::Incoming;
use tidings_wire::Format;
use tokio::time::{Instant, timeout};

use super::super::super::client::{ANSWER_WITHIN, Client, Failure};
use super::super::message::read;
use super::{Door, Never, Seat};
use crate::cli::load::lines::Lines;

/// One whose `hello` has come.
pub(in super::super) struct Follower {
    body: Incoming,
    lines: Lines,
    /// The connection lives as long as who asked on it.
    _client: Client,
}

/// Opens a client.
pub(super) async fn open(door: &Door) -> Result<Follower, Failure> {
    let mut client = door.another();
    let path = door.events();
    let response = client.get(&path, "text/event-stream", ANSWER_WITHIN);
    let mut body = response.await?.into_body();
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
    Ok(Follower {
        body,
        lines,
        _client: client,
    })
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

impl Follower {
    /// Reads until the stream ends; gives why.
    pub(super) async fn read(mut self, seat: &Seat) -> String {
        let Err(broken) = self.read_on(seat).await;
        broken
    }

    async fn read_on(&mut self, seat: &Seat) -> Result<Never, String> {
        loop {
            let bytes = next(&mut self.body).await?;
            let now = Instant::now();
            let mut taken = Ok(());
            self.lines.push(&bytes, |line| {
                // An event is one line of JSON here, whatever its name and its id.
                if let Some(json) = line.strip_prefix(b"data: ")
                    && taken.is_ok()
                {
                    taken = read(Format::Json, json).and_then(|said| seat.take(&said, now));
                }
            });
            taken?;
        }
    }
}
