//! Reads and writes as front ends ask for them: a statement, and the document that its rows become.

use std::ops::ControlFlow;
use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::{Query, Statement};
use plinth_sql::catalog::Catalog;
use plinth_sql::shape::{Answer, Count, Filled, Read, StatementId, Write};
use rusqlite::types::Value;

use super::document::Document;
use super::{Executed, Executor};
use crate::connection::{Conn, Params};
use crate::error::Result;
use crate::plans::Plans;
use crate::translate::{self, Plan};

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
    let mut total = None;
    if let Some(Count { query, params, id }) = &read.count {
        let params = Params::filled(params, values);
        let plan = planner.plan_query(query, &params, *id)?;
        let rows = conn.run(&plan, &params, &[])?;
        if let Some(Value::Integer(count)) = rows.first().and_then(|row| row.first()) {
            total = u64::try_from(*count).ok();
        }
    }
    let Statement::Query(query) = &read.fetch.statement else {
        return Err(SqlError::new(
            "25006",
            "cannot execute a writing statement in a read-only transaction",
        )
        .into());
    };
    let params = Params::filled(&read.fetch.params, values);
    let plan = planner.plan_query(query, &params, read.fetch.id)?;
    let mut document = Document::begin(&planner, &read.fetch, &plan.columns, read.format)?;
    let mut rows = 0;
    conn.each(&plan, &params, &[], |row| {
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

/// Runs a write on the writer, as all that its request does: what a failure leaves is undone with the request.
pub(crate) fn write(
    exec: &mut Executor,
    Filled {
        what: write,
        values,
    }: &Filled<Write>,
) -> Result<Answer> {
    let params = Params::filled(&write.fetch.params, values);
    let done = exec.run(&write.fetch.statement, &params, write.fetch.id)?;
    if let Some(limit) = write.max_affected
        && done.affected > limit
    {
        return Err(SqlError::new(
            "PGRST124",
            "Query result exceeds max-affected preference constraint",
        )
        .detail(format!("The query affects {} rows", done.affected))
        .into());
    }
    let Executed {
        columns,
        rows,
        affected,
        inserted,
        ..
    } = done;
    if write.exactly_one && affected != 1 {
        return Err(SqlError::new(
            "PGRST116",
            "Cannot coerce the result to a single JSON object",
        )
        .detail(format!("The result contains {affected} rows"))
        .into());
    }
    let role = exec.role();
    let planner = Planner {
        conn: &exec.conn,
        catalog: &exec.catalog,
        role: &role,
        plans: Known::None { exec },
        values,
    };
    let mut document = Document::begin(&planner, &write.fetch, &columns, write.format)?;
    for row in &rows {
        document.add(row)?;
    }
    Ok(Answer {
        body: document.finish(),
        rows: affected,
        total: None,
        inserted,
    })
}

/// Translates the statements of one document.
pub(super) struct Planner<'a> {
    pub(super) conn: &'a Conn,
    catalog: &'a Arc<Catalog>,
    role: &'a str,
    plans: Known<'a>,
    /// What slots stand for.
    pub(super) values: &'a [Option<String>],
}

/// Where plans may be found.
enum Known<'a> {
    /// Among those of the readers, who all have the same search path.
    Kept(&'a Plans),
    /// Nowhere: a script may have set another path.
    None { exec: &'a Executor },
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
        match self.plans {
            Known::Kept(plans) => plans.plan(self.catalog, self.role, types, query, id, now),
            Known::None { exec } => {
                let search_path = &exec.search_path();
                let plan =
                    translate::query(self.catalog, self.role, search_path, types, query, now)?;
                Ok(Arc::new(plan))
            }
        }
    }
}
