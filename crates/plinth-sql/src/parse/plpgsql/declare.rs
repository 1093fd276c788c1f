//! `DECLARE`: variables, aliases and cursors.

use super::scope::Variable;
use super::{Reader, mistake};
use crate::SqlError;
use crate::ast::plpgsql::{Declaration, DeclarationKind, VariableType};
use crate::ast::{ObjectName, Query, Span, Statement as Sql, TypeName};
use crate::parse::lexer::Tok;
use crate::parse::parser::{PResult, Parser, object_name, refused};
use crate::parse::types::KEYWORD_TYPES;

impl Reader<'_> {
    /// What stands between `DECLARE` and `BEGIN`.
    pub(super) fn declarations(&mut self) -> PResult<Vec<Declaration>> {
        let mut declarations = Vec::new();
        loop {
            if self.sql.is_sym("<<") {
                let span = self.sql.here();
                self.label()?;
                let message = "block label must be placed before DECLARE, not after";
                return Err(mistake(message, span));
            }
            match self.sql.word() {
                "begin" => return Ok(declarations),
                "declare" => {
                    self.sql.advance();
                }
                _ => declarations.push(self.declaration()?),
            }
        }
    }

    fn declaration(&mut self) -> PResult<Declaration> {
        let (name, span) = self.new_name()?;
        let kind = if self.sql.eat("alias") {
            self.alias(&name)?
        } else if self.is_cursor_ahead() {
            self.cursor(&name)?
        } else {
            self.variable(&name)?
        };
        self.sql.expect_sym(";")?;
        Ok(Declaration { name, kind, span })
    }

    /// A name that this block, or this list of a cursor's arguments, does not have yet.
    fn new_name(&mut self) -> PResult<(String, Span)> {
        let duplicate = self.complaint("duplicate declaration");
        let span = self.sql.here();
        let unknown = self.dotted_name_error();
        let name = self.ident()?;
        if self.sql.is_sym(".") {
            return Err(unknown);
        }
        if self.scopes.declares(&name) {
            return Err(duplicate);
        }
        Ok((name, span))
    }

    /// A dotted name is one token to Postgres.
    fn dotted_name_error(&self) -> Box<SqlError> {
        let mut span = self.sql.here();
        for ahead in [1, 3] {
            if self.sql.is_sym_at(ahead, ".") && self.is_ident_at(ahead + 1) {
                span.end = self.sql.span_at(ahead + 1).end;
            } else {
                break;
            }
        }
        self.sql.syntax_error(span)
    }

    /// `ALIAS FOR other`, behind `ALIAS`.
    fn alias(&mut self, name: &str) -> PResult<DeclarationKind> {
        self.sql.expect("for")?;
        let of = self.target_name()?.parts;
        let variable = self.scopes.find(&of).cloned();
        self.scopes
            .declare(name, variable.unwrap_or_else(Variable::unknown));
        Ok(DeclarationKind::Alias { of })
    }

    fn is_cursor_ahead(&self) -> bool {
        self.sql.is_any(&["cursor", "scroll"])
            || (self.sql.is("no") && self.sql.word_at(1) == "scroll")
    }

    /// `[[NO] SCROLL] CURSOR [(args)] FOR query`.
    fn cursor(&mut self, name: &str) -> PResult<DeclarationKind> {
        self.sql.eat("no");
        self.sql.eat("scroll");
        self.sql.expect("cursor")?;
        self.scopes.open_block(None);
        let mut args = Vec::new();
        if self.sql.eat_sym("(") {
            loop {
                let (name, _) = self.new_name()?;
                self.scopes.declare(&name, Variable::unknown());
                args.push((name, self.type_up_to_follower()?));
                if !self.sql.eat_sym(",") {
                    break;
                }
            }
            self.sql.expect_sym(")")?;
        }
        self.scopes.close();
        self.sql.expect_any(&["for", "is"])?;
        let query = Box::new(self.cursor_query()?);
        let names = args.iter().map(|(name, _)| name.clone()).collect();
        self.scopes.declare(name, Variable::bound_cursor(names));
        Ok(DeclarationKind::Cursor { args, query })
    }

    /// A statement up to `;` that is a query. Postgres finds out when the cursor is opened.
    fn cursor_query(&mut self) -> PResult<Query> {
        let start = self.sql.here();
        match self.whole_statement()? {
            Sql::Query(query) => Ok(*query),
            _ => {
                let span = self.sql.since(start);
                let verb = self.sql.text(start).to_ascii_uppercase();
                let message = format!("cannot open {verb} query as cursor");
                Err(Box::new(SqlError::new("42P11", message).at(span)))
            }
        }
    }

    /// `[CONSTANT] type [COLLATE c] [NOT NULL] [:= value]`.
    fn variable(&mut self, name: &str) -> PResult<DeclarationKind> {
        let constant = self.sql.eat("constant");
        let ty = self.variable_type(name)?;
        if self.sql.eat("collate") {
            self.collation()?;
        }
        let span = self.sql.here();
        let not_null = self.sql.eat("not");
        if not_null {
            self.sql.expect("null")?;
        }
        let default = if self.eat_assign() || self.sql.eat("default") {
            Some(self.expression(&[";"], ";")?)
        } else {
            None
        };
        if !self.sql.is_sym(";") {
            return Err(self.sql.unexpected());
        }
        if not_null && default.is_none() {
            let message = format!(
                "variable \"{name}\" must have a default value, since it's declared NOT NULL"
            );
            return Err(Box::new(SqlError::new("22004", message).at(span)));
        }
        let mut variable = kind_of(&ty);
        variable.constant = constant;
        self.scopes.declare(name, variable);
        Ok(DeclarationKind::Variable {
            ty,
            constant,
            not_null,
            default,
        })
    }

    fn variable_type(&mut self, variable: &str) -> PResult<VariableType> {
        let start = self.sql.here();
        if let Some(found) = self.type_by_reference()? {
            return Ok(found);
        }
        let is_record = match self.sql.tok_at(0) {
            Tok::Word(word) | Tok::Quoted(word) => word == "record",
            _ => false,
        };
        let ty = self.type_up_to_follower()?;
        if is_record && ty == TypeName::simple("record") {
            return Ok(VariableType::Record);
        }
        if is_record && ty.name.schema.is_none() {
            let message = format!("variable \"{variable}\" has pseudo-type record[]");
            return Err(Box::new(
                SqlError::new("0A000", message).at(self.sql.since(start)),
            ));
        }
        Ok(VariableType::Named(ty))
    }

    /// `name%TYPE`, with or without `[]`, and `name%ROWTYPE`.
    fn type_by_reference(&mut self) -> PResult<Option<VariableType>> {
        let mut ahead = 1;
        while self.sql.is_sym_at(ahead, ".") {
            ahead += 2;
        }
        let row = match self.sql.word_at(ahead + 1) {
            "type" => false,
            "rowtype" => true,
            _ => return Ok(None),
        };
        if !self.is_ident_at(0) || !self.sql.is_sym_at(ahead, "%") {
            return Ok(None);
        }
        let name = self.target_name()?;
        let percent = self.sql.here();
        if name.parts.len() > 3 || (row && name.parts.len() > 2) {
            return Err(self.sql.syntax_error(percent));
        }
        self.sql.advance();
        self.sql.advance();
        if row {
            return object_name(name.parts, name.span).map(|name| Some(VariableType::RowOf(name)));
        }
        let array = self.sql.is_sym("[");
        while self.sql.eat_sym("[") {
            self.sql.expect_sym("]")?;
        }
        Ok(Some(VariableType::TypeOf {
            parts: name.parts,
            array,
            span: self.sql.since(name.span),
        }))
    }

    /// A type by name, which ends where only something behind a type could stand.
    fn type_up_to_follower(&mut self) -> PResult<TypeName> {
        let from = self.sql.mark();
        let start = self.sql.here();
        let mut depth = 0_i64;
        loop {
            match self.sql.tok_at(0) {
                Tok::Bad(error) => return Err(error.clone()),
                Tok::End if depth != 0 => return Err(self.complaint("mismatched parentheses")),
                Tok::End => return Err(self.complaint("incomplete data type declaration")),
                Tok::Sym(";" | ":=") => break,
                Tok::Sym("," | ")") if depth == 0 => break,
                Tok::Sym("(") => depth += 1,
                Tok::Sym(")") => depth -= 1,
                Tok::Op(op) if op == "=" => break,
                Tok::Word(word) if ["collate", "not", "default"].contains(&word.as_str()) => break,
                _ => {}
            }
            self.sql.advance();
        }
        let end = self.sql.mark();
        if from == end {
            return Err(self.complaint("missing data type declaration"));
        }
        let tokens = self.sql.tokens(from..end);
        if matches!(&tokens[0].tok, Tok::Word(word) if word == "setof") {
            let span = self.sql.since(start);
            let message = format!("invalid type name \"{}\"", self.sql.text(span));
            return Err(mistake(message, span));
        }
        self.sql.aside(tokens, Parser::type_name)
    }

    /// Text compares by bytes here, so only the collations that say so are known.
    fn collation(&mut self) -> PResult<ObjectName> {
        let name = self.target_name()?;
        let collation = object_name(name.parts, name.span)?;
        match collation.name.as_str() {
            "C" | "POSIX" | "default" => Ok(collation),
            other => Err(refused(&format!("the collation \"{other}\""), name.span)),
        }
    }
}

fn kind_of(ty: &VariableType) -> Variable {
    match ty {
        VariableType::Record | VariableType::RowOf(_) => Variable::row(),
        VariableType::TypeOf { .. } => Variable::unknown(),
        VariableType::Named(ty) if *ty == TypeName::simple("refcursor") => Variable::refcursor(),
        VariableType::Named(ty) if is_built_in(ty) => Variable::scalar(),
        VariableType::Named(_) => Variable::unknown(),
    }
}

/// Whether this can only be a type of the system's: it has a keyword of its own, or is an array.
fn is_built_in(ty: &TypeName) -> bool {
    const OTHERS: &[&str] = &[
        "int2",
        "int4",
        "int8",
        "float4",
        "float8",
        "bool",
        "text",
        "json",
        "jsonb",
        "uuid",
        "date",
        "timestamptz",
        "timetz",
        "bytea",
        "bpchar",
    ];
    let name = ty.name.name.as_str();
    ty.array_dimensions > 0
        || (ty.name.schema.is_none() && (KEYWORD_TYPES.contains(&name) || OTHERS.contains(&name)))
}
