//! One SQLite connection, ready for translated statements.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{ReentrantMutex, ReentrantMutexGuard};
use plinth_sql::catalog::Catalog;
use plinth_sql::session::Session;
use plinth_sql::shape::Argument;
use plinth_sql::types::io;
use plinth_sql::types::{ColumnType, Type};
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization, Wal};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OpenFlags};

use crate::error::{Result, without_statement};
use crate::names;
use crate::state::{ConnState, SessionState, Time};
use crate::store;
use crate::translate::{Bind, Context, Plan, Variables};

/// Statements kept ready on each connection.
const CACHED_STATEMENTS: usize = 512;
/// SQLite instructions between two looks at the clock: some 100 µs.
const DEADLINE_STEPS: i32 = 4_000;
/// Page cache of a connection in KiB; more buys little, because commits by others empty it.
const CACHE_KIB: i32 = 16 * 1024;

/// Pages in the log at which it is folded into the file (16 MiB). Pages that are written again and again, as those of an
/// index are, are copied once for all of them; SQLite's default of 1000 took a third of the time of a commit.
const CHECKPOINT_PAGES: i32 = 4_000;

/// `application_id` of our files: "Plin".
pub(crate) const APPLICATION_ID: i32 = 0x506c_696e;

/// A connection with its functions, collations and session.
///
/// Clones are the same connection: a function that SQLite calls while a statement runs may run statements too.
#[derive(Clone)]
pub(crate) struct Conn {
    sqlite: Arc<ReentrantMutex<Connection>>,
    pub(crate) state: Arc<ConnState>,
}

/// A parameter as a caller gives it.
#[derive(Clone, Debug)]
pub(crate) enum ParamValue {
    /// Postgres text, typed by its place.
    Text(Option<String>),
    /// A stored value of a known type.
    Typed(ColumnType, Value),
}

impl ParamValue {
    /// The type to begin with.
    pub(crate) fn ty(&self) -> ColumnType {
        match self {
            ParamValue::Text(_) => Type::Unknown.into(),
            ParamValue::Typed(ty, _) => ty.clone(),
        }
    }
}

/// What `$1`, `$2`, … of a statement stand for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params {
    pub(crate) values: Vec<ParamValue>,
    /// The names by which the statement knows them too: arguments and variables of the function it stands in.
    pub(crate) names: Option<Arc<Variables>>,
}

impl Params {
    /// No parameters.
    pub(crate) const NONE: &Params = &Params {
        values: Vec::new(),
        names: None,
    };

    /// Parameters in Postgres's text form.
    pub(crate) fn texts(texts: &[Option<String>]) -> Params {
        Params {
            values: texts.iter().cloned().map(ParamValue::Text).collect(),
            names: None,
        }
    }

    /// Arguments, with the values of their slots.
    pub(crate) fn filled(arguments: &[Argument], values: &[Option<String>]) -> Params {
        let text = |argument: &Argument| argument.text(values).map(str::to_owned);
        Params {
            values: arguments
                .iter()
                .map(|argument| ParamValue::Text(text(argument)))
                .collect(),
            names: None,
        }
    }

    /// Their types, as far as they are known.
    pub(crate) fn types(&self) -> Vec<ColumnType> {
        self.values.iter().map(ParamValue::ty).collect()
    }

    /// Whether [`Params::types`] are these.
    pub(crate) fn has_types(&self, types: &[ColumnType]) -> bool {
        let is_of = |(value, ty): (&ParamValue, &ColumnType)| match value {
            ParamValue::Text(_) => *ty == Type::Unknown.into(),
            ParamValue::Typed(of, _) => of == ty,
        };
        self.values.len() == types.len() && self.values.iter().zip(types).all(is_of)
    }
}

