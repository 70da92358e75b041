//! Starts echo servers in turn, loads them, and tells how they did.
//!
//! For each [`scenario`] every [`peer`] gets a fresh [`server`] process per repeat, in the order
//! A B C A B C, so that a noisy minute hurts all alike. The [`load`] is made by this process's
//! one thread, on another core than the server's. [`report`] writes what came of it.

mod load;
mod machine;
mod options;
mod peer;
mod process;
mod report;
mod run;
mod scenario;
mod server;
mod syscalls;

use std::process::ExitCode;

use options::Options;

fn main() -> ExitCode {
    let result = Options::parse(std::env::args().skip(1)).and_then(|options| {
        if options.help {
            print!("{}", options::HELP);
            return Ok(());
        }
        run::all(&options)
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("bench: {problem}");
            ExitCode::FAILURE
        }
    }
}
