//! Both ends of a middlebox in one hand, and deadlines for everything.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tidings_middlebox::{Faults, Middlebox, Tcp, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How long anything may take that happens at once on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const LOCALHOST: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What happens, and soon.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what)
        .await
        .expect("it happens in time")
}

/// Faults as a command writes them.
pub(crate) fn faults(json: &str) -> Faults {
    serde_json::from_str(json).unwrap()
}

/// A middlebox before whatever is there.
pub(crate) async fn before(to: SocketAddr) -> Tcp {
    match Middlebox::open(Transport::Tcp, LOCALHOST, to)
        .await
        .unwrap()
    {
        Middlebox::Tcp(tcp) => tcp,
        Middlebox::Udp(_) => unreachable!("it was asked for TCP"),
    }
}

/// A middlebox before a server whose connections the test accepts itself.
pub(crate) struct Bench {
    pub(crate) tcp: Tcp,
    server: TcpListener,
}

impl Bench {
    pub(crate) async fn new(json: &str) -> Self {
        let server = TcpListener::bind(LOCALHOST).await.unwrap();
        let to = server.local_addr().unwrap();
        let tcp = before(to).await;
        let bench = Self { tcp, server };
        bench.set(json);
        bench
    }

    pub(crate) fn set(&self, json: &str) {
        self.tcp.set(faults(json)).unwrap();
    }

    /// A client alone.
    pub(crate) async fn client(&self) -> End {
        End(soon(TcpStream::connect(self.tcp.address())).await.unwrap())
    }

    /// The server's end of the next connection.
    pub(crate) async fn server(&self) -> End {
        End(soon(self.server.accept()).await.unwrap().0)
    }

    /// A client, and the server's end of its connection.
    pub(crate) async fn connect(&self) -> (End, End) {
        (self.client().await, self.server().await)
    }

    /// Waits until so many connections are open.
    pub(crate) async fn until_open(&self, count: u64) {
        until(|| self.tcp.stats().open == count).await;
    }

    /// Waits until so many bytes are lost.
    pub(crate) async fn until_lost(&self, count: u64) {
        until(|| self.tcp.stats().lost == count).await;
    }
}

/// Waits for something that does not tell by itself.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    soon(async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// One end of a connection.
pub(crate) struct End(pub(crate) TcpStream);

impl End {
    pub(crate) async fn say(&mut self, text: impl AsRef<[u8]>) {
        soon(self.0.write_all(text.as_ref())).await.unwrap();
    }

    /// Hears exactly this next.
    pub(crate) async fn hear(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        let mut heard = vec![0; text.len()];
        let mut count = 0;
        while count < text.len() {
            match soon(self.0.read(&mut heard[count..])).await.unwrap() {
                0 => panic!(
                    "it ended after {:?}",
                    String::from_utf8_lossy(&heard[..count])
                ),
                more => count += more,
            }
        }
        assert_eq!(
            String::from_utf8_lossy(&heard),
            String::from_utf8_lossy(text)
        );
    }

    /// Everything up to the end, which is a good one.
    pub(crate) async fn hear_out(&mut self) -> String {
        let mut text = String::new();
        soon(self.0.read_to_string(&mut text)).await.unwrap();
        text
    }

    pub(crate) async fn hears_fin(&mut self) {
        assert_eq!(self.hear_out().await, "");
    }

    pub(crate) async fn hears_reset(&mut self) {
        let heard = soon(self.0.read(&mut [0; 100])).await;
        assert_eq!(heard.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    /// Has heard nothing so far: to be asked after something else has passed that came later.
    pub(crate) fn has_heard_nothing(&self) {
        let heard = self.0.try_read(&mut [0; 100]);
        assert_eq!(heard.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    pub(crate) async fn finish(&mut self) {
        soon(self.0.shutdown()).await.unwrap();
    }
}
