//! A way of its own to this server, through a middlebox for TCP and one for UDP under the same number.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde::Serialize;
use tidings_middlebox::{Cut, Stats, Tap, Tcp, Udp, Unusable};

use super::network::Network;

/// See the module. Its connections end with it.
#[derive(Debug)]
pub(super) struct Lane {
    tcp: Tcp,
    udp: Udp,
}

/// How often a number is tried that TCP has and UDP may not.
const TRIES_MAX: u32 = 16;

/// What has passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Total {
    tcp: Counts,
    udp: Counts,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Counts {
    connections: u64,
    open: u64,
    up: u64,
    down: u64,
    lost: u64,
}

impl Lane {
    /// Listens on `ip`, for the server at `to`; `tap` is told what passes.
    pub(super) async fn open(ip: IpAddr, to: SocketAddr, tap: Arc<dyn Tap>) -> io::Result<Self> {
        let mut tries = 0;
        loop {
            let tcp = Tcp::open_tapped((ip, 0).into(), to, Arc::clone(&tap)).await?;
            let same = SocketAddr::new(ip, tcp.address().port());
            match Udp::open_tapped(same, to, Arc::clone(&tap)).await {
                Ok(udp) => return Ok(Self { tcp, udp }),
                Err(_) if tries < TRIES_MAX => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Its number.
    pub(super) fn port(&self) -> u16 {
        self.tcp.address().port()
    }

    /// Replaces what is done to its network.
    pub(super) fn set(&self, network: &Network) -> Result<(), Unusable> {
        self.tcp.set(network.tcp())?;
        self.udp.set(network.udp())
    }

    /// Cuts its connections; gives how many they were. UDP has none.
    pub(super) async fn cut(&self, how: Cut) -> u64 {
        self.tcp.cut(how).await
    }

    /// What has passed.
    pub(super) fn total(&self) -> Total {
        let counts = |stats: Stats| Counts {
            connections: stats.accepted,
            open: stats.open,
            up: stats.up,
            down: stats.down,
            lost: stats.lost,
        };
        Total {
            tcp: counts(self.tcp.stats()),
            udp: counts(self.udp.stats()),
        }
    }
}
