//! Scripts: statement after statement, sent as they are written. What our parser cannot read is the server's to judge.

use plinth_sql::SqlError;
use plinth_sql::ast::Statement;
use plinth_sql::session::{Outcome, RowSet, ScriptOptions, Session};
use tokio_postgres::Client;

use crate::engine::Engine;
use crate::error::{self, EngineError, Result};
use crate::session::Settings;
use crate::setup::expose;
use crate::text;
use crate::transaction::{Tx, tagged};
use crate::wire::Notices;

impl Engine {
    /// Runs a script on a connection of its own, each statement in a transaction of its own unless the script opens one.
    ///
    /// Scripts are the owner's, who may try them as any role there is; so the connection is the owner's in every case.
    pub async fn script(
        &self,
        session: &Session,
        sql: &str,
        options: ScriptOptions,
        mut on: impl FnMut(Outcome) + Send,
    ) -> Result<(), EngineError> {
        let (client, notices) = self.0.system.address().connect().await?.carried();
        let settings = Settings::of(session, true);
        let owner = session.role == crate::session::OWNER;
        let pooled = self.0.system.address().pooled;
        // Behind a pooler the next statement may find another connection, and what was set on this one would be others'.
        let local = (pooled && !owner).then(|| settings.as_sql(true));
        if !pooled {
            client.batch_execute(&settings.as_sql(false)).await?;
        }
        let one = options.single_transaction || options.check_only;
        if one {
            client.batch_execute("begin").await?;
        }
        let mut failed = false;
        let mut changed = false;
        for (place, range) in plinth_sql::parse::split(sql).into_iter().enumerate() {
            let statement = Sent::of(&sql[range.clone()]);
            notices.lock().clear();
            changed |= statement.changes_schema;
            let result = if statement.is_transaction && (one || local.is_some()) {
                Err(refused(&statement))
            } else if let Some(settings) = &local {
                statement.run_within(&client, range.start, settings).await
            } else {
                statement.run(&client, range.start, owner).await
            };
            let stop = result.is_err();
            failed |= stop;
            on(Outcome {
                statement: place,
                range,
                result: result.map_err(EngineError::into_sql),
                notices: take(&notices),
            });
            if stop && (options.stop_on_error || one) {
                break;
            }
        }
        if one {
            if !failed && !options.check_only && owner && changed {
                expose(&client).await?;
            }
            let end = match failed || options.check_only {
                true => "rollback",
                false => "commit",
            };
            client.batch_execute(end).await?;
        } else if owner && changed && client.batch_execute("rollback").await.is_ok() {
            expose(&client).await?;
        }
        if changed {
            self.refresh().await?;
        }
        Ok(())
    }
}

/// Runs a script within the open transaction.
pub(crate) async fn within(tx: &mut Tx, sql: &str) -> Result<Vec<SqlError>> {
    let mut notices = Vec::new();
    let mut changed = false;
    for range in plinth_sql::parse::split(sql) {
        let text = &sql[range.clone()];
        let statement = Sent::of(text);
        if statement.is_transaction {
            return Err(refused(&statement));
        }
        changed |= statement.changes_schema;
        tx.lease.notices.lock().clear();
        statement.refuse_copy()?;
        tx.lease.drive(statement.prepare(&tx.lease.client)).await?;
        tx.plain(text, range.start).await?;
        notices.append(&mut take(&tx.lease.notices));
    }
    if changed {
        tx.changed = true;
        tx.lease.drive(expose(&tx.lease.client)).await?;
    }
    Ok(notices)
}

/// A statement of a script, and what must be known of it beside its text.
struct Sent<'a> {
    text: &'a str,
    parsed: Option<Statement>,
    changes_schema: bool,
    is_transaction: bool,
}

impl<'a> Sent<'a> {
    fn of(text: &'a str) -> Sent<'a> {
        let parsed = plinth_sql::parse::statement(text).ok();
        let words = plinth_sql::parse::leading_words(text, 1);
        let first = words.first().map_or("", String::as_str);
        let changes_schema = !matches!(
            first,
            "select"
                | "insert"
                | "update"
                | "delete"
                | "values"
                | "table"
                | "set"
                | "show"
                | "reset"
                | "begin"
                | "truncate"
        );
        let is_transaction = matches!(
            first,
            "begin"
                | "start"
                | "commit"
                | "end"
                | "rollback"
                | "abort"
                | "prepare"
                | "savepoint"
                | "release"
        );
        Sent {
            text,
            parsed,
            changes_schema,
            is_transaction,
        }
    }

    async fn run(&self, client: &Client, start: usize, owner: bool) -> Result<RowSet> {
        self.refuse_copy()?;
        if owner {
            self.prepare(client).await?;
        }
        let messages = client
            .simple_query(self.text)
            .await
            .map_err(|error| error::placed(error, self.text, start))?;
        let set = text::results(messages).pop().unwrap_or_default();
        Ok(tagged(set, self.text))
    }

    /// The same in a transaction of its own, with settings that end with it.
    async fn run_within(&self, client: &Client, start: usize, settings: &str) -> Result<RowSet> {
        self.refuse_copy()?;
        let before = format!("begin; {settings}; ");
        let whole = format!("{before}{}\n; commit", self.text);
        let ran = client.simple_query(&whole).await;
        let messages = match ran {
            Ok(messages) => messages,
            Err(error) => {
                let error = error::placed(error, &whole, start.saturating_sub(before.len()));
                client.batch_execute("rollback").await?;
                return Err(error);
            }
        };
        let set = text::results(messages).into_iter().nth(2);
        Ok(tagged(set.unwrap_or_default(), self.text))
    }

    /// Data between statements is sent in a way of its own, which scripts have not.
    fn refuse_copy(&self) -> Result<()> {
        let words = plinth_sql::parse::leading_words(self.text, 1);
        if words.first().is_some_and(|word| word == "copy") {
            return Err(SqlError::unsupported("COPY in a script")
                .hint("Use psql for it, or INSERT.")
                .into());
        }
        Ok(())
    }

    /// Before somebody says by `GRANT` or `REVOKE` who may reach a table, the rule that opened it ends.
    async fn prepare(&self, client: &Client) -> Result<()> {
        if let Some(Statement::Grant(grant)) = &self.parsed {
            crate::setup::end_rule(client, grant).await?;
        }
        Ok(())
    }
}

fn refused(statement: &Sent<'_>) -> EngineError {
    let what = text::tag(statement.text, 0);
    let message = format!("{what} is not allowed inside this transaction");
    SqlError::new("2D000", message)
        .hint("Put `-- plinth: no-transaction` on the first line of a migration that commits by itself.")
        .into()
}

fn take(notices: &Notices) -> Vec<SqlError> {
    std::mem::take(&mut *notices.lock())
}
