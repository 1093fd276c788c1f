//! Functions and procedures.

use crate::ast::{Expr, ObjectName, Statement, TypeName};

/// `CREATE FUNCTION` / `CREATE PROCEDURE`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreateFunction {
    /// Its name.
    pub name: ObjectName,
    /// `OR REPLACE`.
    pub or_replace: bool,
    /// `CREATE PROCEDURE`.
    pub procedure: bool,
    /// Arguments, in order; `OUT` ones included.
    pub args: Vec<FunctionArg>,
    /// `RETURNS`; none for procedures and functions with `OUT` arguments alone.
    pub returns: Option<FunctionReturns>,
    /// Lower case.
    pub language: String,
    /// The body.
    pub body: FunctionBody,
    /// `IMMUTABLE`, `STABLE`, `VOLATILE`.
    pub volatility: Volatility,
    /// `STRICT` / `RETURNS NULL ON NULL INPUT`.
    pub strict: bool,
    /// `SECURITY DEFINER`.
    pub security_definer: bool,
    /// `SET name = value, …`.
    pub settings: Vec<(String, Vec<String>)>,
}

/// One argument of a function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FunctionArg {
    /// `IN`, `OUT`, `INOUT`, `VARIADIC`.
    pub mode: ArgMode,
    /// Its name.
    pub name: Option<String>,
    /// Its type.
    pub ty: TypeName,
    /// `DEFAULT x`.
    pub default: Option<Expr>,
}

/// The direction of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum ArgMode {
    /// `IN`.
    In,
    /// `OUT`.
    Out,
    /// `INOUT`.
    InOut,
    /// `VARIADIC`.
    Variadic,
}

/// What a function returns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FunctionReturns {
    /// `RETURNS t` (`void` and `trigger` are types here).
    Type(TypeName),
    /// `RETURNS SETOF t`.
    SetOf(TypeName),
    /// `RETURNS TABLE (…)`.
    Table(Vec<(String, TypeName)>),
}

/// The body of a function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FunctionBody {
    /// `AS '…'`.
    Text(String),
    /// `RETURN x`.
    Return(Expr),
    /// `BEGIN ATOMIC … END`.
    Atomic(Vec<Statement>),
}

/// How a function may vary.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize,
)]
pub enum Volatility {
    /// Same arguments, same result, for ever.
    Immutable,
    /// Same within a statement.
    Stable,
    /// Anything.
    #[default]
    Volatile,
}
