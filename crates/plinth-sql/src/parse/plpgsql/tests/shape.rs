//! A body as indented lines, SQL in it printed, so that a line shows what was understood.

use std::fmt::{Debug, Write as _};

use crate::ast::plpgsql::{
    Block, Body, Condition, Declaration, DeclarationKind, Direction, Into, LoopKind, Raise, Rows,
    Statement, StatementKind, Target, VariableConflict, VariableType,
};
use crate::ast::{Expr, TypeName};
use crate::print;

pub(super) fn shape(body: &Body) -> String {
    let mut out = Shape::default();
    if body.variable_conflict != VariableConflict::Error {
        out.line(format!("{:?}", body.variable_conflict));
    }
    out.block(&body.block);
    out.text
}

#[derive(Default)]
struct Shape {
    text: String,
    depth: usize,
}

impl Shape {
    fn line(&mut self, text: impl AsRef<str>) {
        let text = text.as_ref().trim_end().replace('\n', " ");
        writeln!(self.text, "{:1$}{text}", "", self.depth * 2).unwrap();
    }

    fn within(&mut self, statements: &[Statement]) {
        self.depth += 1;
        for statement in statements {
            self.statement(statement);
        }
        self.depth -= 1;
    }

    fn block(&mut self, block: &Block) {
        self.line(format!("block {}", block.label.as_deref().unwrap_or("")));
        self.depth += 1;
        for declaration in &block.declarations {
            self.declaration(declaration);
        }
        self.depth -= 1;
        self.within(&block.body);
        for handler in &block.handlers {
            let names = handler.conditions.iter().map(condition);
            self.line(format!("when {}", joined(names, " or ")));
            self.within(&handler.body);
        }
    }

    fn declaration(&mut self, declaration: &Declaration) {
        let name = &declaration.name;
        self.line(match &declaration.kind {
            DeclarationKind::Alias { of } => format!("let {name} alias {}", of.join(".")),
            DeclarationKind::Cursor { args, query } => {
                let args = args
                    .iter()
                    .map(|(name, ty)| format!("{name} {}", type_name(ty)));
                let args = joined(args, ", ");
                format!("let {name} cursor({args}) {}", print::query(query))
            }
            DeclarationKind::Variable {
                ty,
                constant,
                not_null,
                default,
            } => {
                let ty = match ty {
                    VariableType::Named(ty) => type_name(ty),
                    VariableType::Record => "record".to_owned(),
                    VariableType::RowOf(name) => format!("row of {}", print::object_name(name)),
                    VariableType::TypeOf { parts, array, .. } => {
                        format!(
                            "type of {}{}",
                            parts.join("."),
                            if *array { "[]" } else { "" }
                        )
                    }
                };
                let mut text = format!("let {name} {ty}");
                text.push_str(if *constant { " constant" } else { "" });
                text.push_str(if *not_null { " not null" } else { "" });
                if let Some(default) = default {
                    write!(text, " := {}", print::expr(default)).unwrap();
                }
                text
            }
        });
    }

    fn statement(&mut self, statement: &Statement) {
        match &statement.kind {
            StatementKind::Null => self.line("null"),
            StatementKind::Block(block) => self.block(block),
            StatementKind::Assign { target: to, value } => {
                self.line(format!("{} := {}", target(to), print::expr(value)));
            }
            StatementKind::If { arms, otherwise } => {
                let mut word = "if";
                for (condition, body) in arms {
                    self.line(format!("{word} {}", print::expr(condition)));
                    self.within(body);
                    word = "elsif";
                }
                if !otherwise.is_empty() {
                    self.line("else");
                    self.within(otherwise);
                }
            }
            StatementKind::Case {
                operand,
                arms,
                otherwise,
            } => {
                self.line(format!("case {}", optional(operand.as_ref())));
                for (values, body) in arms {
                    self.line(format!("when {}", exprs(values)));
                    self.within(body);
                }
                if let Some(otherwise) = otherwise {
                    self.line("else");
                    self.within(otherwise);
                }
            }
            StatementKind::Loop { label, over, body } => {
                let label = label.as_deref().unwrap_or("");
                self.line(format!("loop {} {label}", over_what(over)));
                self.within(body);
            }
            StatementKind::Exit { again, label, when } => self.line(format!(
                "{} {} when {}",
                if *again { "continue" } else { "exit" },
                label.as_deref().unwrap_or("-"),
                optional(when.as_ref())
            )),
            StatementKind::Return(value) => {
                self.line(format!("return {}", optional(value.as_ref())));
            }
            StatementKind::ReturnNext(value) => {
                self.line(format!("return next {}", optional(value.as_ref())));
            }
            StatementKind::ReturnQuery(from) => self.line(format!("return query {}", rows(from))),
            StatementKind::Raise(raised) => self.line(raise(raised)),
            StatementKind::Assert { condition, message } => self.line(format!(
                "assert {}, {}",
                print::expr(condition),
                optional(message.as_ref())
            )),
            StatementKind::Execute { text, into, using } => self.line(format!(
                "execute {}{} using {}",
                print::expr(text),
                into_what(into.as_ref()),
                exprs(using)
            )),
            StatementKind::Sql { statement, into } => self.line(format!(
                "sql {}{}",
                print::statement(statement),
                into_what(into.as_ref())
            )),
            StatementKind::Perform(query) => self.line(format!("perform {}", print::query(query))),
            StatementKind::Diagnostics { stacked, items } => {
                let items = items
                    .iter()
                    .map(|(to, item)| format!("{} = {item:?}", target(to)));
                let area = if *stacked { "stacked" } else { "current" };
                self.line(format!("get {area} {}", joined(items, ", ")));
            }
            StatementKind::Open {
                cursor,
                args,
                rows: from,
            } => {
                let from = from.as_ref().map(rows).unwrap_or_default();
                self.line(format!("open {}({}) {from}", target(cursor), named(args)));
            }
            StatementKind::Fetch {
                cursor,
                direction: which,
                into,
            } => self.line(format!(
                "fetch {} {}{}",
                direction(which),
                target(cursor),
                into_what(into.as_ref())
            )),
            StatementKind::Close(cursor) => self.line(format!("close {}", target(cursor))),
        }
    }
}

