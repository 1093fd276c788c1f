//! Worlds made by chance: a schema with rows and policies, and requests about it that both engines must answer alike.
//!
//! All of it follows from a seed. The grammar stays where Postgres's answer is determined: orders are total, or the rows are
//! compared without theirs; nothing is random and no clock is read.
//!
//! Requests have shapes. Those of one shape differ in their values and their caller only: plans are kept by shape, and one
//! caller's must never serve another.

mod access;
mod choice;
mod condition;
pub mod difference;
mod filters;
mod functions;
mod reads;
mod relations;
mod request;
mod requests;
mod rows;
mod schema;
mod select;
pub mod shrink;
pub mod text;
mod values;
mod views;
mod world;
mod writes;

pub use request::{Body, Request};
pub use world::{Entry, Part, World, world};

#[cfg(test)]
mod tests {
    use super::*;

    const WORLDS: u64 = 60;

    #[test]
    fn the_same_seed_gives_the_same_world() {
        let told = || format!("{:?}", world(7, 40));
        assert_eq!(told(), told());
    }

    #[test]
    fn every_statement_parses() {
        for seed in 0..WORLDS {
            for part in world(seed, 0).parts {
                let sql = part.sql();
                if let Err(error) = plinth_sql::parse::statement(&sql) {
                    panic!("seed {seed}: {error}\n{sql}");
                }
            }
        }
    }

    #[test]
    fn every_request_is_well_formed() {
        for seed in 0..WORLDS {
            for request in world(seed, 60).requests {
                let target = request.target();
                let (path, query) = target.split_once('?').unwrap_or((target.as_str(), ""));
                let parsed = match path.strip_prefix("/rest/v1/rpc/") {
                    Some(name) if request.method == "GET" => {
                        plinth_query::request::parse_call(name, query)
                    }
                    name => plinth_query::request::parse(name.unwrap_or("a"), query),
                };
                if let Err(error) = parsed {
                    panic!("seed {seed}: {error}\n{target}");
                }
                if let Some(body) = request.body_text() {
                    let json = serde_json::from_str::<serde_json::Value>(&body);
                    assert!(json.is_ok(), "seed {seed}: {body}");
                }
            }
        }
    }

    #[test]
    fn most_requests_have_the_shape_of_another() {
        let requests = world(3, 85).requests;
        let repeated = requests.iter().filter(|one| {
            let same = |other: &&Request| other.shape == one.shape;
            requests.iter().filter(same).count() > 1
        });
        assert!(repeated.count() > 40);
    }
}
