//! `GET /openapi.json`: the description of this service, kept as a file.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

/// A test compares its paths with [`super::ROUTES`].
const DOCUMENT: &str = include_str!("openapi.json");

/// Open to everybody: it tells nothing of a shop.
pub(crate) async fn show() -> Response {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::DOCUMENT;
    use crate::http::ROUTES;

    #[test]
    fn the_document_has_every_route_and_no_other() {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let mut described = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys() {
                described.insert((method.to_uppercase(), path.clone()));
            }
        }
        let served: BTreeSet<(String, String)> = ROUTES
            .iter()
            .map(|(method, path)| ((*method).to_owned(), (*path).to_owned()))
            .collect();
        assert_eq!(described, served);
    }

    #[test]
    fn every_operation_lists_what_it_may_answer() {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        for (method, path) in ROUTES {
            let operation = &document["paths"][path][method.to_lowercase()];
            let is_write = operation["parameters"].as_array().is_some_and(|all| {
                let mut all = all.iter();
                all.any(|one| one["$ref"] == "#/components/parameters/IdempotencyKey")
            });
            let mut expected = Vec::new();
            if *path != "/openapi.json" {
                expected.extend(["503"]);
            }
            if is_write {
                expected.extend(["400", "401", "404", "409", "413", "422"]);
            }
            // Staff may do more than others, and an application may take rights away.
            if path.starts_with("/orders") || path.starts_with("/products") {
                expected.extend(["401", "403"]);
            }
            for status in expected {
                let answer = &operation["responses"][status];
                assert!(answer.is_object(), "{method} {path}: {status}");
            }
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let parts: Vec<&str> = DOCUMENT.split("\"$ref\": \"#").skip(1).collect();
        assert!(!parts.is_empty());
        for part in parts {
            let pointer = part.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
