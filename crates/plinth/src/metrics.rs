//! `/metrics`, in the text form of Prometheus, on a port of its own that only this machine reaches.
//!
//! The services count through the `metrics` facade, which costs next to nothing while nobody listens. What is a state
//! rather than an event (sizes, queues, the process) is looked at when somebody asks.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;
use plinth_db::Session;
use plinth_http::{ApiError, host};
use plinth_server::{REFUSED, REQUEST_SECONDS, REQUESTS, REQUESTS_IN_FLIGHT};
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use crate::cli::VERSION;
use crate::control::Owner;

/// Upper bounds of the histogram's buckets, from what a read by key takes to the longest statement.
const SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// How often samples are folded into their buckets while nobody asks, which bounds what they take.
const UPKEEP: Duration = Duration::from_secs(5);
/// The content type that Prometheus asks for.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

const BUILD: &str = "plinth_build_info";
const DATABASE_BYTES: &str = "plinth_database_bytes";
const LOG_BYTES: &str = "plinth_database_log_bytes";
const WAITING_WRITES: &str = "plinth_writes_waiting";
const WAITING_LETTERS: &str = "plinth_letters_waiting";

#[derive(Clone)]
struct Source {
    handle: PrometheusHandle,
    process: Collector,
    owner: Arc<Owner>,
}

/// Begins to count, and answers on `address` until the task is aborted.
pub(crate) async fn listen(
    address: SocketAddr,
    owner: Arc<Owner>,
) -> anyhow::Result<JoinHandle<()>> {
    let listener = plinth_server::bind(address)
        .await
        .context("metrics.listen")?;
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(REQUEST_SECONDS.to_owned()), &SECONDS)?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).context("metrics are counted already")?;
    describe();
    let source = Source {
        handle,
        process: Collector::default(),
        owner,
    };
    source.process.describe();
    let upkeep = source.handle.clone();
    let router = Router::new()
        .route("/metrics", get(show))
        .with_state(source)
        .layer(from_fn(for_this_machine));
    let answer = move |request| {
        let answered = router.clone().oneshot(request);
        async move { answered.await.unwrap_or_else(|never| match never {}) }
    };
    Ok(tokio::spawn(async move {
        let upkeep = async {
            loop {
                tokio::time::sleep(UPKEEP).await;
                upkeep.run_upkeep();
            }
        };
        let never = std::future::pending::<()>();
        tokio::select! {
            () = plinth_server::serve(listener, answer, never, Duration::ZERO) => {}
            () = upkeep => {}
        }
    }))
}

/// A page in a browser of this machine could name us by a name of its own; Prometheus calls us by ours.
async fn for_this_machine(request: Request, next: Next) -> Result<Response, ApiError> {
    host::require_loopback(&request)?;
    Ok(next.run(request).await)
}

async fn show(State(source): State<Source>) -> Response {
    source.look().await;
    ([(CONTENT_TYPE, TEXT)], source.handle.render()).into_response()
}

impl Source {
    /// Sets the figures that are states.
    async fn look(&self) {
        self.process.collect();
        let database = self.owner.project.data(self.owner.stage).database();
        gauge!(DATABASE_BYTES).set(bytes_of(&database));
        let mut log = database.into_os_string();
        log.push("-wal");
        gauge!(LOG_BYTES).set(bytes_of(&PathBuf::from(log)));
        gauge!(WAITING_WRITES).set(as_figure(self.owner.db.waiting_writes() as u64));
        if let Some(letters) = self.letters().await {
            gauge!(WAITING_LETTERS).set(letters);
        }
        gauge!(BUILD, "version" => VERSION).set(1.0);
    }

    async fn letters(&self) -> Option<f64> {
        let count = "select count(*)::text as count from auth.mail_queue";
        let db = &self.owner.db;
        let rows = db.query(&Session::system(), count, Vec::new()).await.ok()?;
        let text = rows.iter().next()?.text("count").ok()?;
        text.parse().ok()
    }
}

fn describe() {
    describe_counter!(
        REQUESTS,
        "Requests answered, by method, route and status. The route is a template: no name of a table or person is in it."
    );
    describe_counter!(
        REFUSED,
        "Requests refused with 503 because they had waited too long for the server. They are in no other figure."
    );
    describe_histogram!(
        REQUEST_SECONDS,
        Unit::Seconds,
        "Time from a request's head to its answer's, by route."
    );
    describe_gauge!(REQUESTS_IN_FLIGHT, "Requests being worked on.");
    describe_gauge!(DATABASE_BYTES, Unit::Bytes, "Size of the database file.");
    describe_gauge!(
        LOG_BYTES,
        Unit::Bytes,
        "Size of the write-ahead log, which is emptied into the database file now and then."
    );
    describe_gauge!(WAITING_WRITES, "Writes that wait for the writer.");
    describe_gauge!(
        WAITING_LETTERS,
        "Letters that wait for the mail server, or to be tried again."
    );
    describe_gauge!(BUILD, "1, with the version as a label.");
}

fn bytes_of(file: &std::path::Path) -> f64 {
    as_figure(std::fs::metadata(file).map_or(0, |data| data.len()))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "figures of metrics are floats, exact up to 8 PiB"
)]
fn as_figure(number: u64) -> f64 {
    number as f64
}
