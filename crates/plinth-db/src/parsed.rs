//! Statements that come again and again: parsed once, and the same one each time, so that an engine can know it again.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use parking_lot::RwLock;
use plinth_sql::SqlError;
use plinth_sql::ast::Statement;

/// Statements that are kept; over it all begins anew.
const KEPT: usize = 512;
/// Longest text of one. Longer ones are lists, of another length each time.
const TEXT_BYTES: usize = 2 * 1024;

/// The statement that this text is.
pub(crate) fn statement(sql: &str) -> Result<Arc<Statement>, SqlError> {
    static ALL: LazyLock<RwLock<HashMap<Box<str>, Arc<Statement>>>> =
        LazyLock::new(RwLock::default);
    if let Some(known) = ALL.read().get(sql) {
        return Ok(Arc::clone(known));
    }
    let statement = Arc::new(plinth_sql::parse::statement(sql)?);
    if sql.len() <= TEXT_BYTES {
        let mut all = ALL.write();
        if all.len() >= KEPT {
            all.clear();
        }
        // Another may have been quicker; then there are two, which are alike.
        all.insert(sql.into(), Arc::clone(&statement));
    }
    Ok(statement)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_is_the_same_statement() {
        let one = statement("select 1 as parsed_once").unwrap();
        assert!(Arc::ptr_eq(
            &one,
            &statement("select 1 as parsed_once").unwrap()
        ));
        assert!(!Arc::ptr_eq(
            &one,
            &statement("select 2 as parsed_once").unwrap()
        ));
        assert!(statement("selec 1").is_err());
    }
}
