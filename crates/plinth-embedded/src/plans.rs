//! Translated queries, kept by their shape.
//!
//! A request's values are parameters, so requests of one shape are one statement, and its translation depends on
//! nothing but that statement, the role, the types of its parameters and the catalog. All four are compared in full:
//! a plan holds policies, and a mere hash that is met twice must not lend one caller another's.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use parking_lot::RwLock;
use plinth_sql::ast::Query;
use plinth_sql::catalog::Catalog;
use plinth_sql::types::ColumnType;

use crate::error::Result;
use crate::translate::{self, Plan};

/// Plans that are kept, of some 4 KiB each.
const KEPT: usize = 2048;

/// The plans of an engine's readers. Names without a schema are looked for in the default path.
#[derive(Default)]
pub(crate) struct Plans {
    hasher: RandomState,
    kept: RwLock<Kept>,
}

/// What was planned with one catalog.
#[derive(Default)]
struct Kept {
    catalog: Arc<Catalog>,
    by_hash: HashMap<u64, Vec<Entry>>,
    count: usize,
}

struct Entry {
    role: String,
    types: Vec<ColumnType>,
    query: Query,
    plan: Arc<Plan>,
}

impl Plans {
    /// The plan of a query for a role, for a transaction that begins `now`.
    pub(crate) fn plan(
        &self,
        catalog: &Arc<Catalog>,
        role: &str,
        types: Vec<ColumnType>,
        query: &Query,
        now: i64,
    ) -> Result<Arc<Plan>> {
        let hash = self.hasher.hash_one((role, &types, query));
        if let Some(plan) = self.kept.read().find(catalog, hash, role, &types, query) {
            return Ok(plan);
        }
        let path = translate::default_search_path();
        let (plan, timeless) = translate::query(catalog, role, &path, types.clone(), query, now)?;
        let plan = Arc::new(plan);
        if !timeless {
            return Ok(plan);
        }
        let entry = Entry {
            role: role.to_owned(),
            types,
            query: query.clone(),
            plan: plan.clone(),
        };
        self.kept.write().keep(catalog, hash, entry);
        Ok(plan)
    }
}

impl Kept {
    fn find(
        &self,
        catalog: &Arc<Catalog>,
        hash: u64,
        role: &str,
        types: &[ColumnType],
        query: &Query,
    ) -> Option<Arc<Plan>> {
        if !Arc::ptr_eq(&self.catalog, catalog) {
            return None;
        }
        let entry =
            self.by_hash.get(&hash)?.iter().find(|entry| {
                entry.role == role && entry.types == types && entry.query == *query
            })?;
        Some(entry.plan.clone())
    }

    /// A reader that still works with the catalog before this one leaves nothing here.
    fn keep(&mut self, catalog: &Arc<Catalog>, hash: u64, entry: Entry) {
        if !Arc::ptr_eq(&self.catalog, catalog) {
            if catalog.version < self.catalog.version {
                return;
            }
            self.catalog = catalog.clone();
            self.by_hash.clear();
            self.count = 0;
        }
        if self.count >= KEPT {
            // Shapes are few in an application; starting over needs no bookkeeping of use.
            self.by_hash.clear();
            self.count = 0;
        }
        self.by_hash.entry(hash).or_default().push(entry);
        self.count += 1;
    }
}
