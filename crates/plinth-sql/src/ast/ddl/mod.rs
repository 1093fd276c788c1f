//! Statements that change the schema, its policies and its privileges.

mod alter_table;
mod constraint;
mod enums;
mod function;
mod grant;
mod index;
mod object;
mod policy;
mod role;
mod schema;
mod sequence;
mod table;
mod trigger;
mod view;

pub use alter_table::*;
pub use constraint::*;
pub use enums::*;
pub use function::*;
pub use grant::*;
pub use index::*;
pub use object::*;
pub use policy::*;
pub use role::*;
pub use schema::*;
pub use sequence::*;
pub use table::*;
pub use trigger::*;
pub use view::*;
