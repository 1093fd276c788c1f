//! Statements in the bodies of PL/pgSQL functions: planned once for all calls that see the same names with the same types, by the same role.

use std::collections::HashMap;
use std::sync::Arc;

use plinth_sql::ast::plpgsql::Body;
use plinth_sql::ast::{Query, Statement};
use plinth_sql::types::ColumnType;

use super::insert::{InsertPlan, expand_records};
use super::update::UpdatePlan;
use super::{Executed, Executor, only_reads, selected};
use crate::connection::Params;
use crate::error::{EngineError, Result};
use crate::translate::{Plan, Variables};

/// Statements whose plans are kept; over it all begins anew.
const KEPT: usize = 2048;

/// Plans of statements, by where these stand in memory. They are made with one catalog, which whoever holds this looks after.
#[derive(Default)]
pub(super) struct Within(HashMap<usize, Kept>);

struct Kept {
    /// Held, so that no other statement can come to stand at its address.
    body: Arc<Body>,
    sight: Sight,
    plan: Planned,
}

/// All that a plan depends on beside the statement and the catalog.
#[derive(PartialEq)]
struct Sight {
    role: String,
    /// As it was set.
    path: Vec<String>,
    row_security: bool,
    types: Vec<ColumnType>,
    names: Option<Arc<Variables>>,
}

#[derive(Clone)]
pub(super) enum Planned {
    Query(Arc<Plan>),
    Insert(Arc<InsertPlan>),
    Update(Arc<UpdatePlan>),
}

impl Within {
    fn find(&self, body: &Arc<Body>, at: usize, sight: &Sight) -> Option<Planned> {
        let kept = self.0.get(&at)?;
        (Arc::ptr_eq(&kept.body, body) && kept.sight == *sight).then(|| kept.plan.clone())
    }

    fn keep(&mut self, at: usize, kept: Kept) {
        if self.0.len() >= KEPT {
            self.0.clear();
        }
        self.0.insert(at, kept);
    }
}

impl Planned {
    /// Whether it holds at any time: no constant like `'now'` is in it.
    fn is_timeless(&self) -> bool {
        match self {
            Planned::Query(plan) => plan.timeless,
            Planned::Insert(plan) => plan.is_timeless(),
            Planned::Update(plan) => plan.is_timeless(),
        }
    }
}

impl Executor {
    /// Runs a statement that stands in this body, in a savepoint of its own.
    pub(super) fn statement_within(
        &mut self,
        body: &Arc<Body>,
        statement: &Statement,
        params: &Params,
    ) -> Result<Executed> {
        if only_reads(statement) {
            return self.run_within(body, statement, params);
        }
        self.marked(|exec, _| exec.run_within(body, statement, params))
    }

    fn run_within(
        &mut self,
        body: &Arc<Body>,
        statement: &Statement,
        params: &Params,
    ) -> Result<Executed> {
        self.refuse_unless_runnable(statement)?;
        match statement {
            Statement::Query(query) => self.query_within(body, query, params),
            // A record stands for as many values as it has fields.
            Statement::Insert(insert) if expand_records(insert, params).is_none() => {
                let plan = self.planned(body, &**insert, params, |exec| {
                    let plan = exec.plan_insert(insert, params, None)?;
                    Ok(Planned::Insert(plan))
                })?;
                match plan {
                    Planned::Insert(plan) => self.run_insert(&plan, params),
                    Planned::Query(_) | Planned::Update(_) => Err(misplaced()),
                }
            }
            Statement::Update(update) => {
                let plan = self.planned(body, &**update, params, |exec| {
                    let plan = exec.plan_update(update, params)?;
                    Ok(Planned::Update(Arc::new(plan)))
                })?;
                match plan {
                    Planned::Update(plan) => self.run_update(&plan, params),
                    Planned::Query(_) | Planned::Insert(_) => Err(misplaced()),
                }
            }
            _ => self.run(statement, params, None),
        }
    }

    /// Runs a query that stands in this body.
    pub(super) fn query_within(
        &mut self,
        body: &Arc<Body>,
        query: &Query,
        params: &Params,
    ) -> Result<Executed> {
        self.refuse_if_lost()?;
        let plan = self.planned(body, query, params, |exec| {
            let plan = exec.plan_query(query, params, false)?;
            Ok(Planned::Query(Arc::new(plan)))
        })?;
        let Planned::Query(plan) = plan else {
            return Err(misplaced());
        };
        let rows = self.conn.run(&plan, params, &[])?;
        self.follow_catalog();
        Ok(selected(plan.columns.clone(), rows))
    }

    /// The plan of what stands there, kept or made.
    fn planned<T>(
        &mut self,
        body: &Arc<Body>,
        there: &T,
        params: &Params,
        make: impl FnOnce(&mut Executor) -> Result<Planned>,
    ) -> Result<Planned> {
        let at = std::ptr::from_ref(there).addr();
        let sight = self.sight(params);
        let known = {
            let mut kept = self.state().kept.lock();
            kept.within(&self.catalog).find(body, at, &sight)
        };
        if let Some(plan) = known {
            return Ok(plan);
        }
        let plan = make(self)?;
        if plan.is_timeless() {
            let kept = Kept {
                body: Arc::clone(body),
                sight,
                plan: plan.clone(),
            };
            let mut all = self.state().kept.lock();
            all.within(&self.catalog).keep(at, kept);
        }
        Ok(plan)
    }

    fn sight(&self, params: &Params) -> Sight {
        let session = self.state().session.lock();
        let settings = &session.settings;
        Sight {
            role: settings.role().to_owned(),
            path: settings.search_path().to_vec(),
            row_security: settings.row_security(),
            types: params.types(),
            names: params.names.clone(),
        }
    }
}

/// The same place has plans of one kind only.
fn misplaced() -> EngineError {
    EngineError::Internal("a plan of another kind of statement was kept".into())
}
