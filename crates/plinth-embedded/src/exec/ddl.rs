//! Changes of the schema: the catalog says what, this does it to the stored tables.

use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::{Expr, ObjectName, Statement, VisitMut, walk_expr};
use plinth_sql::catalog::apply::{self, Effect};
use plinth_sql::catalog::{Catalog, ConstraintKind, QName, Relation, RelationKind};
use plinth_sql::types::{ColumnType, Type};
use rusqlite::types::Value;

use super::infer::Inference;
use super::update::all_columns;
use super::{Executed, Executor};
use crate::connection::{Params, quoted_table};
use crate::error::{EngineError, Result, without_statement};
use crate::names;
use crate::translate::{How, stored_columns};

impl Executor {
    pub(crate) fn ddl(&mut self, statement: &Statement) -> Result<Executed> {
        let role = self.role();
        let infer = Inference { role: role.clone() };
        let context = apply::Context {
            role: &role,
            search_path: &self.search_path().clone(),
            infer: &infer,
        };
        let Some(applied) = apply::apply(&self.catalog, statement, &context)? else {
            return Err(EngineError::Internal(
                "a statement was taken for a change of the schema".into(),
            ));
        };
        self.refuse_while_waiting(statement, &applied.effects)?;
        let old = self.catalog.clone();
        self.set_catalog(applied.catalog)?;
        self.work().notices.extend(applied.notices);
        let mut effects = applied.effects.into_iter().peekable();
        while let Some(effect) = effects.next() {
            let Effect::ChangeType {
                table,
                column,
                from,
                using,
            } = effect
            else {
                self.effect(effect)?;
                continue;
            };
            // Columns of one table change their types together, or the rows would fit neither the old nor the new table.
            let mut changed = vec![TypeChange {
                column,
                from,
                using,
            }];
            while let Some(Effect::ChangeType {
                column,
                from,
                using,
                ..
            }) = effects.next_if(
                |next| matches!(next, Effect::ChangeType { table: other, .. } if *other == table),
            ) {
                changed.push(TypeChange {
                    column,
                    from,
                    using,
                });
            }
            self.change_types(&table, &changed)?;
        }
        self.index_foreign_keys(&old)?;
        Ok(Executed {
            tag: applied.tag.to_owned(),
            ..Executed::default()
        })
    }

    fn effect(&mut self, effect: Effect) -> Result<()> {
        match effect {
            Effect::CreateTable(name) => self.create_table(&name),
            Effect::DropTable(relation) => {
                self.batch(&format!("DROP TABLE {}", quoted_table(&relation)))
            }
            Effect::RenameTable { from, to } => self.rename_table(&from, &to),
            Effect::AddColumn { table, column } => self.add_column(&table, &column),
            Effect::DropColumn { table, column } => {
                // A foreign key's helping index may stand on the column.
                self.drop_helping_indexes(&table)?;
                self.batch(&format!(
                    "ALTER TABLE {} DROP COLUMN {}",
                    quoted(&table),
                    names::quoted_column(&column)
                ))
            }
            Effect::RenameColumn { table, from, to } => self.batch(&format!(
                "ALTER TABLE {} RENAME COLUMN {} TO {}",
                quoted(&table),
                names::quoted_column(&from),
                names::quoted_column(&to)
            )),
            Effect::ChangeType {
                table,
                column,
                from,
                using,
            } => self.change_types(
                &table,
                &[TypeChange {
                    column,
                    from,
                    using,
                }],
            ),
            Effect::CreateIndex { table, name } => self.create_index(&table, &name),
            Effect::DropIndex { table, name } => self.batch(&format!(
                "DROP INDEX IF EXISTS {}",
                names::quote(&names::index(&table.schema, &name))
            )),
            Effect::RenameIndex { table, from, to } => {
                self.batch(&format!(
                    "DROP INDEX IF EXISTS {}",
                    names::quote(&names::index(&table.schema, &from))
                ))?;
                self.create_index(&table, &to)
            }
            Effect::Validate { table, constraint } => self.validate(&table, &constraint),
            Effect::ValidateNotNull { table, column } => self.validate_not_null(&table, &column),
            Effect::CreateSequence(name) => {
                let start = self
                    .catalog
                    .sequences
                    .get(&name)
                    .and_then(|sequence| sequence.options.start)
                    .unwrap_or(1);
                self.sequences().set(&name, start, false, true);
                Ok(())
            }
            Effect::DropSequence(name) => {
                self.sequences().remove(&name);
                crate::store::drop_sequence(&self.conn.sqlite(), &name)
            }
            Effect::RestartSequence { name, value } => {
                self.sequences().set(&name, value, false, true);
                Ok(())
            }
            Effect::RenameSequence { from, to } => {
                if let Some(value) = self.sequences().get(&from) {
                    self.sequences().set(&to, value.last, value.called, true);
                    self.sequences().remove(&from);
                }
                crate::store::drop_sequence(&self.conn.sqlite(), &from)
            }
            Effect::FillTable { table, query } => self.fill_table(&table, *query),
            Effect::RenameEnumLabel { ty, from, to } => self.rename_label(&ty, &from, &to),
        }
    }

