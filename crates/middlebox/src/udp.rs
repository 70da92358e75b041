//! The middlebox for datagrams: a NAT, which gives each client a port of its own towards the server.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;

use super::counters::{Count, Counters, Open};
use super::faults::Faults;
use super::flight::Flight;
use super::tap::Tap;
use super::{Direction, Stats, Transport, Unusable};

/// See the module. It forgets its clients when it is dropped.
#[derive(Debug)]
pub struct Udp {
    address: SocketAddr,
    faults: watch::Sender<Arc<Faults>>,
    /// How often the ports towards the server were changed.
    rebinds: watch::Sender<u64>,
    counters: Arc<Counters>,
}

impl Udp {
    /// Listens on `listen`, for the server at `to`.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on.
    pub async fn open(listen: SocketAddr, to: SocketAddr) -> io::Result<Self> {
        Self::start(listen, to, None).await
    }

    /// The same with a [`Tap`], which is told what passes.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn open_tapped(
        listen: SocketAddr,
        to: SocketAddr,
        tap: Arc<dyn Tap>,
    ) -> io::Result<Self> {
        Self::start(listen, to, Some(tap)).await
    }

    async fn start(
        listen: SocketAddr,
        to: SocketAddr,
        tap: Option<Arc<dyn Tap>>,
    ) -> io::Result<Self> {
        let socket = UdpSocket::bind(listen).await?;
        let udp = Self {
            address: socket.local_addr()?,
            faults: watch::Sender::new(Arc::default()),
            rebinds: watch::Sender::new(0),
            counters: Counters::new(Transport::Udp, tap),
        };
        let near = Near {
            socket: Arc::new(socket),
            to,
            faults: udp.faults.subscribe(),
            rebinds: udp.rebinds.subscribe(),
            counters: Arc::clone(&udp.counters),
            clients: HashMap::new(),
        };
        tokio::spawn(near.run());
        Ok(udp)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces all faults. What is under way keeps the time of its arrival.
    ///
    /// # Errors
    ///
    /// When a fault is out of its bounds, or one of TCP.
    pub fn set(&self, faults: Faults) -> Result<(), Unusable> {
        faults.check(Transport::Udp)?;
        self.faults.send_replace(Arc::new(faults));
        Ok(())
    }

    /// From now on each client's datagrams go to the server from a new port. What comes for the old one is
    /// lost.
    pub fn rebind(&self) {
        self.rebinds.send_modify(|count| *count += 1);
    }

    /// What has passed.
    pub fn stats(&self) -> Stats {
        self.counters.stats()
    }
}

/// The task that hears the clients.
struct Near {
    socket: Arc<UdpSocket>,
    to: SocketAddr,
    faults: watch::Receiver<Arc<Faults>>,
    rebinds: watch::Receiver<u64>,
    counters: Arc<Counters>,
    clients: HashMap<SocketAddr, mpsc::Sender<Vec<u8>>>,
}

impl Near {
    async fn run(mut self) {
        let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
        let mut faults = self.faults.clone();
        // Its sender is gone, and with it the middlebox.
        let mut over = std::pin::pin!(faults.wait_for(|_| false));
        loop {
            tokio::select! {
                _ = &mut over => return,
                // An error tells that an earlier datagram met nobody; there is nobody to tell.
                received = self.socket.recv_from(&mut datagram) => if let Ok((count, client)) = received {
                    self.handle(client, &datagram[..count]);
                },
            }
        }
    }

    fn handle(&mut self, client: SocketAddr, datagram: &[u8]) {
        if self
            .clients
            .get(&client)
            .is_none_or(mpsc::Sender::is_closed)
        {
            self.clients.retain(|_, client| !client.is_closed());
            if self.clients.len() >= CLIENTS_MAX {
                return;
            }
            let sender = self.welcome(client);
            self.clients.insert(client, sender);
        }
        // A queue that is full loses, as a router's does.
        let _ = self.clients[&client].try_send(datagram.into());
    }

