//! The routes, relative to `/storage/v1`.

mod bucket;
mod close;
mod download;
mod form;
mod info;
mod list;
mod other;
mod quick;
mod remove;
pub(crate) mod render;
pub(crate) mod request;
mod sign;
mod transfer;
pub(crate) mod upload;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn;
use axum::routing::{any, delete, get, post};

use crate::{Storage, s3, tus};
pub use quick::Download;

/// What [`router`] answers in earnest, by method and pattern.
pub const ROUTES: &[(&str, &str)] = &[
    ("GET", "/bucket"),
    ("POST", "/bucket"),
    ("GET", "/bucket/{id}"),
    ("PUT", "/bucket/{id}"),
    ("DELETE", "/bucket/{id}"),
    ("POST", "/bucket/{id}/empty"),
    ("POST", "/object/{bucket}/{*path}"),
    ("PUT", "/object/{bucket}/{*path}"),
    ("GET", "/object/{bucket}/{*path}"),
    ("DELETE", "/object/{bucket}/{*path}"),
    ("DELETE", "/object/{bucket}"),
    ("GET", "/object/authenticated/{bucket}/{*path}"),
    ("GET", "/object/public/{bucket}/{*path}"),
    ("GET", "/object/info/{bucket}/{*path}"),
    ("GET", "/object/info/authenticated/{bucket}/{*path}"),
    ("GET", "/object/info/public/{bucket}/{*path}"),
    ("POST", "/object/move"),
    ("POST", "/object/copy"),
    ("POST", "/object/list/{bucket}"),
    ("POST", "/object/list-v2/{bucket}"),
    ("POST", "/object/sign/{bucket}"),
    ("POST", "/object/sign/{bucket}/{*path}"),
    ("GET", "/object/sign/{bucket}/{*path}"),
    ("POST", "/object/upload/sign/{bucket}/{*path}"),
    ("PUT", "/object/upload/sign/{bucket}/{*path}"),
    ("GET", "/render/image/authenticated/{bucket}/{*path}"),
    ("GET", "/render/image/public/{bucket}/{*path}"),
    ("GET", "/render/image/sign/{bucket}/{*path}"),
    ("OPTIONS", "/upload/resumable"),
    ("POST", "/upload/resumable"),
    ("OPTIONS", "/upload/resumable/{id}"),
    ("HEAD", "/upload/resumable/{id}"),
    ("PATCH", "/upload/resumable/{id}"),
    ("DELETE", "/upload/resumable/{id}"),
    ("OPTIONS", "/upload/resumable/sign"),
    ("POST", "/upload/resumable/sign"),
    ("OPTIONS", "/upload/resumable/sign/{id}"),
    ("HEAD", "/upload/resumable/sign/{id}"),
    ("PATCH", "/upload/resumable/sign/{id}"),
    ("DELETE", "/upload/resumable/sign/{id}"),
    ("GET", "/s3"),
    ("GET", "/s3/{*path}"),
    ("PUT", "/s3/{*path}"),
    ("POST", "/s3/{*path}"),
    ("DELETE", "/s3/{*path}"),
    ("DELETE", "/cdn/{bucket}"),
    ("DELETE", "/cdn/{bucket}/{*path}"),
    ("GET", "/status"),
    ("GET", "/version"),
    ("GET", "/health"),
];

/// The service. Routes that clients know and that are not served say so with a code.
pub fn router(storage: Storage) -> Router {
    Router::new()
        .route("/bucket", get(bucket::list).post(bucket::create))
        .route(
            "/bucket/{id}",
            get(bucket::show).put(bucket::update).delete(bucket::remove),
        )
        .route("/bucket/{id}/empty", post(bucket::empty))
        .route("/object/{bucket}", delete(remove::many))
        .route(
            "/object/{bucket}/{*path}",
            get(download::either)
                .post(upload::create)
                .put(upload::replace)
                .delete(remove::one),
        )
        .route(
            "/object/authenticated/{bucket}/{*path}",
            get(download::authenticated),
        )
        .route("/object/public/{bucket}/{*path}", get(download::public))
        .route("/object/info/{bucket}/{*path}", get(info::either))
        .route(
            "/object/info/authenticated/{bucket}/{*path}",
            get(info::authenticated),
        )
        .route("/object/info/public/{bucket}/{*path}", get(info::public))
        .route("/object/move", post(transfer::rename))
        .route("/object/copy", post(transfer::copy))
        .route("/object/list/{bucket}", post(list::v1))
        .route("/object/list-v2/{bucket}", post(list::v2))
        .route("/object/sign/{bucket}", post(sign::many))
        .route(
            "/object/sign/{bucket}/{*path}",
            get(download::signed).post(sign::one),
        )
        .route(
            "/object/upload/sign/{bucket}/{*path}",
            post(sign::upload).put(upload::signed),
        )
        .route("/cdn/{bucket}", delete(other::purge))
        .route("/cdn/{bucket}/{*path}", delete(other::purge))
        .route("/status", get(other::status))
        .route("/version", get(other::version))
        .route("/health", get(other::health))
        .route("/vector/{*path}", any(other::vector))
        .route("/iceberg/{*path}", any(other::iceberg))
        .merge(render::router())
        .merge(tus::router())
        .nest_service("/s3", s3::router(storage.clone()))
        .fallback(other::not_found)
        .method_not_allowed_fallback(other::not_found)
        // Every route has its own bound: JSON a small one, files that of their bucket.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn(close::after_refusal))
        .with_state(storage)
}
