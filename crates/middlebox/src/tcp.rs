//! The middlebox for connections: accepts them, and tells all of them what it is told.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Semaphore, broadcast, mpsc, watch};
use tokio::time::sleep;

use super::connection::{Order, Orders, serve};
use super::counters::Counters;
use super::faults::Faults;
use super::gate::Gate;
use super::tap::Tap;
use super::{Cut, Stats, Transport, Unusable};

/// See the module. Its connections end when it is dropped.
#[derive(Debug)]
pub struct Tcp {
    address: SocketAddr,
    faults: watch::Sender<Arc<Faults>>,
    /// Locked while an order is carried out, so that one follows upon the other.
    orders: Mutex<broadcast::Sender<Order>>,
    shared: Arc<Shared>,
}

/// What all connections have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) gate: Arc<Gate>,
    pub(super) counters: Arc<Counters>,
}

impl Tcp {
    /// Listens on `listen`, for the server at `to`.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on.
    pub async fn open(listen: SocketAddr, to: SocketAddr) -> io::Result<Self> {
        Self::open_any(listen, [to]).await
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
        Self::start(listen, [to].into(), Some(tap)).await
    }

    /// The same for several servers, to any of which a connection leads: to one by chance, or the next one that takes it.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn open_any(
        listen: SocketAddr,
        to: impl Into<Arc<[SocketAddr]>>,
    ) -> io::Result<Self> {
        Self::start(listen, to.into(), None).await
    }

    async fn start(
        listen: SocketAddr,
        to: Arc<[SocketAddr]>,
        tap: Option<Arc<dyn Tap>>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let tcp = Self {
            address: listener.local_addr()?,
            faults: watch::Sender::new(Arc::default()),
            orders: Mutex::new(broadcast::Sender::new(ORDERS_WAITING_MAX)),
            shared: Arc::new(Shared {
                gate: Arc::default(),
                counters: Counters::new(Transport::Tcp, tap),
            }),
        };
        let accept = Accept {
            listener,
            to,
            faults: tcp.faults.subscribe(),
            orders: tcp
                .orders
                .try_lock()
                .expect("nobody else has it yet")
                .subscribe(),
            shared: Arc::clone(&tcp.shared),
        };
        tokio::spawn(accept.run());
        Ok(tcp)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces all faults, for open connections as well: at once for who waits for [`settle`](Self::settle).
    ///
    /// # Errors
    ///
    /// When a fault is out of its bounds, or one of UDP.
    pub fn set(&self, faults: Faults) -> Result<(), Unusable> {
        faults.check(Transport::Tcp)?;
        self.shared.gate.set_max(faults.connections_max);
        self.faults.send_replace(Arc::new(faults));
        Ok(())
    }

    /// Cuts every open connection, and waits until that is done. Gives how many they were.
    pub async fn cut(&self, how: Cut) -> u64 {
        self.order(Some(how)).await
    }

    /// Waits until no open connection carries anything more by the faults that were before those that were set last.
    pub async fn settle(&self) {
        self.order(None).await;
    }

    /// Gives how many connections had it to carry out.
    async fn order(&self, cut: Option<Cut>) -> u64 {
        let orders = self.orders.lock().await;
        let count = self.stats().open;
        let (done, mut all_done) = mpsc::channel(1);
        // It fails when there is no connection.
        let _ = orders.send(Order { cut, _done: done });
        // Nobody sends: it ends when the last has dropped the order.
        all_done.recv().await;
        count
    }

    /// What has passed.
    pub fn stats(&self) -> Stats {
        self.shared.counters.stats()
    }
}

/// The task that accepts.
struct Accept {
    listener: TcpListener,
    to: Arc<[SocketAddr]>,
    faults: watch::Receiver<Arc<Faults>>,
    orders: broadcast::Receiver<Order>,
    shared: Arc<Shared>,
}

impl Accept {
    async fn run(mut self) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let accept = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, self.listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                biased;
                // An order is for those that are open; it must not wait for us.
                order = self.orders.recv() => match order {
                    Err(broadcast::error::RecvError::Closed) => return,
                    _ => continue,
                },
                accepted = accept => accepted,
            };
            match accepted {
                Ok((client, _)) if self.faults.borrow().refuse => self.refuse(client),
                Ok((client, _)) => {
                    let (to, shared) = (Arc::clone(&self.to), Arc::clone(&self.shared));
                    let open = shared.counters.count_accepted();
                    let orders = Orders {
                        faults: self.faults.clone(),
                        orders: self.orders.resubscribe(),
                    };
                    tokio::spawn(async move {
                        let _place = place;
                        serve(client, &to, open, shared, orders).await;
                    });
                }
                // As when there are no descriptors left: what is open goes on meanwhile.
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    fn refuse(&self, client: TcpStream) {
        self.shared.counters.count_refused();
        // It fails for sockets that are gone already.
        let _ = client.set_zero_linger();
    }
}

/// With two descriptors each they stay well below the 20,000 that a test machine gives to a process. More
/// wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 8192;

/// Cuts are carried out one by one.
const ORDERS_WAITING_MAX: usize = 1;

/// When to accept again after that went wrong.
const PAUSE: Duration = Duration::from_millis(10);
