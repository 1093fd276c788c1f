//! Sockets: binding with errors one can act on, serving connections, ending in good order.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

#[cfg(target_os = "linux")]
use crate::courier::Courier;
use crate::pressure::{Punctual, is_too_late, refusal};
use crate::refusal::Explained;

/// Open connections at once where the system names no bound of its own. Further clients wait in the kernel's queue.
const USUAL_CONNECTIONS: usize = 10_000;

/// Open files that are kept back for other things than connections: the database, its readers, logs.
const OTHER_FILES: usize = 512;

/// How long a client may take to send the head of a request. Bounds idle keep-alive connections, too.
const HEAD_TIMEOUT: Duration = Duration::from_mins(1);

/// Pause after a failed `accept`, as when the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another program has it.
    #[error(
        "{address} is already in use by another program; stop it, or choose another address with --listen"
    )]
    InUse {
        /// The address.
        address: SocketAddr,
    },
    /// A low port, or a policy of the system.
    #[error("this user may not listen on {address}; ports below 1024 need special rights")]
    Denied {
        /// The address.
        address: SocketAddr,
    },
    /// Not an address of this machine, for one.
    #[error("cannot listen on {address}")]
    Other {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

/// Listens on an address.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address)
        .await
        .map_err(|cause| match cause.kind() {
            io::ErrorKind::AddrInUse => ListenError::InUse { address },
            io::ErrorKind::PermissionDenied => ListenError::Denied { address },
            _ => ListenError::Other { address, cause },
        })
}

/// Serves until `shutdown` is ready, then takes no more connections and waits up to `drain` for requests under way.
pub async fn serve<A, F>(
    listener: TcpListener,
    answer: A,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
) where
    A: Fn(Request) -> F + Clone + Send + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let open = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(most_connections()));
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok(Some((stream, peer, place))) => {
                let connection = open.watch(connection(stream, peer, answer.clone()));
                tokio::spawn(async move {
                    // An error here is a client that went away or spoke something else than HTTP.
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "a connection ended early");
                    }
                    drop(place);
                });
            }
            Ok(None) => break,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(drain, open.shutdown()).await.is_err() {
        tracing::warn!(
            "some requests were still running after {} s and were cut off",
            drain.as_secs()
        );
    }
}

/// As many connections as this process may have files, after it has asked for as many as it can have.
#[cfg(unix)]
fn most_connections() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let files = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let files = files.and_then(|files| usize::try_from(files).ok());
    files.map_or(USUAL_CONNECTIONS, |files| {
        // A machine may allow more than a semaphore can count.
        files
            .saturating_sub(OTHER_FILES)
            .clamp(1, Semaphore::MAX_PERMITS)
    })
}

#[cfg(not(unix))]
fn most_connections() -> usize {
    USUAL_CONNECTIONS
}

/// The next connection, once there is a place for it. `None` never comes while the semaphore is open.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)>> {
    let Ok(place) = Arc::clone(places).acquire_owned().await else {
        return Ok(None);
    };
    let (stream, peer) = listener.accept().await?;
    // Answers are written whole, so waiting to fill packets only adds delay.
    stream.set_nodelay(true)?;
    Ok(Some((stream, peer, place)))
}

fn connection<A, F>(
    stream: TcpStream,
    peer: SocketAddr,
    answer: A,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> + Send
where
    A: Fn(Request) -> F + Send + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    #[cfg(target_os = "linux")]
    let stream = Courier::new(stream);
    #[cfg(target_os = "linux")]
    let orders = stream.orders();
    let stream = Punctual::new(stream);
    let waiting = stream.waiting();
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let answered = match is_too_late(waiting.take(), request.uri().path()) {
            true => None,
            // In a box: a connection keeps room for it while it is idle, too.
            false => Some(Box::pin(answer(request.map(body)))),
        };
        #[cfg(target_os = "linux")]
        let orders = orders.clone();
        async move {
            let response = match answered {
                Some(answered) => answered.await,
                None => refusal(),
            };
            #[cfg(target_os = "linux")]
            let response = orders.take(response);
            Ok::<_, Infallible>(response)
        }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        // What is written is not copied first: files are sent by what stands for them.
        .writev(true)
        .serve_connection(TokioIo::new(Explained::new(stream)), service)
}