    fn batch(&self, sql: &str) -> Result<()> {
        self.conn.sqlite().execute_batch(sql).map_err(|error| {
            tracing::error!(
                error = without_statement(&error),
                "SQLite refused a change of the schema"
            );
            tracing::trace!(sql, "the refused statement");
            error.into()
        })
    }

    fn table(&self, name: &QName) -> Result<Arc<Relation>> {
        self.catalog.relations.get(name).cloned().ok_or_else(|| {
            EngineError::Internal(format!("the catalog lost {}.{}", name.schema, name.name))
        })
    }

    fn create_table(&self, name: &QName) -> Result<()> {
        let relation = self.table(name)?;
        self.batch(&self.table_text(&relation, &names::table(name)))?;
        self.create_all_indexes(&relation)
    }

    /// `CREATE TABLE`: typed columns, nothing else. Constraints are the executor's.
    fn table_text(&self, relation: &Relation, sqlite_name: &str) -> String {
        let key = super::row::row_key_column(relation);
        let mut columns: Vec<String> = relation
            .columns
            .iter()
            .enumerate()
            .map(|(place, column)| {
                if key == Some(place) {
                    // SQLite's own row key: the row is found without another index.
                    return format!("{} INTEGER PRIMARY KEY", names::quoted_column(&column.name));
                }
                let collation = names::collate(&column.ty.ty, &self.catalog);
                format!(
                    "{} {}{collation}",
                    names::quoted_column(&column.name),
                    names::storage_class(&column.ty.ty)
                )
            })
            .collect();
        if columns.is_empty() {
            // SQLite has no table without columns.
            columns.push("\"\u{1}\" INTEGER".into());
        }
        format!(
            "CREATE TABLE {}({}) STRICT",
            names::quote(sqlite_name),
            columns.join(", ")
        )
    }

    fn create_all_indexes(&self, relation: &Relation) -> Result<()> {
        let Some(table) = relation.table() else {
            return Ok(());
        };
        for constraint in &table.constraints {
            if matches!(
                constraint.kind,
                ConstraintKind::PrimaryKey { .. } | ConstraintKind::Unique { .. }
            ) {
                self.create_index(&relation.name, &constraint.name)?;
            }
        }
        for index in &table.indexes {
            self.create_index(&relation.name, &index.name)?;
        }
        Ok(())
    }

