//! What writes of one shape ask of the translator again and again, kept while the catalog stays.

use std::collections::HashMap;
use std::sync::Arc;

use plinth_sql::catalog::Catalog;
use plinth_sql::shape::StatementId;

use super::foreign_keys::Incoming;
use super::insert::InsertPlan;
use super::row::{Demands, RowPolicies};
use super::within::Within;
use crate::translate::Plan;

/// Entries of each kind; over it the kind begins anew.
const KEPT: usize = 1024;

/// What was made with one catalog.
#[derive(Default)]
pub(crate) struct Kept {
    /// Held, so that no other catalog can come to stand at its address.
    catalog: Arc<Catalog>,
    demands: HashMap<DemandsKey, Arc<Demands>>,
    matches: HashMap<MatchKey, Arc<Plan>>,
    incoming: HashMap<u32, Arc<Vec<Incoming>>>,
    inserts: HashMap<StatementId, (String, Arc<InsertPlan>)>,
    within: Within,
}

/// All that the demands on new rows depend on beside the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DemandsKey {
    /// The table.
    pub(crate) table: u32,
    /// Who writes.
    pub(crate) role: String,
    /// Which policies count.
    pub(crate) policies: Option<RowPolicies>,
    /// The path as it was set.
    pub(crate) path: Vec<String>,
    /// `row_security`.
    pub(crate) row_security: bool,
}

/// A look for rows of `table` that match a row of `other`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MatchKey {
    /// Where is looked.
    pub(crate) table: u32,
    /// Whose row is given.
    pub(crate) other: u32,
    /// Places of the columns in both, and whether the given one is null.
    pub(crate) places: Vec<(usize, usize, bool)>,
    /// The first is enough.
    pub(crate) one: bool,
}

impl Kept {
    /// The demands made for this key with this catalog.
    pub(crate) fn demands(&self, catalog: &Arc<Catalog>, key: &DemandsKey) -> Option<Arc<Demands>> {
        self.is_of(catalog)
            .then(|| self.demands.get(key).cloned())
            .flatten()
    }

    /// Keeps them.
    pub(crate) fn keep_demands(
        &mut self,
        catalog: &Arc<Catalog>,
        key: DemandsKey,
        made: Arc<Demands>,
    ) {
        self.follow(catalog);
        if self.demands.len() >= KEPT {
            self.demands.clear();
        }
        self.demands.insert(key, made);
    }

    /// The plan made for this key with this catalog.
    pub(crate) fn matches(&self, catalog: &Arc<Catalog>, key: &MatchKey) -> Option<Arc<Plan>> {
        self.is_of(catalog)
            .then(|| self.matches.get(key).cloned())
            .flatten()
    }

    /// Keeps it.
    pub(crate) fn keep_match(&mut self, catalog: &Arc<Catalog>, key: MatchKey, plan: Arc<Plan>) {
        self.follow(catalog);
        if self.matches.len() >= KEPT {
            self.matches.clear();
        }
        self.matches.insert(key, plan);
    }

    /// The foreign keys that point at the table with this oid.
    pub(crate) fn incoming(
        &self,
        catalog: &Arc<Catalog>,
        table: u32,
    ) -> Option<Arc<Vec<Incoming>>> {
        self.is_of(catalog)
            .then(|| self.incoming.get(&table).cloned())
            .flatten()
    }

    /// Keeps them.
    pub(crate) fn keep_incoming(
        &mut self,
        catalog: &Arc<Catalog>,
        table: u32,
        found: Arc<Vec<Incoming>>,
    ) {
        self.follow(catalog);
        self.incoming.insert(table, found);
    }

    /// The plan of an insert for a role.
    pub(crate) fn insert(
        &self,
        catalog: &Arc<Catalog>,
        id: StatementId,
        role: &str,
    ) -> Option<Arc<InsertPlan>> {
        if !self.is_of(catalog) {
            return None;
        }
        let (of, plan) = self.inserts.get(&id)?;
        (of == role).then(|| plan.clone())
    }

    /// Keeps it.
    pub(crate) fn keep_insert(
        &mut self,
        catalog: &Arc<Catalog>,
        id: StatementId,
        role: &str,
        plan: Arc<InsertPlan>,
    ) {
        self.follow(catalog);
        if self.inserts.len() >= KEPT {
            self.inserts.clear();
        }
        self.inserts.insert(id, (role.to_owned(), plan));
    }

    /// The plans of statements in functions.
    pub(super) fn within(&mut self, catalog: &Arc<Catalog>) -> &mut Within {
        self.follow(catalog);
        &mut self.within
    }

    fn is_of(&self, catalog: &Arc<Catalog>) -> bool {
        Arc::ptr_eq(&self.catalog, catalog)
    }

    fn follow(&mut self, catalog: &Arc<Catalog>) {
        if !self.is_of(catalog) {
            *self = Kept {
                catalog: catalog.clone(),
                ..Kept::default()
            };
        }
    }
}
