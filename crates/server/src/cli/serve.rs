//! `tidings serve`: from the settings to a running server, and to its end.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use clap::Args;
use tidings_hub::{Auth, Hub, HubConfig, Limits, NamespacePolicies, NamespacePolicy, Secret};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use super::descriptors;
use crate::balance;
use crate::banner::{self, Addresses};
use crate::config::{
    Config, Durability, EngineConfig, HeartbeatConfig, Span, TlsConfig, TlsVersion,
};
use crate::connection::ConnectionLimits;
use crate::engine::OpenEngine;
use crate::fault::Fault;
use crate::http::App;
use crate::http::body::BodyLimits;
use crate::http::origin::OriginPolicy;
use crate::lab::Lab;
use crate::logging::{self, LogFormat};
use crate::metrics::{Metrics, listener};
use crate::places::Places;
use crate::quic::{Quic, Told};
use crate::server;
use crate::shutdown::{Drain, Ending, Signals, drain};
use crate::tls::{self, Tls, redirect};

/// Start the server.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Where to listen [default: 127.0.0.1:7007]; port 0 lets the system choose.
    #[arg(long, env = "TIDINGS_LISTEN", value_name = "HOST:PORT")]
    pub(super) listen: Option<String>,
    /// The directory of the messages [default: ./tidings-data].
    #[arg(long, env = "TIDINGS_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where the messages are: in the data directory, or in NATS JetStream for several servers, such as
    /// nats://a:4222,b:4222,c:4222 [default: embedded].
    #[arg(long, env = "TIDINGS_ENGINE", value_name = "ENGINE")]
    engine: Option<EngineConfig>,
    /// Threads that carry connections [default: 1].
    #[arg(long, env = "TIDINGS_SHARDS", value_name = "N")]
    shards: Option<usize>,
    /// What an acknowledged message survives: a crash of the process, or a loss of power [default: process].
    #[arg(long, env = "TIDINGS_DURABILITY")]
    durability: Option<Durability>,
    /// Origin of pages that may use this server besides its own. May be given many times.
    #[arg(
        long = "allow-origin",
        env = "TIDINGS_ALLOWED_ORIGINS",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    allowed_origins: Vec<String>,
    /// Silence after which either side asks whether the other is there; half as much again, and the connection
    /// is dead [default: 20s].
    #[arg(long, env = "TIDINGS_HEARTBEAT", value_name = "TIME")]
    heartbeat: Option<Span>,
    /// Where Prometheus finds /metrics, and nobody else does [default: on the same port as everything else].
    #[arg(long, env = "TIDINGS_METRICS_LISTEN", value_name = "HOST:PORT")]
    metrics_listen: Option<String>,
    /// Speak https and wss with a certificate made here, for development.
    #[arg(long, value_name = "KIND", env = "TIDINGS_TLS")]
    tls: Option<MadeHere>,
    /// Speak https and wss with this certificate (PEM, with those that lead to its root).
    #[arg(long, env = "TIDINGS_TLS_CERTIFICATE", value_name = "FILE")]
    tls_certificate: Option<PathBuf>,
    /// The certificate's private key (PEM).
    #[arg(long, env = "TIDINGS_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// The oldest version of TLS that is spoken [default: 1.2].
    #[arg(long, env = "TIDINGS_TLS_MIN_VERSION", value_name = "VERSION")]
    tls_min_version: Option<TlsVersion>,
    /// For how long browsers are to ask this host by TLS only, such as 365d [default: they are not told].
    #[arg(long, env = "TIDINGS_HSTS", value_name = "TIME")]
    hsts: Option<Span>,
    /// A port without TLS that only leads to the one with it, such as 0.0.0.0:80.
    #[arg(long, env = "TIDINGS_REDIRECT_FROM", value_name = "HOST:PORT")]
    redirect_from: Option<String>,
    /// The port that it leads to, where clients know it by another number [default: the one of --listen].
    #[arg(long, env = "TIDINGS_REDIRECT_TO", value_name = "PORT")]
    redirect_to: Option<NonZeroU16>,
    /// Whether messages are compressed on WebSockets whose clients offer it [default: true].
    #[arg(long, env = "TIDINGS_WEBSOCKET_COMPRESSION", value_name = "BOOL")]
    websocket_compression: Option<bool>,
    /// Whether WebSockets are opened in streams of HTTP/2 [default: true].
    #[arg(long, env = "TIDINGS_WEBSOCKET_OVER_HTTP2", value_name = "BOOL")]
    websocket_over_http2: Option<bool>,
    /// Whether there is WebTransport, over UDP on the same port [default: with TLS, and for guests on this machine].
    #[arg(long, env = "TIDINGS_WEBTRANSPORT", value_name = "BOOL")]
    webtransport: Option<bool>,
    /// Whether there is /lab, which shows what each transport costs [default: for guests on this machine, without TLS].
    #[arg(long, env = "TIDINGS_LAB", value_name = "BOOL")]
    lab: Option<bool>,
    /// How lines on stderr are written [default: text]; TIDINGS_LOG=info tells more of them.
    #[arg(long, env = "TIDINGS_LOG_FORMAT")]
    log_format: Option<LogFormat>,
    /// Let everybody in who can reach the server, under any name, without any secret.
    #[arg(long)]
    insecure: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// A certificate that the server makes itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum MadeHere {
    /// Signed by nobody else: browsers warn of it.
    SelfSigned,
}

