//! The service as clients meet it: requests in, answers out, on a database and a folder of its own for each test.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod app;
mod browsers;
mod check;
mod images;
mod s3;
mod tus;
mod two_writers;
mod uploads;
