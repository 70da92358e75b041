//! Following by polls, long or short.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use tidings_wire::Format;
use tokio::time::{Instant, sleep, sleep_until};

use super::super::super::client::{ANSWER_WITHIN, Client, Failure, body};
use super::super::message::{Said, read};
use super::{Door, Seat};

/// How long the server may hold a long poll: shorter than most proxies' patience.
const WAIT: Duration = Duration::from_secs(25);

/// How long after a poll that failed the next one goes out, where the server does not say.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The most events of an answer: as many as a server gives.
const EVENTS_MAX: u32 = 1000;

/// One that knows where "now" is.
pub(in super::super) struct Follower {
    client: Client,
    path: String,
    format: Format,
    cursor: String,
    /// Asks by the clock, so often; else when it was answered.
    every: Option<Duration>,
    /// When in that time: the clients are spread over it evenly, as many strangers are.
    phase: f64,
    keeps: bool,
}

#[derive(Deserialize)]
struct Answer {
    cursor: String,
    events: Vec<Said>,
    more: bool,
}

/// Opens client `number`.
pub(super) async fn open(door: &Door, number: u32) -> Result<Follower, Failure> {
    let mut client = door.another();
    if !door.way.keeps() {
        let mut headers: HeaderMap = client.headers().clone();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        client.bear(headers);
    }
    let mut follower = Follower {
        client,
        path: format!("{}&limit={EVENTS_MAX}", door.events()),
        format: door.format,
        cursor: String::new(),
        every: door.way.every(),
        phase: f64::from(number) / f64::from(door.clients),
        keeps: door.way.keeps(),
    };
    let path = follower.path.clone();
    let bytes = follower.ask(&path, ANSWER_WITHIN).await?;
    let answer: Answer = read(follower.format, &bytes).map_err(Failure::passing)?;
    follower.cursor = answer.cursor;
    Ok(follower)
}

impl Follower {
    /// Polls until it is told not to; gives why. The cursor makes up for what passes by itself.
    pub(super) async fn read(mut self, seat: &Seat) -> String {
        let mut next = self.begin(seat).await;
        loop {
            if let Some(every) = self.every {
                sleep_until(next).await;
                // From the clock and not from the answer, so that a minute has as many polls as it should.
                next = (next + every).max(Instant::now());
            }
            match self.poll(seat).await {
                Ok(()) => {}
                Err(Failure::Passing { message, after }) => {
                    let words = format!("a poll failed: {message}");
                    seat.tally.borrow_mut().trouble(words);
                    self.client.part();
                    sleep(after.unwrap_or(AGAIN_AFTER)).await;
                }
                Err(Failure::Lasting(fault)) => return fault.to_string(),
            }
        }
    }

    /// The moment of the first poll: when all are open, and then in turn.
    async fn begin(&self, seat: &Seat) -> Instant {
        let Some(every) = self.every else {
            return Instant::now();
        };
        loop {
            if let Some(start) = seat.start.get() {
                return start + every.mul_f64(self.phase);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Asks until there is no more.
    async fn poll(&mut self, seat: &Seat) -> Result<(), Failure> {
        let wait = match self.every {
            Some(_) => Duration::ZERO,
            None => WAIT,
        };
        loop {
            let path = format!(
                "{}&wait={}&after={}",
                self.path,
                wait.as_secs(),
                self.cursor
            );
            let bytes = self.ask(&path, wait + ANSWER_WITHIN).await?;
            let now = Instant::now();
            let answer: Answer = read(self.format, &bytes).map_err(Failure::passing)?;
            for said in &answer.events {
                seat.take(said, now).map_err(Failure::passing)?;
            }
            self.cursor = answer.cursor;
            if !answer.more {
                return Ok(());
            }
        }
    }

    async fn ask(&mut self, path: &str, within: Duration) -> Result<Bytes, Failure> {
        let response = self
            .client
            .get(path, self.format.media_type(), within)
            .await?;
        let bytes = body(response).await?;
        if !self.keeps {
            self.client.part();
        }
        Ok(bytes)
    }
}

/// How often a client looks whether all others are open.
const LOOK_EVERY: Duration = Duration::from_millis(20);
