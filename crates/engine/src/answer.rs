//! An engine's answer that is still to come.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;

use crate::EngineError;

/// Resolves to what the engine has to say. Dropping it loses only the answer, not the deed.
#[derive(Debug)]
#[must_use = "the engine's answer says whether it was done"]
pub struct Answer<T>(oneshot::Receiver<Result<T, EngineError>>);

impl<T> Answer<T> {
    /// An answer, and what gives it.
    pub fn pending() -> (Responder<T>, Self) {
        let (sender, receiver) = oneshot::channel();
        (Responder(sender), Self(receiver))
    }

    /// An answer that is known already.
    pub fn ready(result: Result<T, EngineError>) -> Self {
        let (responder, answer) = Self::pending();
        responder.answer(result);
        answer
    }

    /// Waits for the answer on a thread that may block, such as a test's or a tool's; never inside
    /// a runtime.
    pub fn wait(self) -> Result<T, EngineError> {
        self.0.blocking_recv().unwrap_or(Err(EngineError::Closed))
    }
}

impl<T> Future for Answer<T> {
    type Output = Result<T, EngineError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let result = ready!(Pin::new(&mut self.0).poll(context));
        Poll::Ready(result.unwrap_or(Err(EngineError::Closed)))
    }
}

/// Gives one [`Answer`]. Dropped without a word, it answers [`EngineError::Closed`].
#[derive(Debug)]
pub struct Responder<T>(oneshot::Sender<Result<T, EngineError>>);

impl<T> Responder<T> {
    /// Answers; nothing happens if nobody waits any longer.
    pub fn answer(self, result: Result<T, EngineError>) {
        let _ = self.0.send(result);
    }
}
