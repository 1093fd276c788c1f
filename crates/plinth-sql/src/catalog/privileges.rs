//! Who may do what.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Catalog, Function, Relation, RelationKind, Schema, Sequence};

/// The roles that tokens of the API carry.
const API_ROLES: [&str; 3] = ["anon", "authenticated", "service_role"];

/// Which tables and views of schema `public` the API's roles reach without an explicit `GRANT` or `REVOKE`.
///
/// `service_role` reaches all of them in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoExpose {
    /// Tables with row level security on, and views with `security_invoker`.
    #[default]
    Protected,
    /// All.
    All,
    /// None.
    None,
}

/// Privileges by grantee. `public` stands for everyone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acl(pub BTreeMap<String, BTreeSet<Privilege>>);

/// One privilege.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is named as Postgres names it")]
pub enum Privilege {
    Select,
    Insert,
    Update,
    Delete,
    Truncate,
    References,
    Trigger,
    Usage,
    Create,
    Execute,
}

impl Privilege {
    /// Those that `GRANT ALL` means on a table.
    pub const ALL_ON_TABLE: [Privilege; 7] = [
        Privilege::Select,
        Privilege::Insert,
        Privilege::Update,
        Privilege::Delete,
        Privilege::Truncate,
        Privilege::References,
        Privilege::Trigger,
    ];

    /// Those that `GRANT ALL` means on a sequence.
    pub const ALL_ON_SEQUENCE: [Privilege; 3] =
        [Privilege::Usage, Privilege::Select, Privilege::Update];

    /// By its lower-case name.
    pub fn parse(name: &str) -> Option<Privilege> {
        Some(match name {
            "select" => Privilege::Select,
            "insert" => Privilege::Insert,
            "update" => Privilege::Update,
            "delete" => Privilege::Delete,
            "truncate" => Privilege::Truncate,
            "references" => Privilege::References,
            "trigger" => Privilege::Trigger,
            "usage" => Privilege::Usage,
            "create" => Privilege::Create,
            "execute" => Privilege::Execute,
            _ => return None,
        })
    }
}

impl Acl {
    /// Adds privileges for a grantee.
    pub fn grant(&mut self, role: &str, privileges: impl IntoIterator<Item = Privilege>) {
        let mut privileges = privileges.into_iter().peekable();
        if privileges.peek().is_some() {
            self.0
                .entry(role.to_owned())
                .or_default()
                .extend(privileges);
        }
    }

    /// Takes privileges from a grantee.
    pub fn revoke(&mut self, role: &str, privileges: impl IntoIterator<Item = Privilege>) {
        if let Some(held) = self.0.get_mut(role) {
            for privilege in privileges {
                held.remove(&privilege);
            }
            if held.is_empty() {
                self.0.remove(role);
            }
        }
    }

    /// Gives one grantee's entry to another, as when an owner changes.
    pub fn hand_over(&mut self, from: &str, to: &str) {
        if let Some(held) = self.0.remove(from) {
            self.0.entry(to.to_owned()).or_default().extend(held);
        }
    }

    /// Whether this very grantee was given the privilege.
    pub fn holds(&self, role: &str, privilege: Privilege) -> bool {
        self.0
            .get(role)
            .is_some_and(|held| held.contains(&privilege))
    }
}

/// Answers for one role, with everything it inherits.
impl Catalog {
    /// A superuser, or `None` for a role that does not exist.
    pub fn is_superuser(&self, role: &str) -> bool {
        self.roles.get(role).is_some_and(|role| role.superuser)
    }

    /// Whether policies do not apply to the role at all.
    pub fn bypasses_row_security(&self, role: &str) -> bool {
        self.roles
            .get(role)
            .is_some_and(|role| role.superuser || role.bypass_rls)
    }

    /// Whether policies apply to this role on this relation: enabled, not bypassed, not its owner (unless forced).
    pub fn row_security_applies(&self, role: &str, relation: &Relation) -> bool {
        let Some(table) = relation.table() else {
            return false;
        };
        table.row_security
            && !self.bypasses_row_security(role)
            && (table.force_row_security || !self.has_role(role, &relation.owner))
    }

