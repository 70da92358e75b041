//! Following by polls, long or short.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::super::super::client::{ANSWER_WITHIN, Client, Failure, body};
use super::super::payload::Said;
use super::Seat;

/// When a poll is answered, and when the next one goes out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rhythm {
    /// How long the server waits for something to happen.
    wait: Duration,
    /// Between an answer without more to come and the next poll.
    pause: Duration,
}

/// As `tidings subscribe` does: shorter than most proxies' patience.
pub(super) const LONG: Rhythm = Rhythm {
    wait: Duration::from_secs(25),
    pause: Duration::ZERO,
};

/// As `tidings subscribe` does: every second, which is then most of the latency.
pub(super) const SHORT: Rhythm = Rhythm {
    wait: Duration::ZERO,
    pause: Duration::from_secs(1),
};

/// How long after a failed poll the next one is tried, where the server does not say.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The most events of an answer: as many as a server gives.
const EVENTS_MAX: u32 = 1000;

/// One that knows where "now" is.
pub(in super::super) struct Follower {
    client: Client,
    path: String,
    cursor: String,
    rhythm: Rhythm,
}

#[derive(Deserialize)]
struct Answer<'a> {
    cursor: String,
    #[serde(borrow)]
    events: Vec<Said<'a>>,
    more: bool,
}

/// Opens a client of `channel`.
pub(super) async fn follow(
    client: Client,
    channel: &str,
    rhythm: Rhythm,
) -> Result<Follower, Failure> {
    let mut follower = Follower {
        client,
        path: format!(
            "/v1/events?channel={}&limit={EVENTS_MAX}",
            Client::encode(channel)
        ),
        cursor: String::new(),
        rhythm,
    };
    let path = follower.path.clone();
    let answer = follower.client.get(&path, JSON, ANSWER_WITHIN).await?;
    let bytes = body(answer).await?;
    follower.cursor = parse(&bytes).map_err(Failure::passing)?.cursor;
    Ok(follower)
}

const JSON: &str = "application/json";

fn parse(bytes: &[u8]) -> Result<Answer<'_>, String> {
    serde_json::from_slice(bytes)
        .map_err(|error| format!("the answer is not from a Tidings server: {error}"))
}

impl Follower {
    /// Polls until it is told not to; gives why. The cursor makes up for what passes by itself.
    pub(super) async fn read(mut self, seat: &Seat) -> String {
        // Clients that were opened together do not all ask at the same moment for ever.
        sleep(self.rhythm.pause.mul_f64(fastrand::f64())).await;
        loop {
            match self.poll().await {
                Ok(bytes) => match self.take(&bytes, seat) {
                    Ok(true) => {}
                    Ok(false) => sleep(self.rhythm.pause).await,
                    Err(broken) => return broken,
                },
                Err(Failure::Passing { message, after }) => {
                    seat.tally.borrow_mut().repeat_poll(message);
                    sleep(after.unwrap_or(AGAIN_AFTER)).await;
                }
                Err(Failure::Lasting(fault)) => return fault.to_string(),
            }
        }
    }

    async fn poll(&mut self) -> Result<bytes::Bytes, Failure> {
        let (path, cursor, wait) = (&self.path, &self.cursor, self.rhythm.wait);
        let path = format!("{path}&wait={}&after={cursor}", wait.as_secs());
        let response = self.client.get(&path, JSON, wait + ANSWER_WITHIN).await?;
        body(response).await
    }

    /// Whether there is more.
    fn take(&mut self, bytes: &[u8], seat: &Seat) -> Result<bool, String> {
        let now = Instant::now();
        let answer = parse(bytes)?;
        for said in &answer.events {
            seat.take_said(said, now)?;
        }
        self.cursor = answer.cursor;
        Ok(answer.more)
    }
}
