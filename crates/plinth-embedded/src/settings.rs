//! The settings of a session, and what transactions do to them: `SET LOCAL` ends with the transaction, a rollback takes
//! `SET` back, and so does `ROLLBACK TO`.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use plinth_sql::session::{Ambient, Claims, Session};

/// Settings as they stand at one moment.
#[derive(Clone, Debug, Default)]
struct Values {
    /// The role in effect.
    role: String,
    /// What was set since the session began, by lower-case name.
    named: HashMap<String, String>,
    /// Where names without a schema are looked for.
    search_path: SearchPath,
}

/// Schemas in the order in which they are searched.
type SearchPath = Arc<Vec<String>>;

/// Where a session looks until it says otherwise; one for all.
static DEFAULT_PATH: LazyLock<SearchPath> =
    LazyLock::new(|| Arc::new(crate::translate::default_search_path()));

/// The settings of a session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// In effect.
    now: Arc<Values>,
    /// What stays in effect after the transaction.
    kept: Arc<Values>,
    /// The role that the session began with.
    session_role: String,
    /// `request.jwt.claims` as the session found it.
    token: Option<Arc<Claims>>,
    /// What else it found.
    ambient: Ambient,
    /// Claims parsed once, for `auth.uid()` and siblings.
    claims: Option<Arc<serde_json::Value>>,
}

/// How long a setting lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasting {
    /// `SET`.
    Session,
    /// `SET LOCAL`.
    Transaction,
}

/// Settings to come back to.
#[derive(Clone, Debug, Default)]
pub(crate) struct SettingsMark {
    now: Arc<Values>,
    kept: Arc<Values>,
}

impl Settings {
    /// Those a session begins with.
    pub(crate) fn begin(session: &Session) -> Settings {
        let values = Arc::new(Values {
            role: session.role.clone(),
            named: HashMap::new(),
            search_path: DEFAULT_PATH.clone(),
        });
        Settings {
            now: values.clone(),
            kept: values,
            session_role: session.role.clone(),
            token: session.claims.clone(),
            ambient: session.settings.clone(),
            claims: session.claims.as_ref().map(|claims| claims.value()),
        }
    }

    /// The role in effect.
    pub(crate) fn role(&self) -> &str {
        &self.now.role
    }

    /// The role that the session began with.
    pub(crate) fn session_role(&self) -> &str {
        &self.session_role
    }

    /// Where names without a schema are looked for.
    pub(crate) fn search_path(&self) -> &[String] {
        &self.now.search_path
    }

    /// Whether policies apply; else what they would change is an error.
    pub(crate) fn row_security(&self) -> bool {
        !matches!(self.get("row_security"), Some("off" | "false" | "no" | "0"))
    }

    /// A setting by its lower-case name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        if let Some(set) = self.now.named.get(name) {
            return Some(set);
        }
        match (name, &self.token) {
            ("request.jwt.claims", Some(claims)) => Some(claims.text()),
            _ => self.ambient.get(name),
        }
    }

    /// `SET name = value`.
    pub(crate) fn set(&mut self, name: &str, value: &str, lasting: Lasting) {
        if name == "request.jwt.claims" {
            self.claims = None;
        }
        self.change(lasting, |values| {
            values.named.insert(name.to_owned(), value.to_owned());
        });
    }

    /// `SET ROLE`.
    pub(crate) fn set_role(&mut self, role: &str, lasting: Lasting) {
        self.change(lasting, |values| role.clone_into(&mut values.role));
    }

    /// `SET search_path`.
    pub(crate) fn set_search_path(&mut self, path: &[String], lasting: Lasting) {
        let path = Arc::new(path.to_vec());
        self.change(lasting, |values| values.search_path = path.clone());
    }

    fn change(&mut self, lasting: Lasting, change: impl Fn(&mut Values)) {
        change(Arc::make_mut(&mut self.now));
        if lasting == Lasting::Session {
            change(Arc::make_mut(&mut self.kept));
        }
    }

    /// The token's claims; null when there are none or they are no JSON.
    pub(crate) fn claims(&mut self) -> Arc<serde_json::Value> {
        if let Some(claims) = &self.claims {
            return claims.clone();
        }
        let parsed = self
            .get("request.jwt.claims")
            .and_then(|text| serde_json::from_str(text).ok());
        let claims = Arc::new(parsed.unwrap_or(serde_json::Value::Null));
        self.claims = Some(claims.clone());
        claims
    }

    /// The transaction is kept: what it set for itself alone ends.
    pub(crate) fn commit(&mut self) {
        self.claims = None;
        self.now = self.kept.clone();
    }

    /// A place to come back to.
    pub(crate) fn mark(&self) -> SettingsMark {
        SettingsMark {
            now: self.now.clone(),
            kept: self.kept.clone(),
        }
    }

    /// Takes back what was set since the mark.
    pub(crate) fn undo(&mut self, mark: &SettingsMark) {
        if !Arc::ptr_eq(&self.now, &mark.now) {
            self.claims = None;
        }
        self.now = mark.now.clone();
        self.kept = mark.kept.clone();
    }

    /// Takes the role, the search path and these settings back to what they were, as at the end of a function.
    pub(crate) fn leave_function(&mut self, mark: &SettingsMark, own: &[&str]) {
        let outer = mark.now.clone();
        let values = Arc::make_mut(&mut self.now);
        outer.role.clone_into(&mut values.role);
        for name in own {
            if *name == "search_path" {
                values.search_path = outer.search_path.clone();
            }
            match outer.named.get(*name) {
                Some(value) => values.named.insert((*name).to_owned(), value.clone()),
                None => values.named.remove(*name),
            };
        }
    }
}

/// The search path that a setting means; the system's own schema is always in it.
pub(crate) fn search_path(path: &[String]) -> Vec<String> {
    let mut full = vec!["pg_catalog".to_owned()];
    full.extend(
        path.iter()
            .flat_map(|part| part.split(','))
            .map(|part| part.trim().trim_matches('"').to_owned())
            .filter(|part| !part.is_empty() && part != "$user" && part != "pg_catalog"),
    );
    full
}

/// A search path as `SHOW` shows it.
pub(crate) fn shown_path(path: &[String]) -> String {
    if *path == *crate::translate::default_search_path() {
        return "\"$user\", public, extensions".to_owned();
    }
    let shown: Vec<String> = path
        .iter()
        .filter(|schema| *schema != "pg_catalog")
        .map(|schema| plinth_sql::print::ident(schema))
        .collect();
    shown.join(", ")
}
