//! Text that the server prints from its stored trees, as trees of ours.
//!
//! What our parser refuses is valid all the same, so it becomes a stand-in and never an error: the server runs the
//! original, and whoever reads the catalog mostly asks whether there is something.

use plinth_sql::SqlError;
use plinth_sql::ast::{Expr, Query, Select, Statement};
use plinth_sql::parse;

/// An expression; `null` for one that is not of the dialect.
pub(super) fn expr(text: &str) -> Expr {
    parse::expression(text).unwrap_or_else(|error| {
        refused(text, &error);
        Expr::Null
    })
}

/// The same, where there may be none.
pub(super) fn optional_expr(text: Option<String>) -> Option<Expr> {
    text.map(|text| expr(&text))
}

/// A view's query; a `select` of nothing for one that is not of the dialect, so that no column of the view is taken for
/// a table's.
pub(super) fn query(text: &str) -> Query {
    match parse::statement(text) {
        Ok(Statement::Query(query)) => *query,
        Ok(_) => Query::select(Select::default()),
        Err(error) => {
            refused(text, &error);
            Query::select(Select::default())
        }
    }
}

/// The `when` of a whole `create trigger`: the server prints it in no other way, because it is about two rows.
pub(super) fn trigger_condition(text: &str) -> Expr {
    match parse::statement(text) {
        Ok(Statement::CreateTrigger(trigger)) => trigger.when.unwrap_or(Expr::Null),
        Ok(_) => Expr::Null,
        Err(error) => {
            refused(text, &error);
            Expr::Null
        }
    }
}

fn refused(text: &str, error: &SqlError) {
    tracing::debug!(
        sql = text,
        %error,
        "the catalog leaves out an expression that is not of the dialect"
    );
}

#[cfg(test)]
mod tests {
    use plinth_sql::ast::SetExpr;

    use super::*;

    #[test]
    fn a_view_keeps_what_it_shows() {
        let text = " SELECT n.id,\n    n.title AS name\n   FROM (public.notes n\n     JOIN auth.users u ON ((u.id = n.owner)));";
        let SetExpr::Select(select) = query(text).body else {
            panic!("not a select");
        };
        assert_eq!(select.projection.len(), 2);
        assert_eq!(select.from.len(), 1);
    }

    #[test]
    fn what_is_not_of_the_dialect_is_harmless() {
        assert_eq!(expr("a <<<"), Expr::Null);
        assert_eq!(query("select from where"), Query::select(Select::default()));
        assert_eq!(trigger_condition("drop table t"), Expr::Null);
    }

    #[test]
    fn a_trigger_is_read_for_its_condition() {
        let text = "CREATE TRIGGER t BEFORE UPDATE ON public.notes FOR EACH ROW WHEN ((new.title IS NOT NULL)) EXECUTE FUNCTION public.touch()";
        assert!(matches!(trigger_condition(text), Expr::IsNull { .. }));
    }
}
