//! The wires of servers: what they hear of each other and of clients goes through relays of ours, which can be cut.
//!
//! There is one from each server to each other, and one for each server's clients. A wire that is cut swallows what
//! is sent over it: both ends believe in it until they miss an answer. When it heals, its connections are reset, for
//! they have holes, and are made anew.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use tokio::runtime::{Builder, Runtime};

use tidings_middlebox::{BlackHole, Cut, Faults, Tcp};

/// All relays, and the thread that carries what passes.
#[derive(Debug)]
pub(super) struct Network {
    wires: Vec<Wire>,
    /// Present until it is dropped.
    runtime: Option<Runtime>,
}

#[derive(Debug)]
struct Wire {
    /// `None`: the clients.
    from: Option<usize>,
    to: usize,
    relay: Arc<Tcp>,
    is_cut: AtomicBool,
}

impl Network {
    /// Wires between servers that are to listen for each other, and for clients.
    pub(super) fn new(routes: &[SocketAddr], clients: &[SocketAddr]) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a thread can be had");
        let servers = 0..routes.len();
        let ends = servers.clone().flat_map(|from| {
            let others = servers.clone().filter(move |to| *to != from);
            others.map(move |to| (Some(from), to, routes[to]))
        });
        let ends = ends.chain(servers.clone().map(|to| (None, to, clients[to])));
        let wires = ends.map(|(from, to, address)| {
            let (done, relay) = mpsc::channel();
            runtime.spawn(async move {
                let any = (Ipv4Addr::LOCALHOST, 0).into();
                // Nobody takes it when we have ended already.
                let _ = done.send(Tcp::open(any, address).await);
            });
            let relay = relay.recv().expect("the runtime runs");
            let relay = Arc::new(relay.expect("there are ports"));
            Wire {
                from,
                to,
                relay,
                is_cut: AtomicBool::new(false),
            }
        });
        Self {
            wires: wires.collect(),
            runtime: Some(runtime),
        }
    }

    /// Where `from` reaches `to`.
    pub(super) fn address(&self, from: Option<usize>, to: usize) -> SocketAddr {
        let wire = self
            .wires
            .iter()
            .find(|wire| wire.from == from && wire.to == to);
        wire.expect("everybody has a wire to everybody else")
            .relay
            .address()
    }

    /// Cuts the wires of a server to and from all others, and those of its clients `with_clients`.
    pub(super) fn cut_off(&self, server: usize, with_clients: bool) {
        let wires = self.wires.iter().filter(|wire| {
            let is_route = wire.from.is_some() && (wire.from == Some(server) || wire.to == server);
            let is_clients = wire.from.is_none() && wire.to == server;
            is_route || is_clients && with_clients
        });
        let cut = wires.inspect(|wire| _ = wire.cut(true));
        self.all(cut, |relay| async move { relay.settle().await });
    }

    /// Mends all wires that are cut.
    pub(super) fn heal(&self) {
        let mended = self.wires.iter().filter(|wire| wire.cut(false));
        self.all(
            mended,
            |relay| async move { _ = relay.cut(Cut::Reset).await },
        );
    }

    /// Does something with these wires' relays on their runtime, and waits for that.
    fn all<'a, F>(&self, wires: impl Iterator<Item = &'a Wire>, act: impl Fn(Arc<Tcp>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (done, all_done) = mpsc::channel::<()>();
        for wire in wires {
            let (act, done) = (act(Arc::clone(&wire.relay)), done.clone());
            self.runtime().spawn(async move {
                act.await;
                drop(done);
            });
        }
        drop(done);
        // Nobody sends: it ends when the last is done.
        let _ = all_done.recv();
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("it is not dropped yet")
    }
}

impl Wire {
    /// Cuts or mends it; gives whether it was cut.
    fn cut(&self, is_cut: bool) -> bool {
        let faults = Faults {
            black_hole: is_cut.then_some(BlackHole::Both),
            ..Faults::default()
        };
        self.relay.set(faults).expect("a wire can be cut");
        self.is_cut.swap(is_cut, Ordering::Relaxed)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // To wait for it is forbidden inside another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
