//! What runs again and again, planned once for all that see the same names with the same types, as the same role: statements and expressions in
//! the bodies of PL/pgSQL functions, and statements of our own that are kept as they were parsed.

use std::collections::HashMap;
use std::sync::Arc;

use plinth_sql::ast::plpgsql::Body;
use plinth_sql::ast::{Expr, Query, Statement};
use plinth_sql::types::ColumnType;

use super::delete::DeletePlan;
use super::expression::Expression;
use super::insert::{InsertPlan, expand_records};
use super::update::UpdatePlan;
use super::{Executed, Executor, only_reads, selected};
use crate::connection::Params;
use crate::error::Result;
use crate::settings::Settings;
use crate::translate::{Plan, Variables};

/// Plans of one kind that are kept; over it the kind begins anew.
const KEPT: usize = 2048;

/// Plans of each kind. They are made with one catalog, which whoever holds this looks after.
#[derive(Default)]
pub(super) struct Within {
    queries: Shelf<Plan>,
    inserts: Shelf<InsertPlan>,
    updates: Shelf<UpdatePlan>,
    deletes: Shelf<DeletePlan>,
    expressions: Shelf<Expression>,
}

/// Plans of one kind, by where stands in memory what they are of.
struct Shelf<P>(HashMap<usize, Kept<P>>);

/// What a statement is a part of. While it is held, nothing else can come to stand at the statement's address.
#[derive(Clone)]
pub(super) enum Pin {
    Body(Arc<Body>),
    Statement(Arc<Statement>),
}

struct Kept<P> {
    pin: Option<Pin>,
    sight: Sight,
    plan: Arc<P>,
}

/// All that a plan depends on beside what it is of and the catalog.
struct Sight {
    role: String,
    /// As it was set.
    path: Vec<String>,
    row_security: bool,
    types: Vec<ColumnType>,
    names: Option<Arc<Variables>>,
}

/// What can be kept.
trait Keep: Sized {
    fn shelf(within: &mut Within) -> &mut Shelf<Self>;
    /// Whether it holds at any time: no constant like `'now'` is in it.
    fn is_timeless(&self) -> bool;
}

impl Executor {
    /// Runs a statement that stands in there, in a savepoint of its own.
    pub(super) fn statement_within(
        &mut self,
        within: &Pin,
        statement: &Statement,
        params: &Params,
    ) -> Result<Executed> {
        if only_reads(statement) {
            return self.run_within(within, statement, params);
        }
        self.marked(|exec, _| exec.run_within(within, statement, params))
    }

    fn run_within(
        &mut self,
        within: &Pin,
        statement: &Statement,
        params: &Params,
    ) -> Result<Executed> {
        self.refuse_unless_runnable(statement)?;
        match statement {
            Statement::Query(query) => self.query_within(within, query, params),
            Statement::Insert(insert) => {
                let role = self.role();
                let plan = match expand_records(insert, params) {
                    // A record stands for as many values as it has fields.
                    Some(expanded) => Arc::new(self.plan_new_insert(&expanded, params, &role)?),
                    None => self.planned(Some(within), &**insert, params, |exec| {
                        exec.plan_new_insert(insert, params, &role)
                    })?,
                };
                self.run_insert(&plan, params)
            }
            Statement::Update(update) => {
                let plan = self.planned(Some(within), &**update, params, |exec| {
                    exec.plan_update(update, params)
                })?;
                self.run_update(&plan, params)
            }
            Statement::Delete(delete) => {
                let plan = self.planned(Some(within), &**delete, params, |exec| {
                    exec.plan_delete(delete, params)
                })?;
                self.run_delete(&plan, params)
            }
            _ => self.run(statement, params, None),
        }
    }

    /// Runs a query that stands in there.
    pub(super) fn query_within(
        &mut self,
        within: &Pin,
        query: &Query,
        params: &Params,
    ) -> Result<Executed> {
        self.refuse_if_lost()?;
        let plan = self.planned(Some(within), query, params, |exec| {
            exec.plan_query(query, params, false)
        })?;
        let rows = self.conn.run(&plan, params, &[])?;
        self.follow_catalog();
        Ok(selected(plan.columns.clone(), rows))
    }

    /// The plan of an expression, wherever it stands: what stood there before may have been another, so they are compared.
    pub(super) fn expression_within(
        &mut self,
        written: &Expr,
        params: &Params,
    ) -> Result<Arc<Expression>> {
        let make = |exec: &mut Executor| exec.plan_expression(written, params);
        let plan = self.planned(None, written, params, make)?;
        if plan.is_of(written) {
            return Ok(plan);
        }
        let plan = Arc::new(make(self)?);
        self.keep_plan(None, written, params, &plan);
        Ok(plan)
    }

