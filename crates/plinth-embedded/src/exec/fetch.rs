//! Reads and writes as front ends ask for them: a statement, and the document that its rows become.
//!
//! As on a server all of a document is one statement. All of it is planned, and its values are read, before anything runs; and
//! its embeds see nothing of what it changes.

use std::ops::ControlFlow;
use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::{Query, Statement};
use plinth_sql::catalog::Catalog;
use plinth_sql::shape::{Answer, Count, Filled, Read, StatementId, Write};
use plinth_sql::types::ColumnType;
use rusqlite::types::Value;

use super::delete::DeletePlan;
use super::document::Document;
use super::insert::InsertPlan;
use super::update::UpdatePlan;
use super::{Executed, Executor};
use crate::connection::{Conn, Params};
use crate::error::{EngineError, Result};
use crate::plans::Plans;
use crate::translate::{self, Plan};

/// A privilege is missing.
const DENIED: &str = "42501";

/// Runs a read on a reader.
pub(crate) fn read(
    conn: &Conn,
    catalog: &Arc<Catalog>,
    plans: &Plans,
    role: &str,
    Filled { what: read, values }: &Filled<Read>,
) -> Result<Answer> {
    let planner = Planner {
        conn,
        catalog,
        role,
        plans: Known::Kept(plans),
        values,
    };
    planner.read(read).map_err(|error| {
        told_first(error, || {
            let judge = Planner {
                plans: Known::Judged,
                ..planner
            };
            judge.read_plan(read).map(drop)
        })
    })
}

/// Runs a write on the writer, as all that its request does: what a failure leaves is undone with the request.
pub(crate) fn write(
    exec: &mut Executor,
    Filled {
        what: write,
        values,
    }: &Filled<Write>,
) -> Result<Answer> {
    exec.refuse_unless_runnable(&write.fetch.statement)?;
    let params = Params::filled(&write.fetch.params, values);
    // The same once more, because this one is about to write.
    let beside = exec.clone();
    let role = exec.role();
    let planner = Planner {
        conn: &beside.conn,
        catalog: &beside.catalog,
        role: &role,
        plans: Known::None { exec: &beside },
        values,
    };
    let made = plan_write(exec, &planner, write, &params).map_err(|error| {
        told_first(error, || {
            let judge = Executor {
                is_judge: true,
                ..beside.clone()
            };
            let planner = Planner {
                plans: Known::None { exec: &judge },
                ..planner
            };
            plan_write(&mut judge.clone(), &planner, write, &params).map(drop)
        })
    });
    let (plan, mut document) = made?;
    let answer = match &plan {
        WritePlan::Change(plan) => change(exec, plan, &params, &mut document, write)?,
        WritePlan::Call(plan) => call(exec, plan, &params, &mut document, write)?,
    };
    Ok(Answer {
        body: document.finish(),
        ..answer
    })
}

/// The error that a server gives in place of one about privileges, for which it asks last: policies may go in a circle, and
/// values be none of their type. `judge` finds that.
fn told_first(error: EngineError, judge: impl FnOnce() -> Result<()>) -> EngineError {
    match &error {
        EngineError::Sql(sql) if sql.code == DENIED => judge().err().unwrap_or(error),
        _ => error,
    }
}

/// A statement of a document on the writer, ready to run.
enum WritePlan {
    /// It changes rows.
    Change(ChangePlan),
    /// A query that calls a function which may change something.
    Call(Plan),
}

enum ChangePlan {
    Insert(Arc<InsertPlan>),
    Update(UpdatePlan),
    Delete(DeletePlan),
}

impl WritePlan {
    /// The columns of the rows that it shows.
    fn columns(&self) -> &[(String, ColumnType)] {
        let shown = match self {
            WritePlan::Change(ChangePlan::Insert(plan)) => plan.returning.as_ref(),
            WritePlan::Change(ChangePlan::Update(plan)) => plan.returning.as_ref(),
            WritePlan::Change(ChangePlan::Delete(plan)) => plan.returning.as_ref(),
            WritePlan::Call(plan) => Some(plan),
        };
        shown.map_or(&[], |plan| plan.columns.as_slice())
    }

