//! Translated queries, kept by their shape.
//!
//! A request's values are parameters, so requests of one shape are one statement, and its translation depends on
//! nothing but that statement, the role, the types of its parameters and the catalog. All four are compared in full:
//! a plan holds policies, and a mere hash that is met twice must not lend one caller another's. A statement with an id
//! is found by that and the role alone, since no other statement has it.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use parking_lot::RwLock;
use plinth_sql::ast::Query;
use plinth_sql::catalog::Catalog;
use plinth_sql::shape::StatementId;
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
    by_id: HashMap<StatementId, Vec<(String, Arc<Plan>)>>,
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
        id: Option<StatementId>,
        now: i64,
    ) -> Result<Arc<Plan>> {
        let hash = self.hasher.hash_one((role, &types, query));
        let known = self.kept.read().find(catalog, hash, role, &types, query);
        if let Some(plan) = known {
            if let Some(id) = id {
                self.kept.write().name(catalog, id, role, &plan);
            }
            return Ok(plan);
        }
        let path = translate::default_search_path();
        let plan = translate::query(catalog, role, &path, types.clone(), query, now)?;
        let plan = Arc::new(plan);
        if !plan.timeless {
            return Ok(plan);
        }
        let entry = Entry {
            role: role.to_owned(),
            types,
            query: query.clone(),
            plan: plan.clone(),
        };
        let mut kept = self.kept.write();
        kept.keep(catalog, hash, entry);
        if let Some(id) = id {
            kept.name(catalog, id, role, &plan);
        }
        Ok(plan)
    }

    /// The plan that this statement was given before, for this role and with this catalog.
    pub(crate) fn known(
        &self,
        catalog: &Arc<Catalog>,
        role: &str,
        id: StatementId,
    ) -> Option<Arc<Plan>> {
        let kept = self.kept.read();
        if !Arc::ptr_eq(&kept.catalog, catalog) {
            return None;
        }
        let of_roles = kept.by_id.get(&id)?;
        let (_, plan) = of_roles.iter().find(|(known, _)| known == role)?;
        Some(plan.clone())
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
            self.forget();
        }
        if self.count >= KEPT {
            // Shapes are few in an application; starting over needs no bookkeeping of use.
            self.forget();
        }
        self.by_hash.entry(hash).or_default().push(entry);
        self.count += 1;
    }

    /// Finds a plan that is kept by an id, too.
    fn name(&mut self, catalog: &Arc<Catalog>, id: StatementId, role: &str, plan: &Arc<Plan>) {
        if !Arc::ptr_eq(&self.catalog, catalog) {
            return;
        }
        if self.by_id.len() >= KEPT {
            self.by_id.clear();
        }
        let of_roles = self.by_id.entry(id).or_default();
        if !of_roles.iter().any(|(known, _)| known == role) {
            of_roles.push((role.to_owned(), plan.clone()));
        }
    }

    fn forget(&mut self) {
        self.by_hash.clear();
        self.by_id.clear();
        self.count = 0;
    }
}
