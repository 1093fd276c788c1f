//! Text in, text out: URLs to requests, requests to statements.

#![expect(clippy::unwrap_used, reason = "helpers of tests may, as tests may")]
#![expect(
    clippy::needless_raw_string_hashes,
    reason = "expect-test writes its snapshots so"
)]

mod bodies;
mod calls;
mod embeds;
mod errors;
mod filters;
mod fuzz;
mod grammar;
mod headers;
mod reads;
mod root;
mod schema;
mod show;
mod templates;
mod writes;
