//! The rows that an insert is given.

use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::{Expr, Insert, InsertSource, Overriding, Query, SetExpr};
use plinth_sql::catalog::{QName, Relation};
use plinth_sql::types::ColumnType;
use rusqlite::types::Value;

use super::super::Executor;
use super::plan::{InsertPlan, default_sql};
use crate::connection::{ParamValue, Params};
use crate::error::Result;
use crate::translate::{Bind, Context, Plan, Translator};

/// Where the rows come from.
pub(super) enum Source {
    /// `VALUES`, `DEFAULT VALUES`.
    Rows(Vec<RowPlan>),
    /// `SELECT`: its values go to these places, and the defaults beside them.
    Query {
        plan: Plan,
        places: Vec<usize>,
        defaults: Arc<Defaults>,
    },
}

/// What is to be inserted, and by whom.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    pub(super) insert: &'a Insert,
    pub(super) params: &'a Params,
    pub(super) role: &'a str,
}

/// One row of `VALUES`. Constants, parameters and the usual defaults are read here; only what computes goes to SQLite.
pub(super) struct RowPlan {
    given: Vec<(usize, Given)>,
    computed: Option<Computed>,
    defaults: Arc<Defaults>,
}

/// A value that the statement gives.
enum Given {
    Text(String),
    Param(usize),
}

/// Defaults of the columns that a row does not give.
#[derive(Default)]
pub(super) struct Defaults {
    ready: Vec<(usize, Ready)>,
    computed: Option<Computed>,
}

/// A row before its turn comes: what the statement gives, and the defaults of the other columns. As in Postgres these are
/// made row by row, so that a row that is refused has cost no number of a sequence to those behind it.
pub(super) struct Proposed<'p> {
    row: Vec<Value>,
    defaults: &'p Defaults,
}

/// A default that needs no statement.
enum Ready {
    Sequence(QName),
    Context(Context),
}

/// A statement of one row, and the places that its values go to.
struct Computed {
    plan: Plan,
    places: Vec<usize>,
}

impl Source {
    /// The plans that the statement's parameters go to.
    pub(super) fn plans(&self) -> Vec<&Plan> {
        match self {
            Source::Rows(rows) => {
                let computed = rows.iter().filter_map(|row| row.computed.as_ref());
                computed.map(|computed| &computed.plan).collect()
            }
            Source::Query { plan, .. } => vec![plan],
        }
    }

    /// Whether it holds at any time: no constant like `'now'` is in it.
    pub(super) fn is_timeless(&self) -> bool {
        match self {
            Source::Rows(rows) => rows.iter().all(|row| {
                row.computed.as_ref().is_none_or(Computed::is_timeless)
                    && row.defaults.is_timeless()
            }),
            Source::Query { plan, defaults, .. } => plan.timeless && defaults.is_timeless(),
        }
    }
}

impl Defaults {
    fn is_timeless(&self) -> bool {
        self.computed.as_ref().is_none_or(Computed::is_timeless)
    }
}

impl Computed {
    fn is_timeless(&self) -> bool {
        self.plan.timeless
    }
}

impl Executor {
    /// How the rows are made.
    pub(super) fn plan_source(
        &mut self,
        relation: &Arc<Relation>,
        columns: &[usize],
        said: Said<'_>,
    ) -> Result<Source> {
        let insert = said.insert;
        let InsertSource::Query(query) = &insert.source else {
            let row = self.plan_row(relation, &[], &[], said, &mut None)?;
            return Ok(Source::Rows(vec![row]));
        };
        let plain = query.order_by.is_empty() && query.limit.is_none();
        match (&query.body, query.with.as_ref().or(insert.with.as_ref())) {
            (SetExpr::Values(rows), None) if plain => {
                let mut planned = Vec::with_capacity(rows.len());
                let mut last = None;
                for row in rows {
                    if row.len() != columns.len() {
                        return Err(SqlError::new(
                            "42601",
                            "VALUES lists must all be the same length",
                        )
                        .into());
                    }
                    planned.push(self.plan_row(relation, columns, row, said, &mut last)?);
                }
                Ok(Source::Rows(planned))
            }
            _ => self.plan_selected(relation, query, columns, said),
        }
    }

