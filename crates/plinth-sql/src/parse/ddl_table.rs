//! `CREATE TABLE`: its columns, what they carry, and the clauses behind them.

use super::from::renamed;
use super::lexer::Tok;
use super::parser::{PResult, Parser};
use crate::SqlError;
use crate::ast::{
    ColumnConstraint, ColumnConstraintKind, ColumnDef, CreateTable, Deferrable, ObjectName, Span,
    Statement,
};

impl Parser<'_> {
    /// From `TABLE` on.
    pub(super) fn create_table(&mut self, temporary: bool) -> PResult<Statement> {
        self.expect("table")?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.object_name()?;
        let mut table = CreateTable {
            name,
            temporary,
            if_not_exists,
            columns: Vec::new(),
            constraints: Vec::new(),
            like: Vec::new(),
            query: None,
            unsupported: Vec::new(),
        };
        let mut column_names = Vec::new();
        let listed = self.is_sym("(");
        if self.is("of") || self.is("partition") {
            let what = if self.is("of") {
                "CREATE TABLE OF"
            } else {
                "PARTITION OF"
            };
            table.unsupported.push((what.to_owned(), self.here()));
            self.skip_statement();
        } else if listed {
            if self.is_name_at(1) && (self.is_sym_at(2, ",") || self.is_sym_at(2, ")")) {
                column_names = self.columns()?;
            } else {
                self.table_elements(&mut table)?;
            }
        } else if !self.is_any(&["as", "using", "with", "without", "on", "tablespace"]) {
            return Err(self.unexpected());
        }
        self.table_clauses(&mut table)?;
        let defined =
            !table.columns.is_empty() || !table.constraints.is_empty() || !table.like.is_empty();
        if self.is("as") && !defined {
            self.table_query(&mut table, column_names)?;
        } else if !column_names.is_empty() || (!listed && table.unsupported.is_empty()) {
            return Err(self.unexpected());
        }
        Ok(Statement::CreateTable(Box::new(table)))
    }

    pub(super) fn if_not_exists(&mut self) -> PResult<bool> {
        // A table may be called `if`.
        let found = self.is("if") && self.word_at(1) == "not";
        if found {
            self.expect_all(&["if", "not", "exists"])?;
        }
        Ok(found)
    }

    pub(super) fn if_exists(&mut self) -> bool {
        self.eat_all(&["if", "exists"])
    }

    fn table_elements(&mut self, table: &mut CreateTable) -> PResult<()> {
        self.expect_sym("(")?;
        if self.eat_sym(")") {
            return Ok(());
        }
        loop {
            if self.eat("like") {
                let other = self.object_name()?;
                table.like.push((other, self.like_options()?));
            } else if self.begins_table_constraint() {
                table.constraints.push(self.table_constraint()?);
            } else {
                table.columns.push(self.column()?);
            }
            if !self.eat_sym(",") {
                return self.expect_sym(")").map(drop);
            }
        }
    }

    /// `INCLUDING DEFAULTS EXCLUDING INDEXES`: those included, in upper case.
    fn like_options(&mut self) -> PResult<Vec<String>> {
        const OPTIONS: &[&str] = &[
            "all",
            "comments",
            "compression",
            "constraints",
            "defaults",
            "generated",
            "identity",
            "indexes",
            "statistics",
            "storage",
        ];
        let mut included: Vec<String> = Vec::new();
        while let Some(verb) = self.eat_any(&["including", "excluding"]) {
            let option = self.expect_any(OPTIONS)?;
            let named = OPTIONS[1..]
                .iter()
                .filter(|known| option == "all" || option == **known);
            for name in named.map(|name| name.to_ascii_uppercase()) {
                included.retain(|other| *other != name);
                if verb == "including" {
                    included.push(name);
                }
            }
        }
        Ok(included)
    }

    /// What may stand behind the parentheses.
    fn table_clauses(&mut self, table: &mut CreateTable) -> PResult<()> {
        if self.is("inherits") {
            table.unsupported.push(("INHERITS".to_owned(), self.here()));
            self.advance();
            self.paren_list(Parser::object_name)?;
        }
        if self.is_all(&["partition", "by"]) {
            table
                .unsupported
                .push(("PARTITION BY".to_owned(), self.here()));
            self.skip_statement();
            return Ok(());
        }
        if self.eat("using") {
            self.name()?;
        }
        if self.is("with") && self.is_sym_at(1, "(") {
            self.advance();
            self.options()?;
        } else if self.eat("without") {
            self.expect("oids")?;
        }
        if self.is("on") {
            let start = self.advance();
            self.expect("commit")?;
            let action = self.expect_any(&["drop", "delete", "preserve"])?;
            if action != "drop" {
                self.expect("rows")?;
            }
            if action != "preserve" {
                let what = format!(
                    "ON COMMIT {}",
                    if action == "drop" {
                        "DROP"
                    } else {
                        "DELETE ROWS"
                    }
                );
                table.unsupported.push((what, self.since(start)));
            }
        }
        if self.eat("tablespace") {
            self.name()?;
        }
        Ok(())
    }

    /// `AS query [WITH [NO] DATA]`.
    fn table_query(&mut self, table: &mut CreateTable, column_names: Vec<String>) -> PResult<()> {
        self.expect("as")?;
        if self.is("execute") {
            table
                .unsupported
                .push(("CREATE TABLE AS EXECUTE".to_owned(), self.here()));
            self.skip_statement();
            return Ok(());
        }
        let query = self.query()?;
        let query = if column_names.is_empty() {
            query
        } else {
            renamed(query, "query", column_names)
        };
        table.query = Some(Box::new(query));
        if let Some(span) = self.with_no_data()? {
            table.unsupported.push(("WITH NO DATA".to_owned(), span));
        }
        Ok(())
    }

    /// `WITH [NO] DATA`: where `NO` was said.
    pub(super) fn with_no_data(&mut self) -> PResult<Option<Span>> {
        if !self.is("with") {
            return Ok(None);
        }
        let start = self.advance();
        let no = self.eat("no");
        self.expect("data")?;
        Ok(no.then(|| self.since(start)))
    }

    /// `name type constraints`.
    pub(super) fn column(&mut self) -> PResult<ColumnDef> {
        let start = self.here();
        let name = self.name()?;
        let ty = self.type_name()?;
        if self.is("storage") {
            return Err(self.refused("STORAGE of a new column"));
        }
        if self.eat("compression") {
            self.unreserved()?;
        }
        let mut column = ColumnDef {
            name,
            ty,
            collation: None,
            constraints: Vec::new(),
            span: start,
        };
        while self.column_constraint(&mut column)? {}
        column.span = self.since(start);
        Ok(column)
    }

    /// Takes one constraint or attribute; false when none stands here.
    fn column_constraint(&mut self, column: &mut ColumnDef) -> PResult<bool> {
        if self.eat("collate") {
            if column.collation.is_some() {
                return Err(Box::new(SqlError::syntax(
                    "multiple COLLATE clauses not allowed",
                    self.here(),
                )));
            }
            column.collation = Some(self.object_name()?);
            return Ok(true);
        }
        let name = if self.eat("constraint") {
            Some(self.name()?)
        } else {
            None
        };
        if name.is_none() && self.begins_deferrable() {
            let place = self.here();
            let deferrable = self.deferrable()?;
            let last = column.constraints.last_mut().filter(|last| {
                use ColumnConstraintKind::{PrimaryKey, References, Unique};
                matches!(last.kind, Unique { .. } | PrimaryKey | References(_))
            });
            let Some(last) = last else {
                return Err(Box::new(SqlError::syntax(
                    "misplaced DEFERRABLE clause",
                    place,
                )));
            };
            last.deferrable = deferrable;
            return Ok(true);
        }
        let Some(kind) = self.column_constraint_kind()? else {
            return if name.is_some() {
                Err(self.unexpected())
            } else {
                Ok(false)
            };
        };
        column.constraints.push(ColumnConstraint {
            name,
            kind,
            deferrable: Deferrable::Not,
        });
        Ok(true)
    }

    fn column_constraint_kind(&mut self) -> PResult<Option<ColumnConstraintKind>> {
        Ok(Some(match self.word() {
            "not" => {
                self.expect_all(&["not", "null"])?;
                ColumnConstraintKind::NotNull
            }
            "null" => {
                self.advance();
                ColumnConstraintKind::Null
            }
            "default" => {
                self.advance();
                ColumnConstraintKind::Default(self.restricted_expr()?)
            }
            "generated" => self.generated()?,
            "check" => {
                self.advance();
                let check = self.expr_in_parens()?;
                if self.is("no") {
                    self.expect_all(&["no", "inherit"])?;
                }
                ColumnConstraintKind::Check(check)
            }
            "unique" => {
                self.advance();
                let nulls_not_distinct = self.nulls_not_distinct()?;
                self.index_parameters()?;
                ColumnConstraintKind::Unique { nulls_not_distinct }
            }
            "primary" => {
                self.expect_all(&["primary", "key"])?;
                self.index_parameters()?;
                ColumnConstraintKind::PrimaryKey
            }
            "references" => ColumnConstraintKind::References(self.references()?),
            _ => return Ok(None),
        }))
    }

    /// `GENERATED ALWAYS AS (x) STORED` or `GENERATED … AS IDENTITY`.
    fn generated(&mut self) -> PResult<ColumnConstraintKind> {
        let start = self.here();
        let always = self.generated_when()?;
        if self.is("identity") {
            self.advance();
            let options = self.identity_options()?;
            return Ok(ColumnConstraintKind::Identity { always, options });
        }
        let expr = self.expr_in_parens()?;
        if !always {
            let message = "for a generated column, GENERATED ALWAYS must be specified";
            return Err(Box::new(SqlError::syntax(message, self.since(start))));
        }
        if !self.eat("stored") {
            // Postgres 18 computes such a column when it is read.
            let rest = [
                "constraint",
                "default",
                "deferrable",
                "generated",
                "initially",
                "not",
                "null",
                "unique",
                "primary",
                "check",
                "references",
                "collate",
            ];
            let ends = self.at_end() || self.is_sym(",") || self.is_sym(")") || self.is_any(&rest);
            if ends || self.is("virtual") {
                return Err(self.refused("a generated column that is not STORED"));
            }
            return Err(self.unexpected());
        }
        Ok(ColumnConstraintKind::Generated(expr))
    }

    /// `GENERATED ALWAYS AS` or `GENERATED BY DEFAULT AS`.
    pub(super) fn generated_when(&mut self) -> PResult<bool> {
        self.expect("generated")?;
        let always = self.eat("always");
        if !always {
            self.expect_all(&["by", "default"])?;
        }
        self.expect("as")?;
        Ok(always)
    }

    /// `(name = value, name)`: storage parameters and view options, values as text.
    pub(super) fn options(&mut self) -> PResult<Vec<(String, Option<String>)>> {
        self.paren_list(|parser| {
            let mut name = parser.label()?;
            while parser.eat_sym(".") {
                name.push('.');
                name.push_str(&parser.label()?);
            }
            let value = if parser.eat_sym("=") {
                Some(parser.option_value()?)
            } else {
                None
            };
            Ok((name, value))
        })
    }

    /// A constant, a word, an operator, or what could be a type.
    fn option_value(&mut self) -> PResult<String> {
        let ends = |parser: &Self| parser.is_sym_at(1, ",") || parser.is_sym_at(1, ")");
        match &self.token().tok {
            Tok::String(_) => self.string(),
            Tok::Word(_) | Tok::Quoted(_) if ends(self) => self.label(),
            Tok::Word(_) | Tok::Quoted(_) => {
                let start = self.here();
                self.eat("setof");
                self.function_type()?;
                Ok(self.text(self.since(start)).to_owned())
            }
            Tok::Op(_) if ends(self) => self.operator_text(),
            _ => self.numeric(),
        }
    }

    /// Names of tables, as many as there are.
    pub(super) fn object_names(&mut self) -> PResult<Vec<ObjectName>> {
        self.comma_list(Parser::object_name)
    }
}
