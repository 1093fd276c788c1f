//! Databases that were there before: tables, policies and functions that others made are served as they are.

use std::path::PathBuf;

use plinth_testkit::http::Request;
use plinth_testkit::postgres::guarded::Guarded;
use serde_json::{Value, json};

use crate::Servers;
use crate::node::{Application, Node, good, is_error};

/// A shop, as somebody makes it who has never heard of us. What our own dialect does not know is there as well.
const SHOP: &str = r#"
create schema private;
create type progress as enum ('open', 'paid');
create domain positive as integer check (value > 0);
create table categories (id smallint primary key, name varchar(15) not null, picture bytea);
create table suppliers (id serial primary key, company varchar(40) not null, country text);
create table products (
  id smallint primary key,
  name varchar(40) not null,
  supplier_id integer references suppliers,
  category_id smallint references categories,
  price real,
  discontinued boolean not null default false,
  tags text[],
  details jsonb
);
create table customers (code char(5) primary key, company text not null, login uuid);
create table orders (
  id bigint generated always as identity primary key,
  customer char(5) not null references customers,
  ordered date not null default date '2025-05-05',
  freight numeric(10,2),
  progress progress not null default 'open'
);
create table order_lines (
  order_id bigint references orders on delete cascade,
  product_id smallint references products,
  quantity smallint not null check (quantity > 0),
  unit_price real not null,
  primary key (order_id, product_id)
);
create table stock (product_id smallint primary key references products, amount positive);
create table measured (at timestamptz not null, value double precision) partition by range (at);
create table measured_2025 partition of measured for values from ('2025-01-01') to ('2026-01-01');
create table people (id integer primary key);
create table members (since date) inherits (people);
create view order_totals as
  select order_id, sum(quantity * unit_price)::numeric(12,2) as total from order_lines group by order_id;