    /// The SQLite index of a unique constraint or an index of the catalog.
    fn create_index(&self, table: &QName, name: &str) -> Result<()> {
        let relation = self.table(table)?;
        let Some(parts) = relation.table() else {
            return Ok(());
        };
        if let Some(constraint) = parts
            .constraints
            .iter()
            .find(|constraint| constraint.name == name)
        {
            let (columns, unique) = match &constraint.kind {
                ConstraintKind::PrimaryKey { columns } => {
                    if super::row::row_key_column(&relation).is_some()
                        && self.has_row_key(&relation)?
                    {
                        return Ok(());
                    }
                    (columns, Distinct::ButNulls)
                }
                ConstraintKind::Unique {
                    columns,
                    nulls_not_distinct,
                } => (columns, Distinct::of(true, *nulls_not_distinct)),
                ConstraintKind::Check { .. } | ConstraintKind::ForeignKey(_) => return Ok(()),
            };
            let keys: Vec<(Expr, bool)> = columns
                .iter()
                .map(|column| (Expr::column(column), false))
                .collect();
            return self.make_index(&relation, name, &keys, unique, None);
        }
        if let Some(index) = parts.indexes.iter().find(|index| index.name == name) {
            let keys: Vec<(Expr, bool)> = index
                .keys
                .iter()
                .map(|part| (part.expr.clone(), part.descending))
                .collect();
            return self.make_index(
                &relation,
                name,
                &keys,
                Distinct::of(index.unique, index.nulls_not_distinct),
                index.predicate.as_ref(),
            );
        }
        Ok(())
    }

    fn make_index(
        &self,
        relation: &Arc<Relation>,
        name: &str,
        keys: &[(Expr, bool)],
        unique: Distinct,
        predicate: Option<&Expr>,
    ) -> Result<()> {
        let mut translator = self.translator("postgres", Params::NONE);
        let mut parts = Vec::new();
        let mut keys_text = Vec::new();
        for (key, descending) in keys {
            let bare = bare_columns(relation);
            let ex = translator.in_table_scope(&relation.name.name, bare, |this| this.expr(key))?;
            let collation = names::collate(&ex.ty.ty, &self.catalog);
            parts.push(format!(
                "{}{collation}{}",
                ex.sql,
                if *descending { " DESC" } else { "" }
            ));
            keys_text.push((ex.sql, collation, ex.ty));
        }
        let filter = match predicate {
            Some(predicate) => {
                let bare = bare_columns(relation);
                let ex = translator.in_table_scope(&relation.name.name, bare, |this| {
                    this.condition_expr(predicate, "WHERE")
                })?;
                format!(" WHERE {}", ex.sql)
            }
            None => String::new(),
        };
        if !translator.binds.is_empty() {
            return Err(SqlError::new(
                "42P17",
                "functions in index expression must be marked IMMUTABLE",
            )
            .into());
        }
        if translator.calls_users {
            return Err(SqlError::unsupported("a PL/pgSQL function in an index")
                .hint("Write the function in language sql with one expression, or keep its value in a column that a trigger fills.")
                .into());
        }
        let sql = format!(
            "CREATE {}INDEX IF NOT EXISTS {} ON {}({}){filter}",
            if unique == Distinct::No {
                ""
            } else {
                "UNIQUE "
            },
            names::quote(&names::index(&relation.name.schema, name)),
            quoted_table(relation),
            parts.join(", "),
        );
        let refused = match self.conn.sqlite().execute_batch(&sql) {
            Ok(()) if unique != Distinct::Nulls => return Ok(()),
            Ok(()) => false,
            Err(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) =>
            {
                true
            }
            Err(error) => return Err(error.into()),
        };
        // SQLite's index lets equal nulls pass, so they are looked for even when it was made.
        let found = self.a_duplicate(relation, &keys_text, &filter, unique, translator)?;
        if found.is_none() && !refused {
            return Ok(());
        }
        let values = found.unwrap_or_default();
        let mut duplicate =
            SqlError::new("23505", format!("could not create unique index \"{name}\""));
        duplicate.table = Some(relation.name.name.clone());
        duplicate.constraint = Some(name.to_owned());
        let written: Vec<Expr> = keys.iter().map(|(key, _)| key.clone()).collect();
        let shown = super::row::key_names(&written);
        Err(duplicate
            .detail(format!(
                "Key ({})=({values}) is duplicated.",
                shown.join(", ")
            ))
            .into())
    }

