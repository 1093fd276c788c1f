//! Answering requests with the database at hand.

use std::fs;
use std::path::Path;
use std::time::Duration;

use plinth_db::migrations::{self, Event, FileState, MigrationError, MigrationFile};
use plinth_db::{Db, ScriptOptions, Session};
use plinth_http::App;
use plinth_storage::s3_keys::{self, S3Key};
use plinth_storage::{FsckOptions, StoreConfig};
use tokio::sync::mpsc::UnboundedSender;

use super::{
    CheckReport, DatabaseReport, FileReport, MigrateMode, Reply, Request, RotateReport,
    RotateRequest, S3KeyReport, S3KeysRequest, ScriptRequest, StatementReply, StatusReport,
    policy_scans,
};
use crate::cli::VERSION;
use crate::key_ring::KeyRing;
use crate::project::{Project, Stage};

/// Longest a script's statement may run. Its owner sits before it and can press Ctrl-C.
const STATEMENT_TIMEOUT: Duration = Duration::from_hours(24);

/// Whoever has the database open.
pub(crate) struct Owner {
    /// What services share.
    pub app: App,
    /// The database.
    pub db: Db,
    /// The application.
    pub project: Project,
    /// Which data it is.
    pub stage: Stage,
    /// Its keys.
    pub keys: KeyRing,
    /// Where clients reach it, or would.
    pub api_url: String,
    /// Where its files are.
    pub store: StoreConfig,
    /// What the shop is told; none where there is no shop.
    pub commerce: Option<plinth_commerce::Config>,
    /// Set when it serves.
    pub server: Option<RunningServer>,
}

/// A server that runs.
pub(crate) struct RunningServer {
    /// Its process.
    pub pid: u32,
}

impl Owner {
    /// Answers one request. The channel is unbounded because the engine's thread must never wait for a terminal; only
    /// the owner of the folder can ask.
    pub(crate) async fn answer(&self, request: Request, replies: &UnboundedSender<Reply>) {
        let end = match request {
            Request::Sql(script) => self.script(script, replies).await,
            Request::Migrate {
                mode: MigrateMode::Apply,
            } => self.apply(replies).await,
            Request::Migrate {
                mode: MigrateMode::Check,
            } => self.check(replies).await,
            Request::Migrate {
                mode: MigrateMode::Status,
            } => self.list(replies).await,
            Request::Status => self.status(replies).await,
            Request::S3Keys(request) => self.s3_keys(request, replies).await,
            Request::StorageCheck {
                repair,
                older_than_seconds,
            } => {
                let options = FsckOptions {
                    repair,
                    older_than: Duration::from_secs(older_than_seconds),
                };
                self.check_storage(options, replies).await
            }
            Request::OrdersReconcile => self.reconcile_orders(replies).await,
            Request::LedgerCheck => self.check_ledger(replies).await,
            Request::RotateKeys(request) => self.rotate_keys(request, replies).await,
            Request::Database => {
                let server = self.db.server_target().map(DatabaseReport::from);
                send(replies, Reply::Database { server });
                Ok(())
            }
        };
        let last = match end {
            Ok(()) => Reply::Done,
            Err(message) => Reply::Failed { message },
        };
        send(replies, last);
    }

    async fn script(
        &self,
        script: ScriptRequest,
        replies: &UnboundedSender<Reply>,
    ) -> Result<(), String> {
        // The owner of a server may have any name there.
        let is_owner = script.role == Session::system().role;
        if !is_owner && !self.db.catalog().roles.contains_key(&script.role) {
            return Err(format!("role \"{}\" does not exist", script.role));
        }
        let session = Session {
            claims: script.claims.map(plinth_db::Claims::new),
            timeout: STATEMENT_TIMEOUT,
            ..Session::role(&script.role)
        };
        let statements = replies.clone();
        let run = self.db.script(
            &session,
            script.sql,
            ScriptOptions::default(),
            move |outcome| {
                send(
                    &statements,
                    Reply::Statement(Box::new(StatementReply::from(outcome))),
                );
            },
        );
        run.await.map_err(|error| error.to_string())
    }