create materialized view per_category as select category_id, count(*) as products from products group by category_id;
create index on orders using brin (ordered);
create aggregate longest (text) (sfunc = textcat, stype = text, initcond = '');
create operator === (leftarg = text, rightarg = text, function = texteq);
create rule quiet as on delete to stock do instead nothing;
create procedure tidy() language sql as $$ delete from orders where progress = 'paid' $$;
create function private.caller() returns uuid language sql stable as
  $$ select (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$;
create function product_count(category smallint) returns bigint language sql stable as
  $$ select count(*) from products where category_id = category $$;
create function place_order(customer char, product smallint, quantity smallint) returns bigint language plpgsql as
  $$ declare made bigint;
     begin
       insert into orders (customer) values (customer) returning id into made;
       insert into order_lines select made, id, place_order.quantity, price from products where id = product;
       return made;
     end $$;
create function keep_freight() returns trigger language plpgsql as
  $$ begin new.freight := coalesce(new.freight, 0); return new; end $$;
create trigger freight before insert on orders for each row execute function keep_freight();
alter table customers enable row level security;
alter table orders enable row level security;
create policy own on customers for select using (login = private.caller());
create policy own on orders using (
  exists (select from customers c where c.code = orders.customer and c.login = private.caller()));
grant usage on schema private to public;
insert into categories values (1, 'Beverages', '\xdeadbeef'), (2, 'Condiments', null);
insert into suppliers (company, country) values ('Exotic', 'UK');
insert into products values
  (1, 'Chai', 1, 1, 18, false, '{a,b}', '{"x": 1}'), (2, 'Chang', 1, 1, 19, false, null, null),
  (3, 'Aniseed', 1, 2, 10, true, null, null);
insert into customers values ('ALFKI', 'Alfreds', null), ('BOLID', 'Bolido', null);
insert into orders (customer, freight) values ('ALFKI', 1.5), ('BOLID', 2);
insert into order_lines values (1, 1, 2, 18), (1, 2, 1, 19), (2, 3, 5, 10);
insert into stock values (1, 5);
insert into measured values ('2025-05-05 00:00Z', 1.5);
refresh materialized view per_category;
"#;

/// A dump as somebody brings it.
const DUMP: &str = include_str!("attach/trader.sql");

/// Everything about the tables but who may reach them.
const DEFINITIONS: &str = "
select c.relname, c.relkind, c.relrowsecurity, pg_get_userbyid(c.relowner), a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull
  from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
 where c.relnamespace = 'public'::regnamespace order by c.relname, a.attnum;
select policyname, tablename, roles, cmd, qual, with_check from pg_policies where schemaname = 'public' order by 1, 2;
select conname, pg_get_constraintdef(oid) from pg_constraint where connamespace = 'public'::regnamespace order by 1, 2;
select proname, prosrc, proacl from pg_proc where pronamespace = 'public'::regnamespace order by 1, 2;";

/// Numbers are compared as they are written.
fn document(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

pub(crate) fn a_database_made_with_psql_is_served_as_it_is(servers: &Servers) {
    let server = &servers.shared;
    let database = server.database().unwrap();
    server.sql(&database, SHOP).unwrap();
    let before = server.sql(&database, DEFINITIONS).unwrap();
    let node = Application::new(&server.url(&database), &[]).start();
    assert_eq!(server.sql(&database, DEFINITIONS).unwrap(), before);

    for (target, rows) in [
        (
            "products?select=id,name,categories(name),suppliers(company)&order=id&limit=1",
            r#"[{"id": 1, "name": "Chai", "categories": {"name": "Beverages"}, "suppliers": {"company": "Exotic"}}]"#,
        ),
        (
            "products?select=tags,details,price&id=eq.1",
            r#"[{"tags": ["a", "b"], "details": {"x": 1}, "price": 18}]"#,
        ),
        (
            "categories?select=name,picture&order=id",
            r#"[{"name": "Beverages", "picture": "\\xdeadbeef"}, {"name": "Condiments", "picture": null}]"#,
        ),
        (
            "orders?select=id,progress,freight,order_lines(quantity,products(name))&order=id&limit=1",
            r#"[{"id": 1, "progress": "open", "freight": 1.50, "order_lines": [
                {"quantity": 2, "products": {"name": "Chai"}}, {"quantity": 1, "products": {"name": "Chang"}}]}]"#,
        ),
        (
            "order_totals?order=order_id",
            r#"[{"order_id": 1, "total": 55.00}, {"order_id": 2, "total": 50.00}]"#,
        ),
        (
            "per_category?order=category_id",
            r#"[{"category_id": 1, "products": 2}, {"category_id": 2, "products": 1}]"#,
        ),
        ("stock", r#"[{"product_id": 1, "amount": 5}]"#),
        (
            "measured",
            r#"[{"at": "2025-05-05T00:00:00+00:00", "value": 1.5}]"#,
        ),
        ("members", "[]"),
        ("rpc/product_count?category=1", "2"),
    ] {
        let read = node.read_as_admin(&format!("/rest/v1/{target}"));
        assert_eq!(read, document(rows), "{target}");
    }
    let order = Request::post(
        "/rest/v1/rpc/place_order",
        r#"{"customer": "ALFKI", "product": 2, "quantity": 3}"#,
    );
    assert_eq!(good("a function", &node.ask_as_admin(&order)), json!(3));
    let placed =
        node.read_as_admin("/rest/v1/orders?select=freight,order_lines(unit_price)&id=eq.3");
    let traced = r#"[{"freight": 0.00, "order_lines": [{"unit_price": 19}]}]"#;
    assert_eq!(placed, document(traced), "the trigger ran");
    let api = node.read_as_admin("/rest/v1/");
    for path in [
        "/orders",
        "/order_totals",
        "/per_category",
        "/measured",
        "/rpc/place_order",
    ] {
        assert!(api["paths"][path].is_object(), "{path} is not described");
    }

    // Its policies decide for people; what they do not protect stays closed to them.
    let session = node.sign_up("alfki@example.com");
    let token = session["access_token"].as_str().unwrap();
    let id = session["user"]["id"].as_str().unwrap();
    let target = "/rest/v1/orders?select=id,customers(company)&order=id";
    assert_eq!(node.read_as(token, target), json!([]));
    let login = format!("update customers set login = '{id}' where code = 'ALFKI'");
    server.sql(&database, &login).unwrap();
    let own = json!([
        { "id": 1, "customers": { "company": "Alfreds" } },
        { "id": 3, "customers": { "company": "Alfreds" } }
    ]);
    assert_eq!(node.read_as(token, target), own);
    assert_eq!(node.read(target), json!([]));
    for closed in [
        "products",
        "order_lines",
        "order_totals",
        "per_category",
        "stock",
    ] {
        let request = Request::get(&format!("/rest/v1/{closed}"));
        is_error(&node.ask(&request), 401, "42501");
        is_error(&node.ask_as(token, &request), 403, "42501");
    }
}

