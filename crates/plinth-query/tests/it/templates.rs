//! Requests of one shape are planned once: what a template gives for a request is what planning it would.

use plinth_query::body;
use plinth_query::plan::{self, InsertTemplate, Shape, Template};
use plinth_query::request;
use plinth_sql::shape::{Argument, Fetch, FieldValue};

use crate::schema;
use crate::show::{asked, context};

/// Everything in a statement but its values, then these.
fn flat(fetch: &Fetch, values: &[Option<String>], out: &mut Vec<String>) {
    out.push(format!("{:?}", fetch.statement));
    let texts: Vec<_> = fetch
        .params
        .iter()
        .map(|param| param.text(values))
        .collect();
    out.push(format!("{texts:?}"));
    for field in &fetch.fields {
        out.push(field.key.clone());
        if let FieldValue::Embed(embed) = &field.value {
            flat(&embed.fetch, values, out);
        }
    }
}

/// Plans `url` by itself and from the template of `model`, which has the same shape.
fn check_read(model: &str, url: &str) {
    let catalog = schema::catalog();
    let cx = context(&catalog);
    let asked = asked("count=exact", None);
    let shape = |url: &str| {
        let (name, query) = url.split_once('?').unwrap();
        Shape::of(&[name], query).unwrap()
    };
    let (name, query) = url.split_once('?').unwrap();
    assert_eq!(shape(model).key, shape(url).key);
    let template = Template::read(name, &shape(model), &cx, &asked)
        .unwrap()
        .unwrap();
    let filled = template.plan(shape(url).values);
    let planned = plan::read(&request::parse(name, query).unwrap(), &cx, &asked).unwrap();
    let all = |plan: &plan::ReadPlan| {
        let read = &plan.read;
        let mut out = Vec::new();
        flat(&read.what.fetch, &read.values, &mut out);
        let count = read.what.count.as_ref().unwrap();
        let texts = count.params.iter().map(|param| param.text(&read.values));
        out.push(format!("{:?} {:?}", count.query, texts.collect::<Vec<_>>()));
        out.push(format!(
            "{:?} {:?} {:?}",
            plan.window, plan.media, plan.applied
        ));
        out
    };
    assert_eq!(all(&filled), all(&planned), "{url}");
}

#[test]
fn values_of_comparisons_find_their_places() {
    check_read("orders?id=eq.1", "orders?id=eq.2");
    check_read(
        "orders?id=gt.1&id=lte.9&order=id.desc&limit=3",
        "orders?id=gt.20&id=lte.5&order=id.desc&limit=3",
    );
    check_read("orders?id=eq.1", "orders?id=eq.a%20b%2Cc");
    check_read("orders?id=eq.", "orders?id=eq.+x");
    check_read(
        "orders?select=id,clients(name),items(name)&clients.id=eq.1&items.id=gt.2&id=neq.3",
        "orders?select=id,clients(name),items(name)&clients.id=eq.7&items.id=gt.8&id=neq.9",
    );
}

#[test]
fn what_is_no_value_is_part_of_the_shape() {
    let key = |query: &str| Shape::of(&["t"], query).map(|shape| shape.key);
    for (one, other) in [
        ("id=eq.1", "id=neq.1"),
        ("id=eq.1", "id=not.eq.1"),
        ("id=eq.1", "no=eq.1"),
        ("limit=1", "limit=2"),
        ("id=in.(1)", "id=in.(2)"),
        ("id=like.a*", "id=like.b*"),
        ("or=(a.eq.1)", "or=(a.eq.2)"),
        ("select=eq.a", "select=eq.b"),
        ("a.or=eq.1", "a.or=eq.2"),
        ("order=eq.a", "order=eq.b"),
        ("data->>a=eq.1", "data->>a=eq.2"),
    ] {
        assert_ne!(key(one), key(other), "{one} {other}");
    }
    assert_eq!(key("a.id=eq.1"), key("a.id=eq.2"));
}

#[test]
fn what_could_be_mistaken_has_no_shape() {
    for query in [
        "id=like.\u{1}0\u{1}&no=eq.1",
        "id=like.%010%01",
        "id=eq.%ff",
        "id=eq.%00",
    ] {
        assert_eq!(Shape::of(&["t"], query), None, "{query}");
    }
    assert_eq!(Shape::of(&["t\0"], "id=eq.1"), None);
    assert_eq!(Shape::of(&["t"], &"a".repeat(5000)), None);
    // As a value it is one like any other.
    let shape = Shape::of(&["t"], "id=eq.%011%01&no=eq.2").unwrap();
    assert_eq!(
        shape.values,
        [Some("\u{1}1\u{1}".to_owned()), Some("2".to_owned())]
    );
}

#[test]
fn a_row_finds_its_places() {
    let catalog = schema::catalog();
    let cx = context(&catalog);
    let asked = asked("return=representation", None);
    let request = request::parse("orders", "").unwrap();
    let row = |json: &'static str| body::rows(None, json.as_bytes(), None).unwrap();
    let (first, second) = (
        row(r#"{"id":1,"tags":["a"]}"#),
        row(r#"{"id":null,"tags":["b\n",null]}"#),
    );
    let shape = |payload: &body::Payload<'_>| Shape::of_row(&["orders"], "", payload);
    assert!(shape(&first).is_some());
    assert_eq!(shape(&first), shape(&second));
    assert_ne!(shape(&first), shape(&row(r#"{"id":1}"#)));
    assert_eq!(shape(&row(r#"[{"id":1},{"id":2}]"#)), None);
    assert_eq!(shape(&row("{}")), None);

    let of_first = plan::insert(&request, &first, &cx, &asked).unwrap();
    let template = InsertTemplate::of(&of_first, "orders", &first, &cx)
        .unwrap()
        .unwrap();
    let filled = template.plan(&second).unwrap().write.unwrap();
    let planned = plan::insert(&request, &second, &cx, &asked)
        .unwrap()
        .write
        .unwrap();
    let all = |write: &plinth_sql::shape::Filled<plinth_sql::shape::Write>| {
        let mut out = Vec::new();
        flat(&write.what.fetch, &write.values, &mut out);
        out
    };
    assert_eq!(all(&filled), all(&planned));
    assert!(
        filled
            .what
            .fetch
            .params
            .iter()
            .all(|param| matches!(param, Argument::Slot(_)))
    );
}
