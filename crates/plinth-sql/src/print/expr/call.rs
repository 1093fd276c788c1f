//! Calls of functions.

use crate::ast::{Call, CallArg, Expr, Window};
use crate::print::Printer;
use crate::print::names::is_plain;

impl Printer {
    pub(in crate::print) fn call(&mut self, call: &Call) {
        if self.special_call(call) {
            return;
        }
        self.function_name(call);
        self.text("(");
        self.flag(call.distinct, "DISTINCT ");
        if call.star {
            self.text("*");
        } else {
            self.list(&call.args, Printer::argument);
        }
        if !call.order_by.is_empty() {
            self.text(" ORDER BY ");
            self.order_by(&call.order_by);
        }
        self.text(")");
        if !call.within_group.is_empty() {
            self.text(" WITHIN GROUP (ORDER BY ");
            self.order_by(&call.within_group);
            self.text(")");
        }
        if let Some(filter) = &call.filter {
            self.text(" FILTER (WHERE ");
            self.expr(filter);
            self.text(")");
        }
        match &call.over {
            None => {}
            Some(Window::Named(name)) => self.named(" OVER ", name),
            Some(Window::Spec(spec)) => {
                self.text(" OVER ");
                self.window_spec(spec);
            }
        }
    }

    /// The functions that have a syntax of their own and no plain one. False when the call is not such a one.
    fn special_call(&mut self, call: &Call) -> bool {
        if call.name.schema.is_some() {
            return false;
        }
        let args: Vec<&Expr> = call.args.iter().map(|arg| &arg.value).collect();
        match (call.name.name.as_str(), args.as_slice()) {
            (
                word @ ("current_catalog" | "current_date" | "current_role" | "current_time"
                | "current_timestamp" | "current_user" | "localtime" | "localtimestamp"
                | "session_user"),
                [],
            ) => self.text(word),
            ("extract", [Expr::String(field), from]) => {
                self.text("extract(");
                if is_plain(field) {
                    self.ident(field);
                } else {
                    self.literal(field);
                }
                self.text(" FROM ");
                self.expr(from);
                self.text(")");
            }
            ("position", [needle, haystack]) => {
                self.text("position(");
                self.infix(needle, " IN ", haystack);
                self.text(")");
            }
            _ => return false,
        }
        true
    }

    fn function_name(&mut self, call: &Call) {
        match (&call.name.schema, call.name.name.as_str()) {
            // Keywords that are called like functions: in quotes they would be looked up, and most not found.
            (
                None,
                word @ ("coalesce" | "current_schema" | "current_time" | "current_timestamp"
                | "greatest" | "grouping" | "least" | "left" | "localtime"
                | "localtimestamp" | "normalize" | "nullif" | "overlay" | "right"
                | "substring"),
            ) => self.text(word),
            _ => self.name(&call.name),
        }
    }

    fn argument(&mut self, arg: &CallArg) {
        self.flag(arg.variadic, "VARIADIC ");
        if let Some(name) = &arg.name {
            self.ident(name);
            self.text(" => ");
        }
        self.expr(&arg.value);
    }
}
