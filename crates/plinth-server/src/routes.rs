//! All routes by method and pattern, for the test that asks of each who may use it.

use std::sync::LazyLock;

/// What a [`Site`](crate::Site) answers, apart from preflights.
pub fn routes() -> &'static [(&'static str, &'static str)] {
    static ALL: LazyLock<Vec<(&'static str, &'static str)>> = LazyLock::new(|| {
        let own = [("GET", "/"), ("GET", "/health"), ("GET", "/health/live")];
        // Leaked once in the life of a process, and only by those who ask.
        let under = |prefix: &'static str, routes: &'static [(&'static str, &'static str)]| {
            routes
                .iter()
                .map(move |(method, path)| (*method, &*format!("{prefix}{path}").leak()))
        };
        let rest = under("/rest/v1", plinth_rest::ROUTES);
        let auth = under("/auth/v1", plinth_auth::ROUTES);
        let storage = under(plinth_storage::PREFIX, plinth_storage::ROUTES);
        let commerce = under(plinth_commerce::PREFIX, plinth_commerce::ROUTES);
        own.into_iter()
            .chain(rest)
            .chain(auth)
            .chain(storage)
            .chain(commerce)
            .collect()
    });
    &ALL
}
