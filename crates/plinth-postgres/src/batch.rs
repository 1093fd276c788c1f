//! What a request sends: its whole transaction in one message, whose answers come in one piece.
//!
//! ```sql
//! begin read only;
//! set local statement_timeout = '8000'; set local request.jwt.claims = '{"sub": …}'; set local role = 'authenticated';
//! execute plinth_7('42');
//! commit
//! ```
//!
//! The server flushes its answers once for each message, and each flush wakes somebody. The statement was prepared on this connection
//! before, by SQL's own `PREPARE`; where it was not, it is in this very message, behind the role, because whoever is nobody may not even look
//! a name up. Behind a pooler nothing is prepared: the next transaction has another connection.

use std::sync::Arc;

use plinth_sql::session::Session;
use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow};

use crate::error::Result;
use crate::pool::Lease;
use crate::render::Rendered;
use crate::session::Settings;
use crate::text::constant;

/// A message that grows.
pub(crate) struct Batch<'a> {
    lease: &'a Lease,
    session: &'a Session,
    text: String,
    statements: usize,
    /// What this message prepares.
    prepares: Vec<(Arc<str>, Arc<str>)>,
}

/// What one statement of a message gave.
#[derive(Default)]
pub(crate) struct Ran {
    pub(crate) rows: Vec<SimpleQueryRow>,
    pub(crate) affected: u64,
}

impl<'a> Batch<'a> {
    /// Begins a transaction as the session, for what was planned with this version of the catalog.
    pub(crate) fn begin(
        lease: &'a Lease,
        session: &'a Session,
        catalog: u64,
        how: &str,
    ) -> Result<Batch<'a>> {
        let mut batch = Batch {
            lease,
            session,
            text: String::with_capacity(1024),
            statements: 0,
            prepares: Vec::new(),
        };
        batch.push(how);
        if lease.gives_up(catalog) {
            // Not before: it looks at the data, and then the level of isolation is settled.
            batch.push("deallocate all");
        }
        let settings = Settings::of(session, lease.pooled());
        if lease.pooled() {
            batch.push(&settings.as_sql(true)?);
            return Ok(batch);
        }
        for (name, value) in settings.all() {
            batch.push(&format!("set local {name} = {}", constant(value)?));
        }
        Ok(batch)
    }

    /// Adds a statement; its place among the answers.
    pub(crate) fn push(&mut self, statement: &str) -> usize {
        if !self.text.is_empty() {
            self.text.push_str("; ");
        }
        self.text.push_str(statement);
        self.statements += 1;
        self.statements - 1
    }

    /// Adds a document's statement with the values of its slots; its place among the answers.
    ///
    /// A statement is prepared once for each role: the server plans it anew whenever another role runs it, whose policies
    /// are others.
    pub(crate) fn execute(
        &mut self,
        rendered: &Rendered,
        values: &[Option<String>],
    ) -> Result<usize> {
        if self.lease.pooled() {
            return Ok(self.push(&rendered.sql));
        }
        let key: Arc<str> = format!("{}\0{}", self.session.role, rendered.sql).into();
        let name = match self.lease.prepared(&key) {
            Some(name) => name,
            None => {
                let name = self.lease.new_name();
                self.push(&format!("prepare {name} as {}", rendered.sql));
                self.prepares.push((key, name.clone()));
                name
            }
        };
        let mut execute = format!("execute {name}");
        for (place, argument) in rendered.params.iter().enumerate() {
            execute.push(if place == 0 { '(' } else { ',' });
            match argument.text(values) {
                Some(text) => execute.push_str(&constant(text)?),
                None => execute.push_str("null"),
            }
        }
        if !rendered.params.is_empty() {
            execute.push(')');
        }
        Ok(self.push(&execute))
    }

    /// Sends it. The first statement that fails ends it; what the server says of it is the caller's to judge.
    pub(crate) async fn send(self) -> Result<Vec<Ran>, tokio_postgres::Error> {
        let sent = self.lease.client.simple_query(&self.text).await;
        let messages = match sent {
            Ok(messages) => messages,
            Err(error) => {
                // Whether it failed before or after it was prepared, the server knows; the names are not used again.
                self.lease.doubt(self.prepares.len());
                return Err(error);
            }
        };
        self.lease.keep_prepared(self.prepares);
        let mut all = Vec::with_capacity(self.statements);
        let mut ran = Ran::default();
        for message in messages {
            match message {
                SimpleQueryMessage::Row(row) => ran.rows.push(row),
                SimpleQueryMessage::CommandComplete(affected) => {
                    ran.affected = affected;
                    all.push(std::mem::take(&mut ran));
                }
                _ => {}
            }
        }
        Ok(all)
    }
}
