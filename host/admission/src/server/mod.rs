//! The server: connections, TLS, answers, reloading, and its end.
//!
//! Everything is bounded: connections, bytes that are read at once, reviews that are judged at once, and the time of each. A
//! review that cannot be read or judged in time is answered by a verdict all the same.

mod http;
mod log;
mod metrics;
mod reload;
mod tls;

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use trocar::{Engine, capability::ClusterReader};

use self::metrics::Metrics;
pub use self::{
    log::{log, record},
    tls::{TlsError, TlsFiles},
};
use crate::{
    review::MAX_REVIEW,
    rules::{Rules, RulesError},
};

/// How long a client has for its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a connection may be idle, or send the head of a request: longer than API servers keep connections that are
/// idle (90 s), so that none is closed under a request of theirs.
const IDLE: Duration = Duration::from_secs(120);

/// How long requests that are under way have at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(30);

/// How long nothing is accepted where the system gives no more connections.
const PAUSE: Duration = Duration::from_millis(50);

/// The unit of what is read at once, in bytes.
const BLOCK: usize = 1 << 10;

/// How the server is run.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Where reviews come in.
    pub listen: SocketAddr,
    /// Where health and metrics are asked for without TLS; none for the same place alone.
    pub health: Option<SocketAddr>,
    /// The certificates; none for plain HTTP.
    pub tls: Option<TlsFiles>,
    /// The configuration.
    pub config: PathBuf,
    /// How often files are looked at again.
    pub reload: Duration,
    /// How long requests are still taken after the order to end, while clients are told of it.
    pub linger: Duration,
    /// The most connections.
    pub connections: usize,
    /// The most reviews that are judged at once.
    pub judging: usize,
}

/// Why the server cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// An address cannot be listened at.
    #[error("cannot listen at {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The configuration cannot be used.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// Plain HTTP beyond this machine.
    #[error("plain HTTP is for loopback alone, and {0} is not")]
    PlainHttp(SocketAddr),
    /// The system does not tell of signals.
    #[error("signals cannot be waited for: {0}")]
    Signals(io::Error),
}

/// What all connections share.
pub(crate) struct Shared {
    engine: Arc<Engine>,
    reader: Option<Arc<dyn ClusterReader>>,
    rules: RwLock<Arc<Rules>>,
    tls: Option<RwLock<tls::Loaded>>,
    metrics: Metrics,
    /// Room for what is read, in blocks.
    room: Arc<Semaphore>,
    /// Turns to judge.
    turns: Arc<Semaphore>,
    /// The one turn for what took room: it takes much more of it while it is judged.
    large_turn: Arc<Semaphore>,
    is_ending: AtomicBool,
}

impl Shared {
    pub(crate) fn rules(&self) -> Arc<Rules> {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        rules.clone()
    }

    fn is_ready(&self) -> bool {
        !self.is_ending.load(Ordering::Relaxed)
    }
}

/// Runs the server until it is told to end. `engine` runs the policies, `reader` reads the cluster for them.
///
/// # Errors
/// Fails before it takes the first request, or not at all.
pub async fn serve(
    options: ServerOptions,
    engine: Arc<Engine>,
    reader: Option<Arc<dyn ClusterReader>>,
) -> Result<(), ServerError> {
    // A review has whole pods, with what is in their environment.
    if options.tls.is_none() && !options.listen.ip().is_loopback() {
        return Err(ServerError::PlainHttp(options.listen));
    }
    let tls = options.tls.as_ref().map(TlsFiles::load).transpose()?;
    // Before the socket is opened, so that no review comes in that no policy could judge.
    let rules = Rules::load(&engine, &options.config, reader.as_ref(), record)?;
    let listener = listen(options.listen).await?;
    let health = match options.health {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    let end = end_signal()?;
    let shared = Arc::new(Shared {
        engine,
        reader,
        rules: RwLock::new(Arc::new(rules)),
        tls: tls.map(RwLock::new),
        metrics: Metrics::default(),
        // Four of the largest reviews, or many smaller ones.
        room: Arc::new(Semaphore::new(4 * MAX_REVIEW / BLOCK)),
        turns: Arc::new(Semaphore::new(options.judging)),
        // One at a time: a megabyte of the smallest objects takes eighty while it is judged.
        large_turn: Arc::new(Semaphore::new(1)),
        is_ending: AtomicBool::new(false),
    });
    begin(&shared, &options, &listener, health.as_ref());
    answer_until(end, &shared, &options, listener, health).await;
    Ok(())
}

/// Answers until the end is ordered, and then what is under way.
async fn answer_until(
    end: impl Future<Output = ()>,
    shared: &Arc<Shared>,
    options: &ServerOptions,
    listener: TcpListener,
    health: Option<TcpListener>,
) {
    let reloading = tokio::spawn(reload::run(shared.clone(), options.clone()));
    let graceful = GracefulShutdown::new();
    let accepting = accept(shared, &listener, Place::Reviews, options.connections, &graceful);
    let asking = async {
        match &health {
            Some(health) => accept(shared, health, Place::Health, options.connections, &graceful).await,
            None => std::future::pending().await,
        }
    };
    let lingering = async {
        end.await;
        // Answers go on until the Service no longer lists this replica. From now on each closes its connection.
        shared.is_ending.store(true, Ordering::Relaxed);
        shared.metrics.ready(false);
        log(
            "info",
            "ending",
            &json!({"lingering": options.linger.as_secs_f64()}),
        );
        tokio::time::sleep(options.linger).await;
    };
    tokio::select! {
        () = accepting => {}
        () = asking => {}
        () = lingering => {}
    }
    reloading.abort();
    drop((listener, health));
    let is_done = timeout(LAST_ANSWERS, graceful.shutdown()).await.is_ok();
    log("info", "ended", &json!({"allAnswered": is_done}));
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ServerError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| ServerError::Listen { address, error })
}

