//! What ends the program, told to the person who started it: what happened, and what to do next.

use std::fmt;
use std::process::ExitCode;

/// Why the program ends without having done what it was asked.
#[derive(Debug)]
pub(crate) struct Fault {
    kind: FaultKind,
    message: String,
    advice: Option<String>,
    is_told: bool,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FaultKind {
    /// The way it was started is at fault: the same again fails again.
    Setup,
    /// Something failed on the way.
    Failure,
}

impl Fault {
    /// The way it was started is at fault: exit code 2, as for a wrong command line.
    pub(crate) fn setup(message: impl fmt::Display) -> Self {
        Self::new(FaultKind::Setup, message)
    }

    /// Something failed on the way: exit code 1.
    pub(crate) fn failure(message: impl fmt::Display) -> Self {
        Self::new(FaultKind::Failure, message)
    }

    /// Adds what to do next.
    pub(crate) fn advise(mut self, advice: impl fmt::Display) -> Self {
        self.advice = Some(advice.to_string());
        self
    }

    /// What happened, without the advice.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// What to do next.
    pub(crate) fn advice(&self) -> Option<&str> {
        self.advice.as_deref()
    }

    /// It has been told in another way than by being printed.
    pub(crate) fn told(self) -> Self {
        Self {
            is_told: true,
            ..self
        }
    }

    /// Whether it has.
    pub(crate) fn is_told(&self) -> bool {
        self.is_told
    }

    /// What the process ends with.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self.kind {
            FaultKind::Setup => ExitCode::from(2),
            FaultKind::Failure => ExitCode::from(1),
        }
    }

    fn new(kind: FaultKind, message: impl fmt::Display) -> Self {
        Self {
            kind,
            message: message.to_string(),
            advice: None,
            is_told: false,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One line, whatever an error from below brings along.
        let message: Vec<_> = self.message.split_whitespace().collect();
        write!(f, "tidings: {}", message.join(" "))?;
        match &self.advice {
            Some(advice) => write!(f, "\n  {advice}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_stands_on_one_line_with_the_advice_below() {
        let fault = Fault::setup("it\n  broke").advise("mend it");
        assert_eq!(fault.to_string(), "tidings: it broke\n  mend it");
    }
}
