//! `CREATE FUNCTION` and `CREATE PROCEDURE`, and signatures where functions are named.

use super::parser::{PResult, Parser, refused};
use crate::SqlError;
use crate::ast::{
    ArgMode, CreateFunction, FunctionArg, FunctionBody, FunctionReturns, ObjectName, Query, Select,
    SelectItem, Statement, TypeName, Volatility,
};

/// Options as they are met; none where not written.
#[derive(Default)]
struct Options {
    language: Option<String>,
    body: Option<FunctionBody>,
    volatility: Option<Volatility>,
    strict: Option<bool>,
    security_definer: Option<bool>,
    settings: Vec<(String, Vec<String>)>,
}

impl Parser<'_> {
    /// From `FUNCTION` or `PROCEDURE` on.
    pub(super) fn create_function(&mut self, or_replace: bool) -> PResult<Statement> {
        let start = self.here();
        let procedure = self.expect_any(&["function", "procedure"])? == "procedure";
        let name = self.routine_name()?;
        let args = self.function_args(true)?;
        let returns = if !procedure && self.eat("returns") {
            Some(self.function_returns()?)
        } else {
            None
        };
        let mut options = Options::default();
        while self.function_option(&mut options)? {}
        if options.body.is_none() || matches!(options.body, Some(FunctionBody::Text(_))) {
            self.routine_body(&mut options)?;
        }
        if !self.at_end() {
            return Err(self.unexpected());
        }
        let error = |message: &str| Box::new(SqlError::new("42P13", message).at(self.since(start)));
        let out_args = args
            .iter()
            .any(|arg| matches!(arg.mode, ArgMode::Out | ArgMode::InOut));
        if !procedure && returns.is_none() && !out_args {
            return Err(error("function result type must be specified"));
        }
        let body = options
            .body
            .ok_or_else(|| error("no function body specified"))?;
        let language = match (options.language, &body) {
            (Some(language), _) => language,
            (None, FunctionBody::Text(_)) => return Err(error("no language specified")),
            (None, _) => "sql".to_owned(),
        };
        Ok(Statement::CreateFunction(Box::new(CreateFunction {
            name,
            or_replace,
            procedure,
            args,
            returns,
            language,
            body,
            volatility: options.volatility.unwrap_or_default(),
            strict: options.strict.unwrap_or(false),
            security_definer: options.security_definer.unwrap_or(false),
            settings: options.settings,
        })))
    }

    /// A function's name; unlike a table's it may be a word such as `left`.
    pub(super) fn routine_name(&mut self) -> PResult<ObjectName> {
        let start = self.here();
        if self.is_sym_at(1, ".") {
            return self.object_name();
        }
        if self.is_name_at(0) && !self.is_function_name_at(0) {
            // Such a word could only have been a schema.
            return Err(self.unexpected_at(1));
        }
        let name = self.function_name()?;
        self.rest_of_name(name, start)
    }

    /// `name` or `name(types)`: the types of what a caller gives.
    pub(super) fn function_signature(&mut self) -> PResult<(ObjectName, Option<Vec<TypeName>>)> {
        // Without types behind it, it may be a word such as `int` too.
        let name = if self.is_name_at(0) && !self.is_sym_at(1, "(") {
            self.object_name()?
        } else {
            self.routine_name()?
        };
        if !self.is_sym("(") {
            return Ok((name, None));
        }
        let args = self.function_args(false)?;
        let given = args
            .into_iter()
            .filter(|arg| arg.mode != ArgMode::Out)
            .map(|arg| arg.ty)
            .collect();
        Ok((name, Some(given)))
    }

    fn function_args(&mut self, defaults: bool) -> PResult<Vec<FunctionArg>> {
        self.expect_sym("(")?;
        if self.eat_sym(")") {
            return Ok(Vec::new());
        }
        let args = self.comma_list(|parser| parser.function_arg(defaults))?;
        self.expect_sym(")")?;
        Ok(args)
    }

    /// `[mode] [name] type` or `name mode type`.
    fn function_arg(&mut self, defaults: bool) -> PResult<FunctionArg> {
        let mut mode = self.arg_mode();
        let mut name = None;
        if self.arg_name_ahead() {
            name = Some(self.function_name()?);
            mode = mode.or_else(|| self.arg_mode());
        }
        if self.is("setof") {
            return Err(Box::new(
                SqlError::new("42P13", "functions cannot accept set arguments").at(self.here()),
            ));
        }
        let ty = self.function_type()?;
        let default = if defaults && (self.eat("default") || self.eat_sym("=")) {
            Some(self.expr()?)
        } else {
            None
        };
        Ok(FunctionArg {
            mode: mode.unwrap_or(ArgMode::In),
            name,
            ty,
            default,
        })
    }

    fn arg_mode(&mut self) -> Option<ArgMode> {
        if self.eat("in") {
            return Some(if self.eat("out") {
                ArgMode::InOut
            } else {
                ArgMode::In
            });
        }
        Some(match self.eat_any(&["out", "inout", "variadic"])? {
            "out" => ArgMode::Out,
            "inout" => ArgMode::InOut,
            _ => ArgMode::Variadic,
        })
    }

    /// Whether the word here names the argument: then a type or a mode follows it.
    fn arg_name_ahead(&self) -> bool {
        if !self.is_function_name_at(0) || self.is_all(&["double", "precision"]) {
            return false;
        }
        let mode = ["in", "out", "inout", "variadic"].contains(&self.word_at(1));
        let ty = (self.is_name_at(1) || self.is_function_name_at(1)) && self.word_at(1) != "array";
        mode || ty
    }

    fn function_returns(&mut self) -> PResult<FunctionReturns> {
        if self.eat("table") {
            let columns = self.paren_list(|parser| {
                let name = parser.function_name()?;
                Ok((name, parser.function_type()?))
            })?;
            return Ok(FunctionReturns::Table(columns));
        }
        if self.eat("setof") {
            return Ok(FunctionReturns::SetOf(self.function_type()?));
        }
        Ok(FunctionReturns::Type(self.function_type()?))
    }

    /// Takes one option; false when none stands here.
    fn function_option(&mut self, options: &mut Options) -> PResult<bool> {
        let start = self.here();
        let repeated = match self.word() {
            "as" => {
                self.advance();
                let text = self.string()?;
                if self.eat_sym(",") {
                    self.string()?;
                    return Err(refused("a function in an object file", self.since(start)));
                }
                options.body.replace(FunctionBody::Text(text)).is_some()
            }
            "language" => {
                self.advance();
                let language = self.unreserved_or_string()?.to_ascii_lowercase();
                options.language.replace(language).is_some()
            }
            "immutable" => self.option(
                &["immutable"],
                &mut options.volatility,
                Volatility::Immutable,
            )?,
            "stable" => self.option(&["stable"], &mut options.volatility, Volatility::Stable)?,
            "volatile" => {
                self.option(&["volatile"], &mut options.volatility, Volatility::Volatile)?
            }
            "strict" => self.option(&["strict"], &mut options.strict, true)?,
            "called" => self.option(
                &["called", "on", "null", "input"],
                &mut options.strict,
                false,
            )?,
            "returns" => self.option(
                &["returns", "null", "on", "null", "input"],
                &mut options.strict,
                true,
            )?,
            "external" | "security" => {
                self.eat("external");
                self.expect("security")?;
                let definer = self.expect_any(&["definer", "invoker"])? == "definer";
                options.security_definer.replace(definer).is_some()
            }
            // What only a planner would read.
            "leakproof" => self.option(&["leakproof"], &mut None, ())?,
            "not" => self.option(&["not", "leakproof"], &mut None, ())?,
            "cost" | "rows" => {
                self.advance();
                self.numeric()?;
                false
            }
            "support" => {
                self.advance();
                self.object_name()?;
                false
            }
            "parallel" => {
                self.advance();
                self.name()?;
                false
            }
            "set" => {
                self.advance();
                self.function_setting(options)?;
                false
            }
            "reset" => {
                // There is nothing yet that it could take away.
                self.reset()?;
                false
            }
            "window" => return Err(self.refused("a window function of one's own")),
            "transform" => return Err(self.refused("TRANSFORM")),
            _ => return Ok(false),
        };
        if repeated {
            let message = "conflicting or redundant options";
            return Err(Box::new(SqlError::syntax(message, self.since(start))));
        }
        Ok(true)
    }

    fn option<T>(&mut self, words: &[&str], place: &mut Option<T>, value: T) -> PResult<bool> {
        self.expect_all(words)?;
        Ok(place.replace(value).is_some())
    }

    fn function_setting(&mut self, options: &mut Options) -> PResult<()> {
        if self.is_name_at(0) && self.word_at(1) == "from" && self.word_at(2) == "current" {
            return Err(self.refused("SET … FROM CURRENT"));
        }
        let (name, value) = self.setting()?;
        options.settings.extend(value.map(|values| (name, values)));
        Ok(())
    }

    /// `RETURN x` or `BEGIN ATOMIC … END`.
    fn routine_body(&mut self, options: &mut Options) -> PResult<()> {
        let start = self.here();
        let body = if self.eat("return") {
            FunctionBody::Return(self.expr()?)
        } else if self.eat("begin") {
            self.expect("atomic")?;
            self.atomic_body()?
        } else {
            return Ok(());
        };
        if options.body.replace(body).is_some() {
            let message = "duplicate function body specified";
            return Err(Box::new(
                SqlError::new("42P13", message).at(self.since(start)),
            ));
        }
        Ok(())
    }

    fn atomic_body(&mut self) -> PResult<FunctionBody> {
        let mut statements = Vec::new();
        loop {
            while self.eat_sym(";") {}
            if self.eat("end") {
                return Ok(FunctionBody::Atomic(statements));
            }
            if self.eat("return") {
                let projection = vec![SelectItem::Expr {
                    expr: self.expr()?,
                    alias: None,
                }];
                let query = Query::select(Select {
                    projection,
                    ..Select::default()
                });
                statements.push(Statement::Query(Box::new(query)));
            } else {
                statements.push(self.row_statement()?);
            }
            self.expect_sym(";")?;
        }
    }
}
