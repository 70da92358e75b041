//! Why an engine did not do what it was asked.

use tidings_wire::Code;

/// What kept an engine from doing it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// More waits to be stored than the engine takes at a time. Try again later.
    #[error("more is waiting to be stored than can be taken at a time; try again in a moment")]
    Busy,
    /// The disk is full: nothing can be stored until there is room. Reads go on.
    #[error("the disk that holds the messages is full; make room, then try again")]
    StorageFull,
    /// The engine is out of reach for now.
    #[error("the messages are out of reach for now: {0}")]
    Unavailable(String),
    /// The engine has ended.
    #[error("the server is shutting down")]
    Closed,
    /// The store reported what should not be.
    #[error("the message store failed: {0}")]
    Failed(String),
}

impl EngineError {
    /// What a client is told.
    pub fn code(&self) -> Code {
        match self {
            Self::Busy => Code::Busy,
            Self::StorageFull => Code::StorageFull,
            Self::Unavailable(_) | Self::Closed => Code::Unavailable,
            Self::Failed(_) => Code::Internal,
        }
    }
}
