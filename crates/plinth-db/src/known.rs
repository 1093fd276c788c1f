//! Reads of the product's own that are made again and again.

use std::sync::Arc;

use plinth_sql::shape::{
    Answer, Argument, BodyFormat, Fetch, Field, FieldValue, Filled, Read, StatementId,
};
use serde::de::DeserializeOwned;

use crate::{Db, Error, Param, Session};

/// A reading statement that is parsed once, and prepared once by an engine that can.
#[derive(Clone, Debug)]
pub struct Known {
    read: Arc<Read>,
}

impl Known {
    /// The statement `sql`, whose columns are `columns` and whose parameters are `$1` to `$PARAMS`.
    ///
    /// # Panics
    /// When `sql` is no statement: it is written down in the program.
    pub fn new(sql: &str, columns: &[&str], params: usize) -> Known {
        let statement = plinth_sql::parse::statement(sql).expect("a statement of our own");
        let field = |(place, name): (usize, &&str)| Field {
            key: (*name).to_owned(),
            value: FieldValue::Column(place),
        };
        let fetch = Fetch {
            statement,
            params: (0..params).map(Argument::Slot).collect(),
            fields: columns.iter().enumerate().map(field).collect(),
            id: Some(StatementId::fresh()),
        };
        Known {
            read: Arc::new(Read {
                fetch,
                count: None,
                format: BodyFormat::Json,
                read_only: true,
            }),
        }
    }
}

impl Db {
    /// Runs a known read; each row is read by its columns' names.
    pub async fn fetch<T: DeserializeOwned>(
        &self,
        session: &Session,
        known: &Known,
        params: Vec<Param>,
    ) -> Result<Vec<T>, Error> {
        let filled = Filled {
            what: Arc::clone(&known.read),
            values: params.into_iter().map(|param| param.0).collect(),
        };
        let Answer { body, .. } = self.read(session, filled).await?;
        serde_json::from_slice(&body)
            .map_err(|error| Error::Internal(format!("rows of our own cannot be read: {error}")))
    }
}
