//! Something that the hub does not do, and why.

use tidings_engine::EngineError;
use tidings_wire::Code;

/// Why something was refused: the code for programs, the detail for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// The stable code; it knows its HTTP status and close code.
    pub code: Code,
    /// What happened and what to do next.
    pub detail: String,
}

impl Refusal {
    /// A refusal for `code`.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
        }
    }
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
