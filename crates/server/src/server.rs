//! The server: its engine, its hub, its listeners, and a thread for each shard.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use socket2::{Domain, Protocol, Socket, Type};
use tidings_hub::{Hub, Shard};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{LocalSet, yield_now};
use tokio::time::{sleep, timeout};

use crate::balance::{Inbox, Share};
use crate::connection::{self, Accepted, ConnectionLimits, Permit};
use crate::fault::Fault;
use crate::few::ACCEPT_AGAIN_AFTER;
use crate::http::{App, Doors};
use crate::metrics::{Look, ShardMetrics};
use crate::quic::Arrival;
use crate::requests::Requests;
use crate::transport::webtransport;

/// Connections that wait to be accepted, as far as the system allows.
const BACKLOG: i32 = 4096;

/// Connections that are accepted before everybody else on the thread has a turn. When thousands come back
/// at once, those who are connected are served meanwhile, and few handshakes are in memory at a time.
const ACCEPTED_AT_A_TIME: usize = 16;

/// Connections over the limit that are told so at a time; more are just closed.
const TURNED_AWAY_MAX: usize = 64;

/// Where the server is to listen, looked up.
pub(crate) fn resolve(listen: &str) -> Result<SocketAddr, Fault> {
    let advice = "Write it as HOST:PORT, such as 127.0.0.1:7007 or [::1]:7007.";
    listen
        .to_socket_addrs()
        .map_err(|error| {
            Fault::setup(format!("cannot listen on {listen:?}: {error}")).advise(advice)
        })?
        .next()
        .ok_or_else(|| {
            Fault::setup(format!("{listen:?} is no address of this machine")).advise(advice)
        })
}

/// One listener for each shard, all on the same port; the kernel spreads connections over them. `option` is
/// that of the command line which chooses the port.
pub(crate) fn listen(
    address: SocketAddr,
    shards: usize,
    option: &str,
) -> Result<Vec<TcpListener>, Fault> {
    let fault = |error: io::Error| match error.kind() {
        io::ErrorKind::AddrInUse => Fault::setup(format!("{address} is taken by another program"))
            .advise(format!(
                "Choose another port ({option} {}), or end that program (`ss -ltnp` names it).",
                SocketAddr::new(address.ip(), address.port().wrapping_add(1).max(1024)),
            )),
        io::ErrorKind::AddrNotAvailable => {
            Fault::setup(format!("{} is no address of this machine", address.ip()))
                .advise("`ip address` lists those it has; 127.0.0.1 is always one.")
        }
        io::ErrorKind::PermissionDenied => Fault::setup(format!(
            "this user may not listen on port {}",
            address.port()
        ))
        .advise("Choose a port from 1024 on."),
        _ => Fault::setup(format!("cannot listen on {address}: {error}")),
    };
    // With SO_REUSEPORT a second server of the same user would share the port unnoticed, so one
    // socket without it asks first whether the port is free, and holds it until the others have it.
    let first = bind(address, Sharing::Alone).map_err(fault)?;
    let bound = first.local_addr().map_err(fault)?;
    if shards == 1 {
        return Ok(vec![first]);
    }
    drop(first);
    let shared = |_| bind(bound, Sharing::Shards);
    (0..shards)
        .map(shared)
        .collect::<io::Result<_>>()
        .map_err(fault)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Alone,
    Shards,
}

fn bind(address: SocketAddr, sharing: Sharing) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    // A restart must not wait for the last connections of the process before.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(sharing == Sharing::Shards)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Starts the thread of one shard. It ends when the drain has begun and its connections have ended,
/// or have had their time.
pub(crate) fn start_shard(
    number: usize,
    listener: TcpListener,
    app: Arc<App>,
    metrics: ShardMetrics,
    share: (Share, Inbox),
    limits: ConnectionLimits,
) -> io::Result<JoinHandle<()>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new()
        .name(format!("shard-{number}"))
        .spawn(move || {
            if let Err(error) = run_shard(&runtime, listener, app, metrics, share, limits) {
                tracing::error!(%error, "a shard ended");
            }
        })
}

