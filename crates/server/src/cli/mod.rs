//! The command line: one file a command, and the help that teaches them.

mod backup;
mod bench;
mod client;
mod compare;
mod config;
mod descriptors;
mod load;
mod nats;
mod progress;
mod publish;
mod results;
mod serve;
mod subscribe;
mod tls;
mod token;
mod traffic;
mod units;

use std::future::Future;

use clap::{Args, Parser, Subcommand};

use crate::fault::Fault;

/// Instant messaging for the Web: one binary, every transport, nothing lost.
///
/// `tidings` alone starts a server on http://127.0.0.1:7007 with a web chat to click on. Messages are
/// kept in ./tidings-data and come back after a restart.
#[derive(Debug, Parser)]
#[command(
    name = "tidings",
    version,
    args_conflicts_with_subcommands = true,
    after_help = EXAMPLES,
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::ServeArgs,
}

const EXAMPLES: &str = "\
Examples:
  tidings                                  start, then open http://127.0.0.1:7007 in two windows
  tidings subscribe chat:lobby             in another terminal: print messages as they come
  tidings publish chat:lobby hello         in a third one: say something
  tidings bench --clients 1000 --rate 100  how fast is it here?
  tidings compare --quick                  what does each transport cost?
  tidings export backup.jsonl              all messages, while the server runs
  curl -N 'http://127.0.0.1:7007/v1/events?channel=chat:lobby' -H 'Accept: text/event-stream'

For others to reach it, it needs a secret that tokens are signed with:
  export TIDINGS_AUTH_SECRET=$(openssl rand -hex 32)
  tidings --listen 0.0.0.0:7007
  tidings token --user alice --read 'chat:*' --write 'chat:*' --expires 12h

For more than one machine, messages are in NATS JetStream, and any server answers any client:
  tidings --engine nats://a:4222,b:4222,c:4222

`tidings config` prints every setting; `tidings COMMAND --help` explains a command.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server (what `tidings` alone does).
    Serve(serve::ServeArgs),
    /// Publish messages to a channel.
    Publish(publish::PublishArgs),
    /// Print the messages of channels as they come.
    Subscribe(subscribe::SubscribeArgs),
    /// Put a server under load, and tell how it does.
    Bench(bench::BenchArgs),
    /// Measure side by side what each way for messages to come costs.
    Compare(compare::CompareArgs),
    /// Write all messages into a file, beside a running server.
    Export(backup::export::ExportArgs),
    /// Bring the messages of such a file into a data directory.
    Import(backup::import::ImportArgs),
    /// Make a token for a user.
    Token(token::TokenArgs),
    /// Look at NATS, where a cluster keeps its messages.
    Nats(nats::NatsArgs),
    /// Print a configuration file with every setting explained.
    Config,
}

/// Where a server is, and who asks.
#[derive(Debug, Args)]
struct ServerArgs {
    /// The server.
    #[arg(long, env = "TIDINGS_URL", default_value = "http://127.0.0.1:7007")]
    url: String,
    /// Who you are: a token, or guest:NAME where guests are let in.
    #[arg(long, env = "TIDINGS_TOKEN", hide_env_values = true)]
    token: Option<String>,
    #[command(flatten)]
    trust: tls::TrustArgs,
}

/// Does what was asked.
pub(crate) fn run(cli: Cli) -> Result<(), Fault> {
    match cli.command {
        None => serve::run(&cli.serve),
        Some(Command::Serve(args)) => serve::run(&args),
        Some(Command::Publish(args)) => block_on(publish::run(args)),
        Some(Command::Subscribe(args)) => block_on(subscribe::run(args)),
        Some(Command::Bench(args)) => block_on(bench::run(args)),
        Some(Command::Compare(args)) => block_on(compare::run(args)),
        Some(Command::Export(args)) => backup::export::run(&args),
        Some(Command::Import(args)) => backup::import::run(&args),
        Some(Command::Token(args)) => token::run(&args),
        Some(Command::Nats(args)) => nats::run(&args),
        Some(Command::Config) => config::run(),
    }
}

/// Runs a terminal command, which has one thing to do at a time.
fn block_on(command: impl Future<Output = Result<(), Fault>>) -> Result<(), Fault> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Fault::failure(format!("cannot start: {error}")))?
        .block_on(command)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serving_is_what_happens_without_a_command() {
        let cli = Cli::parse_from(["tidings", "--listen", "127.0.0.1:0"]);
        assert!(cli.command.is_none());
        assert_eq!(cli.serve.listen.as_deref(), Some("127.0.0.1:0"));
        let cli = Cli::parse_from(["tidings", "serve", "--listen", "127.0.0.1:0"]);
        assert!(matches!(cli.command, Some(Command::Serve(_))));
    }
}