    /// The texts of one key that several rows have, where there is one.
    fn a_duplicate(
        &self,
        relation: &Arc<Relation>,
        keys: &[(String, String, ColumnType)],
        filter: &str,
        unique: Distinct,
        translator: crate::translate::Translator<'_>,
    ) -> Result<Option<String>> {
        let mut translator = translator;
        translator.allow(relation);
        let texts: Vec<&str> = keys.iter().map(|(sql, ..)| sql.as_str()).collect();
        let groups: Vec<String> = keys
            .iter()
            .map(|(sql, collation, _)| format!("{sql}{collation}"))
            .collect();
        let mut having = "count(*) > 1".to_owned();
        if unique == Distinct::ButNulls {
            for sql in &texts {
                having.push_str(&format!(" AND {sql} IS NOT NULL"));
            }
        }
        let sql = format!(
            "SELECT {} FROM {}{filter} GROUP BY {} HAVING {having} ORDER BY {} NULLS LAST LIMIT 1",
            texts.join(", "),
            quoted_table(relation),
            groups.join(", "),
            groups.join(" NULLS LAST, "),
        );
        let columns = keys
            .iter()
            .map(|(_, _, ty)| (String::new(), ty.clone()))
            .collect();
        let plan = translator.finish(sql, columns)?;
        let Some(row) = self.conn.run(&plan, Params::NONE, &[])?.into_iter().next() else {
            return Ok(None);
        };
        let mut shown = Vec::new();
        for (value, (_, ty)) in row.iter().zip(&plan.columns) {
            let text = crate::connection::text_of(&ty.ty, value)?;
            shown.push(text.unwrap_or_else(|| "null".to_owned()));
        }
        Ok(Some(shown.join(", ")))
    }

    /// Whether the stored table has its integer primary key as SQLite's row key (it may have been added later).
    fn has_row_key(&self, relation: &Relation) -> Result<bool> {
        let sql = "SELECT count(*) FROM pragma_table_info(?1) WHERE pk > 0";
        let count: i64 =
            self.conn
                .sqlite()
                .query_row(sql, [names::table(&relation.name)], |row| row.get(0))?;
        Ok(count > 0)
    }

    fn rename_table(&self, from: &QName, to: &QName) -> Result<()> {
        self.batch(&format!(
            "ALTER TABLE {} RENAME TO {}",
            quoted(from),
            names::quote(&names::table(to))
        ))?;
        if from.schema == to.schema {
            return Ok(());
        }
        // Index names carry the schema.
        let relation = self.table(to)?;
        let Some(table) = relation.table() else {
            return Ok(());
        };
        let constraints = table
            .constraints
            .iter()
            .map(|constraint| constraint.name.clone());
        for name in constraints
            .chain(table.indexes.iter().map(|index| index.name.clone()))
            .collect::<Vec<_>>()
        {
            self.batch(&format!(
                "DROP INDEX IF EXISTS {}",
                names::quote(&names::index(&from.schema, &name))
            ))?;
            self.create_index(to, &name)?;
        }
        Ok(())
    }

    fn add_column(&mut self, table: &QName, column: &str) -> Result<()> {
        let relation = self.table(table)?;
        let Some(known) = relation.column(column) else {
            return Ok(());
        };
        let collation = names::collate(&known.ty.ty, &self.catalog);
        self.batch(&format!(
            "ALTER TABLE {} ADD COLUMN {} {}{collation}",
            quoted_table(&relation),
            names::quoted_column(column),
            names::storage_class(&known.ty.ty)
        ))?;
        let mut translator = self.translator("postgres", Params::NONE);
        if let Some(generated) = &known.generated {
            let over = stored_columns(&relation, "t0");
            let ex = translator
                .in_table_scope(&relation.name.name, over, |this| this.expr(generated))?;
            let ex = translator.assign(ex, &known.ty, column)?;
            return self.rewrite_column(&relation, translator, column, &ex.sql);
        }
        let Some(default) = super::insert::default_sql(&mut translator, known)? else {
            return Ok(());
        };
        if known.identity.is_some() || default.contains("pg_nextval") {
            return self.rewrite_column(&relation, translator, column, &default);
        }
        // Evaluated once, as Postgres does for a stable default.
        let plan = translator.finish(
            format!("SELECT {default}"),
            vec![(column.to_owned(), known.ty.clone())],
        )?;
        let value = self
            .project(&plan, Params::NONE, &[])?
            .into_iter()
            .next()
            .unwrap_or(Value::Null);
        let sql = format!(
            "UPDATE {} SET {} = ?1",
            quoted_table(&relation),
            names::quoted_column(column)
        );
        self.conn.sqlite().execute(&sql, [value])?;
        Ok(())
    }

