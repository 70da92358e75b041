//! What the commands share that put a server under load: waiting finely, reading lines and streams of them, judging order, telling
//! latencies and what a process takes, and drawing that.

pub(super) mod alarm;
pub(super) mod event_stream;
pub(super) mod latency;
pub(super) mod lines;
pub(super) mod order;
pub(super) mod plot;
pub(super) mod process;

/// The look of a report that is a page: readable in the dark and in print.
pub(super) const STYLE: &str = include_str!("style.css");

/// A text as HTML, in an attribute as well.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}
