//! A small shop, built by hand.

use std::sync::Arc;

use plinth_sql::ast::{
    ArgMode, Deferrable, Expr, ForeignKeyAction, FromItem, ObjectName, Query, Select, SelectItem,
    TableAlias, Volatility,
};
use plinth_sql::catalog::{
    Acl, Argument, Catalog, Column, Constraint, ConstraintKind, EnumType, ForeignKey, Function,
    Privilege, QName, Relation, RelationKind, Returns, Role, Schema, Table, View,
};
use plinth_sql::types::Type;

/// Everything is open to `anon` but the table `secrets` and the column `clients.notes`.
pub(crate) fn catalog() -> Catalog {
    let mut catalog = Catalog::default();
    for role in ["anon", "service_role"] {
        catalog.roles.insert(role.to_owned(), Role::default());
    }
    let schema = Schema {
        owner: "postgres".to_owned(),
        acl: open(),
        comment: None,
    };
    catalog.schemas.insert("public".to_owned(), schema);
    let mood = Type::Enum(Arc::new(public("mood")));
    let kind = EnumType {
        oid: 1,
        name: public("mood"),
        owner: "postgres".to_owned(),
        labels: vec!["sad".to_owned(), "happy".to_owned()],
        comment: None,
    };
    catalog.enums.insert(public("mood"), Arc::new(kind));

    let text = || Type::Text;
    let int = || Type::Int4;
    let mut clients = table(
        "clients",
        [
            ("id", int()),
            ("name", text()),
            ("mood", mood),
            ("notes", text()),
        ],
    );
    clients.acl = Acl::default();
    for column in clients
        .columns
        .iter_mut()
        .filter(|column| column.name != "notes")
    {
        column.acl = open();
    }
    clients.comment = Some("Who buys".to_owned());
    add(&mut catalog, clients, &["id"], &[]);
    let orders = table(
        "orders",
        [
            ("id", int()),
            ("client_id", int()),
            ("total", Type::Numeric),
            ("tags", text().array()),
            ("data", Type::Jsonb),
            ("raw", Type::Json),
            ("paid", Type::Bool),
            ("placed at", Type::Timestamptz),
        ],
    );
    add(&mut catalog, orders, &["id"], &[("client_id", "clients")]);
    let items = table(
        "items",
        [("id", int()), ("order_id", int()), ("name", text())],
    );
    add(&mut catalog, items, &["id"], &[("order_id", "orders")]);
    let profiles = table("profiles", [("client_id", int()), ("bio", text())]);
    add(
        &mut catalog,
        profiles,
        &["client_id"],
        &[("client_id", "clients")],
    );
    let employees = table(
        "employees",
        [("id", int()), ("name", text()), ("boss_id", int())],
    );
    add(
        &mut catalog,
        employees,
        &["id"],
        &[("boss_id", "employees")],
    );
    let labels = table("labels", [("id", int()), ("word", text())]);
    add(&mut catalog, labels, &["id"], &[]);
    let order_labels = table("order_labels", [("order_id", int()), ("label_id", int())]);
    add(
        &mut catalog,
        order_labels,
        &["order_id", "label_id"],
        &[("order_id", "orders"), ("label_id", "labels")],
    );
    let addresses = table("addresses", [("id", int()), ("street", text())]);
    add(&mut catalog, addresses, &["id"], &[]);
    let shipments = table(
        "shipments",
        [("id", int()), ("from_id", int()), ("to_id", int())],
    );
    add(
        &mut catalog,
        shipments,
        &["id"],
        &[("from_id", "addresses"), ("to_id", "addresses")],
    );
    add(&mut catalog, table("log", [("line", text())]), &[], &[]);
    let mut secrets = table("secrets", [("id", int()), ("secret", text())]);
    secrets.acl = Acl::default();
    add(&mut catalog, secrets, &["id"], &[]);
    let view = view(&catalog);
    catalog.relations.insert(view.name.clone(), Arc::new(view));
    functions(&mut catalog);
    catalog
}

fn public(name: &str) -> QName {
    QName::new("public", name)
}

fn open() -> Acl {
    let mut acl = Acl::default();
    acl.grant("anon", Privilege::ALL_ON_TABLE);
    acl.grant("anon", [Privilege::Usage, Privilege::Execute]);
    acl
}

fn column(name: &str, ty: Type) -> Column {
    Column {
        name: name.to_owned(),
        ty: ty.into(),
        not_null: name == "id",
        default: None,
        generated: None,
        identity: None,
        acl: Acl::default(),
        comment: None,
    }
}

fn table<const N: usize>(name: &str, columns: [(&str, Type); N]) -> Relation {
    Relation {
        oid: 0,
        name: public(name),
        owner: "postgres".to_owned(),
        columns: columns
            .into_iter()
            .map(|(name, ty)| column(name, ty))
            .collect(),
        acl: open(),
        comment: None,
        kind: RelationKind::Table(Table::default()),
    }
}

