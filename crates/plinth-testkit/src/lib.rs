//! Runs the text cases of `tests/cases` on both engines and compares what they answer.
//!
//! A case is SQL (or requests) with the answers beside it. Real PostgreSQL says what is right: every SQL case
//! runs there too, through `psql`, and the differential test generates statements that both must answer alike.
//! Used by tests only; nothing that ships depends on it.

pub mod case;
pub mod compare;
pub mod disk;
pub mod embedded;
pub mod generate;
pub mod generate_requests;
pub mod http;
pub mod outcome;
pub mod postgres;
pub mod process;
pub mod random;
pub mod rest;
pub mod rewrite;
pub mod s3;
pub mod seaweedfs;
pub mod server;
pub mod shop;
pub mod stripe;
pub mod temp;
pub mod through;