impl Conn {
    /// Opens the file. Only the writer may create it.
    pub(crate) fn open(
        path: &Path,
        sequences: Arc<crate::state::Sequences>,
        writer: bool,
    ) -> Result<Conn> {
        let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX
            | if writer {
                OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
            } else {
                OpenFlags::SQLITE_OPEN_READ_WRITE
            };
        let mut sqlite = Connection::open_with_flags(path, flags)?;
        sqlite.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
        sqlite.busy_timeout(Duration::from_secs(5))?;
        let log_pages = Arc::new(AtomicI32::new(0));
        if writer {
            sqlite.pragma_update(None, "journal_mode", "wal")?;
            let log_pages = log_pages.clone();
            // In place of SQLite's own, which would fold the log on whatever thread commits, and that may be one that others wait for.
            sqlite.wal_hook(Some(move |_: &mut Wal, pages| {
                log_pages.store(pages, Ordering::Relaxed);
                Ok(())
            }))?;
        }
        sqlite.pragma_update(None, "synchronous", "full")?;
        sqlite.pragma_update(None, "cache_size", -CACHE_KIB)?;
        sqlite.pragma_update(None, "temp_store", "memory")?;
        sqlite.pragma_update(None, "trusted_schema", "off")?;
        // A plan that looks at bound values is made anew for every one of them, which costs more than most queries.
        sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        if !writer {
            sqlite.pragma_update(None, "query_only", "on")?;
        }
        let state = Arc::new(ConnState {
            sequences,
            read_only: !writer,
            log_pages,
            ..ConnState::default()
        });
        crate::functions::register(&sqlite, &state)?;
        let time = state.time.clone();
        sqlite.progress_handler(DEADLINE_STEPS, Some(move || time.is_over()))?;
        let fence = state.clone();
        sqlite.authorizer(Some(move |context: AuthContext<'_>| {
            authorize(&fence, &context)
        }))?;
        let sqlite = Arc::new(ReentrantMutex::new(sqlite));
        // A second time it would be another connection's; there is none.
        let _first = state.connection.set(Arc::downgrade(&sqlite));
        Ok(Conn { sqlite, state })
    }

    /// The connection that this state belongs to; none while it closes.
    pub(crate) fn of(state: &Arc<ConnState>) -> Option<Conn> {
        let sqlite = state.connection.get()?.upgrade()?;
        Some(Conn {
            sqlite,
            state: state.clone(),
        })
    }

    /// SQLite's own connection.
    pub(crate) fn sqlite(&self) -> ReentrantMutexGuard<'_, Connection> {
        self.sqlite.lock()
    }

    /// Whether the log has grown enough to be folded into the file.
    pub(crate) fn log_is_long(&self) -> bool {
        self.state.log_pages.load(Ordering::Relaxed) >= CHECKPOINT_PAGES
    }

    /// Folds the log into the file, as far as no reader needs it.
    pub(crate) fn fold_log(&self) -> Result<()> {
        self.state.log_pages.store(0, Ordering::Relaxed);
        let sqlite = self.sqlite();
        let mut fold = sqlite.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?;
        fold.query_row([], |_| Ok(()))?;
        Ok(())
    }

    /// Whether no transaction is open.
    pub(crate) fn is_autocommit(&self) -> bool {
        self.sqlite().is_autocommit()
    }

    /// Begins a session: its role, claims, time and deadline.
    pub(crate) fn begin_session(
        &self,
        session: &Session,
        now_unix_micros: i64,
        catalog: &Arc<Catalog>,
    ) -> Result<()> {
        *self.state.session.lock() = SessionState::begin(session, now_unix_micros);
        self.renew_deadline(session);
        self.use_catalog(catalog)
    }

    /// Gives the session's whole time to what comes next.
    pub(crate) fn renew_deadline(&self, session: &Session) {
        self.state.time.deadline_ms.store(
            clock_ms() + as_ms(session.timeout).max(1),
            Ordering::Relaxed,
        );
    }

    /// Bounds what follows to what a thread that others wait for may spend on it.
    pub(crate) fn be_quick(&self, patience: Duration) {
        let time = &self.state.time;
        time.impatient.store(false, Ordering::Relaxed);
        let until = clock().saturating_add(patience);
        time.patience_us
            .store(as_us(until).max(1), Ordering::Relaxed);
    }

    /// Lifts that bound; true when it was what ended a statement.
    pub(crate) fn was_too_slow(&self) -> bool {
        let time = &self.state.time;
        time.patience_us.store(0, Ordering::Relaxed);
        time.impatient.swap(false, Ordering::Relaxed)
    }

    /// Ends the deadline: what follows is our own work.
    pub(crate) fn end_session(&self) {
        self.state.time.deadline_ms.store(0, Ordering::Relaxed);
    }

    /// Whether the session's time is over.
    pub(crate) fn out_of_time(&self) -> bool {
        self.state.time.is_over()
    }

    /// The version of the catalog that the open transaction sees. Read anew only after a commit of another connection.
    pub(crate) fn catalog_version(&self) -> Result<u64> {
        let sqlite = self.sqlite();
        let data_version: i64 = sqlite
            .prepare_cached("PRAGMA data_version")?
            .query_row([], |row| row.get(0))?;
        let mut seen = self.state.seen.lock();
        if let Some((known, version)) = *seen
            && known == data_version
        {
            return Ok(version);
        }
        let version = store::version(&sqlite)?;
        *seen = Some((data_version, version));
        Ok(version)
    }

    /// Makes this the catalog of what follows: functions see it, enum collations follow it.
    pub(crate) fn use_catalog(&self, catalog: &Arc<Catalog>) -> Result<()> {
        let known = self.state.catalog.read().clone();
        if Arc::ptr_eq(&known, catalog) {
            return Ok(());
        }
        *self.state.catalog.write() = catalog.clone();
        let mut collated = self.state.collated.lock();
        for enum_type in catalog.enums.values() {
            if collated
                .iter()
                .any(|(oid, labels)| *oid == enum_type.oid && *labels == enum_type.labels)
            {
                continue;
            }
            crate::functions::register_enum(&self.sqlite(), enum_type)?;
            collated.retain(|(oid, _)| *oid != enum_type.oid);
            collated.push((enum_type.oid, enum_type.labels.clone()));
        }
        Ok(())
    }

    fn parameter(&self, plan: &Plan, params: &Params, place: usize) -> Result<Value> {
        let Some(param) = params.values.get(place - 1) else {
            return Ok(Value::Null);
        };
        match param {
            ParamValue::Typed(_, value) => Ok(value.clone()),
            ParamValue::Text(None) => Ok(Value::Null),
            ParamValue::Text(Some(text)) => {
                let ty = plan
                    .params
                    .get(place - 1)
                    .cloned()
                    .unwrap_or_else(|| Type::Text.into());
                self.input(&ty, text)
            }
        }
    }

    /// Reads the texts of parameters as values of the types that a plan has for them.
    pub(crate) fn read_params(&self, plan: &Plan, params: &mut Params) -> Result<()> {
        for place in 0..params.values.len() {
            if let ParamValue::Text(_) = &params.values[place] {
                let value = self.parameter(plan, params, place + 1)?;
                let ty = plan.params.get(place).cloned();
                let ty = ty.unwrap_or_else(|| Type::Text.into());
                params.values[place] = ParamValue::Typed(ty, value);
            }
        }
        Ok(())
    }

    /// Reads the text form of a value.
    pub(crate) fn input(&self, ty: &ColumnType, text: &str) -> Result<Value> {
        let catalog = self.state.catalog.read().clone();
        let now = self.state.session.lock().now;
        let labels = |name: &plinth_sql::catalog::QName| {
            catalog.enums.get(name).map(|known| known.labels.clone())
        };
        Ok(from_stored(io::input(ty, text, &labels, now)?))
    }

    /// A value of the session.
    pub(crate) fn context(&self, context: Context) -> Result<Value> {
        let mut session = self.state.session.lock();
        let claim = |value: Option<&serde_json::Value>| match value {
            Some(serde_json::Value::String(text)) => Some(text.clone()),
            Some(serde_json::Value::Null) | None => None,
            Some(other) => Some(other.to_string()),
        };
        Ok(match context {
            Context::Now => Value::Integer(session.now),
            Context::Today => Value::Integer(session.now.div_euclid(86_400_000_000)),
            // A subject that is no uuid is an error, not a null that a policy might let through.
            Context::Uid => {
                match claim(session.settings.claims().get("sub")).filter(|text| !text.is_empty()) {
                    Some(text) => {
                        drop(session);
                        self.input(&Type::Uuid.into(), &text)?
                    }
                    None => Value::Null,
                }
            }
            Context::AuthRole => {
                claim(session.settings.claims().get("role")).map_or(Value::Null, Value::Text)
            }
            Context::Email => {
                claim(session.settings.claims().get("email")).map_or(Value::Null, Value::Text)
            }
            Context::Jwt => {
                let text = session
                    .settings
                    .get("request.jwt.claims")
                    .filter(|text| !text.is_empty())
                    .map(str::to_owned);
                drop(session);
                match text {
                    Some(text) => self.input(&Type::Jsonb.into(), &text)?,
                    None => Value::Null,
                }
            }
            Context::CurrentUser => Value::Text(session.settings.role().to_owned()),
            Context::SessionUser => Value::Text(session.settings.session_role().to_owned()),
        })
    }

    /// Runs a plan and drains it. SQLite may touch only what the plan names.
    pub(crate) fn run(
        &self,
        plan: &Plan,
        params: &Params,
        row: &[Value],
    ) -> Result<Vec<Vec<Value>>> {
        let width = plan.columns.len();
        let mut drained = Vec::new();
        self.each(plan, params, row, |row| {
            let mut read = Vec::with_capacity(width);
            for place in 0..width {
                read.push(row.get(place)?);
            }
            drained.push(read);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(drained)
    }

    /// Makes the calls that run ahead of a plan; gives what is bound as its row.
    pub(crate) fn run_ahead(&self, plan: &Plan, params: &Params) -> Result<Vec<Value>> {
        let mut row = Vec::with_capacity(plan.ahead.len());
        for call in &plan.ahead {
            let alone = Plan {
                sql: format!("SELECT {call}"),
                columns: vec![(String::new(), Type::Text.into())],
                ahead: Vec::new(),
                ..plan.clone()
            };
            let given = self.run(&alone, params, &[])?;
            row.extend(given.into_iter().flatten());
        }
        Ok(row)
    }

    /// Runs a plan and shows each of its rows, until one is the last that is wanted. `row` is what it is bound to; the calls that
    /// run ahead of it give one where there is none.
    pub(crate) fn each(
        &self,
        plan: &Plan,
        params: &Params,
        row: &[Value],
        mut show: impl FnMut(&rusqlite::Row<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let given;
        let mut row = row;
        if row.is_empty() && !plan.ahead.is_empty() {
            given = self.run_ahead(plan, params)?;
            row = &given;
        }
        let sqlite = self.sqlite();
        let mut statement = self.prepare(&sqlite, plan)?;
        // A row is bound whole; the text may not use its last values.
        let wanted = statement.parameter_count();
        for (place, bind) in plan.binds.iter().enumerate() {
            let used = place < wanted;
            let value = match bind {
                Bind::Row(at) => {
                    if let Some(value) = row.get(*at).filter(|_| used) {
                        statement.raw_bind_parameter(place + 1, value)?;
                    }
                    continue;
                }
                // A text that is no value of its type is an error even where nothing uses it.
                Bind::Param(at) => self.parameter(plan, params, *at)?,
                Bind::Context(context) => self.context(*context)?,
            };
            if used {
                statement.raw_bind_parameter(place + 1, value)?;
            }
        }
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            if show(row)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Prepares a plan behind its fence.
    pub(crate) fn prepare<'c>(
        &self,
        sqlite: &'c Connection,
        plan: &Plan,
    ) -> Result<rusqlite::CachedStatement<'c>> {
        *self.state.fence.lock() = Some(plan.fence.clone());
        let prepared = sqlite.prepare_cached(&plan.sql);
        *self.state.fence.lock() = None;
        prepared.map_err(|error| {
            tracing::error!(
                error = without_statement(&error),
                "SQLite refused a translated statement"
            );
            tracing::trace!(sql = %plan.sql, "the refused statement");
            error.into()
        })
    }
}

/// What SQLite may do while it prepares a translated statement: read the tables and columns of the plan.
fn authorize(state: &ConnState, context: &AuthContext<'_>) -> Authorization {
    let fence = state.fence.lock();
    let Some(fence) = fence.as_ref() else {
        return Authorization::Allow;
    };
    match context.action {
        AuthAction::Select | AuthAction::Recursive | AuthAction::Function { .. } => {
            Authorization::Allow
        }
        AuthAction::Read {
            table_name,
            column_name,
        } => {
            let known = fence.columns.contains(&(table_name.to_owned(), column_name.to_owned()))
                || (fence.tables.contains(table_name) && (column_name.is_empty() || column_name.eq_ignore_ascii_case("rowid")))
                // Subqueries, CTEs and table functions have names of ours; stored tables all have a dot.
                || !table_name.contains('.') && !table_name.starts_with("plinth_") && !table_name.starts_with("sqlite_");
            if known {
                Authorization::Allow
            } else {
                Authorization::Deny
            }
        }
        _ => Authorization::Deny,
    }
}

/// A stored value for SQLite.
pub(crate) fn from_stored(value: io::Stored) -> Value {
    match value {
        io::Stored::Null => Value::Null,
        io::Stored::Int(value) => Value::Integer(value),
        io::Stored::Real(value) => Value::Real(value),
        io::Stored::Text(value) => Value::Text(value),
        io::Stored::Blob(value) => Value::Blob(value),
    }
}

/// A value of SQLite as the text forms read it.
pub(crate) fn as_stored(value: &Value) -> io::StoredRef<'_> {
    match value {
        Value::Null => io::StoredRef::Null,
        Value::Integer(value) => io::StoredRef::Int(*value),
        Value::Real(value) => io::StoredRef::Real(*value),
        Value::Text(value) => io::StoredRef::Text(value),
        Value::Blob(value) => io::StoredRef::Blob(value),
    }
}

