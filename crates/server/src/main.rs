//! `tidings`: instant messaging for the Web in one binary.
//!
//! The map: [`cli`] is what a person types, [`config`] what a server is told; [`server`] starts
//! threads that accept [`connection`]s, perhaps over [`tls`] or by [`quic`], share them out ([`balance`]), read their [`requests`] and lead
//! each to a door ([`http`]) or a [`transport`], whose answer is [`parked`] on the [`socket`] while it
//! waits; [`shutdown`] ends it all in order. [`assets`] are the web chat and the browser client,
//! [`engine`] opens what keeps the messages, [`metrics`] what is counted, [`places`] who makes room when all is taken, [`few`] how what stands beside the shards accepts, [`logging`] what is told meanwhile, [`fault`] what a person is told when it
//! cannot be done.

#[cfg(not(target_os = "linux"))]
compile_error!(
    "tidings holds its connections in an epoll: it runs on Linux, elsewhere in a container"
);

mod assets;
mod balance;
mod banner;
mod cli;
mod config;
mod connection;
mod engine;
mod fault;
mod few;
mod http;
mod http2;
mod lab;
mod logging;
mod metrics;
mod parked;
mod places;
mod quic;
mod requests;
mod server;
mod shutdown;
mod socket;
mod tls;
mod transport;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            if !fault.is_told() {
                eprintln!("{fault}");
            }
            fault.exit_code()
        }
    }
}
