//! Puts the services' routers together and serves them.
//!
//! From the outside in, a request passes: the question whether there is time for it, its id and its line in the log,
//! CORS, the net under panics, the bounds on its head, and (in development) the check of its host name. Then it reaches the service its path names. Who may
//! call is each service's own question, answered by `plinth_http::Caller`.
//!
//! These are plain calls, one inside the other, rather than layers of a router: each layer costs allocations, and all
//! of them together cost more than reading a row.

mod cors;
#[cfg(target_os = "linux")]
mod courier;
mod guard;
mod listen;
mod log;
mod pressure;
mod refusal;
mod routes;

pub use listen::{ListenError, bind, serve};
pub use log::{REQUEST_SECONDS, REQUESTS, REQUESTS_IN_FLIGHT};
pub use pressure::REFUSED;
pub use routes::routes;

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::FutureExt as _;
use plinth_db::migrations::SystemModule;
use plinth_db::{Error, Session};
use plinth_http::{ApiError, App, internal_error, request_id};
use plinth_rest::Rest;
use plinth_storage::{Download, Storage};
use serde_json::json;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use log::Route;

/// The services.
pub struct Services {
    /// What they share.
    pub app: App,
    /// `/rest/v1`.
    pub rest: Rest,
    /// `/auth/v1`, relative to that.
    pub auth: Router,
    /// `/storage/v1`, where there are files.
    pub storage: Option<Storage>,
    /// `/commerce/v1`, relative to that, where there is a shop.
    pub commerce: Option<Router>,
    /// `/dev/mail`, where letters are kept to be looked at; for development only.
    pub mailbox: Option<Router>,
}

/// What the system keeps in a database, in the order in which it is put there.
pub fn modules() -> [SystemModule; 4] {
    [
        plinth_db::base_module(),
        plinth_auth::module(),
        plinth_storage::module(),
        plinth_commerce::module(),
    ]
}

/// Where load balancers ask whether to send us requests.
const HEALTH: &str = "/health";
/// Where whoever would start us anew asks whether that would help.
const LIVE: &str = "/health/live";
/// Longest wait for the database before we say that it is away.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);

/// Everything that is served. Cheap to clone.
#[derive(Clone)]
pub struct Site(Arc<Parts>);

struct Parts {
    app: App,
    rest: Rest,
    storage: Option<Storage>,
    /// Whatever is neither REST nor a download.
    others: Router,
}

impl Site {
    /// One site of these services.
    pub fn new(services: Services) -> Site {
        let Services {
            app,
            rest,
            auth,
            storage,
            commerce,
            mailbox,
        } = services;
        let development = match mailbox {
            Some(mailbox) => Router::new().nest_service("/dev/mail", mailbox),
            None => Router::new(),
        };
        // As a service, so that `/auth/v1` and `/auth/v1/` are the same place.
        let under = |prefix: &str, service: Router| {
            Router::new().nest_service(prefix, service.layer(from_fn(log::note_route)))
        };
        let shop = commerce.map(|commerce| under(plinth_commerce::PREFIX, commerce));
        let files = storage.clone().map(plinth_storage::router);
        let files = files.map(|files| under(plinth_storage::PREFIX, files));
        let others = Router::new()
            .route("/", get(welcome))
            .route(HEALTH, get(health))
            .route(LIVE, get(live))
            .with_state(app.clone())
            .merge(under("/auth/v1", auth))
            .merge(files.unwrap_or_default())
            .merge(shop.unwrap_or_default())
            .merge(development)
            .method_not_allowed_fallback(method_not_allowed)
            .fallback(not_found);
        Site(Arc::new(Parts {
            app,
            rest,
            storage,
            others,
        }))
    }

    /// Serves until `shutdown` is ready, then takes no more connections and waits up to `drain` for requests under way.
    ///
    /// Not generic, so that all that a request goes through is compiled here and not in the program, which is made small rather than fast.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: Pin<&mut dyn Future<Output = ()>>,
        drain: Duration,
    ) {
        let answer = move |request| {
            let site = self.clone();
            async move { site.answer(request).await }
        };
        serve(listener, answer, shutdown, drain).await;
    }

    /// Answers a request, whatever happens to it.
    pub async fn answer(&self, request: Request) -> Response {
        request_id::with_id(|| log::logged(request, |request| self.readable(request))).await
    }

    /// Preflights are answered here; every other answer is one that scripts may read.
    async fn readable(&self, request: Request) -> (Response, Route) {
        if cors::is_preflight(request.method(), request.headers()) {
            return (cors::preflight(request.headers()), Route::NONE);
        }
        let caught = AssertUnwindSafe(self.guarded(request)).catch_unwind().await;
        let (mut response, route) = caught.unwrap_or_else(|cause| (panicked(&*cause), Route::NONE));
        cors::open(response.headers_mut());
        (response, route)
    }

    async fn guarded(&self, request: Request) -> (Response, Route) {
        if let Err(refused) = guard::check(&self.0.app, &request) {
            return (refused.into_response(), Route::NONE);
        }
        let path = request.uri().path();
        let within = path.strip_prefix(plinth_rest::PREFIX);
        if within.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            let route = Route::Known(plinth_rest::route_of(path));
            return (self.0.rest.answer(request).await, route);
        }
        if let Some(storage) = &self.0.storage
            && let Some(download) = Download::of(&request)
        {
            let route = Route::Known(download.route());
            return (Box::pin(storage.download(download, request)).await, route);
        }
        let answered = self.0.others.clone().oneshot(request).await;
        let response = answered.unwrap_or_else(|never| match never {});
        let route = Route::noted(&response);
        (response, route)
    }
}

async fn welcome(State(app): State<App>) -> Response {
    let body = json!({
        "name": "Plinth",
        "version": env!("CARGO_PKG_VERSION"),
        "rest": format!("{}/rest/v1", app.public_url),
        "auth": format!("{}/auth/v1", app.public_url),
        "storage": format!("{}/storage/v1", app.public_url),
        "commerce": format!("{}/commerce/v1", app.public_url),
    });
    axum::Json(body).into_response()
}

/// Ready is who can read its database.
async fn health(State(app): State<App>) -> Result<Response, ApiError> {
    let session = Session {
        timeout: HEALTH_TIMEOUT,
        ..Session::role("anon")
    };
    let asked = app.db.query(&session, "select 1", Vec::new());
    match tokio::time::timeout(HEALTH_TIMEOUT, asked).await {
        Ok(answered) => answered?,
        Err(_) => return Err(Error::Unavailable("it does not answer".to_owned()).into()),
    };
    Ok(axum::Json(json!({ "status": "ok" })).into_response())
}

/// Alive is who answers. A database that is away comes back by itself, and a new start would not bring it.
async fn live() -> Response {
    axum::Json(json!({ "status": "ok" })).into_response()
}

async fn not_found() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "not_found",
        "There is nothing at this path",
    )
    .hint("Tables are under /rest/v1, sign-up and sign-in under /auth/v1, files under /storage/v1, orders under /commerce/v1.")
}

async fn method_not_allowed() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "This path has no such method",
    )
}

fn panicked(cause: &(dyn std::any::Any + Send)) -> Response {
    let text = cause
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| cause.downcast_ref::<String>().map(String::as_str));
    internal_error(format_args!("panic: {}", text.unwrap_or("without a text"))).into_response()
}