/// Says what is in force.
fn begin(shared: &Shared, options: &ServerOptions, listener: &TcpListener, health: Option<&TcpListener>) {
    shared.metrics.reloaded("config", true);
    if let Some(tls) = &shared.tls {
        let ends = tls.read().unwrap_or_else(PoisonError::into_inner).ends;
        shared.metrics.reloaded("certificate", true);
        shared.metrics.certificate_ends(ends);
    }
    shared.metrics.ready(true);
    let address = |listener: &TcpListener| listener.local_addr().map(|address| address.to_string()).ok();
    let rules = shared.rules();
    let policies: Vec<&str> = rules.policies.iter().map(|rule| rule.name.as_str()).collect();
    let facts = json!({
        "listen": address(listener), "health": health.and_then(address), "tls": options.tls.is_some(),
        "policies": policies, "pods": rules.admission.pods,
    });
    log("info", "ready", &facts);
}

/// Ends with the first of the signals by which a program is told to end.
fn end_signal() -> Result<impl Future<Output = ()>, ServerError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(ServerError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServerError::Signals)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// What is answered at an address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Everything.
    Reviews,
    /// Health and metrics alone.
    Health,
}

async fn accept(
    shared: &Arc<Shared>,
    listener: &TcpListener,
    place: Place,
    most: usize,
    graceful: &GracefulShutdown,
) {
    let connections = Arc::new(Semaphore::new(most));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // No more files, or a client that was gone already.
                log(
                    "warning",
                    "a connection cannot be taken",
                    &json!({"error": error.to_string()}),
                );
                // Without a pause, a full table of files would keep this loop busy: `accept` fails at once, again and again.
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        // One that finds no room is closed at once: it would wait for those that may never end.
        let Ok(room) = connections.clone().try_acquire_owned() else {
            shared.metrics.refused("connections");
            continue;
        };
        let (shared, watcher) = (shared.clone(), graceful.watcher());
        tokio::spawn(async move {
            connection(&shared, stream, place, watcher).await;
            drop(room);
        });
    }
}

async fn connection(
    shared: &Arc<Shared>,
    stream: TcpStream,
    place: Place,
    watcher: hyper_util::server::graceful::Watcher,
) {
    // Answers are small, and waited for.
    drop(stream.set_nodelay(true));
    let config = shared
        .tls
        .as_ref()
        // A kubelet's probes and Prometheus have no certificate of the authority that clients may need.
        .filter(|_| place == Place::Reviews)
        .map(|tls| {
            let loaded = tls.read().unwrap_or_else(PoisonError::into_inner);
            loaded.config.clone()
        });
    let Some(config) = config else {
        return speak(shared, stream, place, watcher).await;
    };
    let accepting = tokio_rustls::TlsAcceptor::from(config).accept(stream);
    match timeout(HANDSHAKE, accepting).await {
        Ok(Ok(stream)) => speak(shared, stream, place, watcher).await,
        Ok(Err(_)) | Err(_) => shared.metrics.refused("handshake"),
    }
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    shared: &Arc<Shared>,
    stream: S,
    place: Place,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let service = service_fn(|request| http::respond(shared.clone(), place, request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // It also ends a connection that is idle: between two requests hyper waits for the next head.
        .header_read_timeout(IDLE)
        .max_buf_size(64 << 10)
        .serve_connection(TokioIo::new(stream), service);
    // What a client does wrong, or that it is gone, is its own affair.
    drop(watcher.watch(connection).await);
}
