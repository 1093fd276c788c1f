//! Parameters of statements.

use jiff::Timestamp;
use uuid::Uuid;

/// A parameter in Postgres's text form. Its type is inferred from where `$n` stands, as in Postgres.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param(pub Option<String>);

impl Param {
    /// `NULL`.
    pub const NULL: Param = Param(None);
}

macro_rules! from_display {
    ($($ty:ty),*) => {$(
        impl From<$ty> for Param {
            fn from(value: $ty) -> Param {
                Param(Some(value.to_string()))
            }
        }
    )*};
}
from_display!(
    &str,
    i32,
    i64,
    u32,
    bool,
    Uuid,
    Timestamp,
    serde_json::Value
);

impl From<String> for Param {
    fn from(value: String) -> Param {
        Param(Some(value))
    }
}

impl From<&String> for Param {
    fn from(value: &String) -> Param {
        Param(Some(value.clone()))
    }
}

impl<T: Into<Param>> From<Option<T>> for Param {
    fn from(value: Option<T>) -> Param {
        value.map_or(Param::NULL, Into::into)
    }
}