    /// Sets a column of every row, in order of the rows.
    fn rewrite_column(
        &self,
        relation: &Arc<Relation>,
        translator: crate::translate::Translator<'_>,
        column: &str,
        sql: &str,
    ) -> Result<()> {
        let mut translator = translator;
        translator.allow(relation);
        let columns = vec![
            ("rowid".to_owned(), Type::Int8.into()),
            (column.to_owned(), Type::Text.into()),
        ];
        let text = format!(
            "SELECT t0.rowid, {sql} FROM {} AS t0 ORDER BY t0.rowid",
            quoted_table(relation)
        );
        let plan = translator.finish(text, columns)?;
        let update = format!(
            "UPDATE {} SET {} = ?1 WHERE rowid = ?2",
            quoted_table(relation),
            names::quoted_column(column)
        );
        for row in self.conn.run(&plan, Params::NONE, &[])? {
            let [key, value] = row.as_slice() else {
                continue;
            };
            self.conn
                .sqlite()
                .prepare_cached(&update)?
                .execute([value, key])?;
        }
        Ok(())
    }

    /// A table as it is stored now: what the statement adds to it after this is not there yet.
    fn as_stored(&self, table: &QName) -> Result<Arc<Relation>> {
        let mut relation = self.table(table)?.as_ref().clone();
        let stored = self.names_of("SELECT name FROM pragma_table_info(?1)", table)?;
        let indexes = self.names_of(
            "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = ?1",
            table,
        )?;
        let row_key = self.has_row_key(&relation)?;
        relation
            .columns
            .retain(|column| stored.contains(&names::column(&column.name)));
        if let RelationKind::Table(parts) = &mut relation.kind {
            parts.constraints.retain(|constraint| {
                let index = names::index(&table.schema, &constraint.name);
                let in_the_key =
                    row_key && matches!(constraint.kind, ConstraintKind::PrimaryKey { .. });
                in_the_key || indexes.contains(&index)
            });
        }
        Ok(Arc::new(relation))
    }

    /// What SQLite says about a table, as a list of names.
    fn names_of(&self, sql: &str, table: &QName) -> Result<Vec<String>> {
        let sqlite = self.conn.sqlite();
        let mut statement = sqlite.prepare(sql)?;
        let found = statement
            .query_map([names::table(table)], |row| row.get(0))?
            .collect::<std::result::Result<_, _>>()?;
        Ok(found)
    }

    /// Other types for columns: the table is made anew, rows keep their keys.
    fn change_types(&mut self, table: &QName, changes: &[TypeChange]) -> Result<()> {
        let relation = self.as_stored(table)?;
        let mut translator = self.translator("postgres", Params::NONE);
        let mut texts = vec!["t0.rowid".to_owned()];
        let mut columns = vec![("rowid".to_owned(), ColumnType::from(Type::Int8))];
        for other in &relation.columns {
            let Some(change) = changes.iter().find(|change| change.column == other.name) else {
                texts.push(format!("t0.{}", names::quoted_column(&other.name)));
                columns.push((other.name.clone(), other.ty.clone()));
                continue;
            };
            let mut over = stored_columns(&relation, "t0");
            for stored in &mut over {
                if let Some(change) = changes.iter().find(|change| change.column == stored.name) {
                    stored.ty = change.from.clone();
                }
            }
            let expr = change
                .using
                .clone()
                .unwrap_or_else(|| Expr::column(&other.name));
            let ex = translator.in_table_scope(&relation.name.name, over, |this| {
                let ex = this.expr(&expr)?;
                this.coerce(ex, &other.ty, How::Assignment)
            })?;
            texts.push(ex.sql);
            columns.push((other.name.clone(), other.ty.clone()));
        }
        translator.allow(&relation);
        let plan = translator.finish(
            format!(
                "SELECT {} FROM {} AS t0",
                texts.join(", "),
                quoted_table(&relation)
            ),
            columns,
        )?;
        let rows = self.conn.run(&plan, Params::NONE, &[])?;
        self.batch(&format!("DROP TABLE {}", quoted_table(&relation)))?;
        self.batch(&self.table_text(&relation, &names::table(table)))?;
        let places: Vec<String> = (1..=relation.columns.len() + 1)
            .map(|place| format!("?{place}"))
            .collect();
        let insert = format!(
            "INSERT INTO {}(rowid, {}) VALUES ({})",
            quoted_table(&relation),
            all_columns(&relation),
            places.join(", ")
        );
        for row in rows {
            self.conn
                .sqlite()
                .prepare_cached(&insert)?
                .execute(rusqlite::params_from_iter(row))?;
        }
        self.create_all_indexes(&relation)
    }