    /// The plan of what stands there, kept or made.
    fn planned<T, P: Keep>(
        &mut self,
        pin: Option<&Pin>,
        there: &T,
        params: &Params,
        make: impl FnOnce(&mut Executor) -> Result<P>,
    ) -> Result<Arc<P>> {
        let known = {
            let session = self.state().session.lock();
            let mut kept = self.state().kept.lock();
            let shelf = P::shelf(kept.within(&self.catalog));
            shelf.find(pin, address(there), &session.settings, params)
        };
        if let Some(plan) = known {
            return Ok(plan);
        }
        let plan = Arc::new(make(self)?);
        self.keep_plan(pin, there, params, &plan);
        Ok(plan)
    }

    fn keep_plan<T, P: Keep>(&self, pin: Option<&Pin>, there: &T, params: &Params, plan: &Arc<P>) {
        if !plan.is_timeless() {
            return;
        }
        let kept = Kept {
            pin: pin.cloned(),
            sight: Sight::of(&self.state().session.lock().settings, params),
            plan: Arc::clone(plan),
        };
        let mut all = self.state().kept.lock();
        P::shelf(all.within(&self.catalog)).keep(address(there), kept);
    }
}

impl PartialEq for Pin {
    fn eq(&self, other: &Pin) -> bool {
        match (self, other) {
            (Pin::Body(one), Pin::Body(other)) => Arc::ptr_eq(one, other),
            (Pin::Statement(one), Pin::Statement(other)) => Arc::ptr_eq(one, other),
            (Pin::Body(_), Pin::Statement(_)) | (Pin::Statement(_), Pin::Body(_)) => false,
        }
    }
}

fn address<T>(there: &T) -> usize {
    std::ptr::from_ref(there).addr()
}

impl<P> Shelf<P> {
    fn find(
        &self,
        pin: Option<&Pin>,
        at: usize,
        settings: &Settings,
        params: &Params,
    ) -> Option<Arc<P>> {
        let kept = self.0.get(&at)?;
        (kept.pin.as_ref() == pin && kept.sight.is(settings, params))
            .then(|| Arc::clone(&kept.plan))
    }

    fn keep(&mut self, at: usize, kept: Kept<P>) {
        if self.0.len() >= KEPT {
            self.0.clear();
        }
        self.0.insert(at, kept);
    }
}

impl<P> Default for Shelf<P> {
    fn default() -> Shelf<P> {
        Shelf(HashMap::new())
    }
}

impl Sight {
    fn of(settings: &Settings, params: &Params) -> Sight {
        Sight {
            role: settings.role().to_owned(),
            path: settings.search_path().to_vec(),
            row_security: settings.row_security(),
            types: params.types(),
            names: params.names.clone(),
        }
    }

    /// Whether it is what these see.
    fn is(&self, settings: &Settings, params: &Params) -> bool {
        self.role == settings.role()
            && self.path == settings.search_path()
            && self.row_security == settings.row_security()
            && params.has_types(&self.types)
            && self.names == params.names
    }
}

impl Keep for Plan {
    fn shelf(within: &mut Within) -> &mut Shelf<Plan> {
        &mut within.queries
    }

    fn is_timeless(&self) -> bool {
        self.timeless
    }
}

impl Keep for InsertPlan {
    fn shelf(within: &mut Within) -> &mut Shelf<InsertPlan> {
        &mut within.inserts
    }

    fn is_timeless(&self) -> bool {
        InsertPlan::is_timeless(self)
    }
}

impl Keep for UpdatePlan {
    fn shelf(within: &mut Within) -> &mut Shelf<UpdatePlan> {
        &mut within.updates
    }

    fn is_timeless(&self) -> bool {
        UpdatePlan::is_timeless(self)
    }
}

impl Keep for DeletePlan {
    fn shelf(within: &mut Within) -> &mut Shelf<DeletePlan> {
        &mut within.deletes
    }

    fn is_timeless(&self) -> bool {
        DeletePlan::is_timeless(self)
    }
}

impl Keep for Expression {
    fn shelf(within: &mut Within) -> &mut Shelf<Expression> {
        &mut within.expressions
    }

    fn is_timeless(&self) -> bool {
        self.plan.timeless
    }
}