/// Most requests have no body, and none costs nothing.
fn body(incoming: Incoming) -> Body {
    if incoming.is_end_stream() {
        Body::empty()
    } else {
        Body::new(incoming)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::oneshot;
    use tokio::time::Instant;

    use super::*;

    /// Serves until the test ends.
    async fn served<A, F>(answer: A) -> SocketAddr
    where
        A: Fn(Request) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response> + Send + 'static,
    {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let without_end = std::future::pending();
        tokio::spawn(serve(listener, answer, without_end, Duration::ZERO));
        address
    }

    /// A connection that has been answered, and waits for its next request.
    async fn waiting(address: SocketAddr) -> TcpStream {
        let mut client = TcpStream::connect(address).await.unwrap();
        // This is answered however late it is.
        let request = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
        client.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"done") {
            answer.push(client.read_u8().await.unwrap());
        }
        client
    }

    #[tokio::test]
    async fn a_port_in_use_is_named() {
        let first = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = first.local_addr().unwrap();
        let error = bind(address).await.unwrap_err();
        assert!(matches!(error, ListenError::InUse { .. }));
        assert!(error.to_string().starts_with(&address.to_string()));
    }

    #[tokio::test]
    async fn a_request_under_way_is_answered_before_the_end() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (arrived, has_arrived) = oneshot::channel();
        let (go_on, may_go_on) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let pair = Arc::new(tokio::sync::Mutex::new(Some((arrived, may_go_on))));
        let answer = move |_: Request| {
            let pair = Arc::clone(&pair);
            async move {
                let (arrived, may_go_on) = pair.lock().await.take().unwrap();
                arrived.send(()).unwrap();
                let _: Result<(), _> = may_go_on.await;
                Response::new(Body::from("done"))
            }
        };
        let wait = async move {
            let _: Result<(), _> = stopped.await;
        };
        let server = tokio::spawn(serve(listener, answer, wait, Duration::from_secs(10)));

        let mut client = TcpStream::connect(address).await.unwrap();
        client
            .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        has_arrived.await.unwrap();
        stop.send(()).unwrap();
        // The listener is dropped before the wait, so once nobody can connect, the drain has begun.
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        go_on.send(()).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"),
            "{answer}"
        );
        server.await.unwrap();
    }

    #[tokio::test]
    async fn who_waited_too_long_is_refused_and_who_asks_how_we_are_is_not() {
        const BUSY: Duration = Duration::from_millis(100);
        /// The system may bring one request after the other, and then none of them has waited.
        const TRIES: usize = 20;
        fn is_done(answer: &str) -> bool {
            answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\ndone")
        }
        let address = served(|request: Request| async move {
            if request.uri().path() == "/busy" {
                // Nothing else runs on this thread meanwhile.
                std::thread::sleep(BUSY);
            }
            Response::new(Body::from("done"))
        })
        .await;
        for _ in 0..TRIES {
            let mut clients = [
                waiting(address).await,
                waiting(address).await,
                waiting(address).await,
            ];
            // The server does not run between these, and hears of all at once.
            for (client, path) in clients.iter_mut().zip(["/busy", "/busy", "/health"]) {
                let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
                client.write_all(head.as_bytes()).await.unwrap();
            }
            let mut answers = Vec::new();
            for client in &mut clients {
                let mut answer = String::new();
                client.read_to_string(&mut answer).await.unwrap();
                answers.push(answer);
            }
            assert!(is_done(&answers[2]), "{answers:?}");
            let Some(refused) = answers.iter().find(|answer| !is_done(answer)) else {
                continue;
            };
            assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
            assert!(refused.contains("\r\nretry-after: 1\r\n"), "{refused}");
            assert!(refused.contains("\"code\":\"overloaded\""), "{refused}");
            return;
        }
        panic!("nobody was refused");
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_end_and_a_connection_without_requests_are_given_up() {
        let address = served(|_| async { Response::new(Body::from("done")) }).await;
        let whole = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        for sent in ["", "GET / HTTP/1.1\r\nho", whole] {
            let began = Instant::now();
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(sent.as_bytes()).await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            assert_eq!(answer.ends_with("done"), sent == whole, "{answer}");
            let took = began.elapsed();
            // Time goes on whenever nobody runs, so it may have been over once before the head was there.
            assert!(
                (HEAD_TIMEOUT..3 * HEAD_TIMEOUT).contains(&took),
                "{sent}: {took:?}"
            );
        }
    }
}
