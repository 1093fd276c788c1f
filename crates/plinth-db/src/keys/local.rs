//! The keys of local development: the same on every machine, and in many projects' `.env` files.

use super::format::sign;
use super::{DEMO_JWT_SECRET, Keys, Sealer, Secret};

const PUBLISHABLE: &str = "sb_publishable_ACJWlzQHlZjBrEguHvfOxg_3BJgxAaH";
const SECRET: &str = "sb_secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz";

pub(super) fn keys() -> Keys {
    Keys {
        root: Secret::new(DEMO_JWT_SECRET),
        jwt_secret: Secret::new(DEMO_JWT_SECRET),
        signs_from: None,
        anon_jwt: token("anon"),
        service_role_jwt: Secret::new(token("service_role")),
        publishable: PUBLISHABLE.to_owned(),
        secret: Secret::new(SECRET),
        sealer: Sealer::local(),
        old: Vec::new(),
    }
}

/// The order of the claims is part of the key.
fn token(role: &str) -> String {
    sign(
        DEMO_JWT_SECRET,
        &format!(r#"{{"iss":"supabase-demo","role":"{role}","exp":1983812996}}"#),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_tokens_are_the_well_known_ones() {
        let keys = keys();
        assert_eq!(
            keys.anon_jwt,
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
             eyJpc3MiOiJzdXBhYmFzZS1kZW1vIiwicm9sZSI6ImFub24iLCJleHAiOjE5ODM4MTI5OTZ9.\
             CRXP1A7WOeoJeXxjNni43kdQwgnWNReilDMblYTn_I0"
        );
        assert_eq!(
            keys.service_role_jwt.expose(),
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
             eyJpc3MiOiJzdXBhYmFzZS1kZW1vIiwicm9sZSI6InNlcnZpY2Vfcm9sZSIsImV4cCI6MTk4MzgxMjk5Nn0.\
             EGIM96RAZx35lJzdJsyH-qQwv8Hdp7fsn3W0YpN81IU"
        );
    }

    #[test]
    fn local_opaque_keys_have_the_usual_lengths() {
        assert_eq!(PUBLISHABLE.len(), "sb_publishable_".len() + 22 + 1 + 8);
        assert_eq!(SECRET.len(), "sb_secret_".len() + 22 + 1 + 8);
    }
}