    fn validate(&mut self, table: &QName, constraint: &str) -> Result<()> {
        let relation = self.table(table)?;
        let Some(found) = relation.table().and_then(|table| {
            table
                .constraints
                .iter()
                .find(|known| known.name == constraint)
        }) else {
            return Ok(());
        };
        match &found.kind {
            ConstraintKind::ForeignKey(key) => {
                self.validate_foreign_key(&relation, constraint, key)
            }
            ConstraintKind::Check { expr } => {
                let mut translator = self.translator("postgres", Params::NONE);
                let over = stored_columns(&relation, "t0");
                let ex = translator.in_table_scope(&relation.name.name, over, |this| {
                    this.condition_expr(expr, "CHECK")
                })?;
                if self.any_row(translator, &relation, &format!("{} IS 0", ex.sql))? {
                    let mut error = SqlError::new(
                        "23514",
                        format!(
                            "check constraint \"{constraint}\" of relation \"{}\" is violated by some row",
                            table.name
                        ),
                    );
                    error.constraint = Some(constraint.to_owned());
                    error.table = Some(table.name.clone());
                    return Err(error.into());
                }
                Ok(())
            }
            ConstraintKind::PrimaryKey { .. } | ConstraintKind::Unique { .. } => Ok(()),
        }
    }

    fn validate_not_null(&mut self, table: &QName, column: &str) -> Result<()> {
        let relation = self.table(table)?;
        let translator = self.translator("postgres", Params::NONE);
        if self.any_row(
            translator,
            &relation,
            &format!("t0.{} IS NULL", names::quoted_column(column)),
        )? {
            let mut error = SqlError::new(
                "23502",
                format!(
                    "column \"{column}\" of relation \"{}\" contains null values",
                    table.name
                ),
            );
            error.table = Some(table.name.clone());
            error.column = Some(column.to_owned());
            return Err(error.into());
        }
        Ok(())
    }

    fn any_row(
        &self,
        translator: crate::translate::Translator<'_>,
        relation: &Arc<Relation>,
        condition: &str,
    ) -> Result<bool> {
        let mut translator = translator;
        translator.allow(relation);
        let sql = format!(
            "SELECT 1 FROM {} AS t0 WHERE {condition} LIMIT 1",
            quoted_table(relation)
        );
        let plan = translator.finish(sql, vec![(String::new(), Type::Int4.into())])?;
        Ok(!self.conn.run(&plan, Params::NONE, &[])?.is_empty())
    }

    fn fill_table(&mut self, table: &QName, query: plinth_sql::ast::Query) -> Result<()> {
        let insert = plinth_sql::ast::Insert {
            with: None,
            table: ObjectName::qualified(&table.schema, &table.name),
            alias: None,
            columns: Vec::new(),
            overriding: None,
            source: plinth_sql::ast::InsertSource::Query(Box::new(query)),
            on_conflict: None,
            returning: Vec::new(),
        };
        let plan = self.plan_insert(&insert, Params::NONE, None)?;
        self.run_insert(&plan, Params::NONE)?;
        Ok(())
    }