    /// The rows to insert, in table order; all that is given for them is read before the first is written.
    pub(super) fn source_rows<'p>(
        &mut self,
        insert: &'p InsertPlan,
        params: &Params,
    ) -> Result<Vec<Proposed<'p>>> {
        let relation = &insert.relation;
        let mut rows = Vec::new();
        match &insert.source {
            Source::Rows(planned) => {
                rows.reserve(planned.len());
                for planned in planned {
                    rows.push(Proposed {
                        row: self.given_values(relation, planned, params)?,
                        defaults: &planned.defaults,
                    });
                }
            }
            Source::Query {
                plan,
                places,
                defaults,
            } => {
                for values in self.conn.run(plan, params, &[])? {
                    let mut row = vec![Value::Null; relation.columns.len()];
                    for (place, value) in places.iter().zip(values) {
                        row[*place] = value;
                    }
                    rows.push(Proposed { row, defaults });
                }
            }
        }
        Ok(rows)
    }

    fn plan_selected(
        &mut self,
        relation: &Arc<Relation>,
        query: &Query,
        columns: &[usize],
        Said {
            insert,
            params,
            role,
        }: Said<'_>,
    ) -> Result<Source> {
        let mut query = query.clone();
        if query.with.is_none() {
            query.with.clone_from(&insert.with);
        }
        let targets: Vec<ColumnType> = columns
            .iter()
            .map(|place| relation.columns[*place].ty.clone())
            .collect();
        let translate = |mut translator: Translator<'_>| -> Result<(Plan, bool), SqlError> {
            let out = translator.query(&query, Some(&targets))?;
            let again = translator.needs_barrier();
            Ok((translator.finish(out.sql, out.columns)?, again))
        };
        let mut first = self.translator(role, params);
        first.lower_barrier();
        let (mut plan, again) = translate(first)?;
        if again {
            plan = translate(self.translator(role, params))?.0;
        }
        if insert.columns.is_empty() && plan.columns.len() > relation.columns.len()
            || plan.columns.len() > columns.len()
        {
            return Err(
                SqlError::new("42601", "INSERT has more expressions than target columns").into(),
            );
        }
        if !insert.columns.is_empty() && plan.columns.len() < columns.len() {
            return Err(
                SqlError::new("42601", "INSERT has more target columns than expressions").into(),
            );
        }
        let places = columns[..plan.columns.len()].to_vec();
        let missing = missing(relation, &places);
        Ok(Source::Query {
            plan,
            places,
            defaults: Arc::new(self.plan_defaults(relation, &missing, params, role)?),
        })
    }

    /// One row of `VALUES`. `last` has the defaults of the row before, which are mostly the same.
    fn plan_row(
        &mut self,
        relation: &Arc<Relation>,
        columns: &[usize],
        values: &[Expr],
        Said {
            insert,
            params,
            role,
        }: Said<'_>,
        last: &mut Option<(Vec<usize>, Arc<Defaults>)>,
    ) -> Result<RowPlan> {
        let mut translator = None;
        let mut written = Vec::with_capacity(columns.len());
        let mut given = Vec::with_capacity(columns.len());
        let mut texts = Vec::new();
        let mut places = Vec::new();
        let mut types = Vec::new();
        for (place, value) in columns.iter().zip(values) {
            let column = &relation.columns[*place];
            if matches!(value, Expr::Default) {
                continue;
            }
            if insert.overriding == Some(Overriding::User) && column.identity.is_some() {
                continue;
            }
            written.push(*place);
            match value {
                Expr::Null => {}
                Expr::String(text) => given.push((*place, Given::Text(text.clone()))),
                Expr::Param(number) if is_text(params, *number) => {
                    given.push((*place, Given::Param(*number as usize - 1)));
                }
                _ => {
                    let translator =
                        translator.get_or_insert_with(|| self.translator(role, params));
                    let ex = translator.expr(value)?;
                    texts.push(translator.assign(ex, &column.ty, &column.name)?.sql);
                    places.push(*place);
                    types.push((column.name.clone(), column.ty.clone()));
                }
            }
        }
        let computed = match translator {
            None => None,
            Some(translator) => {
                let plan = translator.finish(format!("SELECT {}", texts.join(", ")), types)?;
                Some(Computed { plan, places })
            }
        };
        let missing = missing(relation, &written);
        let defaults = match last.take() {
            Some((of, defaults)) if of == missing => defaults,
            _ => Arc::new(self.plan_defaults(relation, &missing, params, role)?),
        };
        *last = Some((missing, defaults.clone()));
        Ok(RowPlan {
            given,
            computed,
            defaults,
        })
    }

    /// The defaults of these columns. They are the owner's text: they need no privileges of the caller, but sequences are
    /// used as the caller.
    fn plan_defaults(
        &self,
        relation: &Relation,
        missing: &[usize],
        params: &Params,
        role: &str,
    ) -> Result<Defaults> {
        let mut translator = self.translator(role, params);
        let mut ready = Vec::new();
        let mut texts = Vec::new();
        let mut places = Vec::new();
        let mut types = Vec::new();
        for place in missing {
            let column = &relation.columns[*place];
            if let Some(identity) = &column.identity {
                ready.push((*place, Ready::Sequence(identity.sequence.clone())));
                continue;
            }
            let Some(sql) = default_sql(&mut translator, column)? else {
                continue;
            };
            if let Some(context) = context_of(&translator.binds, &sql) {
                ready.push((*place, Ready::Context(context)));
                continue;
            }
            texts.push(sql);
            places.push(*place);
            types.push((column.name.clone(), column.ty.clone()));
        }
        let mut computed = None;
        if !texts.is_empty() {
            let plan = translator.finish(format!("SELECT {}", texts.join(", ")), types)?;
            computed = Some(Computed { plan, places });
        }
        Ok(Defaults { ready, computed })
    }

    /// Fails if a text that is given is no value of its column.
    pub(in crate::exec) fn read_given(&self, insert: &InsertPlan, params: &Params) -> Result<()> {
        if let Source::Rows(rows) = &insert.source {
            for row in rows {
                self.read_row(&insert.relation, row, params)?;
            }
        }
        Ok(())
    }

    fn given_values(
        &self,
        relation: &Relation,
        planned: &RowPlan,
        params: &Params,
    ) -> Result<Vec<Value>> {
        let mut row = self.read_row(relation, planned, params)?;
        if let Some(computed) = &planned.computed {
            self.fill(computed, params, &mut row)?;
        }
        Ok(row)
    }

    /// The row as far as it is given by texts.
    fn read_row(
        &self,
        relation: &Relation,
        planned: &RowPlan,
        params: &Params,
    ) -> Result<Vec<Value>> {
        let mut row = vec![Value::Null; relation.columns.len()];
        for (place, given) in &planned.given {
            let text = match given {
                Given::Text(text) => Some(text),
                Given::Param(number) => match params.values.get(*number) {
                    Some(ParamValue::Text(text)) => text.as_ref(),
                    _ => None,
                },
            };
            if let Some(text) = text {
                row[*place] = self.conn.input(&relation.columns[*place].ty, text)?;
            }
        }
        Ok(row)
    }

    /// The whole row.
    pub(super) fn with_defaults(
        &self,
        Proposed { mut row, defaults }: Proposed<'_>,
        params: &Params,
    ) -> Result<Vec<Value>> {
        for (place, default) in &defaults.ready {
            row[*place] = match default {
                Ready::Sequence(name) => {
                    Value::Integer(self.state().next_value(&self.catalog, name)?)
                }
                Ready::Context(context) => self.conn.context(*context)?,
            };
        }
        if let Some(computed) = &defaults.computed {
            self.fill(computed, params, &mut row)?;
        }
        Ok(row)
    }

    fn fill(&self, computed: &Computed, params: &Params, row: &mut [Value]) -> Result<()> {
        let values = self.project(&computed.plan, params, &[])?;
        for (place, value) in computed.places.iter().zip(values) {
            row[*place] = value;
        }
        Ok(())
    }
}

/// Places that are not among these.
fn missing(relation: &Relation, written: &[usize]) -> Vec<usize> {
    let all = 0..relation.columns.len();
    all.filter(|place| !written.contains(place)).collect()
}

/// Whether `$n` is in text form.
fn is_text(params: &Params, number: u32) -> bool {
    let place = (number as usize).checked_sub(1);
    let param = place.and_then(|place| params.values.get(place));
    matches!(param, Some(ParamValue::Text(_)))
}

/// What `?n` stands for, if the text is nothing but that and it is known without asking SQLite.
fn context_of(binds: &[Bind], sql: &str) -> Option<Context> {
    let number: usize = sql.strip_prefix('?')?.parse().ok()?;
    match binds.get(number.checked_sub(1)?)? {
        Bind::Context(context) => Some(*context),
        Bind::Param(_) | Bind::Row(_) => None,
    }
}
