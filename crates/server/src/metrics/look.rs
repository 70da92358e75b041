//! A look at what only a shard's own thread can see.
//!
//! A scrape asks every shard, and each answers between two of its turns. A shard that does not answer in time
//! is told of as such, and what it would have said is left out.

use std::time::Duration;

use tidings_hub::Census;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

/// What a shard says.
pub(crate) struct Look {
    /// Its sessions, channels and tails.
    pub(crate) census: Census,
    /// What waits to be written to its WebSockets, in bytes.
    pub(crate) unsent_bytes: usize,
    /// How long its thread has been at work since it started.
    pub(crate) busy: Duration,
}

/// Where a shard is asked.
pub(super) struct Asker(mpsc::Sender<oneshot::Sender<Look>>);

/// Where it hears that it was asked.
pub(crate) struct Asked(mpsc::Receiver<oneshot::Sender<Look>>);

/// Scrapes at a time that a shard answers: a few servers of Prometheus, and a person.
const ASKED_MAX: usize = 16;

/// How long a shard may take to answer: much longer than any turn, and less than Prometheus waits (10 s).
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Both ends.
pub(super) fn ways() -> (Asker, Asked) {
    let (asker, asked) = mpsc::channel(ASKED_MAX);
    (Asker(asker), Asked(asked))
}

/// Asks all shards at once; in their order what they say, `None` from those that did not in time.
pub(super) async fn ask(shards: impl Iterator<Item = &Asker>) -> Vec<Option<Look>> {
    let asked: Vec<_> = shards
        .map(|Asker(asker)| {
            let (answer, answered) = oneshot::channel();
            asker.try_send(answer).ok().map(|()| answered)
        })
        .collect();
    let deadline = Instant::now() + ANSWER_WITHIN;
    let mut looks = Vec::new();
    for answered in asked {
        looks.push(match answered {
            Some(answered) => timeout_at(deadline, answered)
                .await
                .ok()
                .and_then(Result::ok),
            None => None,
        });
    }
    looks
}

impl Asked {
    /// Answers for as long as somebody may ask; `look` takes a look.
    pub(crate) async fn answer(mut self, mut look: impl AsyncFnMut() -> Option<Look>) {
        while let Some(answer) = self.0.recv().await {
            // Whoever asked may have gone.
            if let Some(look) = look().await {
                let _ = answer.send(look);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tidings_engine::Histogram;

    use super::*;

    fn look(unsent_bytes: usize) -> Look {
        Look {
            census: Census {
                sessions: 0,
                subscriptions: 0,
                channels: 0,
                followers_behind: 0,
                tail_bytes: 0,
                lags: Histogram::of_durations(),
                missed: 0,
            },
            unsent_bytes,
            busy: Duration::ZERO,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_does_not_answer_is_left_out_and_the_others_are_not() {
        let ((first, asked_first), (second, asked_second)) = (ways(), ways());
        let (third, asked_third) = ways();
        drop(asked_first);
        tokio::spawn(async move {
            let mut asked = asked_second;
            let _never_answered = asked.0.recv().await;
            std::future::pending::<()>().await;
        });
        tokio::spawn(asked_third.answer(async || Some(look(7))));
        let looks = ask([&first, &second, &third].into_iter()).await;
        let told: Vec<_> = looks
            .iter()
            .map(|look| look.as_ref().map(|look| look.unsent_bytes))
            .collect();
        assert_eq!(told, [None, None, Some(7)]);
    }

    #[tokio::test]
    async fn a_shard_is_asked_by_few_at_a_time() {
        let (asker, _asked) = ways();
        for _ in 0..ASKED_MAX {
            asker.0.try_send(oneshot::channel().0).unwrap();
        }
        assert!(ask([&asker].into_iter()).await[0].is_none());
    }
}
