//! `CREATE TABLE`.

use crate::ast::{ColumnDef, CreateTable, ObjectName};
use crate::print::Printer;

impl Printer {
    pub(in crate::print) fn create_table(&mut self, table: &CreateTable) {
        self.text("CREATE ");
        self.flag(table.temporary, "TEMPORARY ");
        self.text("TABLE ");
        self.flag(table.if_not_exists, "IF NOT EXISTS ");
        self.name(&table.name);
        let parts = table.columns.len() + table.constraints.len() + table.like.len();
        if parts > 0 || table.query.is_none() {
            self.text(" (");
            self.list(&table.columns, Printer::column_def);
            self.flag(
                !table.columns.is_empty() && !table.constraints.is_empty(),
                ", ",
            );
            self.list(&table.constraints, Printer::table_constraint);
            self.flag(!table.like.is_empty() && parts > table.like.len(), ", ");
            self.list(&table.like, |p, (other, options)| {
                p.like_table(other, options);
            });
            self.text(")");
        }
        if let Some(query) = &table.query {
            self.text(" AS ");
            self.query(query);
        }
        for (what, _) in &table.unsupported {
            self.text(" ");
            self.note(what);
        }
    }

    fn like_table(&mut self, other: &ObjectName, options: &[String]) {
        self.text("LIKE ");
        self.name(other);
        for option in options {
            self.flag(
                !option.starts_with("INCLUDING") && !option.starts_with("EXCLUDING"),
                " INCLUDING",
            );
            self.text(" ");
            self.text(option);
        }
    }

    pub(super) fn column_def(&mut self, column: &ColumnDef) {
        self.ident(&column.name);
        self.text(" ");
        self.type_name(&column.ty);
        if let Some(collation) = &column.collation {
            self.text(" COLLATE ");
            self.name(collation);
        }
        for constraint in &column.constraints {
            self.text(" ");
            self.column_constraint(constraint);
        }
    }
}
