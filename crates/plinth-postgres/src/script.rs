//! Scripts: statement after statement, sent as they are written. What our parser cannot read is the server's to judge.

use plinth_sql::SqlError;
use plinth_sql::ast::Statement;
use plinth_sql::session::{Outcome, RowSet, ScriptOptions, Session};
use tokio_postgres::Client;

use crate::engine::Engine;
use crate::error::{self, EngineError, Result};
use crate::session::{RESET, Settings};
use crate::setup::expose;
use crate::text;
use crate::transaction::{Tx, tagged};
use crate::wire::{Notices, is_on_this_server_alone};

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
        let address = self.0.system.address();
        let (client, notices) = address.connect().await?.carried();
        let settings = Settings::of(session, true);
        let owner = session.role == crate::session::OWNER;
        let pooled = match address.pooled {
            true => Some(settings.as_sql(true)?),
            false => None,
        };
        let one = options.single_transaction || options.check_only;
        let mut around = Around {
            settings: pooled.as_deref(),
            owner,
            open: one,
        };
        if pooled.is_none() {
            client.batch_execute(&settings.as_sql(false)?).await?;
        }
        if one {
            let begin = format!("begin; {}", around.settings.unwrap_or_default());
            client.batch_execute(&begin).await?;
        }
        let mut failed = false;
        let mut changed = false;
        for (place, range) in plinth_sql::parse::split(sql).into_iter().enumerate() {
            let statement = Sent::of(&sql[range.clone()]);
            notices.lock().clear();
            changed |= statement.changes_schema();
            let mut result = if statement.is_transaction() && one {
                Err(refused(&statement))
            } else {
                statement.run(&client, range.start, &mut around).await
            };
            let said = take(&notices);
            if result.is_ok() && is_on_this_server_alone(&said) {
                result = Err(EngineError::not_on_a_standby());
            }
            let stop = result.is_err();
            failed |= stop;
            on(Outcome {
                statement: place,
                range,
                result: result.map_err(EngineError::into_sql),
                notices: said,
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
                true => "rollback".to_owned(),
                false if pooled.is_some() => format!("commit; {RESET}"),
                false => "commit".to_owned(),
            };
            notices.lock().clear();
            client.batch_execute(&end).await?;
            if is_on_this_server_alone(&notices.lock()) {
                return Err(EngineError::not_on_a_standby());
            }
        } else if owner && changed && client.batch_execute("rollback").await.is_ok() {
            expose(&client).await?;
        }
        if changed {
            self.refresh().await?;
        }
        Ok(())
    }
}

/// What a script's statements run in.
struct Around<'a> {
    /// Behind a pooler the next statement may find another connection, and what was set on this one would be others'. So each
    /// transaction says these settings anew, and leaves nothing.
    settings: Option<&'a str>,
    /// Nothing but the user of the URL.
    owner: bool,
    /// A transaction that the script opened, or that is around all of it.
    open: bool,
}