    /// The roles that a relation's policies are for and hold; none where it has no policies. What is for everybody is for those that requests
    /// without the service key have.
    pub fn held_by_policies<'r>(&self, relation: &'r Relation) -> BTreeSet<&'r str> {
        let table = relation.table().filter(|table| table.row_security);
        let policies = table.into_iter().flat_map(|table| &table.policies);
        let mut roles = BTreeSet::new();
        for role in policies.flat_map(|policy| &policy.roles) {
            match role.as_str() {
                "public" => roles.extend(API_ROLES[..2].iter().copied()),
                role => _ = roles.insert(role),
            }
        }
        roles.retain(|role| self.row_security_applies(role, relation));
        roles
    }

    /// Whether `role` is `other` or a member of it through roles that inherit.
    pub fn has_role(&self, role: &str, other: &str) -> bool {
        if role == other || self.is_superuser(role) {
            return true;
        }
        let Some(known) = self.roles.get(role) else {
            return false;
        };
        known.inherit
            && known
                .member_of
                .iter()
                .any(|parent| self.has_role(parent, other))
    }

    /// Whether `role` may `SET ROLE other`: member directly or indirectly, inheriting or not.
    pub fn may_become(&self, role: &str, other: &str) -> bool {
        if role == other || self.is_superuser(role) {
            return self.roles.contains_key(other);
        }
        self.roles.get(role).is_some_and(|known| {
            known
                .member_of
                .iter()
                .any(|parent| self.may_become(parent, other))
        })
    }

    /// Whether an access list with this owner gives the role the privilege. One that was never touched is the owner's.
    pub fn allows(&self, role: &str, owner: &str, acl: &Acl, privilege: Privilege) -> bool {
        self.is_superuser(role)
            || if acl.0.is_empty() {
                self.has_role(role, owner)
            } else {
                self.granted(role, acl, privilege)
            }
    }

    /// Whether the role has the privilege on the whole relation.
    pub fn may(&self, role: &str, relation: &Relation, privilege: Privilege) -> bool {
        self.allows(role, &relation.owner, &relation.acl, privilege)
            || self
                .exposed_roles(relation)
                .iter()
                .any(|exposed| self.has_role(role, exposed))
    }

    /// Whether the role has the privilege on this column, by the relation or by the column.
    pub fn may_column(
        &self,
        role: &str,
        relation: &Relation,
        column: &str,
        privilege: Privilege,
    ) -> bool {
        self.may(role, relation, privilege)
            || relation
                .column(column)
                .is_some_and(|column| self.granted(role, &column.acl, privilege))
    }

    /// Whether the role has the privilege on at least one column, or on the whole.
    pub fn may_any_column(&self, role: &str, relation: &Relation, privilege: Privilege) -> bool {
        self.may(role, relation, privilege)
            || relation
                .columns
                .iter()
                .any(|column| self.granted(role, &column.acl, privilege))
    }

    /// Whether the role has the privilege on the sequence.
    pub fn may_sequence(&self, role: &str, sequence: &Sequence, privilege: Privilege) -> bool {
        self.allows(role, &sequence.owner, &sequence.acl, privilege)
            || self
                .exposed_sequence_roles(sequence)
                .iter()
                .any(|exposed| self.has_role(role, exposed))
    }

    /// Whether the role may call the function: everyone may, until somebody says otherwise.
    pub fn may_execute(&self, role: &str, function: &Function) -> bool {
        function.acl.0.is_empty()
            || self.allows(role, &function.owner, &function.acl, Privilege::Execute)
    }

    /// Whether the role has the privilege on the schema.
    pub fn may_schema(&self, role: &str, schema: &Schema, privilege: Privilege) -> bool {
        self.allows(role, &schema.owner, &schema.acl, privilege)
    }

    /// A search path without the schemas that are closed to the role, which names are not looked for in.
    pub fn open_path(&self, role: &str, path: &[String]) -> Vec<String> {
        let closed = |name: &str| {
            let schema = self.schemas.get(name);
            schema.is_some_and(|schema| !self.may_schema(role, schema, Privilege::Usage))
        };
        let open = path.iter();
        open.filter(|name| *name == "pg_catalog" || !closed(name))
            .cloned()
            .collect()
    }

    /// The roles of the API that have every privilege on the relation because nobody has said anything about it: its
    /// access list is empty and it lies in schema `public`. See [`AutoExpose`].
    pub fn exposed_roles(&self, relation: &Relation) -> &'static [&'static str] {
        if !relation.acl.0.is_empty() || relation.name.schema != "public" {
            return &[];
        }
        let protected = match &relation.kind {
            RelationKind::Table(table) => table.row_security,
            RelationKind::View(view) => view.security_invoker,
        };
        self.exposed(protected)
    }

    /// The same for a sequence. One that belongs to a table is as open as the table is by this rule.
    pub fn exposed_sequence_roles(&self, sequence: &Sequence) -> &'static [&'static str] {
        if !sequence.acl.0.is_empty() || sequence.name.schema != "public" {
            return &[];
        }
        let owner = sequence
            .owned_by
            .as_ref()
            .and_then(|(table, _)| self.relations.get(table));
        match owner {
            Some(relation) => self.exposed_roles(relation),
            None => self.exposed(false),
        }
    }

    fn exposed(&self, protected: bool) -> &'static [&'static str] {
        match self.auto_expose {
            AutoExpose::All => &API_ROLES,
            AutoExpose::Protected if protected => &API_ROLES,
            AutoExpose::Protected | AutoExpose::None => &API_ROLES[2..],
        }
    }

    fn granted(&self, role: &str, acl: &Acl, privilege: Privilege) -> bool {
        acl.holds("public", privilege)
            || acl
                .0
                .iter()
                .any(|(grantee, held)| held.contains(&privilege) && self.has_role(role, grantee))
    }
}
