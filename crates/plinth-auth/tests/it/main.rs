//! The service as clients meet it: requests in, answers out, on a database of its own for each test.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accounts;
mod admin;
mod app;
mod errors;
mod limits;
mod mail;
mod sessions;
