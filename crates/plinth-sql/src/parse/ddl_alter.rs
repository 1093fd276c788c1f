//! `ALTER` of everything but tables' own actions: which object, and the forms that all kinds share.

use super::parser::{PResult, Parser};
use crate::ast::{
    AlterAction, AlterEnum, AlterEnumAction, AlterSequence, AlterTable, ObjectKind, ObjectName,
    Span, Statement,
};

impl Parser<'_> {
    pub(super) fn alter(&mut self) -> PResult<Statement> {
        let start = self.expect("alter")?;
        match self.word() {
            "table" => self.alter_relation(ObjectKind::Table, start),
            "view" => self.alter_relation(ObjectKind::View, start),
            "materialized" => {
                self.advance();
                self.alter_relation(ObjectKind::MaterializedView, start)
            }
            "index" => self.alter_relation(ObjectKind::Index, start),
            "sequence" => self.alter_sequence(),
            "function" | "procedure" | "routine" => self.alter_function(),
            "schema" => {
                self.advance();
                let name = ObjectName {
                    span: self.here(),
                    ..ObjectName::bare(self.name()?)
                };
                self.alter_named(ObjectKind::Schema, name, false)
            }
            "type" => self.alter_type(start),
            "policy" => self.alter_policy(),
            "role" | "user" | "group" if !self.is_all(&["user", "mapping"]) => {
                self.alter_role(start)
            }
            "default" => self.alter_default_privileges(),
            "database" => Ok(self.without_effect("ALTER DATABASE")),
            "extension" => Ok(self.without_effect("ALTER EXTENSION")),
            "publication" => Ok(self.without_effect("ALTER PUBLICATION")),
            "trigger" => Ok(self.unsupported(
                "ALTER TRIGGER",
                Some("Drop the trigger and create it again."),
                start,
            )),
            "constraint" => Err(self.unexpected()),
            _ => self.alter_by_name(start),
        }
    }

    /// Kinds known by name only; who owns them does not matter.
    fn alter_by_name(&mut self, start: Span) -> PResult<Statement> {
        let mut ahead = 0;
        while !self.is_statement_end(ahead) {
            if self.word_at(ahead) == "owner" && self.word_at(ahead + 1) == "to" {
                return Ok(match self.unsupported_kind("ALTER", start) {
                    Some(_) => Statement::NoOp("ALTER … OWNER TO".to_owned()),
                    None => return Err(self.unexpected()),
                });
            }
            ahead += 1;
        }
        self.unsupported_kind("ALTER", start)
            .ok_or_else(|| self.unexpected())
    }

    /// `OWNER TO`, `RENAME TO` and `SET SCHEMA` of an object whose name was read.
    fn alter_named(
        &mut self,
        object: ObjectKind,
        name: ObjectName,
        if_exists: bool,
    ) -> PResult<Statement> {
        let action = self.common_action()?.ok_or_else(|| self.unexpected())?;
        Ok(alter(object, name, if_exists, action))
    }

    /// The actions that every kind of object has.
    pub(super) fn common_action(&mut self) -> PResult<Option<AlterAction>> {
        Ok(Some(if self.eat("owner") {
            self.expect("to")?;
            AlterAction::OwnerTo(self.role()?)
        } else if self.eat_all(&["rename", "to"]) {
            AlterAction::RenameTo(self.name()?)
        } else if self.eat_all(&["set", "schema"]) {
            AlterAction::SetSchema(self.name()?)
        } else {
            return Ok(None);
        }))
    }

    fn alter_sequence(&mut self) -> PResult<Statement> {
        self.expect("sequence")?;
        let if_exists = self.if_exists();
        let name = self.object_name()?;
        if let Some(action) = self.common_action()? {
            return Ok(alter(ObjectKind::Sequence, name, if_exists, action));
        }
        if self.eat("set") {
            self.expect_any(&["logged", "unlogged"])?;
            return Ok(Statement::NoOp("ALTER SEQUENCE SET LOGGED".to_owned()));
        }
        if !self.begins_sequence_option() {
            return Err(self.unexpected());
        }
        let options = self.sequence_options()?;
        Ok(Statement::AlterSequence(AlterSequence {
            name,
            if_exists,
            options,
        }))
    }

    /// Options of a function are settings here: `("search_path", "''")`. What its arguments are does not get into
    /// the tree.
    fn alter_function(&mut self) -> PResult<Statement> {
        let function = self.expect_any(&["function", "procedure", "routine"])? != "procedure";
        let object = if function {
            ObjectKind::Function
        } else {
            ObjectKind::Procedure
        };
        let (name, _) = self.function_signature()?;
        if let Some(action) = self.common_action()? {
            return Ok(alter(object, name, false, action));
        }
        let mut actions = Vec::new();
        while !self.at_end() {
            if self.eat("restrict") {
                break;
            }
            actions.push(self.function_option_action()?);
        }
        if actions.is_empty() {
            return Err(self.unexpected());
        }
        Ok(Statement::AlterTable(Box::new(AlterTable {
            object,
            name,
            if_exists: false,
            actions,
        })))
    }

    fn function_option_action(&mut self) -> PResult<AlterAction> {
        let start = self.here();
        if self.eat("set") {
            let (name, value) = self.setting()?;
            return Ok(AlterAction::SetOptions(vec![(
                name,
                value.map(|values| values.join(", ")),
            )]));
        }
        if self.is("reset") {
            let name = self.reset()?.name;
            return Ok(AlterAction::SetOptions(vec![(name, None)]));
        }
        if self.is_any(&["cost", "rows"]) {
            let what = self.word().to_ascii_uppercase();
            self.advance();
            self.numeric()?;
            return Ok(AlterAction::NoOp(what));
        }
        if self.eat("parallel") {
            self.name()?;
            return Ok(AlterAction::NoOp("PARALLEL".to_owned()));
        }
        let external = self.eat("external");
        let forms: &[&[&str]] = &[
            &["immutable"],
            &["stable"],
            &["volatile"],
            &["strict"],
            &["leakproof"],
            &["not", "leakproof"],
            &["called", "on", "null", "input"],
            &["returns", "null", "on", "null", "input"],
            &["security", "definer"],
            &["security", "invoker"],
        ];
        let Some(words) = forms
            .iter()
            .find(|words| (!external || words[0] == "security") && self.is_all(words))
        else {
            return Err(self.unexpected());
        };
        self.expect_all(words)?;
        let what = words.join(" ").to_ascii_uppercase();
        Ok(if what.ends_with("LEAKPROOF") {
            AlterAction::NoOp(what)
        } else {
            AlterAction::Unsupported(format!("ALTER FUNCTION … {what}"), self.since(start))
        })
    }

    fn alter_type(&mut self, start: Span) -> PResult<Statement> {
        self.expect("type")?;
        let name = self.object_name()?;
        let action = if self.eat_all(&["add", "value"]) {
            let if_not_exists = self.if_not_exists()?;
            let label = self.string()?;
            let neighbour = match self.eat_any(&["before", "after"]) {
                Some(side) => Some((side == "before", self.string()?)),
                None => None,
            };
            AlterEnumAction::AddValue {
                label,
                if_not_exists,
                neighbour,
            }
        } else if self.eat_all(&["rename", "value"]) {
            let from = self.string()?;
            self.expect("to")?;
            AlterEnumAction::RenameValue {
                from,
                to: self.string()?,
            }
        } else {
            match self.common_action()? {
                Some(AlterAction::OwnerTo(role)) => AlterEnumAction::OwnerTo(role),
                Some(AlterAction::RenameTo(to)) => AlterEnumAction::RenameTo(to),
                Some(AlterAction::SetSchema(schema)) => AlterEnumAction::SetSchema(schema),
                _ if self.is_any(&["add", "drop", "alter", "rename", "set"]) => {
                    return Ok(self.unsupported(
                        "ALTER TYPE of a type that is not an enum",
                        None,
                        start,
                    ));
                }
                _ => return Err(self.unexpected()),
            }
        };
        Ok(Statement::AlterEnum(AlterEnum { name, action }))
    }
}

pub(super) fn alter(
    object: ObjectKind,
    name: ObjectName,
    if_exists: bool,
    action: AlterAction,
) -> Statement {
    Statement::AlterTable(Box::new(AlterTable {
        object,
        name,
        if_exists,
        actions: vec![action],
    }))
}
