//! The service as clients meet it: requests in, answers out, on a database of its own for each test.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod app;
mod contradictions;
mod findings;
mod keys;
mod ledger;
mod lengths;
mod orders;
mod outside;
mod stripe;
mod upgrade;
mod webhooks;
