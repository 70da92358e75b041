//! Starts servers in turn, loads them, and tells how they did.
//!
//! There are two benches: [`messaging`], where one publishes and many follow, and [`websocket`],
//! where servers echo. They share what is around a measurement: a fresh [`server`] process for each
//! run, on another core than this process, whose one thread makes the load; what the kernel says of
//! the [`process`] and of the [`machine`]; [`statistics`] over the repeats.

mod command_line;
mod frame;
mod machine;
mod messaging;
mod peer;
mod process;
mod program;
mod server;
mod socket;
mod statistics;
mod syscalls;
mod websocket;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let result = match words.next().as_deref() {
        Some("messaging") => messaging::main(words),
        Some("websocket") => websocket::main(words),
        _ => Err("say what to run: messaging or websocket".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("bench: {problem}");
            ExitCode::FAILURE
        }
    }
}