/// Runs a script within the open transaction.
pub(crate) async fn within(tx: &mut Tx, sql: &str) -> Result<Vec<SqlError>> {
    let mut notices = Vec::new();
    let mut changed = false;
    for range in plinth_sql::parse::split(sql) {
        let text = &sql[range.clone()];
        let statement = Sent::of(text);
        if statement.is_transaction() {
            return Err(refused(&statement));
        }
        changed |= statement.changes_schema();
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
    /// Enough to tell what it is, whether our parser knows it or not.
    words: Vec<String>,
}

impl<'a> Sent<'a> {
    fn of(text: &'a str) -> Sent<'a> {
        Sent {
            text,
            parsed: plinth_sql::parse::statement(text).ok(),
            words: plinth_sql::parse::leading_words(text, 4),
        }
    }

    fn word(&self, place: usize) -> &str {
        self.words.get(place).map_or("", String::as_str)
    }

    fn changes_schema(&self) -> bool {
        !matches!(
            self.word(0),
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
        )
    }

    fn is_transaction(&self) -> bool {
        self.begins()
            || self.ends()
            || matches!(
                self.word(0),
                "rollback" | "abort" | "prepare" | "savepoint" | "release"
            )
    }

    fn begins(&self) -> bool {
        matches!(self.word(0), "begin" | "start")
    }

    /// Whether it ends the open transaction, and not only a part of it.
    fn ends(&self) -> bool {
        match self.word(0) {
            "commit" | "end" => true,
            "rollback" | "abort" => !self.words.iter().any(|word| word == "to"),
            "prepare" => self.word(1) == "transaction",
            _ => false,
        }
    }

    /// Whether it sets something for longer than a transaction.
    fn outlasts(&self) -> bool {
        match self.word(0) {
            "set" => !matches!(self.word(1), "local" | "transaction" | "constraints"),
            "reset" | "discard" => true,
            _ => false,
        }
    }

    /// Whether the server refuses it in a transaction.
    fn stands_alone(&self) -> bool {
        match self.word(0) {
            "vacuum" | "cluster" | "reindex" | "checkpoint" | "call" => true,
            "create" | "alter" | "drop" => {
                matches!(
                    self.word(1),
                    "database" | "tablespace" | "subscription" | "system"
                ) || self.words.iter().any(|word| word == "concurrently")
            }
            _ => false,
        }
    }

    async fn run(&self, client: &Client, start: usize, around: &mut Around<'_>) -> Result<RowSet> {
        self.refuse_copy()?;
        if around.owner {
            self.prepare(client).await?;
        }
        let Some(settings) = around.settings else {
            return self.send(client, start, "", "").await;
        };
        let result = if around.open && self.ends() {
            self.send(client, start, "", &format!("\n; {RESET}")).await
        } else if !around.open && self.begins() {
            self.send(client, start, "", &format!("\n; {settings}"))
                .await
        } else if around.open || self.is_transaction() || (around.owner && self.stands_alone()) {
            self.send(client, start, "", "").await
        } else if self.outlasts() {
            Err(outlasting(self))
        } else {
            let before = format!("begin; {settings}; ");
            let after = format!("\n; commit; {RESET}");
            let ran = self.send(client, start, &before, &after).await;
            if ran.is_err() {
                client.batch_execute("rollback").await?;
            }
            return ran;
        };
        if result.is_ok() {
            around.open = (around.open || self.begins()) && !self.ends();
        }
        result
    }

    /// Sends it with statements of ours before it, of which there are two or none, and after it.
    async fn send(
        &self,
        client: &Client,
        start: usize,
        before: &str,
        after: &str,
    ) -> Result<RowSet> {
        let whole = format!("{before}{}{after}", self.text);
        let messages = client
            .simple_query(&whole)
            .await
            .map_err(|error| error::placed(error, &whole, before.len(), start))?;
        let place = if before.is_empty() { 0 } else { 2 };
        let set = text::results(messages).into_iter().nth(place);
        Ok(tagged(set.unwrap_or_default(), self.text))
    }

    /// Data between statements is sent in a way of its own, which scripts have not.
    fn refuse_copy(&self) -> Result<()> {
        if self.word(0) == "copy" {
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

fn outlasting(statement: &Sent<'_>) -> EngineError {
    let what = text::tag(statement.text, 0);
    SqlError::unsupported(format_args!(
        "{what} outside of a transaction behind a pooler"
    ))
    .hint("The next statement may find another connection: say SET LOCAL between BEGIN and COMMIT.")
    .into()
}

fn take(notices: &Notices) -> Vec<SqlError> {
    std::mem::take(&mut *notices.lock())
}

#[cfg(test)]
mod tests {
    use super::Sent;

    #[test]
    fn a_transaction_is_known_by_its_first_words() {
        let what = |sql| {
            let sent = Sent::of(sql);
            (sent.begins(), sent.ends())
        };
        assert_eq!(what("begin isolation level serializable"), (true, false));
        assert_eq!(what("/* a */ START TRANSACTION"), (true, false));
        assert_eq!(what("commit"), (false, true));
        assert_eq!(what("rollback"), (false, true));
        assert_eq!(what("rollback to savepoint a"), (false, false));
        assert_eq!(what("rollback work to a"), (false, false));
        assert_eq!(what("prepare transaction 'a'"), (false, true));
        assert_eq!(what("prepare a as select 1"), (false, false));
        assert_eq!(what("select 1"), (false, false));
    }

    #[test]
    fn what_lasts_and_what_stands_alone_is_known_too() {
        assert!(Sent::of("set search_path = a").outlasts());
        assert!(Sent::of("SET SESSION AUTHORIZATION a").outlasts());
        assert!(Sent::of("reset all").outlasts());
        assert!(!Sent::of("set local role a").outlasts());
        assert!(!Sent::of("set constraints all deferred").outlasts());
        assert!(Sent::of("create index concurrently on a (b)").stands_alone());
        assert!(Sent::of("create unique index concurrently a on b (c)").stands_alone());
        assert!(Sent::of("drop database a").stands_alone());
        assert!(!Sent::of("create table a (concurrently integer)").stands_alone());
    }
}