    async fn apply(&self, replies: &UnboundedSender<Reply>) -> Result<(), String> {
        let files = self.files()?;
        let applied = migrations::apply(&self.db, &files, |event| {
            let (text, warning) = describe(&event);
            send(replies, Reply::Progress { text, warning });
        });
        let applied = applied.await.map_err(|error| self.explain(&error))?;
        send(
            replies,
            Reply::Applied {
                versions: applied.versions,
                policy_scans: applied
                    .policy_scans
                    .iter()
                    .map(policy_scans::report)
                    .collect(),
            },
        );
        Ok(())
    }

    async fn check(&self, replies: &UnboundedSender<Reply>) -> Result<(), String> {
        let files = self.files()?;
        let checked = migrations::check(&self.db, &files)
            .await
            .map_err(|error| self.explain(&error))?;
        for file in &checked {
            for notice in &file.notices {
                let text = format!("{}: {}", file.path.display(), notice.message);
                send(
                    replies,
                    Reply::Progress {
                        text,
                        warning: false,
                    },
                );
            }
        }
        let files = checked
            .into_iter()
            .map(|file| CheckReport {
                refused: file.refused.iter().map(ToString::to_string).collect(),
                path: file.path,
                version: file.version,
                runs: file.runs,
            })
            .collect();
        send(replies, Reply::Checked { files });
        Ok(())
    }

    async fn list(&self, replies: &UnboundedSender<Reply>) -> Result<(), String> {
        let files = self.files()?;
        let statuses = migrations::status(&self.db, &files)
            .await
            .map_err(|error| error.to_string())?;
        let files = statuses
            .into_iter()
            .map(|file| FileReport {
                state: state_name(file.state).to_owned(),
                version: file.version,
                name: file.name,
            })
            .collect();
        send(replies, Reply::Migrations { files });
        Ok(())
    }

    async fn status(&self, replies: &UnboundedSender<Reply>) -> Result<(), String> {
        let files = self.files()?;
        let statuses = migrations::status(&self.db, &files)
            .await
            .map_err(|error| error.to_string())?;
        let count = |wanted: &[FileState]| {
            statuses
                .iter()
                .filter(|file| wanted.contains(&file.state))
                .count()
        };
        let keys = self.keys.now();
        let on_server = self.db.bytes_on_server().await;
        let on_server = on_server.map_err(|error| error.to_string())?;
        let database_bytes = match on_server {
            Some(bytes) => bytes,
            None => file_size(&self.project.data(self.stage).database()),
        };
        send(
            replies,
            Reply::Status(Box::new(StatusReport {
                stage: self.stage,
                pid: self.server.as_ref().map(|server| server.pid),
                version: VERSION.to_owned(),
                api_url: self.api_url.clone(),
                anon_key: keys.anon_jwt,
                service_role_key: keys.service_role_jwt.expose().to_owned(),
                publishable_key: keys.publishable,
                secret_key: keys.secret.expose().to_owned(),
                jwt_secret: keys.jwt_secret.expose().to_owned(),
                migrations_applied: count(&[
                    FileState::Applied,
                    FileState::Edited,
                    FileState::Missing,
                ]),
                migrations_pending: count(&[FileState::Pending]),
                database_bytes,
            })),
        );
        Ok(())
    }

    async fn s3_keys(
        &self,
        request: S3KeysRequest,
        replies: &UnboundedSender<Reply>,
    ) -> Result<(), String> {
        let done = match request {
            S3KeysRequest::Create { name, buckets } => {
                let sealer = self.keys.now().sealer;
                let made = s3_keys::create(&self.db, &sealer, &name, buckets.as_deref()).await;
                made.map(|(key, secret)| vec![self.s3_key(key, Some(secret.expose()))])
            }
            S3KeysRequest::List => {
                let keys = s3_keys::list(&self.db).await;
                keys.map(|keys| keys.into_iter().map(|key| self.s3_key(key, None)).collect())
            }
            S3KeysRequest::Revoke { access_key_id } => {
                let ended = s3_keys::revoke(&self.db, &access_key_id).await;
                ended.map(|key| vec![self.s3_key(key, None)])
            }
        };
        let keys = done.map_err(|error| error.to_string())?;
        send(replies, Reply::S3Keys { keys });
        Ok(())
    }