    /// Fails if a parameter's text is no value of its type.
    fn read_values(&self, exec: &Executor, params: &Params) -> Result<()> {
        let plans: Vec<&Plan> = match self {
            WritePlan::Change(ChangePlan::Insert(plan)) => {
                exec.read_given(plan, params)?;
                plan.plans().collect()
            }
            WritePlan::Change(ChangePlan::Update(plan)) => plan.plans().collect(),
            WritePlan::Change(ChangePlan::Delete(plan)) => plan.plans().collect(),
            WritePlan::Call(plan) => vec![plan],
        };
        for plan in plans {
            exec.conn.read_params(plan, &mut params.clone())?;
        }
        Ok(())
    }
}

/// Plans a write and its document. An executor that is a judge reads all values, too.
fn plan_write<'f>(
    exec: &mut Executor,
    planner: &Planner<'f>,
    write: &'f Write,
    params: &Params,
) -> Result<(WritePlan, Document<'f>)> {
    let id = write.fetch.id;
    let plan = match &write.fetch.statement {
        Statement::Insert(insert) => {
            WritePlan::Change(ChangePlan::Insert(exec.plan_insert(insert, params, id)?))
        }
        Statement::Update(update) => {
            WritePlan::Change(ChangePlan::Update(exec.plan_update(update, params)?))
        }
        Statement::Delete(delete) => {
            WritePlan::Change(ChangePlan::Delete(exec.plan_delete(delete, params)?))
        }
        Statement::Query(query) => WritePlan::Call(exec.plan_query(query, params, true)?),
        _ => return Err(SqlError::new("XX000", "this statement has no document").into()),
    };
    let mut document = Document::begin(planner, &write.fetch, plan.columns(), write.format)?;
    if document.has_embeds() || exec.is_judge {
        plan.read_values(exec, params)?;
        document.read_values()?;
    }
    Ok((plan, document))
}

/// Runs a change of rows.
fn change(
    exec: &mut Executor,
    plan: &ChangePlan,
    params: &Params,
    document: &mut Document<'_>,
    write: &Write,
) -> Result<Answer> {
    if !document.has_embeds() {
        let (rows, answer) = changed(exec, plan, params, write)?;
        rows.iter().try_for_each(|row| document.add(row))?;
        return Ok(answer);
    }
    exec.marked(|exec, mark| {
        let (rows, answer) = changed(exec, plan, params, write)?;
        let looks_back = exec.changed_since(mark, |relation| document.reads(relation));
        let mut show = |_: &mut Executor| rows.iter().try_for_each(|row| document.add(row));
        match looks_back {
            true => exec.as_of(mark, show)?,
            false => show(exec)?,
        }
        Ok(answer)
    })
}

/// Changes rows; gives those that are shown.
fn changed(
    exec: &mut Executor,
    plan: &ChangePlan,
    params: &Params,
    write: &Write,
) -> Result<(Vec<Vec<Value>>, Answer)> {
    let Executed {
        rows,
        affected,
        inserted,
        ..
    } = match plan {
        ChangePlan::Insert(plan) => exec.run_insert(plan, params),
        ChangePlan::Update(plan) => exec.run_update(plan, params),
        ChangePlan::Delete(plan) => exec.run_delete(plan, params),
    }?;
    write.check_affected(affected)?;
    let answer = Answer {
        rows: affected,
        inserted,
        ..Answer::default()
    };
    Ok((rows, answer))
}

/// Calls a function that may change something, and then runs the query around the call.
fn call(
    exec: &mut Executor,
    plan: &Plan,
    params: &Params,
    document: &mut Document<'_>,
    write: &Write,
) -> Result<Answer> {
    let rows = exec.marked(|exec, mark| {
        let given = exec.conn.run_ahead(plan, params)?;
        exec.follow_catalog();
        let looks_back = exec.changed_since(mark, |relation| {
            plan.reads(relation) || document.reads(relation)
        });
        let mut show = |exec: &mut Executor| {
            let rows = exec.conn.run(plan, params, &given)?;
            exec.follow_catalog();
            rows.iter().try_for_each(|row| document.add(row))?;
            Ok(rows.len() as u64)
        };
        match looks_back {
            true => exec.as_of(mark, show),
            false => show(exec),
        }
    })?;
    write.check_affected(rows)?;
    Ok(Answer {
        rows,
        ..Answer::default()
    })
}

