//! What the server says of itself while it runs: lines on stderr, of warnings and worse unless more is asked
//! for, for people or as JSON for whoever gathers them.

use std::io::IsTerminal;
use std::panic::{self, PanicHookInfo};

use serde::Deserialize;
use tracing_subscriber::EnvFilter;

use crate::fault::Fault;

/// How the lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line: `timestamp`, `level`, `target`, `message`, and what belongs to it.
    Json,
}

/// The variable that says what is told, such as `debug` or `warn,tidings_hub=trace`.
const FILTER_VARIABLE: &str = "TIDINGS_LOG";

/// What is told where nothing else is said. A session of WebTransport that is cut is no reason to warn anybody.
const FILTER_DEFAULT: &str = "warn,web_transport_quinn=error";

/// Begins to tell; once in the life of the process.
pub(crate) fn start(format: LogFormat) -> Result<(), Fault> {
    let filter = filter(std::env::var(FILTER_VARIABLE).ok().as_deref())?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => {
            lines
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(false)
                .init();
            // What would stand between the lines, and be none of them.
            panic::set_hook(Box::new(tell_panic));
        }
    }
    Ok(())
}

/// Tells of what ends the program where lines are JSON; elsewhere it is printed for people at the end.
pub(crate) fn tell(format: LogFormat, fault: Fault) -> Fault {
    match format {
        LogFormat::Text => fault,
        LogFormat::Json => {
            tracing::error!(advice = fault.advice(), "{}", fault.message());
            fault.told()
        }
    }
}

fn filter(text: Option<&str>) -> Result<EnvFilter, Fault> {
    let text = text.filter(|text| !text.is_empty());
    EnvFilter::try_new(text.unwrap_or(FILTER_DEFAULT)).map_err(|error| {
        Fault::setup(format!("{FILTER_VARIABLE} is not understood: {error}"))
            .advise("Write a level (error, warn, info, debug, trace), or warn,tidings_hub=trace.")
    })
}

fn tell_panic(info: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let place = info.location().map(ToString::to_string);
    let message = info.payload_as_str().unwrap_or("no message");
    tracing::error!(
        thread = thread.name(),
        place,
        "a thread panicked: {message}"
    );
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Lines that are kept.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_is_a_line_like_any_other() {
        let lines = Lines::default();
        let kept = lines.clone();
        let told = tracing_subscriber::fmt()
            .with_writer(move || kept.clone())
            .json()
            .flatten_event(true)
            .finish();
        let before = panic::take_hook();
        tracing::subscriber::with_default(told, || {
            panic::set_hook(Box::new(tell_panic));
            let _ = panic::catch_unwind(|| panic!("it is {}\nbroken", "all"));
        });
        panic::set_hook(before);
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "ERROR");
        assert_eq!(line["message"], "a thread panicked: it is all\nbroken");
        assert!(line["place"].as_str().unwrap().contains("logging.rs"));
    }

    #[test]
    fn warnings_are_told_unless_more_is_asked_for() {
        for text in [None, Some("")] {
            let quiet = "web_transport_quinn=error,warn";
            assert_eq!(filter(text).unwrap().to_string(), quiet);
        }
        let asked = filter(Some("warn,tidings_hub=trace")).unwrap();
        assert!(asked.to_string().contains("tidings_hub=trace"));
        assert!(filter(Some("tidings=loudly")).is_err());
    }
}
