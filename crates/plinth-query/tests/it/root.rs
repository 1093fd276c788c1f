//! The description of the schema.

use expect_test::expect;
use plinth_query::openapi::{self, About};
use serde_json::Value;

use crate::{schema, show};

fn document(role: &str) -> Value {
    let catalog = schema::catalog();
    let about = About {
        title: "shop",
        version: "1",
        scheme: "http",
        host: "127.0.0.1:54321",
        base_path: "/rest/v1",
    };
    let mut cx = show::context(&catalog);
    cx.role = role;
    openapi::document(&cx, &about)
}

#[test]
fn definitions_have_types_keys_and_enums() {
    let document = document("anon");
    let shown = |name: &str| serde_json::to_string_pretty(&document["definitions"][name]).unwrap();
    expect![[r#"
        {
          "description": "Who buys",
          "required": [
            "id"
          ],
          "type": "object",
          "properties": {
            "id": {
              "format": "integer",
              "type": "integer",
              "description": "Note:\nThis is a Primary Key.<pk/>"
            },
            "name": {
              "format": "text",
              "type": "string"
            },
            "mood": {
              "format": "public.mood",
              "type": "string",
              "enum": [
                "sad",
                "happy"
              ]
            }
          }
        }"#]]
    .assert_eq(&shown("clients"));
    expect![[r#"
        {
          "required": [
            "id"
          ],
          "type": "object",
          "properties": {
            "id": {
              "format": "integer",
              "type": "integer",
              "description": "Note:\nThis is a Primary Key.<pk/>"
            },
            "client_id": {
              "format": "integer",
              "type": "integer",
              "description": "Note:\nThis is a Foreign Key to `clients.id`.<fk table='clients' column='id'/>"
            },
            "total": {
              "format": "numeric",
              "type": "number"
            },
            "tags": {
              "format": "text[]",
              "type": "array",
              "items": {
                "format": "text",
                "type": "string"
              }
            },
            "data": {
              "format": "jsonb"
            },
            "raw": {
              "format": "json"
            },
            "paid": {
              "format": "boolean",
              "type": "boolean"
            },
            "placed at": {
              "format": "timestamp with time zone",
              "type": "string"
            }
          }
        }"#]].assert_eq(&shown("orders"));
}

#[test]
fn paths_list_verbs_and_functions() {
    let document = document("anon");
    let paths = document["paths"].as_object().unwrap();
    let shown: Vec<String> = paths
        .iter()
        .map(|(path, verbs)| {
            let verbs: Vec<&str> = verbs
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            format!("{path} {}", verbs.join(" "))
        })
        .collect();
    expect![[r#"
        / get
        /addresses get post patch delete
        /big_orders get post patch delete
        /clients get post patch delete
        /employees get post patch delete
        /items get post patch delete
        /labels get post patch delete
        /log get post patch delete
        /order_labels get post patch delete
        /orders get post patch delete
        /profiles get post patch delete
        /shipments get post patch delete
        /rpc/add get post
        /rpc/hook post
        /rpc/one_order get post
        /rpc/orders_of get post
        /rpc/ping post
        /rpc/totals post
        /rpc/twin get post
        /rpc/words get post"#]]
    .assert_eq(&shown.join("\n"));
}

#[test]
fn what_the_role_may_not_see_is_not_there() {
    let text = document("anon").to_string();
    assert!(!text.contains("secret"));
    assert!(!text.contains("notes"));
    assert!(
        document("stranger")["definitions"]
            .as_object()
            .unwrap()
            .is_empty()
    );
}

#[test]
fn references_lead_somewhere() {
    fn walk(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|value| walk(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| walk(value, found)),
            _ => {}
        }
    }
    let document = document("anon");
    let mut found = Vec::new();
    walk(&document, &mut found);
    assert!(found.len() > 20);
    for reference in found {
        let (part, name) = reference
            .strip_prefix("#/")
            .unwrap()
            .split_once('/')
            .unwrap();
        assert!(document[part].get(name).is_some(), "{reference}");
    }
}