/// Where the settings are, for the commands that need the server's.
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    /// A file of settings; `tidings config` prints one.
    #[arg(long, env = "TIDINGS_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The secret that tokens are signed with. Only from the environment: others see command lines.
    #[arg(
        long = "auth-secret",
        env = "TIDINGS_AUTH_SECRET",
        hide = true,
        hide_env_values = true
    )]
    secret: Option<String>,
}

impl ConfigArgs {
    /// The file over the defaults, the environment over the file.
    pub(super) fn load(&self) -> Result<Config, Fault> {
        let mut config = match &self.config {
            Some(path) => Config::read(path)?,
            None => Config::default(),
        };
        if let Some(secret) = &self.secret {
            config.auth.secret = Some(secret.clone());
        }
        Ok(config)
    }
}

impl ServeArgs {
    /// The command line over the environment over the file over the defaults.
    fn load(&self) -> Result<Config, Fault> {
        let mut config = self.config.load()?;
        if let Some(listen) = &self.listen {
            config.listen.clone_from(listen);
        }
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        if let Some(engine) = &self.engine {
            config.engine.clone_from(engine);
        }
        if let Some(shards) = self.shards {
            config.shards = shards;
        }
        if let Some(durability) = self.durability {
            config.durability = durability;
        }
        if !self.allowed_origins.is_empty() {
            config.allowed_origins.clone_from(&self.allowed_origins);
        }
        if let Some(interval) = self.heartbeat {
            config.heartbeat = HeartbeatConfig::every(interval);
        }
        if let Some(listen) = &self.metrics_listen {
            config.metrics.listen = Some(listen.clone());
        }
        self.load_tls(&mut config.tls);
        if let Some(compression) = self.websocket_compression {
            config.websocket.compression = compression;
        }
        if let Some(over_http2) = self.websocket_over_http2 {
            config.websocket.over_http2 = over_http2;
        }
        if let Some(enabled) = self.webtransport {
            config.webtransport.enabled = Some(enabled);
        }
        if let Some(enabled) = self.lab {
            config.lab.enabled = Some(enabled);
        }
        if let Some(format) = self.log_format {
            config.log_format = format;
        }
        config.check()?;
        Ok(config)
    }

    fn load_tls(&self, tls: &mut TlsConfig) {
        // A certificate that is named here is in place of the file's.
        if self.tls.is_some() || self.tls_certificate.is_some() {
            tls.certificate = None;
            tls.key = None;
            tls.self_signed = false;
            tls.acme = None;
        }
        if let Some(MadeHere::SelfSigned) = self.tls {
            tls.self_signed = true;
        }
        if let Some(certificate) = &self.tls_certificate {
            tls.certificate = Some(certificate.clone());
        }
        if let Some(key) = &self.tls_key {
            tls.key = Some(key.clone());
        }
        if let Some(version) = self.tls_min_version {
            tls.min_version = version;
        }
        if let Some(age) = self.hsts {
            tls.hsts = Some(age);
        }
        if let Some(listen) = &self.redirect_from {
            tls.redirect_from = Some(listen.clone());
        }
        if let Some(port) = self.redirect_to {
            tls.redirect_to = Some(port);
        }
    }
}

/// The secret that the settings name.
pub(super) fn secret(config: &Config) -> Result<Option<Secret>, Fault> {
    let secret = config.auth.secret.as_deref().map(Secret::new);
    secret
        .transpose()
        .map_err(|error| Fault::setup(format!("the secret of [auth]: {error}")))
}

