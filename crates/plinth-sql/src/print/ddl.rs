//! Statements that change the schema, its policies and its privileges.

use super::Printer;
use crate::ast::{
    AlterAction, AlterDefaultPrivileges, AlterEnum, AlterEnumAction, AlterPolicy, AlterSequence,
    AlterTable, ArgMode, ColumnConstraint, ColumnConstraintKind, ColumnDef, Comment, CreateEnum,
    CreateFunction, CreateIndex, CreatePolicy, CreateRole, CreateSchema, CreateSequence,
    CreateTable, CreateTrigger, CreateView, Deferrable, Drop, Expr, ForeignKeyAction, FunctionArg,
    FunctionBody, FunctionReturns, Grant, GrantObjects, ObjectKind, ObjectName, PolicyCommand,
    References, SequenceOptions, TableConstraint, TableConstraintKind, TriggerEvent, TriggerTiming,
    TypeName, Volatility,
};

/// Tables and their parts.
impl Printer {
    pub(super) fn create_table(&mut self, table: &CreateTable) {
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

    fn column_def(&mut self, column: &ColumnDef) {
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

    fn column_constraint(&mut self, constraint: &ColumnConstraint) {
        self.constraint_name(constraint.name.as_ref());
        match &constraint.kind {
            ColumnConstraintKind::NotNull => self.text("NOT NULL"),
            ColumnConstraintKind::Null => self.text("NULL"),
            ColumnConstraintKind::Default(value) => {
                self.text("DEFAULT ");
                self.operand(value);
            }
            ColumnConstraintKind::Generated(value) => {
                self.in_parens("GENERATED ALWAYS AS ", Some(value));
                self.text(" STORED");
            }
            ColumnConstraintKind::Identity { always, options } => self.identity(*always, options),
            ColumnConstraintKind::Check(condition) => self.in_parens("CHECK ", Some(condition)),
            ColumnConstraintKind::Unique { nulls_not_distinct } => {
                self.text("UNIQUE");
                self.flag(*nulls_not_distinct, " NULLS NOT DISTINCT");
            }
            ColumnConstraintKind::PrimaryKey => self.text("PRIMARY KEY"),
            ColumnConstraintKind::References(references) => self.references(references),
        }
        self.deferrable(constraint.deferrable);
    }

    fn table_constraint(&mut self, constraint: &TableConstraint) {
        self.constraint_name(constraint.name.as_ref());
        match &constraint.kind {
            TableConstraintKind::Check(condition) => self.in_parens("CHECK ", Some(condition)),
            TableConstraintKind::Unique {
                columns,
                nulls_not_distinct,
            } => {
                self.text("UNIQUE");
                self.flag(*nulls_not_distinct, " NULLS NOT DISTINCT");
                self.column_list(columns);
            }
            TableConstraintKind::PrimaryKey(columns) => {
                self.text("PRIMARY KEY");
                self.column_list(columns);
            }
            TableConstraintKind::ForeignKey {
                columns,
                references,
            } => {
                self.text("FOREIGN KEY");
                self.column_list(columns);
                self.text(" ");
                self.references(references);
            }
            TableConstraintKind::UsingIndex { index, primary } => {
                self.named(
                    if *primary {
                        "PRIMARY KEY USING INDEX "
                    } else {
                        "UNIQUE USING INDEX "
                    },
                    index,
                );
            }
            TableConstraintKind::Exclude => self.note("EXCLUDE"),
        }
        self.deferrable(constraint.deferrable);
        self.flag(constraint.not_valid, " NOT VALID");
    }

    fn constraint_name(&mut self, name: Option<&String>) {
        if let Some(name) = name {
            self.named("CONSTRAINT ", name);
            self.text(" ");
        }
    }

    fn references(&mut self, references: &References) {
        self.text("REFERENCES ");
        self.name(&references.table);
        self.column_list(&references.columns);
        self.flag(references.match_full, " MATCH FULL");
        self.foreign_key_action(" ON DELETE ", references.on_delete);
        self.column_list(&references.on_delete_columns);
        self.foreign_key_action(" ON UPDATE ", references.on_update);
    }

    fn foreign_key_action(&mut self, event: &str, action: ForeignKeyAction) {
        let word = match action {
            ForeignKeyAction::NoAction => return,
            ForeignKeyAction::Restrict => "RESTRICT",
            ForeignKeyAction::Cascade => "CASCADE",
            ForeignKeyAction::SetNull => "SET NULL",
            ForeignKeyAction::SetDefault => "SET DEFAULT",
        };
        self.text(event);
        self.text(word);
    }

    fn deferrable(&mut self, deferrable: Deferrable) {
        match deferrable {
            Deferrable::Not => {}
            Deferrable::InitiallyImmediate => self.text(" DEFERRABLE INITIALLY IMMEDIATE"),
            Deferrable::InitiallyDeferred => self.text(" DEFERRABLE INITIALLY DEFERRED"),
        }
    }

    pub(super) fn alter_table(&mut self, alter: &AlterTable) {
        self.text("ALTER ");
        self.text(kind_name(alter.object));
        self.text(" ");
        self.flag(alter.if_exists, "IF EXISTS ");
        self.name(&alter.name);
        self.text(" ");
        self.list(&alter.actions, Printer::alter_action);
    }

    fn alter_action(&mut self, action: &AlterAction) {
        match action {
            AlterAction::AddColumn {
                if_not_exists,
                column,
            } => {
                self.text("ADD COLUMN ");
                self.flag(*if_not_exists, "IF NOT EXISTS ");
                self.column_def(column);
            }
            AlterAction::DropColumn {
                name,
                if_exists,
                cascade,
            } => {
                self.drop_part("DROP COLUMN ", name, *if_exists, *cascade);
            }
            AlterAction::RenameColumn { from, to } => self.rename("RENAME COLUMN ", from, to),
            AlterAction::RenameTo(name) => self.named("RENAME TO ", name),
            AlterAction::RenameConstraint { from, to } => {
                self.rename("RENAME CONSTRAINT ", from, to);
            }
            AlterAction::SetSchema(schema) => self.named("SET SCHEMA ", schema),
            AlterAction::AddConstraint(constraint) => {
                self.text("ADD ");
                self.table_constraint(constraint);
            }
            AlterAction::DropConstraint {
                name,
                if_exists,
                cascade,
            } => {
                self.drop_part("DROP CONSTRAINT ", name, *if_exists, *cascade);
            }
            AlterAction::ValidateConstraint(name) => self.named("VALIDATE CONSTRAINT ", name),
            AlterAction::SetDefault { column, default } => {
                self.named("ALTER COLUMN ", column);
                match default {
                    Some(_) => self.clause(" SET DEFAULT ", default.as_ref()),
                    None => self.text(" DROP DEFAULT"),
                }
            }
            AlterAction::SetNotNull { column, not_null } => {
                self.named("ALTER COLUMN ", column);
                self.text(if *not_null {
                    " SET NOT NULL"
                } else {
                    " DROP NOT NULL"
                });
            }
            AlterAction::SetType { column, ty, using } => {
                self.named("ALTER COLUMN ", column);
                self.text(" TYPE ");
                self.type_name(ty);
                self.clause(" USING ", using.as_ref());
            }
            AlterAction::AddIdentity {
                column,
                always,
                options,
            } => {
                self.named("ALTER COLUMN ", column);
                self.text(" ADD ");
                self.identity(*always, options);
            }
            AlterAction::DropIdentity { column, if_exists } => {
                self.named("ALTER COLUMN ", column);
                self.text(" DROP IDENTITY");
                self.flag(*if_exists, " IF EXISTS");
            }
            AlterAction::RowSecurity(true) => self.text("ENABLE ROW LEVEL SECURITY"),
            AlterAction::RowSecurity(false) => self.text("DISABLE ROW LEVEL SECURITY"),
            AlterAction::ForceRowSecurity(true) => self.text("FORCE ROW LEVEL SECURITY"),
            AlterAction::ForceRowSecurity(false) => self.text("NO FORCE ROW LEVEL SECURITY"),
            AlterAction::OwnerTo(role) => {
                self.text("OWNER TO ");
                self.role_name(role);
            }
            AlterAction::SetOptions(options) => {
                let reset = options.iter().all(|(_, value)| value.is_none());
                self.text(if reset { "RESET " } else { "SET " });
                self.options(options);
            }
            AlterAction::NoOp(what) | AlterAction::Unsupported(what, _) => self.note(what),
        }
    }

    fn drop_part(&mut self, what: &str, name: &str, if_exists: bool, cascade: bool) {
        self.text(what);
        self.flag(if_exists, "IF EXISTS ");
        self.ident(name);
        self.flag(cascade, " CASCADE");
    }

    fn rename(&mut self, what: &str, from: &str, to: &str) {
        self.named(what, from);
        self.named(" TO ", to);
    }

    /// `(name = 'value', name)`.
    fn options(&mut self, options: &[(String, Option<String>)]) {
        self.parens(options, |p, (name, value)| {
            p.dotted(name);
            if let Some(value) = value {
                p.text(" = ");
                p.literal(value);
            }
        });
    }

    /// A keyword and an expression in parentheses, when there is one.
    fn in_parens(&mut self, keyword: &str, expr: Option<&Expr>) {
        if let Some(expr) = expr {
            self.text(keyword);
            self.text("(");
            self.expr(expr);
            self.text(")");
        }
    }
}

/// Indexes, views, sequences, schemas, enums.
impl Printer {
    pub(super) fn create_index(&mut self, index: &CreateIndex) {
        self.text(if index.unique {
            "CREATE UNIQUE INDEX "
        } else {
            "CREATE INDEX "
        });
        self.flag(index.if_not_exists, "IF NOT EXISTS ");
        if let Some(name) = &index.name {
            self.ident(name);
            self.text(" ");
        }
        self.text("ON ");
        self.name(&index.table);
        self.named(" USING ", &index.method);
        self.text(" ");
        self.parens(&index.keys, |p, key| {
            p.index_expr(&key.order.expr);
            if let Some(class) = &key.operator_class {
                p.text(" ");
                p.dotted(class);
            }
            p.direction(&key.order);
        });
        if !index.include.is_empty() {
            self.text(" INCLUDE");
            self.column_list(&index.include);
        }
        self.flag(index.nulls_not_distinct, " NULLS NOT DISTINCT");
        self.clause(" WHERE ", index.predicate.as_ref());
    }

    /// A key of an index or of `ON CONFLICT`: a column, perhaps with a collation, or anything in parentheses.
    pub(super) fn index_expr(&mut self, key: &Expr) {
        match key {
            Expr::Column(column) if column.parts.len() == 1 => self.expr(key),
            Expr::Collate { expr, collation: _ } if matches!(&**expr, Expr::Column(c) if c.parts.len() == 1) =>
            {
                self.expr(key);
            }
            _ => self.in_parens("", Some(key)),
        }
    }

    pub(super) fn create_view(&mut self, view: &CreateView) {
        self.text("CREATE ");
        self.flag(view.or_replace, "OR REPLACE ");
        self.flag(view.temporary, "TEMPORARY ");
        self.flag(view.materialized, "MATERIALIZED ");
        self.text("VIEW ");
        self.name(&view.name);
        self.column_list(&view.columns);
        if !view.options.is_empty() {
            self.text(" WITH ");
            self.options(&view.options);
        }
        self.text(" AS ");
        self.query(&view.query);
        self.flag(view.check_option, " WITH CHECK OPTION");
    }

    pub(super) fn create_sequence(&mut self, sequence: &CreateSequence) {
        self.text("CREATE ");
        self.flag(sequence.temporary, "TEMPORARY ");
        self.text("SEQUENCE ");
        self.flag(sequence.if_not_exists, "IF NOT EXISTS ");
        self.name(&sequence.name);
        for option in sequence_options(&sequence.options) {
            self.text(" ");
            self.text(&option);
        }
    }

    pub(super) fn alter_sequence(&mut self, sequence: &AlterSequence) {
        self.text("ALTER SEQUENCE ");
        self.flag(sequence.if_exists, "IF EXISTS ");
        self.name(&sequence.name);
        for option in sequence_options(&sequence.options) {
            self.text(" ");
            self.text(&option);
        }
    }

    fn identity(&mut self, always: bool, options: &SequenceOptions) {
        self.text(if always {
            "GENERATED ALWAYS AS IDENTITY"
        } else {
            "GENERATED BY DEFAULT AS IDENTITY"
        });
        let options = sequence_options(options);
        if !options.is_empty() {
            self.text(" (");
            self.text(&options.join(" "));
            self.text(")");
        }
    }

    pub(super) fn create_schema(&mut self, schema: &CreateSchema) {
        self.text("CREATE SCHEMA ");
        self.flag(schema.if_not_exists, "IF NOT EXISTS ");
        self.ident(&schema.name);
        if let Some(owner) = &schema.owner {
            self.text(" AUTHORIZATION ");
            self.role_name(owner);
        }
    }

    pub(super) fn create_enum(&mut self, create: &CreateEnum) {
        self.text("CREATE TYPE ");
        self.name(&create.name);
        self.text(" AS ENUM ");
        self.parens(&create.labels, |p, label| p.literal(label));
    }

    pub(super) fn alter_enum(&mut self, alter: &AlterEnum) {
        self.text("ALTER TYPE ");
        self.name(&alter.name);
        match &alter.action {
            AlterEnumAction::AddValue {
                label,
                if_not_exists,
                neighbour,
            } => {
                self.text(" ADD VALUE ");
                self.flag(*if_not_exists, "IF NOT EXISTS ");
                self.literal(label);
                if let Some((before, other)) = neighbour {
                    self.text(if *before { " BEFORE " } else { " AFTER " });
                    self.literal(other);
                }
            }
            AlterEnumAction::RenameValue { from, to } => {
                self.text(" RENAME VALUE ");
                self.literal(from);
                self.text(" TO ");
                self.literal(to);
            }
            AlterEnumAction::RenameTo(name) => self.named(" RENAME TO ", name),
            AlterEnumAction::OwnerTo(role) => {
                self.text(" OWNER TO ");
                self.role_name(role);
            }
            AlterEnumAction::SetSchema(schema) => self.named(" SET SCHEMA ", schema),
        }
    }
}

/// Functions, triggers, policies.
impl Printer {
    pub(super) fn create_function(&mut self, function: &CreateFunction) {
        self.text("CREATE ");
        self.flag(function.or_replace, "OR REPLACE ");
        self.text(if function.procedure {
            "PROCEDURE "
        } else {
            "FUNCTION "
        });
        self.name(&function.name);
        self.parens(&function.args, Printer::function_arg);
        match &function.returns {
            None => {}
            Some(FunctionReturns::Type(ty)) => {
                self.text(" RETURNS ");
                self.type_name(ty);
            }
            Some(FunctionReturns::SetOf(ty)) => {
                self.text(" RETURNS SETOF ");
                self.type_name(ty);
            }
            Some(FunctionReturns::Table(columns)) => {
                self.text(" RETURNS TABLE ");
                self.parens(columns, |p, (name, ty)| {
                    p.ident(name);
                    p.text(" ");
                    p.type_name(ty);
                });
            }
        }
        self.named(" LANGUAGE ", &function.language);
        match function.volatility {
            Volatility::Immutable => self.text(" IMMUTABLE"),
            Volatility::Stable => self.text(" STABLE"),
            Volatility::Volatile => {}
        }
        self.flag(function.strict, " STRICT");
        self.flag(function.security_definer, " SECURITY DEFINER");
        for (name, values) in &function.settings {
            self.text(" SET ");
            self.setting(name, Some(values));
        }
        match &function.body {
            FunctionBody::Text(body) => {
                self.text(" AS ");
                self.body(body);
            }
            FunctionBody::Return(value) => self.clause(" RETURN ", Some(value)),
            FunctionBody::Atomic(statements) => {
                self.text(" BEGIN ATOMIC ");
                for statement in statements {
                    self.statement(statement);
                    self.text("; ");
                }
                self.text("END");
            }
        }
    }

    fn function_arg(&mut self, arg: &FunctionArg) {
        self.text(match arg.mode {
            ArgMode::In => "",
            ArgMode::Out => "OUT ",
            ArgMode::InOut => "INOUT ",
            ArgMode::Variadic => "VARIADIC ",
        });
        if let Some(name) = &arg.name {
            self.ident(name);
            self.text(" ");
        }
        self.type_name(&arg.ty);
        self.clause(" DEFAULT ", arg.default.as_ref());
    }

    pub(super) fn create_trigger(&mut self, trigger: &CreateTrigger) {
        self.text("CREATE ");
        self.flag(trigger.or_replace, "OR REPLACE ");
        self.flag(trigger.constraint, "CONSTRAINT ");
        self.named("TRIGGER ", &trigger.name);
        self.text(match trigger.timing {
            TriggerTiming::Before => " BEFORE ",
            TriggerTiming::After => " AFTER ",
            TriggerTiming::InsteadOf => " INSTEAD OF ",
        });
        for (place, event) in trigger.events.iter().enumerate() {
            self.flag(place > 0, " OR ");
            match event {
                TriggerEvent::Insert => self.text("INSERT"),
                TriggerEvent::Update(columns) => {
                    self.text("UPDATE");
                    if !columns.is_empty() {
                        self.text(" OF ");
                        self.idents(columns);
                    }
                }
                TriggerEvent::Delete => self.text("DELETE"),
                TriggerEvent::Truncate => self.text("TRUNCATE"),
            }
        }
        self.text(" ON ");
        self.name(&trigger.table);
        self.deferrable(trigger.deferrable);
        self.flag(
            trigger.old_table.is_some() || trigger.new_table.is_some(),
            " REFERENCING",
        );
        if let Some(name) = &trigger.old_table {
            self.named(" OLD TABLE AS ", name);
        }
        if let Some(name) = &trigger.new_table {
            self.named(" NEW TABLE AS ", name);
        }
        self.text(if trigger.for_each_row {
            " FOR EACH ROW"
        } else {
            " FOR EACH STATEMENT"
        });
        self.in_parens(" WHEN ", trigger.when.as_ref());
        self.text(" EXECUTE FUNCTION ");
        self.name(&trigger.function);
        self.parens(&trigger.args, |p, arg| p.literal(arg));
    }

    pub(super) fn create_policy(&mut self, policy: &CreatePolicy) {
        self.named("CREATE POLICY ", &policy.name);
        self.text(" ON ");
        self.name(&policy.table);
        self.text(if policy.permissive {
            " AS PERMISSIVE FOR "
        } else {
            " AS RESTRICTIVE FOR "
        });
        self.text(match policy.command {
            PolicyCommand::All => "ALL",
            PolicyCommand::Select => "SELECT",
            PolicyCommand::Insert => "INSERT",
            PolicyCommand::Update => "UPDATE",
            PolicyCommand::Delete => "DELETE",
        });
        self.policy_parts(
            Some(&policy.roles),
            policy.using.as_ref(),
            policy.check.as_ref(),
        );
    }

    pub(super) fn alter_policy(&mut self, policy: &AlterPolicy) {
        self.named("ALTER POLICY ", &policy.name);
        self.text(" ON ");
        self.name(&policy.table);
        if let Some(name) = &policy.rename_to {
            self.named(" RENAME TO ", name);
        }
        self.policy_parts(
            policy.roles.as_ref(),
            policy.using.as_ref(),
            policy.check.as_ref(),
        );
    }

    fn policy_parts(
        &mut self,
        roles: Option<&Vec<String>>,
        using: Option<&Expr>,
        check: Option<&Expr>,
    ) {
        if let Some(roles) = roles {
            self.text(" TO ");
            self.role_names(roles);
        }
        self.in_parens(" USING ", using);
        self.in_parens(" WITH CHECK ", check);
    }
}

/// Roles, privileges, `DROP`, `COMMENT`.
impl Printer {
    pub(super) fn role(&mut self, what: &str, role: &CreateRole) {
        self.named(what, &role.name);
        let attributes = [
            (role.login, " LOGIN", " NOLOGIN"),
            (role.superuser, " SUPERUSER", " NOSUPERUSER"),
            (role.bypass_rls, " BYPASSRLS", " NOBYPASSRLS"),
            (role.inherit, " INHERIT", " NOINHERIT"),
            (role.create_role, " CREATEROLE", " NOCREATEROLE"),
            (role.create_db, " CREATEDB", " NOCREATEDB"),
            (role.replication, " REPLICATION", " NOREPLICATION"),
        ];
        for (value, yes, no) in attributes {
            self.flag(value == Some(true), yes);
            self.flag(value == Some(false), no);
        }
        self.flag(role.password, " PASSWORD NULL");
        if !role.member_of.is_empty() {
            self.text(" IN ROLE ");
            self.role_names(&role.member_of);
        }
    }

    pub(super) fn drop(&mut self, drop: &Drop) {
        self.text("DROP ");
        self.text(kind_name(drop.object));
        self.text(" ");
        self.flag(drop.if_exists, "IF EXISTS ");
        for (place, name) in drop.names.iter().enumerate() {
            self.flag(place > 0, ", ");
            self.name(name);
            self.signature(drop.arguments.get(place).and_then(Option::as_deref));
        }
        if let Some(table) = &drop.table {
            self.text(" ON ");
            self.name(table);
        }
        self.flag(drop.cascade, " CASCADE");
    }

    /// A function's argument types, when written.
    fn signature(&mut self, types: Option<&[TypeName]>) {
        if let Some(types) = types {
            self.parens(types, Printer::type_name);
        }
    }

    pub(super) fn comment_on(&mut self, comment: &Comment) {
        self.text("COMMENT ON ");
        self.text(kind_name(comment.object));
        self.text(" ");
        self.name(&comment.name);
        if let Some(column) = &comment.column {
            self.named(".", column);
        }
        if let Some(table) = &comment.table {
            self.text(" ON ");
            self.name(table);
        }
        self.text(" IS ");
        match &comment.text {
            Some(text) => self.literal(text),
            None => self.text("NULL"),
        }
    }

    pub(super) fn grant(&mut self, grant: &Grant) {
        self.text(if grant.revoke { "REVOKE " } else { "GRANT " });
        if let GrantObjects::Roles(granted) = &grant.objects {
            self.flag(grant.revoke && grant.grant_option, "ADMIN OPTION FOR ");
            self.role_names(granted);
        } else {
            self.flag(grant.revoke && grant.grant_option, "GRANT OPTION FOR ");
            if grant.privileges.is_empty() {
                self.text("ALL");
                self.column_list(&grant.all_columns);
            }
            self.list(&grant.privileges, |p, privilege| {
                p.text(&privilege.name.to_uppercase());
                p.column_list(&privilege.columns);
            });
            self.text(" ON ");
            self.grant_objects(&grant.objects);
        }
        self.text(if grant.revoke { " FROM " } else { " TO " });
        self.role_names(&grant.roles);
        if !grant.revoke && grant.grant_option {
            let of_roles = matches!(grant.objects, GrantObjects::Roles(_));
            self.text(if of_roles {
                " WITH ADMIN OPTION"
            } else {
                " WITH GRANT OPTION"
            });
        }
        self.flag(grant.revoke && grant.cascade, " CASCADE");
    }

    fn grant_objects(&mut self, objects: &GrantObjects) {
        match objects {
            GrantObjects::Tables(names) => {
                self.text("TABLE ");
                self.list(names, Printer::name);
            }
            GrantObjects::AllTables(schemas) => self.all_in_schema("TABLES", schemas),
            GrantObjects::Sequences(names) => {
                self.text("SEQUENCE ");
                self.list(names, Printer::name);
            }
            GrantObjects::AllSequences(schemas) => self.all_in_schema("SEQUENCES", schemas),
            GrantObjects::Functions(functions) => {
                self.text("FUNCTION ");
                self.list(functions, |p, (name, types)| {
                    p.name(name);
                    p.signature(types.as_deref());
                });
            }
            GrantObjects::AllFunctions(schemas) => self.all_in_schema("FUNCTIONS", schemas),
            GrantObjects::Schemas(names) => {
                self.text("SCHEMA ");
                self.idents(names);
            }
            GrantObjects::Types(names) => {
                self.text("TYPE ");
                self.list(names, Printer::name);
            }
            GrantObjects::Other(kind) => self.note(kind),
            GrantObjects::Roles(names) => self.role_names(names),
            GrantObjects::Default(kind) => self.text(&kind.to_uppercase()),
        }
    }

    fn all_in_schema(&mut self, kind: &str, schemas: &[String]) {
        self.text("ALL ");
        self.text(kind);
        self.text(" IN SCHEMA ");
        self.idents(schemas);
    }

    pub(super) fn alter_default_privileges(&mut self, alter: &AlterDefaultPrivileges) {
        self.text("ALTER DEFAULT PRIVILEGES ");
        if !alter.for_roles.is_empty() {
            self.text("FOR ROLE ");
            self.role_names(&alter.for_roles);
            self.text(" ");
        }
        if !alter.schemas.is_empty() {
            self.text("IN SCHEMA ");
            self.idents(&alter.schemas);
            self.text(" ");
        }
        self.grant(&alter.grant);
    }
}

fn sequence_options(options: &SequenceOptions) -> Vec<String> {
    let bound = |word: &str, bound: Option<i64>| match bound {
        Some(value) => format!("{word} {value}"),
        None => format!("NO {word}"),
    };
    let mut out = Vec::new();
    out.extend(options.sequence_name.as_ref().map(|(schema, name)| {
        let name = ObjectName {
            schema: schema.clone(),
            ..ObjectName::bare(name)
        };
        format!("SEQUENCE NAME {}", super::object_name(&name))
    }));
    out.extend(
        options
            .data_type
            .as_ref()
            .map(|ty| format!("AS {}", super::type_name(&TypeName::simple(ty)))),
    );
    out.extend(options.increment.map(|by| format!("INCREMENT BY {by}")));
    out.extend(options.min_value.map(|value| bound("MINVALUE", value)));
    out.extend(options.max_value.map(|value| bound("MAXVALUE", value)));
    out.extend(options.start.map(|value| format!("START WITH {value}")));
    out.extend(options.restart.map(|value| match value {
        Some(value) => format!("RESTART WITH {value}"),
        None => "RESTART".to_owned(),
    }));
    out.extend(options.cache.map(|size| format!("CACHE {size}")));
    out.extend(
        options
            .cycle
            .map(|on| if on { "CYCLE" } else { "NO CYCLE" }.to_owned()),
    );
    out.extend(options.owned_by.as_ref().map(|owner| match owner {
        None => "OWNED BY NONE".to_owned(),
        Some((schema, table, column)) => {
            let parts = schema
                .iter()
                .chain([table, column])
                .map(|part| super::ident(part));
            format!("OWNED BY {}", parts.collect::<Vec<_>>().join("."))
        }
    }));
    out
}

fn kind_name(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Table => "TABLE",
        ObjectKind::View => "VIEW",
        ObjectKind::MaterializedView => "MATERIALIZED VIEW",
        ObjectKind::Index => "INDEX",
        ObjectKind::Sequence => "SEQUENCE",
        ObjectKind::Schema => "SCHEMA",
        ObjectKind::Type => "TYPE",
        ObjectKind::Domain => "DOMAIN",
        ObjectKind::Function => "FUNCTION",
        ObjectKind::Procedure => "PROCEDURE",
        ObjectKind::Policy => "POLICY",
        ObjectKind::Trigger => "TRIGGER",
        ObjectKind::Role => "ROLE",
        ObjectKind::Extension => "EXTENSION",
        ObjectKind::Column => "COLUMN",
        ObjectKind::Constraint => "CONSTRAINT",
        ObjectKind::Database => "DATABASE",
        ObjectKind::Publication => "PUBLICATION",
    }
}
