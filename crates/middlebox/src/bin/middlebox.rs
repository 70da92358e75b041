//! `middlebox`: the faulty proxy as a program, for tests in other languages. See `tidings_middlebox`.

use std::io::{self, Write};
use std::net::SocketAddr;

use clap::Parser;
use tidings_middlebox::{Middlebox, Tcp, Transport, answer};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, stdin};

/// A proxy with the faults that paths through the Internet have.
///
/// Its first line says where it listens: {"listening":"127.0.0.1:40123"}. Then it takes a command a line,
/// answers each with a line, and ends when its input does.
#[derive(Parser)]
struct Options {
    /// The server's address; several times: those of servers to any of which a connection leads
    #[arg(long, required = true)]
    to: Vec<SocketAddr>,
    /// Where to listen; port 0: where the system likes
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Carry datagrams instead of connections, to one server
    #[arg(long)]
    udp: bool,
    /// Deal losses and delays by this seed; default: by chance
    #[arg(long)]
    seed: Option<u64>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let options = Options::parse();
    if let Some(seed) = options.seed {
        fastrand::seed(seed);
    }
    let middlebox = match options.udp {
        true => Middlebox::open(Transport::Udp, options.listen, options.to[0]).await?,
        false => Middlebox::Tcp(Tcp::open_any(options.listen, options.to).await?),
    };
    tell(&format!(r#"{{"listening":"{}"}}"#, middlebox.address()))?;
    let mut input = BufReader::new(stdin());
    loop {
        let mut line = String::new();
        (&mut input)
            .take(LINE_BYTES_MAX)
            .read_line(&mut line)
            .await?;
        if line.is_empty() {
            return Ok(());
        }
        tell(&answer(&middlebox, &line).await)?;
    }
}

fn tell(line: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}

/// Many times the longest command. What is longer is taken for several lines, and answered as such.
const LINE_BYTES_MAX: u64 = 64 << 10;