/// Serves until a signal ends it.
pub(super) fn run(args: &ServeArgs) -> Result<(), Fault> {
    let config = args.load()?;
    logging::start(config.log_format)?;
    serve(args, &config).map_err(|fault| logging::tell(config.log_format, fault))
}

fn serve(args: &ServeArgs, config: &Config) -> Result<(), Fault> {
    let address = server::resolve(&config.listen)?;
    check_exposure(config, address, args.insecure)?;
    let listeners = server::listen(address, config.shards, "--listen")?;
    let address = bound_address(&listeners[0])?;
    let metrics_listener = own_listener(config.metrics.listen.as_deref(), "--metrics-listen")?;
    let metrics_address = metrics_listener.as_ref().map(bound_address).transpose()?;
    let redirecting = own_listener(config.tls.redirect_from.as_deref(), "--redirect-from")?;
    let limits = connection_limits(config);
    // Before there are threads, which the engine has.
    descriptors::make_room(limits.connections);
    let engine = OpenEngine::open(config)?;
    let tls = tls::open(&config.tls, &config.data)?;
    let quic = Quic::prepare(config, address, tls.as_ref())?;
    let (metrics, ends) = Metrics::new(config.shards, engine.watched(), limits.connections);
    let metrics = Arc::new(metrics);
    let shares = balance::shares(
        ends.iter().map(|end| end.counts.clone()),
        config.relieve_at * 10,
    );
    let watched = engine.watched();
    let hub = Hub::new(engine.engine(), hub_config(config)?);
    drop(engine);

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Fault::failure(format!("cannot start: {error}")))?;
    let ended = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let lab = Lab::prepare(config, address, tls.is_some())?;
        let has_lab = lab.is_some();
        let (drainer, drain) = drain(ending(config));
        let metrics = match metrics_listener {
            Some(listener) => {
                let listener = TcpListener::from_std(listener)
                    .map_err(|error| Fault::failure(format!("cannot show metrics: {error}")))?;
                tokio::spawn(listener::serve(listener, metrics));
                None
            }
            None => Some(metrics),
        };
        if let Some(listener) = redirecting {
            let listener = TcpListener::from_std(listener)
                .map_err(|error| Fault::failure(format!("cannot redirect: {error}")))?;
            let to = config
                .tls
                .redirect_to
                .map_or(address.port(), NonZeroU16::get);
            tokio::spawn(redirect::serve(listener, to));
        }
        let mut known = None;
        let tls = tls.map(|opened| {
            tokio::spawn(opened.keeper.run());
            known = Some(opened.known);
            opened.tls
        });
        let told = quic.as_ref().map(Quic::told);
        let has_webtransport = told.is_some();
        if let (Some(quic), Some((share, _))) = (quic, shares.first()) {
            quic.start(share.clone(), drain.clone())?;
        }
        let app = app(config, hub, (metrics, tls, told, lab), args.insecure, drain)?;
        let shards: Vec<_> = listeners
            .into_iter()
            .zip(ends)
            .zip(shares)
            .enumerate()
            .map(|(number, ((listener, end), share))| {
                server::start_shard(number, listener, app.clone(), end, share, limits)
            })
            .collect::<Result<_, _>>()
            .map_err(|error| Fault::failure(format!("cannot start a thread: {error}")))?;
        drop(app);
        banner::print(
            config,
            args.config.config.as_deref(),
            Addresses {
                server: address,
                has_webtransport,
                has_lab,
                metrics: metrics_address,
            },
            known.as_ref(),
            args.insecure,
        );
        let (version, shards_count) = (env!("CARGO_PKG_VERSION"), config.shards);
        tracing::info!(version, %address, shards = shards_count, "serving");

        let mut ended = std::pin::pin!(join(shards));
        tokio::select! {
            () = signals.next() => {}
            () = &mut ended => {
                return Err(Fault::failure("the threads that carry connections have ended")
                    .advise("The log above says why. Start it again."));
            }
            why = watched.failure() => {
                return Err(Fault::failure(why).advise("Start it again: clients are told what they miss."));
            }
        }
        banner::farewell();
        tracing::info!("ending");
        let ending = async {
            drainer.announce();
            sleep(config.drain.notice.0).await;
            drainer.begin();
            // They bound themselves; the time is for one that hangs.
            let _ = timeout(2 * config.drain.within.0, ended).await;
        };
        tokio::select! {
            () = ending => Ok(()),
            () = signals.next() => Err(Fault::failure("ended at once, by a second signal")),
        }
    });
    // With the last shard the hub is gone, and with the hub the engine, which closes in order. Whatever
    // hangs is not waited for: what was acknowledged is safe in any case.
    runtime.shutdown_background();
    ended
}

