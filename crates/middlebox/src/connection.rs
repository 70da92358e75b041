//! One connection's two sockets, and the loop that carries bytes between them as its [`Pipe`] says.

use std::future::pending;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{sleep_until, timeout};

use super::counters::{Count, Open};
use super::faults::Faults;
use super::lane::{End, READ_BYTES_MAX};
use super::pipe::Pipe;
use super::tcp::Shared;
use super::{Cut, Direction};

/// What every connection is told.
#[derive(Clone, Debug)]
pub(super) struct Order {
    /// `None`: only to heed the faults as they are now, before it carries anything more.
    pub(super) cut: Option<Cut>,
    /// Dropped by each as soon as it is done.
    pub(super) _done: mpsc::Sender<()>,
}

/// What a connection hears from its middlebox.
pub(super) struct Orders {
    /// The faults now. Its end is the end of all.
    pub(super) faults: watch::Receiver<Arc<Faults>>,
    /// It cannot lag: each order is waited for before the next.
    pub(super) orders: broadcast::Receiver<Order>,
}

/// Serves a client until either side or the middlebox ends it.
pub(super) async fn serve(
    client: TcpStream,
    to: &[SocketAddr],
    open: Open,
    shared: Arc<Shared>,
    mut orders: Orders,
) {
    let mut faults = orders.faults.clone();
    let enter = shared.gate.enter();
    tokio::pin!(enter);
    let place = loop {
        tokio::select! {
            biased;
            order = orders.orders.recv() => {
                let Some(cut) = order.map_or(Some(Cut::Close), |order| order.cut) else {
                    continue;
                };
                if cut == Cut::Reset {
                    reset(&client);
                }
                drop((client, open));
                return;
            }
            // Its sender is gone, and with it the middlebox.
            _ = faults.wait_for(|_| false) => return,
            place = &mut enter => break place,
        }
    };
    // A cut waits for this, so that it finds both sides.
    let Some(server) = connect(to).await else {
        return refuse(Side::new(client), open, orders).await;
    };
    // Without this small pieces would wait for each other, which is a fault that nobody asked for.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let mut connection = Connection {
        client: Side::new(client),
        server: Side::new(server),
        pipe: Pipe::new(Instant::now()),
        count: open.count(),
        open: Some(open),
        faults: orders.faults.borrow_and_update().clone(),
    };
    let parting = connection.run(&mut orders).await;
    let Connection {
        mut client,
        mut server,
        open,
        ..
    } = connection;
    // Nobody waits for a connection that only says goodbye.
    drop((open, place, orders));
    if let Parting::Quiet = parting {
        let both = async { tokio::join!(client.hear_out(), server.hear_out()) };
        let _ = timeout(GOODBYE_MAX, both).await;
    }
}

/// A connection to one of the servers, by chance, or to the next one that takes it.
async fn connect(to: &[SocketAddr]) -> Option<TcpStream> {
    let first = fastrand::usize(..to.len());
    for place in 0..to.len() {
        let server = TcpStream::connect(to[(first + place) % to.len()]);
        if let Ok(Ok(server)) = timeout(CONNECT_MAX, server).await {
            return Some(server);
        }
    }
    None
}

/// Tells a client that its server is not there, or lets it wait as long as it is in a black hole.
async fn refuse(mut client: Side, _open: Open, mut orders: Orders) {
    let is_told = |faults: &Arc<Faults>| !faults.swallows(Direction::Down);
    let mut is_cut = async || {
        while orders
            .orders
            .recv()
            .await
            .is_ok_and(|order| order.cut.is_none())
        {}
    };
    tokio::select! {
        // Lifted, or over with the middlebox.
        _ = orders.faults.wait_for(is_told) => reset(&client.stream),
        () = is_cut() => reset(&client.stream),
        () = client.hear_out() => {}
    }
}

/// How a connection ends.
enum Parting {
    /// Both sides were told that it is over, and may have more to say: to close a socket with something
    /// unread in it would reset what was written before.
    Quiet,
    /// It is dropped as it is.
    Abrupt,
}

struct Connection {
    client: Side,
    server: Side,
    pipe: Pipe,
    count: Count,
    /// Counts it among those that are open.
    open: Option<Open>,
    faults: Arc<Faults>,
}

struct Side {
    stream: TcpStream,
    /// Whether it has said all that it ever will.
    is_heard_out: bool,
}