    fn rename_label(&mut self, ty: &QName, from: &str, to: &str) -> Result<()> {
        self.rename_default_label(ty, from, to)?;
        let catalog = self.catalog.clone();
        for relation in catalog
            .relations
            .values()
            .filter(|relation| relation.table().is_some())
        {
            for column in &relation.columns {
                let quoted = names::quoted_column(&column.name);
                match &column.ty.ty {
                    Type::Enum(name) if **name == *ty => {
                        let sql = format!(
                            "UPDATE {} SET {quoted} = ?2 WHERE {quoted} = ?1 COLLATE BINARY",
                            quoted_table(relation)
                        );
                        self.conn.sqlite().execute(&sql, [from, to])?;
                    }
                    Type::Array(element) if **element == Type::Enum(Arc::new(ty.clone())) => {
                        let sql = format!(
                            "UPDATE {} SET {quoted} = (SELECT json_group_array(CASE WHEN value = ?1 THEN ?2 ELSE value END) \
                             FROM json_each({quoted})) WHERE {quoted} IS NOT NULL",
                            quoted_table(relation)
                        );
                        self.conn.sqlite().execute(&sql, [from, to])?;
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Defaults hold labels as text.
    fn rename_default_label(&mut self, ty: &QName, from: &str, to: &str) -> Result<()> {
        let mut catalog = Catalog::clone(&self.catalog);
        for relation in catalog.relations.values_mut() {
            let of_type = |column: &plinth_sql::catalog::Column| {
                column.default.is_some()
                    && matches!(&column.ty.ty, Type::Enum(name) if **name == *ty)
            };
            if !relation.columns.iter().any(of_type) {
                continue;
            }
            for column in Arc::make_mut(relation)
                .columns
                .iter_mut()
                .filter(|column| of_type(column))
            {
                if let Some(default) = &mut column.default {
                    RenamedLabel { from, to }.expr(default);
                }
            }
        }
        self.set_catalog(catalog)
    }

    /// Foreign keys are looked up from both sides: the referencing columns get an index when no other serves.
    fn index_foreign_keys(&self, old: &Catalog) -> Result<()> {
        for (name, relation) in &self.catalog.relations {
            if old
                .relations
                .get(name)
                .is_some_and(|known| Arc::ptr_eq(known, relation))
            {
                continue;
            }
            for (constraint, key) in relation.foreign_keys() {
                let columns: Vec<String> = key
                    .columns
                    .iter()
                    .map(|column| names::quoted_column(column))
                    .collect();
                self.batch(&format!(
                    "CREATE INDEX IF NOT EXISTS {} ON {}({})",
                    names::quote(&names::helping_index(name, constraint)),
                    quoted_table(relation),
                    columns.join(", ")
                ))?;
            }
        }
        Ok(())
    }

    fn drop_helping_indexes(&self, table: &QName) -> Result<()> {
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = ?1 AND name LIKE '%/references'";
        for name in self.names_of(sql, table)? {
            self.batch(&format!("DROP INDEX {}", names::quote(&name)))?;
        }
        // Those that are still wanted are made again once the column is gone.
        Ok(())
    }
}

/// What an index keeps apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Distinct {
    /// Nothing.
    No,
    /// Keys without a null.
    ButNulls,
    /// All keys: `NULLS NOT DISTINCT`.
    Nulls,
}

impl Distinct {
    fn of(unique: bool, nulls_not_distinct: bool) -> Distinct {
        match (unique, nulls_not_distinct) {
            (false, _) => Distinct::No,
            (true, false) => Distinct::ButNulls,
            (true, true) => Distinct::Nulls,
        }
    }
}

/// A column that gets another type.
struct TypeChange {
    column: String,
    from: ColumnType,
    using: Option<Expr>,
}

/// A label of an enum inside an expression.
struct RenamedLabel<'a> {
    from: &'a str,
    to: &'a str,
}

impl VisitMut for RenamedLabel<'_> {
    fn expr(&mut self, expr: &mut Expr) {
        match expr {
            Expr::String(text) if text == self.from => self.to.clone_into(text),
            other => walk_expr(self, other),
        }
    }
}

fn quoted(name: &QName) -> String {
    names::quote(&names::table(name))
}

/// Columns by their bare names, as index expressions want them.
fn bare_columns(relation: &Relation) -> Vec<crate::translate::ItemColumn> {
    crate::translate::row_columns(relation, |place| {
        names::quoted_column(&relation.columns[place].name)
    })
}