/// A listener for what has an address of its own, if it is to; `option` is that of the command line.
fn own_listener(
    listen: Option<&str>,
    option: &str,
) -> Result<Option<std::net::TcpListener>, Fault> {
    let Some(listen) = listen else {
        return Ok(None);
    };
    let address = server::resolve(listen)?;
    Ok(server::listen(address, 1, option)?.pop())
}

fn bound_address(listener: &std::net::TcpListener) -> Result<SocketAddr, Fault> {
    listener.local_addr().map_err(|error| {
        Fault::setup(format!(
            "cannot learn the address that was listened on: {error}"
        ))
    })
}

/// Waits for the threads, which end by themselves.
async fn join(shards: Vec<JoinHandle<()>>) {
    let joining = tokio::task::spawn_blocking(move || {
        for shard in shards {
            let _ = shard.join();
        }
    });
    let _ = joining.await;
}

/// A server that lets guests in is for this machine only.
fn check_exposure(config: &Config, address: SocketAddr, insecure: bool) -> Result<(), Fault> {
    if config.auth.secret.is_some() || address.ip().is_loopback() || insecure {
        return Ok(());
    }
    Err(Fault::setup(format!(
        "{address} can be reached from other machines, and nothing says who may come in"
    ))
    .advise(
        "Set TIDINGS_AUTH_SECRET=$(openssl rand -hex 32) and give your users tokens (`tidings token`), \
         or listen on 127.0.0.1. --insecure lets everybody in.",
    ))
}

fn hub_config(config: &Config) -> Result<HubConfig, Fault> {
    Ok(HubConfig {
        auth: match secret(config)? {
            Some(secret) => Auth::Secret(secret),
            None => Auth::Guests,
        },
        limits: Limits {
            subscriptions: config.limits.subscriptions,
            data_bytes: config.limits.data.bytes(),
            sessions: config.limits.connections,
            // A poller is given as long as any other client that is not heard of.
            lease: config.heartbeat.patience(),
            presence_grace: config.presence.grace.0,
            ..Limits::default()
        },
        namespaces: NamespacePolicies {
            default: NamespacePolicy::default(),
            namespaces: config
                .namespaces
                .iter()
                .map(|(name, namespace)| {
                    let policy = NamespacePolicy {
                        presence: namespace.presence,
                        behind: namespace.behind.into(),
                    };
                    (name.clone(), policy)
                })
                .collect(),
        },
        heartbeat: config.heartbeat.on_the_wire(),
    })
}

/// What there may be of a server.
type Parts = (
    Option<Arc<Metrics>>,
    Option<Arc<Tls>>,
    Option<Told>,
    Option<Lab>,
);

fn app(
    config: &Config,
    hub: Arc<Hub>,
    (metrics, tls, webtransport, lab): Parts,
    insecure: bool,
    drain: Drain,
) -> Result<Arc<App>, Fault> {
    Ok(Arc::new(App {
        hub,
        origins: OriginPolicy {
            allowed: config.origins()?,
            any_host: config.auth.secret.is_some() || insecure,
            lab_port: lab.as_ref().map(Lab::port),
        },
        tls,
        webtransport,
        lab,
        hsts: tls::hsts(&config.tls).map(Arc::new),
        websocket: config.websocket.clone(),
        body_limits: BodyLimits {
            bytes_max: config.limits.body.bytes(),
            within: config.limits.body_timeout.0,
        },
        metrics,
        drain,
        spared: Places::default(),
    }))
}

fn ending(config: &Config) -> Ending {
    Ending {
        within: config.drain.within.0,
        returns_after: config.drain.restart.0,
        returns_per_second: config.drain.rate,
    }
}

fn connection_limits(config: &Config) -> ConnectionLimits {
    ConnectionLimits {
        connections: config
            .limits
            .connections
            .min(descriptors::connections_max()),
        head_bytes: config.limits.head.bytes(),
        head_within: config.limits.head_timeout.0,
        // As long as a silent WebSocket is given.
        unsent_within: config.heartbeat.patience(),
        asks_after: (config.heartbeat.interval.0, config.heartbeat.timeout.0),
    }
}
