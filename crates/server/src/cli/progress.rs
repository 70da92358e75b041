//! A line on a terminal that says how far it is; nothing where nobody looks.

use std::io::{IsTerminal, Write, stderr};

/// Draws over itself, and is gone when it is dropped.
#[derive(Debug)]
pub(super) struct Progress {
    is_shown: bool,
}

/// How many characters the bar has.
const BAR_CHARS: usize = 20;

impl Progress {
    /// For standard error.
    pub(super) fn new() -> Self {
        Self {
            is_shown: stderr().is_terminal(),
        }
    }

    /// Shows that `done` (0 to 1) of it is done, and what there is to say.
    pub(super) fn show(&self, what: &str, done: f64, words: &str) {
        self.draw(&format!("{what:9} {} {words}", bar(done)));
    }

    /// A line that can be written over; nobody is told when that fails.
    fn draw(&self, line: &str) {
        if self.is_shown {
            let _ = write!(stderr(), "\r\x1b[K{line}").and_then(|()| stderr().flush());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.draw("");
    }
}

/// `[#####               ]`
fn bar(done: f64) -> String {
    let full = (done.clamp(0.0, 1.0) * BAR_CHARS as f64).round() as usize;
    format!("[{:BAR_CHARS$}]", "#".repeat(full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_what_is_done() {
        assert_eq!(bar(0.0), "[                    ]");
        assert_eq!(bar(0.25), "[#####               ]");
        assert_eq!(bar(7.0), "[####################]");
        assert_eq!(bar(f64::NAN), bar(0.0));
    }
}
