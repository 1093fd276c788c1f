//! Functions and procedures.

use crate::ast::{ArgMode, CreateFunction, FunctionArg, FunctionBody, FunctionReturns, Volatility};
use crate::print::Printer;

impl Printer {
    pub(in crate::print) fn create_function(&mut self, function: &CreateFunction) {
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
        self.language(&function.language);
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

    /// A language may have any name, even none; only a string constant says that.
    pub(in crate::print) fn language(&mut self, name: &str) {
        self.text(" LANGUAGE ");
        if name.is_empty() {
            self.literal(name);
        } else {
            self.ident(name);
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
}