fn run_shard(
    runtime: &Runtime,
    listener: TcpListener,
    app: Arc<App>,
    metrics: ShardMetrics,
    (share, inbox): (Share, Inbox),
    limits: ConnectionLimits,
) -> io::Result<()> {
    let local = LocalSet::new();
    local.block_on(runtime, async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let shard = Shard::start(Arc::clone(&app.hub) as Arc<Hub>);
        let doors = Doors::open(app, shard.clone(), metrics.counts, share.clone())?;
        let websockets = doors.websockets.clone();
        let within = doors.app.drain.within();
        tokio::task::spawn_local(metrics.asked.answer(async move || {
            Some(Look {
                census: shard.census(),
                unsent_bytes: websockets.unsent_bytes().await?,
                busy: Handle::current().metrics().worker_total_busy_duration(0),
            })
        }));
        let requests = Rc::new(Requests::new(doors, limits));
        let mut alive = accept(listener, requests, share, inbox).await;
        // `None` when the last permit is gone.
        let _ = timeout(within, alive.recv()).await;
        Ok(())
    })
}

/// Accepts until the drain begins; gives what ends with the last connection.
async fn accept(
    listener: tokio::net::TcpListener,
    requests: Rc<Requests>,
    share: Share,
    inbox: Inbox,
) -> mpsc::Receiver<()> {
    let (alive, ended) = mpsc::channel(1);
    let Inbox {
        mut accepted,
        moved,
    } = inbox;
    // What comes from other shards does not hold this one up when it ends.
    let doors = &requests.doors;
    let arriving = doors.websockets.receive(moved, alive.downgrade());
    tokio::task::spawn_local(arriving);
    let drain = doors.app.drain.clone();
    let porter = Porter {
        requests,
        alive,
        turned_away: Arc::new(Semaphore::new(TURNED_AWAY_MAX)),
    };
    let mut accepted_in_a_row = 0;
    loop {
        accepted_in_a_row += 1;
        if accepted_in_a_row == ACCEPTED_AT_A_TIME {
            accepted_in_a_row = 0;
            yield_now().await;
        }
        let taken = tokio::select! {
            taken = listener.accept() => taken.and_then(|(stream, _)| hand_over(stream, &share)),
            Some(accepted) = accepted.recv() => Ok(Some(accepted)),
            () = drain.begun() => break,
        };
        match taken.and_then(|accepted| accepted.map_or(Ok(()), |it| porter.carry(it))) {
            Ok(()) => {}
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                sleep(ACCEPT_AGAIN_AFTER).await;
            }
        }
    }
    // Those that are on their way hear that the server ends.
    accepted.close();
    while let Ok(accepted) = accepted.try_recv() {
        // It fails where the system has no more descriptors: the connection is cut.
        let _ = porter.carry(accepted);
    }
    ended
}

/// Hands a connection to the shard that is to carry it; gives it back if that is this one.
fn hand_over(stream: TcpStream, share: &Share) -> io::Result<Option<Accepted>> {
    let accepted = Accepted::Tcp(stream.into_std()?);
    Ok(match share.better_place() {
        Some(to) => share.hand_over(to, accepted).err(),
        None => Some(accepted),
    })
}

/// Has connections carried, up to the limit.
struct Porter {
    requests: Rc<Requests>,
    alive: mpsc::Sender<()>,
    turned_away: Arc<Semaphore>,
}

impl Porter {
    fn carry(&self, accepted: Accepted) -> io::Result<()> {
        match accepted {
            Accepted::Tcp(stream) => self.carry_tcp(TcpStream::from_std(stream)?),
            Accepted::Quic(arrival) => self.carry_quic(*arrival),
        }
        Ok(())
    }

    /// `None` if there are as many connections as there may be, and none can be spared.
    fn permit(&self) -> Option<Rc<Permit>> {
        let Requests { doors, limits, .. } = &*self.requests;
        let spared = &doors.app.spared;
        Permit::take(&doors.counts, &self.alive, spared, limits.connections)
    }

    fn carry_quic(&self, arrival: Arrival) {
        let Requests { doors, .. } = &*self.requests;
        match self.permit() {
            Some(permit) => {
                let carried = webtransport::carry(arrival, doors.clone(), permit.clone());
                connection::spawn_kept(permit, carried);
            }
            None => arrival.incoming.refuse(),
        }
    }

    fn carry_tcp(&self, stream: TcpStream) {
        let Requests { doors, .. } = &*self.requests;
        match self.permit() {
            Some(permit) => {
                connection::spawn(stream, self.requests.clone(), permit);
            }
            None => {
                if let Ok(place) = self.turned_away.clone().try_acquire_owned() {
                    let (tls, counts) = (doors.app.tls.clone(), doors.counts.clone());
                    tokio::task::spawn_local(async move {
                        connection::turn_away(stream, tls, counts).await;
                        drop(place);
                    });
                }
            }
        }
    }
}

/// Whether only the connection that would have been accepted is to blame.
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}
