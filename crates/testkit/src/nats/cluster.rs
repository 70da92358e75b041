//! Three servers that are one cluster.

use std::collections::HashMap;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::network::Network;
use super::node::{Node, Ports};
use super::until;

/// How many servers a cluster has: as many as it takes for one to be missed.
pub const SERVERS: usize = 3;

/// Three servers with JetStream, named by their places from 0. All that they say to each other, and all that
/// clients say to them, goes through relays that can be cut.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    network: Network,
    // After the nodes: they end before their files do.
    _folder: TempDir,
}

/// What becomes of a server's clients when it is cut off from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clients {
    /// They still reach it.
    Stay,
    /// They are cut off from it as well.
    CutToo,
}

impl Cluster {
    /// Starts one, and waits until it is [ready](Self::ready). `config` is added to the configuration file of each
    /// server, as for credentials or TLS.
    ///
    /// # Panics
    ///
    /// When there is no [`program`](super::program), or when it does not like `config`.
    pub fn start(config: impl Into<String>) -> Self {
        let config = config.into();
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let ports: Vec<_> = (0..SERVERS).map(|_| Ports::choose()).collect();
        let routes: Vec<_> = ports.iter().map(|ports| ports.routes).collect();
        let clients: Vec<_> = ports.iter().map(|ports| ports.clients).collect();
        let network = Network::new(&routes, &clients);
        let nodes = ports.iter().enumerate().map(|(server, &ports)| {
            let own = format!("{}\n{config}", cluster_config(server, ports, &network));
            Node::new(&name(server), folder.path(), ports, &own)
        });
        let cluster = Self {
            nodes: nodes.collect(),
            network,
            _folder: folder,
        };
        for node in &cluster.nodes {
            node.start();
        }
        cluster.ready();
        cluster
    }

    /// Where clients of a server connect to, as `nats://ADDRESS:PORT`.
    pub fn url(&self, server: usize) -> String {
        format!("nats://{}", self.network.address(None, server))
    }

    /// Waits until all servers that were not killed agree on who leads the cluster, and have caught up with it and with
    /// those who lead their streams. One that was cut off or stopped may take itself for a leader for a moment yet.
    pub fn ready(&self) {
        until("a cluster that is ready", || self.is_ready());
    }

    fn is_ready(&self) -> Option<()> {
        let running = self.nodes.iter().filter(|node| node.is_running());
        let views: Option<Vec<_>> = running
            .map(|node| {
                node.ask("/healthz")?;
                Some((node.name(), node.ask("/jsz")?["meta_cluster"].take()))
            })
            .collect();
        let views = views?;
        let leader = views.first()?.1["leader"].as_str()?;
        // Only the leader knows how far the others are.
        let (_, view) = views.iter().find(|(name, _)| *name == leader)?;
        let replicas = view["replicas"].as_array()?;
        let is_current = |name: &str| {
            let mut current = replicas.iter().filter(|replica| replica["current"] == true);
            name == leader || current.any(|replica| replica["name"] == name)
        };
        let agree = |(name, view): &(&str, Value)| view["leader"] == leader && is_current(name);
        (view["cluster_size"] == SERVERS && views.iter().all(agree)).then_some(())
    }

    /// Ends a server as a power cut would (`kill -9`).
    pub fn kill(&self, server: usize) {
        self.nodes[server].end(Signal::KILL);
    }

    /// Starts a server again, with the same ports and store. It joins the others when it can.
    pub fn restart(&self, server: usize) {
        self.nodes[server].start();
    }

    /// A server stands still (`SIGSTOP`), and its connections stay open.
    pub fn stop(&self, server: usize) {
        self.nodes[server].signal(Signal::STOP);
    }

    /// A server goes on.
    pub fn cont(&self, server: usize) {
        self.nodes[server].signal(Signal::CONT);
    }

    /// A server gives up what it leads, tells its clients to go elsewhere, and ends when they have, or after
    /// 30 seconds.
    pub fn lame_duck(&self, server: usize) {
        self.nodes[server].end(Signal::USR2);
    }

    /// Cuts a server off from all others: what is sent either way vanishes, and no connection closes.
    pub fn cut_off(&self, server: usize, clients: Clients) {
        self.network.cut_off(server, clients == Clients::CutToo);
    }

    /// Ends every [cut](Self::cut_off). Connections that had lost something are reset.
    pub fn heal(&self) {
        self.network.heal();
    }

    /// Who leads a stream, of whatever account, as most of those servers say that have it; `None` while they do not
    /// agree.
    pub fn leader(&self, stream: &str) -> Option<usize> {
        let mut votes = HashMap::<String, usize>::new();
        for node in &self.nodes {
            let told = node.ask("/jsz?accounts=true&streams=true&consumers=false&config=false");
            if let Some(leader) = told.and_then(|told| leader_told(&told, stream)) {
                *votes.entry(leader).or_default() += 1;
            }
        }
        let all: usize = votes.values().sum();
        let (leader, _) = votes.into_iter().find(|(_, votes)| 2 * votes > all)?;
        self.nodes.iter().position(|node| node.name() == leader)
    }

    /// Waits until a stream has a [leader](Self::leader).
    pub fn wait_leader(&self, stream: &str) -> usize {
        until("a leader", || self.leader(stream))
    }
}

fn name(server: usize) -> String {
    format!("n{server}")
}

fn cluster_config(server: usize, ports: Ports, network: &Network) -> String {
    let routes: Vec<_> = (0..SERVERS)
        .filter(|to| *to != server)
        .map(|to| format!("\"nats://{}\"", network.address(Some(server), to)))
        .collect();
    format!(
        r#"
client_advertise: "{clients}"
cluster {{
  name: test
  listen: "{listen}"
  # Nobody listens there: the ways of the configuration are all there are.
  advertise: "127.0.0.1:1"
  routes: [{routes}]
}}
"#,
        clients = network.address(None, server),
        listen = ports.routes,
        routes = routes.join(", "),
    )
}

/// Who leads `stream`, by what one server tells of its streams.
fn leader_told(told: &Value, stream: &str) -> Option<String> {
    let accounts = told["account_details"].as_array()?;
    let mut streams = accounts
        .iter()
        .filter_map(|account| account["stream_detail"].as_array())
        .flatten();
    let stream = streams.find(|detail| detail["name"] == stream)?;
    let leader = stream["cluster"]["leader"].as_str()?;
    Some(leader.to_owned())
}