    fn welcome(&self, address: SocketAddr) -> mpsc::Sender<Vec<u8>> {
        let (sender, datagrams) = mpsc::channel(DATAGRAMS_WAITING_MAX);
        let open = self.counters.count_accepted();
        let client = Client {
            address,
            near: Arc::clone(&self.socket),
            to: self.to,
            datagrams,
            up: Flight::new(Direction::Up, Rng::new()),
            down: Flight::new(Direction::Down, Rng::new()),
            faults: self.faults.clone(),
            rebinds: self.rebinds.clone(),
            count: open.count(),
            _open: open,
        };
        // It ends of itself, and then nobody asks for it.
        tokio::spawn(client.run());
        sender
    }
}

/// The task of one client.
struct Client {
    address: SocketAddr,
    near: Arc<UdpSocket>,
    to: SocketAddr,
    /// What the client sends.
    datagrams: mpsc::Receiver<Vec<u8>>,
    up: Flight,
    down: Flight,
    faults: watch::Receiver<Arc<Faults>>,
    rebinds: watch::Receiver<u64>,
    count: Count,
    _open: Open,
}

impl Client {
    /// Ends with the middlebox, with an idle client, or when the system has no port for it.
    async fn run(mut self) -> io::Result<()> {
        let mut rebinds = *self.rebinds.borrow_and_update();
        let mut far = self.bind().await?;
        let mut answer = vec![0; DATAGRAM_BYTES_MAX];
        let mut idle_until = Instant::now() + CLIENT_IDLE_MAX;
        loop {
            let faults = self.faults.borrow_and_update().clone();
            let rebinds_now = *self.rebinds.borrow_and_update();
            if rebinds_now != rebinds {
                (rebinds, far) = (rebinds_now, self.bind().await?);
            }
            self.deliver(&far, &faults).await;
            let dues = [self.up.due(), self.down.due()].into_iter().flatten();
            let due = dues.fold(idle_until, Instant::min);
            tokio::select! {
                biased;
                changed = self.faults.changed() => if changed.is_err() {
                    return Ok(());
                },
                changed = self.rebinds.changed() => if changed.is_err() {
                    return Ok(());
                },
                datagram = self.datagrams.recv() => {
                    let Some(datagram) = datagram else { return Ok(()) };
                    let now = Instant::now();
                    idle_until = now + CLIENT_IDLE_MAX;
                    self.up.send(now, &datagram, &faults);
                }
                // An error tells that an earlier datagram met no server; the client finds out as it can.
                received = far.recv(&mut answer) => if let Ok(count) = received {
                    self.down.send(Instant::now(), &answer[..count], &faults);
                },
                () = sleep_until(due.into()) => if idle_until <= Instant::now() {
                    return Ok(());
                },
            }
        }
    }

    /// A port towards the server, which hears nobody else.
    async fn bind(&self) -> io::Result<UdpSocket> {
        let any: IpAddr = match self.to {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).await?;
        socket.connect(self.to).await?;
        Ok(socket)
    }

    async fn deliver(&mut self, far: &UdpSocket, faults: &Faults) {
        let now = Instant::now();
        while let Some(datagram) = self.up.poll(now, faults) {
            // What cannot be sent is lost, as anywhere on the way.
            if far.send(&datagram).await.is_ok() {
                self.count.count_delivered(Direction::Up, &datagram);
            }
        }
        while let Some(datagram) = self.down.poll(now, faults) {
            if self.near.send_to(&datagram, self.address).await.is_ok() {
                self.count.count_delivered(Direction::Down, &datagram);
            }
        }
        let lost = self.up.take_lost() + self.down.take_lost();
        self.count.count_lost(lost);
    }
}

/// What UDP can carry.
const DATAGRAM_BYTES_MAX: usize = 64 << 10;

/// Each is a socket and a buffer; from more no datagrams are taken.
const CLIENTS_MAX: usize = 1024;

/// What waits for a client's task.
const DATAGRAMS_WAITING_MAX: usize = 256;

/// When to forget a client that sends nothing, as NATs do, but later than most: one that forgets sooner is a
/// fault of its own.
const CLIENT_IDLE_MAX: Duration = Duration::from_secs(120);
