//! Which database a URL means.

use crate::connect::Address;
use crate::{Engine, EngineError};

/// A database and its user as a URL names them, without secrets: what two URLs are compared by.
///
/// Names are compared as they are written: `localhost` and `127.0.0.1` are two hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Host and port of each, sorted: all are asked at once, so their order means nothing.
    pub hosts: Vec<String>,
    /// The database.
    pub database: String,
    /// The user.
    pub user: String,
}

impl Target {
    /// What a URL means.
    pub fn of(url: &str) -> Result<Target, EngineError> {
        Ok(Address::parse(url)?.target())
    }

    pub(crate) fn new(places: Vec<String>, database: String, user: String) -> Target {
        let lower = |place: String| match place.starts_with('/') {
            // A path has its case, the name of a host has none.
            true => place,
            false => place.to_lowercase(),
        };
        let mut hosts: Vec<String> = places.into_iter().map(lower).collect();
        hosts.sort();
        hosts.dedup();
        Target {
            hosts,
            database,
            user,
        }
    }
}

impl Engine {
    /// Which database it is, as its URL names it.
    pub fn target(&self) -> Target {
        self.0.system.address().target()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        Target::of(url).unwrap()
    }

    #[test]
    fn one_database_may_be_written_in_many_ways() {
        let one = target("postgres://me:pw@DB1,db2:5433/shop?sslmode=require");
        assert_eq!(one.hosts, ["db1:5432", "db2:5433"]);
        assert_eq!((one.database.as_str(), one.user.as_str()), ("shop", "me"));
        for same in [
            "postgresql://me:other@db2:5433,db1/shop",
            "host=db1,db2 port=5432,5433 user=me dbname=shop",
            "postgres://me@db1,db2:5433/shop?pgbouncer=true",
        ] {
            assert_eq!(target(same), one, "{same}");
        }
        for other in [
            "postgres://me@db1/shop",
            "postgres://me@db1,db2/shop",
            "postgres://you@db1,db2:5433/shop",
            "postgres://me@db1,db2:5433/shop2",
        ] {
            assert_ne!(target(other), one, "{other}");
        }
    }

    #[test]
    fn nothing_of_a_password_is_in_it() {
        let shown = format!("{:?}", target("postgres://me:s-s-s@a/shop"));
        assert!(!shown.contains("s-s-s"), "{shown}");
    }
}