fn over_what(over: &LoopKind) -> String {
    match over {
        LoopKind::Forever => String::new(),
        LoopKind::While(condition) => format!("while {}", print::expr(condition)),
        LoopKind::Range {
            variable,
            reverse,
            from,
            to,
            step,
        } => format!(
            "{variable} from {} {} {} by {}",
            print::expr(from),
            if *reverse { "down to" } else { "to" },
            print::expr(to),
            optional(step.as_ref())
        ),
        LoopKind::Rows {
            targets: to,
            rows: from,
        } => format!("{} over {}", targets(to), rows(from)),
        LoopKind::Cursor {
            variable,
            cursor,
            args,
        } => format!("{variable} over cursor {cursor}({})", named(args)),
        LoopKind::Array {
            targets: to,
            slice,
            array,
        } => format!(
            "{} over slices {slice} of {}",
            targets(to),
            print::expr(array)
        ),
    }
}

fn direction(direction: &Direction) -> String {
    match direction {
        Direction::Absolute(count) => format!("absolute {}", print::expr(count)),
        Direction::Relative(count) => format!("relative {}", print::expr(count)),
        Direction::Forward(count) => format!("forward {}", optional(count.as_ref())),
        Direction::Backward(count) => format!("backward {}", optional(count.as_ref())),
        plain @ (Direction::Next | Direction::Prior | Direction::First | Direction::Last) => {
            debug(plain)
        }
    }
}

fn raise(raise: &Raise) -> String {
    let mut text = format!("raise {}", debug(raise.level));
    if let Some(what) = &raise.condition {
        write!(text, " {}", condition(what)).unwrap();
    }
    if let Some(format) = &raise.format {
        write!(text, " {format:?} ({})", exprs(&raise.args)).unwrap();
    }
    for (option, value) in &raise.using {
        write!(text, " {}={}", debug(option), print::expr(value)).unwrap();
    }
    text
}

fn debug(value: impl Debug) -> String {
    format!("{value:?}").to_ascii_lowercase()
}

fn condition(condition: &Condition) -> String {
    match condition {
        Condition::Named(name) => name.clone(),
        Condition::State(state) => format!("'{state}'"),
    }
}

fn rows(rows: &Rows) -> String {
    match rows {
        Rows::Static(statement) => print::statement(statement),
        Rows::Dynamic { text, using } => {
            format!("execute {} using {}", print::expr(text), exprs(using))
        }
    }
}

fn into_what(into: Option<&Into>) -> String {
    into.map_or(String::new(), |into| {
        let strict = if into.strict { " strict" } else { "" };
        format!(" => {}{strict}", targets(&into.targets))
    })
}

fn target(target: &Target) -> String {
    let mut text = target.parts.join(".");
    for subscript in &target.subscripts {
        write!(text, "[{}]", print::expr(subscript)).unwrap();
    }
    text
}

fn targets(targets: &[Target]) -> String {
    joined(targets.iter().map(target), ", ")
}

fn named(args: &[(Option<String>, Expr)]) -> String {
    let one = |(name, value): &(Option<String>, Expr)| match name {
        Some(name) => format!("{name} := {}", print::expr(value)),
        None => print::expr(value),
    };
    joined(args.iter().map(one), ", ")
}

fn exprs(exprs: &[Expr]) -> String {
    joined(exprs.iter().map(print::expr), ", ")
}

fn optional(expr: Option<&Expr>) -> String {
    expr.map_or("-".to_owned(), print::expr)
}

fn type_name(ty: &TypeName) -> String {
    print::type_name(ty)
}

fn joined(parts: impl Iterator<Item = String>, between: &str) -> String {
    parts.collect::<Vec<_>>().join(between)
}