impl Connection {
    async fn run(&mut self, orders: &mut Orders) -> Parting {
        loop {
            self.faults = orders.faults.borrow_and_update().clone();
            for direction in [Direction::Up, Direction::Down] {
                if let Some(parting) = self.deliver(direction).await {
                    return parting;
                }
            }
            self.count.count_lost(self.pipe.take_lost());
            if self.pipe.is_over() {
                return Parting::Quiet;
            }
            if self.pipe.is_idle(Instant::now(), &self.faults) {
                return self.cut(Cut::Reset).await.unwrap_or(Parting::Abrupt);
            }
            let due = self.pipe.due(&self.faults);
            tokio::select! {
                biased;
                order = orders.orders.recv() => {
                    let Ok(order) = order else { return Parting::Abrupt };
                    if let Some(cut) = order.cut
                        && let Some(parting) = self.cut(cut).await
                    {
                        return parting;
                    }
                }
                changed = orders.faults.changed() => {
                    if changed.is_err() {
                        return Parting::Abrupt;
                    }
                }
                () = self.readable(Direction::Up) => self.read(Direction::Up),
                () = self.readable(Direction::Down) => self.read(Direction::Down),
                () = self.writable(Direction::Up) => {}
                () = self.writable(Direction::Down) => {}
                () = wait_until(due) => {}
            }
        }
    }

    /// When there is something to read and room for it.
    async fn readable(&self, direction: Direction) {
        let from = self.from(direction);
        if from.is_heard_out || self.pipe.room(direction, &self.faults) == 0 {
            pending().await
        }
        // What went wrong is told by the read.
        let _ = from.stream.readable().await;
    }

    fn read(&mut self, direction: Direction) {
        // Not kept for the next time, so that a connection that waits takes little memory.
        let mut piece = [0; READ_BYTES_MAX];
        let room = self.pipe.room(direction, &self.faults).min(piece.len());
        let from = match direction {
            Direction::Up => &mut self.client,
            Direction::Down => &mut self.server,
        };
        let now = Instant::now();
        let end = match from.stream.try_read(&mut piece[..room]) {
            Ok(0) => End::Fin,
            Ok(count) => {
                let bytes = &piece[..count];
                return self.pipe.handle_bytes(direction, bytes, now, &self.faults);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(_) => End::Reset,
        };
        from.is_heard_out = true;
        self.pipe.handle_end(direction, end, now, &self.faults);
    }

    /// When there is something to write and it can be written.
    async fn writable(&self, direction: Direction) {
        if self.pipe.arrived(direction).is_empty() {
            pending().await
        }
        // What went wrong is told by the write.
        let _ = self.to(direction).stream.writable().await;
    }

    /// Writes what has arrived, and tells the end. `Some`: it is that of the connection.
    async fn deliver(&mut self, direction: Direction) -> Option<Parting> {
        loop {
            match self.pipe.poll(direction, Instant::now(), &self.faults) {
                Some(End::Reset) => {
                    reset(&self.to(direction).stream);
                    return Some(Parting::Abrupt);
                }
                Some(End::Fin) => {
                    self.shut(direction).await;
                    return None;
                }
                None => {}
            }
            let arrived = self.pipe.arrived(direction);
            if arrived.is_empty() {
                return None;
            }
            match self.to(direction).stream.try_write(arrived) {
                Ok(written) => {
                    self.count.count_delivered(direction, &arrived[..written]);
                    self.pipe.handle_written(direction, written, Instant::now());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(_) => {
                    self.pipe.close(direction);
                    let (back, now) = (direction.opposite(), Instant::now());
                    self.pipe.handle_end(back, End::Reset, now, &self.faults);
                    return None;
                }
            }
        }
    }

    /// `None`: it goes on.
    async fn cut(&mut self, how: Cut) -> Option<Parting> {
        match how {
            Cut::Reset => {
                reset(&self.client.stream);
                reset(&self.server.stream);
                self.open = None;
                Some(Parting::Abrupt)
            }
            Cut::Close => {
                self.shut(Direction::Up).await;
                self.shut(Direction::Down).await;
                self.open = None;
                Some(Parting::Quiet)
            }
            Cut::Half => {
                self.shut(Direction::Down).await;
                None
            }
        }
    }

    /// Tells the end of a direction to whom it leads to.
    async fn shut(&mut self, direction: Direction) {
        self.pipe.close(direction);
        let to = match direction {
            Direction::Up => &mut self.server,
            Direction::Down => &mut self.client,
        };
        // Who is gone needs not be told.
        let _ = to.stream.shutdown().await;
    }

    fn from(&self, direction: Direction) -> &Side {
        self.to(direction.opposite())
    }

    fn to(&self, direction: Direction) -> &Side {
        match direction {
            Direction::Up => &self.server,
            Direction::Down => &self.client,
        }
    }
}

impl Side {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            is_heard_out: false,
        }
    }

    /// Reads to the end, for nobody.
    async fn hear_out(&mut self) {
        let mut piece = [0; 1024];
        while !self.is_heard_out {
            self.is_heard_out = !matches!(self.stream.read(&mut piece).await, Ok(1..));
        }
    }
}

/// Makes the socket's end, which must follow, an RST.
fn reset(stream: &TcpStream) {
    // It fails for sockets that are gone already.
    let _ = stream.set_zero_linger();
}

async fn wait_until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due.into()).await,
        None => pending().await,
    }
}

/// How long to wait for the server, which is near.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// How long to wait for the last words of those who were told that it is over. Longer than any test waits
/// for what should come at once, so that it cannot pass for that.
const GOODBYE_MAX: Duration = Duration::from_secs(60);
