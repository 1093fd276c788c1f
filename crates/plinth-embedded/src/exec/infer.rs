//! What changes of the schema ask of the translator: types of queries and expressions.

use plinth_sql::SqlError;
use plinth_sql::ast::{Expr, Query, Statement};
use plinth_sql::catalog::apply::Infer;
use plinth_sql::catalog::{Catalog, Function, Relation};
use plinth_sql::types::{ColumnType, Type};

use crate::translate::{Translator, row_columns};

/// The translator, asked for types alone.
pub(crate) struct Inference {
    /// Who changes the schema.
    pub(crate) role: String,
}

impl Infer for Inference {
    fn query_columns(
        &self,
        catalog: &Catalog,
        query: &Query,
        search_path: &[String],
    ) -> Result<Vec<(String, ColumnType)>, SqlError> {
        let mut translator = Translator::new(catalog, &self.role, search_path, Vec::new());
        translator.defining = true;
        let out = translator.query(query, None)?;
        let plan = translator.finish(out.sql, out.columns)?;
        Ok(plan.columns)
    }

    fn expr_type(
        &self,
        catalog: &Catalog,
        expr: &Expr,
        relation: Option<&Relation>,
        subqueries: bool,
        search_path: &[String],
    ) -> Result<ColumnType, SqlError> {
        let mut translator = Translator::new(catalog, &self.role, search_path, Vec::new());
        if !subqueries && plinth_sql::ast::Names::of_expr(expr).subqueries {
            return Err(SqlError::new(
                "0A000",
                "cannot use subquery in this expression",
            ));
        }
        translator.defining = true;
        // Only policies may hold subqueries.
        let clause = if subqueries { "POLICY" } else { "" };
        let ex = match relation {
            Some(relation) => {
                let columns = row_columns(relation, |place| format!("c{place}"));
                translator.in_table_scope(&relation.name.name, columns, |this| {
                    this.in_clause(clause, |this| this.expr(expr))
                })?
            }
            None => translator.stored_expr(expr)?,
        };
        translator.check_now()?;
        Ok(ex.ty)
    }

    fn function_body(
        &self,
        catalog: &Catalog,
        function: &Function,
        search_path: &[String],
    ) -> Result<(), SqlError> {
        let last = function.body.len().saturating_sub(1);
        for (place, statement) in function.body.iter().enumerate() {
            let Statement::Query(query) = statement else {
                continue;
            };
            let path = function
                .settings
                .iter()
                .find(|(name, _)| name == "search_path")
                .map_or_else(
                    || search_path.to_vec(),
                    |(_, value)| crate::settings::search_path(value),
                );
            let mut translator = Translator::new(catalog, &self.role, &path, Vec::new());
            translator.defining = true;
            let out = translator.function_body(function, query)?;
            if place == last && !function.returns.set && function.returns.ty != Type::Void {
                let wanted = crate::translate::result_columns(catalog, function);
                if out.columns.len() != wanted.len() {
                    return Err(SqlError::new(
                        "42P13",
                        format!(
                            "return type mismatch in function declared to return {}",
                            function.returns.ty
                        ),
                    )
                    .detail("Final statement must return exactly one column."));
                }
                for ((_, actual), (_, wanted)) in out.columns.iter().zip(&wanted) {
                    if !crate::translate::castable(
                        &actual.ty,
                        &wanted.ty,
                        crate::translate::How::Assignment,
                    ) {
                        return Err(SqlError::new(
                            "42P13",
                            format!(
                                "return type mismatch in function declared to return {}",
                                function.returns.ty
                            ),
                        )
                        .detail(format!("Actual return type is {}.", actual.ty)));
                    }
                }
            }
        }
        Ok(())
    }
}