/// A value as SQLite lends it, as the text forms read it. Text that is none can only come from damage to the file; it is
/// shown as bytes.
pub(crate) fn lent(value: ValueRef<'_>) -> io::StoredRef<'_> {
    match value {
        ValueRef::Null => io::StoredRef::Null,
        ValueRef::Integer(value) => io::StoredRef::Int(value),
        ValueRef::Real(value) => io::StoredRef::Real(value),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => io::StoredRef::Text(text),
            Err(_) => io::StoredRef::Blob(bytes),
        },
        ValueRef::Blob(bytes) => io::StoredRef::Blob(bytes),
    }
}

/// The Postgres text of a value.
pub(crate) fn text_of(ty: &Type, value: &Value) -> Result<Option<String>> {
    Ok(io::output(ty, as_stored(value))?)
}

impl Time {
    /// Whether what runs must end.
    fn is_over(&self) -> bool {
        let deadline = self.deadline_ms.load(Ordering::Relaxed);
        if deadline != 0 && clock_ms() > deadline {
            return true;
        }
        let patience = self.patience_us.load(Ordering::Relaxed);
        if patience != 0 && as_us(clock()) > patience {
            self.impatient.store(true, Ordering::Relaxed);
            return true;
        }
        false
    }
}

/// The time since this process first asked.
fn clock() -> Duration {
    static STARTED: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    STARTED.get_or_init(Instant::now).elapsed()
}

fn clock_ms() -> u64 {
    as_ms(clock())
}

fn as_us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn as_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The quoted SQLite table of a relation.
pub(crate) fn quoted_table(relation: &plinth_sql::catalog::Relation) -> String {
    names::quote(&names::table(&relation.name))
}