pub(crate) fn a_dump_is_served_as_it_is(servers: &Servers) {
    let server = &servers.shared;
    let database = server.database().unwrap();
    server.sql(&database, DUMP).unwrap();
    let node = all_is_served(server, &database);
    for (target, rows) in [
        (
            "orders?select=order_id,customers(company_name),order_details(quantity,products(product_name))&order_id=eq.10&order_details.order=product_id",
            r#"[{"order_id": 10, "customers": {"company_name": "Heron & Daughters"}, "order_details": [
                {"quantity": 12, "products": {"product_name": "Smoky"}}, {"quantity": 2, "products": {"product_name": "Vellum"}}]}]"#,
        ),
        (
            "employees?select=last_name,territories(territory_description)&employee_id=eq.2",
            r#"[{"last_name": "Berg", "territories": [{"territory_description": "Hills"}]}]"#,
        ),
        (
            "employees?select=photo,notes&employee_id=eq.1",
            r#"[{"photo": "\\x00ff", "notes": "two\nlines and a \\"}]"#,
        ),
        (
            "order_subtotals?order=order_id",
            r#"[{"order_id": 10, "subtotal": 225.50}, {"order_id": 11, "subtotal": 19.50}]"#,
        ),
        (
            "open_orders",
            r#"[{"order_id": 11, "company_name": "Otter's \"Mill\""}]"#,
        ),
        ("rpc/stock_value?category=1", "1033.50"),
        (
            "rpc/orders_of?customer=HERON&select=order_id,freight",
            r#"[{"order_id": 10, "freight": 32.38}]"#,
        ),
    ] {
        let read = node.read_as_admin(&format!("/rest/v1/{target}"));
        assert_eq!(read, document(rows), "{target}");
    }
    // Its numbers go on where they were.
    let made = Request::post(
        "/rest/v1/suppliers?select=supplier_id",
        r#"{"company_name": "New"}"#,
    );
    let made = node.ask_as_admin(&made.header("prefer", "return=representation"));
    assert_eq!(good("a supplier", &made), json!([{ "supplier_id": 3 }]));
    let closed = node.ask(&Request::get("/rest/v1/products"));
    is_error(&closed, 401, "42501");
}

/// The dump of Northwind in the folder that `PLINTH_SAMPLES` names, if it does.
pub(crate) fn northwind() -> Option<PathBuf> {
    let folder = std::env::var_os("PLINTH_SAMPLES").map(PathBuf::from)?;
    Some(folder.join("northwind.sql"))
}

pub(crate) fn northwind_is_served_as_it_is(servers: &Servers) {
    let file = northwind().expect("PLINTH_SAMPLES names a folder of PostgreSQL dumps");
    let server = &servers.shared;
    let database = server.database().unwrap();
    server.load(&database, &file).unwrap();
    let node = all_is_served(server, &database);
    let order = "/rest/v1/orders?select=order_id,customers(company_name),order_details(quantity,products(product_name))&order_id=eq.10248";
    assert_eq!(
        node.read_as_admin(order),
        json!([{
            "order_id": 10248,
            "customers": { "company_name": "Vins et alcools Chevalier" },
            "order_details": [
                { "quantity": 12, "products": { "product_name": "Queso Cabrales" } },
                { "quantity": 10, "products": { "product_name": "Singaporean Hokkien Fried Mee" } },
                { "quantity": 5, "products": { "product_name": "Mozzarella di Giovanni" } }
            ]
        }])
    );
}

/// Serves a database of a dump, and fails unless it stays as it is, and each table and view shows all its rows.
fn all_is_served(server: &Guarded, database: &str) -> Node {
    let before = server.sql(database, DEFINITIONS).unwrap();
    let node = Application::new(&server.url(database), &[]).start();
    assert_eq!(server.sql(database, DEFINITIONS).unwrap(), before);
    let names = "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v') order by 1";
    let names = server.sql(database, names).unwrap();
    assert!(names.lines().count() >= 14, "{names}");
    for name in names.lines() {
        let count = server.sql(database, &format!("select count(*) from {name}"));
        let all = Request::get(&format!("/rest/v1/{name}?limit=1")).header("prefer", "count=exact");
        let answer = node.ask_as_admin(&all);
        good(name, &answer);
        let total = format!("/{}", count.unwrap().trim());
        let range = answer
            .head
            .lines()
            .find(|line| line.starts_with("content-range"));
        assert!(
            range.is_some_and(|range| range.ends_with(&total)),
            "{name}: {range:?}"
        );
    }
    node
}