/// Adds a table with its primary key and foreign keys to the `id` of other tables.
fn add(catalog: &mut Catalog, mut relation: Relation, key: &[&str], foreign: &[(&str, &str)]) {
    let name = relation.name.name.clone();
    let constraint = |name: String, kind| Constraint {
        name,
        kind,
        deferrable: Deferrable::default(),
        validated: true,
    };
    if let RelationKind::Table(table) = &mut relation.kind {
        if !key.is_empty() {
            let columns = key.iter().map(|column| (*column).to_owned()).collect();
            table.constraints.push(constraint(
                format!("{name}_pkey"),
                ConstraintKind::PrimaryKey { columns },
            ));
        }
        for (column, other) in foreign {
            let key = ForeignKey {
                columns: vec![(*column).to_owned()],
                foreign_table: public(other),
                foreign_columns: vec!["id".to_owned()],
                on_delete: ForeignKeyAction::default(),
                on_delete_columns: Vec::new(),
                on_update: ForeignKeyAction::default(),
                match_full: false,
            };
            table.constraints.push(constraint(
                format!("{name}_{column}_fkey"),
                ConstraintKind::ForeignKey(key),
            ));
        }
    }
    catalog
        .relations
        .insert(relation.name.clone(), Arc::new(relation));
}

/// `select o.id, o.client_id as client, o.total * 2 as doubled from orders o`.
fn view(_: &Catalog) -> Relation {
    let item = |expr, alias: Option<&str>| SelectItem::Expr {
        expr,
        alias: alias.map(str::to_owned),
    };
    let query = Query::select(Select {
        projection: vec![
            item(Expr::qualified("o", "id"), None),
            item(Expr::qualified("o", "client_id"), Some("client")),
            item(
                Expr::binary(
                    "*",
                    Expr::qualified("o", "total"),
                    Expr::Number("2".to_owned()),
                ),
                Some("doubled"),
            ),
        ],
        from: vec![FromItem::Table {
            name: ObjectName::qualified("public", "orders"),
            alias: Some(TableAlias {
                name: "o".to_owned(),
                ..TableAlias::default()
            }),
        }],
        ..Select::default()
    });
    Relation {
        kind: RelationKind::View(View {
            query,
            security_invoker: true,
        }),
        ..table(
            "big_orders",
            [
                ("id", Type::Int4),
                ("client", Type::Int4),
                ("doubled", Type::Numeric),
            ],
        )
    }
}

fn functions(catalog: &mut Catalog) {
    let scalar = |ty| Returns {
        set: false,
        ty,
        columns: Vec::new(),
    };
    let set = |ty| Returns {
        set: true,
        ty,
        columns: Vec::new(),
    };
    let orders = Type::Row(Arc::new(public("orders")));
    let table = Returns {
        set: true,
        ty: Type::Record,
        columns: vec![
            ("day".to_owned(), Type::Date),
            ("sum".to_owned(), Type::Numeric),
        ],
    };
    let int = Type::Int4;
    let all = [
        function(
            "add",
            &[("a", int.clone(), false), ("b", int.clone(), true)],
            scalar(int.clone()),
            Volatility::Immutable,
        ),
        function(
            "orders_of",
            &[("client", int.clone(), false)],
            set(orders.clone()),
            Volatility::Stable,
        ),
        function("one_order", &[], scalar(orders), Volatility::Stable),
        function("totals", &[], table, Volatility::Volatile),
        function(
            "words",
            &[("ws", Type::Text.array(), false)],
            set(Type::Text),
            Volatility::Stable,
        ),
        function("ping", &[], scalar(Type::Void), Volatility::Volatile),
        function(
            "twin",
            &[("x", int, false)],
            scalar(Type::Text),
            Volatility::Stable,
        ),
        function(
            "twin",
            &[("x", Type::Text, false)],
            scalar(Type::Text),
            Volatility::Stable,
        ),
        function(
            "hook",
            &[("", Type::Jsonb, false)],
            scalar(Type::Jsonb),
            Volatility::Volatile,
        ),
    ];
    for function in all {
        catalog
            .functions
            .entry(function.name.clone())
            .or_default()
            .push(Arc::new(function));
    }
}

fn function(
    name: &str,
    args: &[(&str, Type, bool)],
    returns: Returns,
    volatility: Volatility,
) -> Function {
    let argument = |(name, ty, optional): &(&str, Type, bool)| Argument {
        name: (!name.is_empty()).then(|| (*name).to_owned()),
        ty: ty.clone(),
        mode: ArgMode::In,
        default: optional.then_some(Expr::Null),
    };
    Function {
        oid: 0,
        name: public(name),
        owner: "postgres".to_owned(),
        args: args.iter().map(argument).collect(),
        returns,
        language: "sql".to_owned(),
        body: Vec::new(),
        source: String::new(),
        volatility,
        strict: false,
        security_definer: false,
        settings: Vec::new(),
        acl: open(),
        comment: None,
    }
}