/// Translates the statements of one document.
#[derive(Clone, Copy)]
pub(super) struct Planner<'a> {
    pub(super) conn: &'a Conn,
    catalog: &'a Arc<Catalog>,
    role: &'a str,
    plans: Known<'a>,
    /// What slots stand for.
    pub(super) values: &'a [Option<String>],
}

/// Where plans may be found.
#[derive(Clone, Copy)]
enum Known<'a> {
    /// Among those of the readers, who all have the same search path.
    Kept(&'a Plans),
    /// Nowhere: a script may have set another path.
    None { exec: &'a Executor },
    /// Nowhere, for a reader: what is planned here is judged and not run.
    Judged,
}

/// The statements of a read, ready to run.
struct ReadPlan<'a> {
    count: Option<(Arc<Plan>, Params)>,
    rows: (Arc<Plan>, Params),
    document: Document<'a>,
}

impl<'a> Planner<'a> {
    fn read(&self, read: &'a Read) -> Result<Answer> {
        let ReadPlan {
            count,
            rows: (plan, params),
            mut document,
        } = self.read_plan(read)?;
        let mut total = None;
        if let Some((plan, params)) = count {
            let rows = self.conn.run(&plan, &params, &[])?;
            if let Some(Value::Integer(count)) = rows.first().and_then(|row| row.first()) {
                total = u64::try_from(*count).ok();
            }
        }
        let mut rows = 0;
        self.conn.each(&plan, &params, &[], |row| {
            rows += 1;
            document.add(row)?;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(Answer {
            body: document.finish(),
            rows,
            total,
            inserted: 0,
        })
    }

    /// Plans all statements of a read, and then reads all values.
    fn read_plan(&self, read: &'a Read) -> Result<ReadPlan<'a>> {
        let Statement::Query(query) = &read.fetch.statement else {
            return Err(SqlError::new(
                "25006",
                "cannot execute a writing statement in a read-only transaction",
            )
            .into());
        };
        let mut count = None;
        if let Some(Count { query, params, id }) = &read.count {
            let params = Params::filled(params, self.values);
            count = Some((self.plan_query(query, &params, *id)?, params));
        }
        let mut params = Params::filled(&read.fetch.params, self.values);
        let plan = self.plan_query(query, &params, read.fetch.id)?;
        let mut document = Document::begin(self, &read.fetch, &plan.columns, read.format)?;
        self.conn.read_params(&plan, &mut params)?;
        document.read_values()?;
        Ok(ReadPlan {
            count,
            rows: (plan, params),
            document,
        })
    }
}

impl Planner<'_> {
    /// The plan of a query, which an `id` tells apart from all others.
    pub(super) fn plan_query(
        &self,
        query: &Query,
        params: &Params,
        id: Option<StatementId>,
    ) -> Result<Arc<Plan>> {
        if let (Known::Kept(plans), Some(id)) = (&self.plans, id)
            && let Some(plan) = plans.known(self.catalog, self.role, id)
        {
            return Ok(plan);
        }
        let types = params.types();
        let now = self.conn.state.session.lock().now;
        let (path, judged) = match self.plans {
            Known::Kept(plans) => {
                return plans.plan(self.catalog, self.role, types, query, id, now);
            }
            Known::None { exec } => (exec.search_path(), exec.is_judge),
            Known::Judged => (translate::default_search_path(), true),
        };
        let translate = match judged {
            true => translate::judged,
            false => translate::query,
        };
        let plan = translate(self.catalog, self.role, &path, types, query, now)?;
        Ok(Arc::new(plan))
    }
}
