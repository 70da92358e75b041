//! The lab: what the page `/lab` needs to race transports in a browser, break the network before them, and show what is on
//! the wire.
//!
//! A [`Visit`] lasts as long as its stream of lines is read. It opens lanes, and each [lane] is an address of its own
//! that leads through a middlebox to this server, over TCP and, under the same number, UDP; the page's clients go by
//! these. What passes is told in the stream by the [`feed`]. [`door`] has the requests, [`network`] what can be done to
//! a lane. The contract is in `lab/README.md`.

pub(crate) mod door;
mod feed;
mod lane;
mod network;
mod visit;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tidings_hub::Refusal;
use tidings_wire::Code;
use tokio::runtime::Handle;

use crate::config::Config;
use crate::fault::Fault;
use crate::http::problem::refusal;
use visit::Visit;

/// The lab of a server.
pub(crate) struct Lab {
    /// That of a thread which carries no clients: what lanes take is no shard's.
    runtime: Handle,
    /// Where lanes lead to, and on which address they listen.
    server: SocketAddr,
    listen: IpAddr,
    visits: Mutex<HashMap<String, Weak<Visit>>>,
}

/// What who asks for a lab is told where there is none.
pub(crate) const CLOSED: &str = "there is no lab here: it is for guests on this machine, without TLS; elsewhere `--lab true` \
                                 or `[lab] enabled = true` opens it, but not with TLS";

/// Visits at a time: a developer's pages, each with as many clients as lanes.
const VISITS_MAX: usize = 4;

impl Lab {
    /// The lab of a server at `address`, where there is to be one: if nobody says otherwise, for guests on this machine. Its
    /// lanes are carried by the runtime that this is called in.
    ///
    /// # Errors
    ///
    /// It is asked for, and there is TLS, through which no middlebox sees.
    pub(crate) fn prepare(
        config: &Config,
        address: SocketAddr,
        has_tls: bool,
    ) -> Result<Option<Self>, Fault> {
        let by_itself = !has_tls && config.auth.secret.is_none() && address.ip().is_loopback();
        if !config.lab.enabled.unwrap_or(by_itself) {
            return Ok(None);
        }
        if has_tls {
            return Err(Fault::setup("the lab cannot be where there is TLS: it shows what is on the wire")
                .advise("Do without one of them: `[lab] enabled = false`, or a server of its own for the lab."));
        }
        let mut server = address;
        if address.ip().is_unspecified() {
            server.set_ip(match address {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        Ok(Some(Self {
            runtime: Handle::current(),
            server,
            listen: address.ip(),
            visits: Mutex::default(),
        }))
    }

    /// The port of the server whose pages may use the lanes.
    pub(crate) fn port(&self) -> u16 {
        self.server.port()
    }

    /// Begins a visit.
    fn visit(&self) -> Result<Arc<Visit>, Refusal> {
        let mut visits = self.visits();
        visits.retain(|_, visit| visit.strong_count() > 0);
        if visits.len() >= VISITS_MAX {
            return Err(refusal(
                Code::Busy,
                format!("the lab has {VISITS_MAX} visits; close one of their pages"),
            ));
        }
        let visit = Arc::new(Visit::new(format!("{:016x}", fastrand::u64(..))));
        visits.insert(visit.name().to_owned(), Arc::downgrade(&visit));
        Ok(visit)
    }

    /// The visit of that name.
    fn find(&self, name: &str) -> Result<Arc<Visit>, Refusal> {
        let visit = self.visits().get(name).and_then(Weak::upgrade);
        visit.ok_or_else(|| {
            refusal(
                Code::NotFound,
                "there is no such visit; it ends when its stream is no longer read",
            )
        })
    }

    fn visits(&self) -> MutexGuard<'_, HashMap<String, Weak<Visit>>> {
        self.visits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
