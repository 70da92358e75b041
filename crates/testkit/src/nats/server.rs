//! A server that stands alone.

use rustix::process::Signal;
use tempfile::TempDir;

use super::network::Network;
use super::node::{Node, Ports};

/// One server with JetStream, by itself.
#[derive(Debug)]
pub struct Server {
    node: Node,
    network: Network,
    // After the node: it ends before its files do.
    _folder: TempDir,
}

impl Server {
    /// Starts one, and waits until it serves JetStream. `config` is added to its configuration file, as for
    /// credentials or TLS.
    ///
    /// # Panics
    ///
    /// When there is no [`program`](super::program), or when it does not like `config`.
    pub fn start(config: impl Into<String>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let ports = Ports::choose();
        let network = Network::new(&[ports.routes], &[ports.clients]);
        let node = Node::new("n0", folder.path(), ports, &config.into());
        node.start();
        Self {
            node,
            network,
            _folder: folder,
        }
    }

    /// Where its clients connect to, as `nats://ADDRESS:PORT`.
    pub fn url(&self) -> String {
        format!("nats://{}", self.node.ports().clients)
    }

    /// Where those of its clients connect to that are to be [cut off](Self::cut_off).
    pub fn far_url(&self) -> String {
        format!("nats://{}", self.network.address(None, 0))
    }

    /// Cuts its [far](Self::far_url) clients off: what is sent either way vanishes, and no connection closes.
    pub fn cut_off(&self) {
        self.network.cut_off(0, true);
    }

    /// Ends the [cut](Self::cut_off). Connections that had lost something are reset.
    pub fn heal(&self) {
        self.network.heal();
    }

    /// Ends it as a power cut would (`kill -9`).
    pub fn kill(&self) {
        self.node.end(Signal::KILL);
    }

    /// Starts it again, with the same port and store.
    pub fn restart(&self) {
        self.node.start();
    }

    /// From its next start on it has this `config` in place of the one that it was started with.
    pub fn reconfigure(&self, config: &str) {
        self.node.configure(config);
    }

    /// Copies its store as it is now, for [`lose`](Self::lose).
    pub fn keep(&self) {
        self.node.keep();
    }

    /// Ends it as a power cut would and starts it again with the store that was kept last: what it has stored since is lost.
    ///
    /// # Panics
    ///
    /// When nothing was kept.
    pub fn lose(&self) {
        self.kill();
        self.node.bring_back();
        self.restart();
    }

    /// It stands still (`SIGSTOP`), and its connections stay open.
    pub fn stop(&self) {
        self.node.signal(Signal::STOP);
    }

    /// It goes on.
    pub fn cont(&self) {
        self.node.signal(Signal::CONT);
    }

    /// It tells its clients to go elsewhere, and ends when they have, or after 30 seconds.
    pub fn lame_duck(&self) {
        self.node.end(Signal::USR2);
    }
}