    fn s3_key(&self, key: S3Key, secret: Option<&str>) -> S3KeyReport {
        S3KeyReport {
            access_key_id: key.access_key_id,
            secret_access_key: secret.map(str::to_owned),
            endpoint: format!("{}{}/s3", self.api_url, plinth_storage::PREFIX),
            name: key.name,
            buckets: key.buckets,
            created_at: key.created_at.to_string(),
            last_used_at: key.last_used_at.map(|at| at.to_string()),
            revoked_at: key.revoked_at.map(|at| at.to_string()),
        }
    }

    async fn rotate_keys(
        &self,
        request: RotateRequest,
        replies: &UnboundedSender<Reply>,
    ) -> Result<(), String> {
        let RotateRequest {
            which,
            keep_old_seconds,
        } = request;
        let rotated = self.keys.rotate(&self.db, which, keep_old_seconds).await;
        let rotated = rotated.map_err(|error| format!("{error:#}"))?;
        // Whoever sees the command end may count on every node.
        let now = self.db.clock().now();
        let left = rotated.from.as_millisecond() - now.as_millisecond();
        let left = u64::try_from(left).unwrap_or_default();
        tokio::time::sleep(Duration::from_millis(left)).await;
        send(
            replies,
            Reply::Rotated(RotateReport {
                which,
                old_until: (keep_old_seconds > 0).then(|| rotated.until.to_string()),
            }),
        );
        Ok(())
    }

    fn files(&self) -> Result<Vec<MigrationFile>, String> {
        migrations::find(&self.project.dir).map_err(|error| error.to_string())
    }

    /// The error, and in development the short way out of an edited migration.
    pub(crate) fn explain(&self, error: &MigrationError) -> String {
        if self.stage == Stage::Dev && error.is_edited() {
            let dir = self.project.dir.display();
            return format!("{error}\n  or start over with empty data: plinth dev {dir} --reset");
        }
        error.to_string()
    }
}

/// A line for people, and whether it is a warning.
pub(crate) fn describe(event: &Event<'_>) -> (String, bool) {
    match event {
        Event::Missing { version } => (
            format!("migration {version} has been applied, but its file is gone; put it back"),
            true,
        ),
        Event::OutOfOrder(file) => (
            format!(
                "{} comes before migrations that have run already; it runs now",
                file.file_name()
            ),
            true,
        ),
        Event::Starting(file) => (format!("applying {}", file.file_name()), false),
        Event::Finished(file, took) => (
            format!("applied {} in {} ms", file.file_name(), took.as_millis()),
            false,
        ),
        Event::PolicyScan(scan) => (policy_scans::text(scan), true),
        Event::Notice(file, notice) => {
            let place = notice.span.map_or_else(String::new, |span| {
                let place = migrations::position(&file.sql, span.start as usize);
                format!(":{}:{}", place.line, place.column)
            });
            let hint = notice
                .hint
                .as_ref()
                .map_or_else(String::new, |hint| format!(" hint: {hint}"));
            let text = format!("{}{place}: {}{hint}", file.path.display(), notice.message);
            (text, notice.code.starts_with("01"))
        }
    }
}

fn state_name(state: FileState) -> &'static str {
    match state {
        FileState::Applied => "applied",
        FileState::Pending => "pending",
        FileState::Edited => "edited",
        FileState::Missing => "missing",
    }
}

fn file_size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

/// A command that went away no longer wants to hear; its work is done all the same.
fn send(replies: &UnboundedSender<Reply>, reply: Reply) {
    let _gone = replies.send(reply);
}
