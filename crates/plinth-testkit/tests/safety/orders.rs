//! What the tests write: orders, whose halves would be seen.

use std::collections::HashSet;
use std::path::Path;

use plinth_db::migrations::apply_system;
use plinth_db::{
    AutoExpose, Clock, Db, Durability, Error, OpenOptions, Param, ScriptOptions, Session,
};

/// An order and its lines are written by one call, the stock by a trigger, the log by another.
pub(crate) const SCHEMA: &str = "
create table orders (id bigint primary key, writer int not null);
create table lines (order_id bigint not null references orders (id), product int not null, quantity int not null,
  primary key (order_id, product));
create table stock (product int primary key, sold bigint not null default 0);
create table journal (id bigint generated always as identity primary key, order_id bigint not null unique);
insert into stock select n from generate_series(1, 3) n;

create function take_stock() returns trigger language plpgsql as $$
begin
  update stock set sold = sold + new.quantity where product = new.product;
  return new;
end $$;
create trigger take_stock after insert on lines for each row execute function take_stock();

create function note_order() returns trigger language plpgsql as $$
begin
  insert into journal (order_id) values (new.id);
  return null;
end $$;
create trigger note_order after insert on orders for each row execute function note_order();

create function place_order(id bigint, writer int) returns bigint language plpgsql as $$
begin
  insert into orders values (place_order.id, place_order.writer);
  insert into lines select place_order.id, n, 1 + (place_order.id + n) % 5 from generate_series(1, 3) n;
  return place_order.id;
end $$;
";

/// Rows where each must be none: half an order, an effect without its cause or a cause without its effect.
pub(crate) const HALVES: &str = "
select 'order without three lines', o.id from orders o where (select count(*) from lines l where l.order_id = o.id) <> 3
union all select 'order without journal', o.id from orders o where not exists (select 1 from journal j where j.order_id = o.id)
union all select 'journal without order', j.order_id from journal j where not exists (select 1 from orders o where o.id = j.order_id)
union all select 'stock', s.product from stock s
  where s.sold <> (select coalesce(sum(quantity), 0) from lines l where l.product = s.product)";

/// A database under one folder, with that schema in place.
pub(crate) async fn open(folder: &Path, durability: Durability) -> Db {
    let db = reopen(folder, durability);
    apply_system(
        &db,
        &[
            plinth_db::base_module(),
            plinth_auth::module(),
            plinth_storage::module(),
        ],
    )
    .await
    .unwrap();
    let session = Session::role("postgres");
    let options = ScriptOptions::default();
    let run = db.script(&session, SCHEMA.to_owned(), options, |outcome| {
        outcome.result.unwrap();
    });
    run.await.unwrap();
    db
}

/// The database as it is there.
pub(crate) fn reopen(folder: &Path, durability: Durability) -> Db {
    Db::open(OpenOptions {
        path: folder.join("plinth.db"),
        clock: Clock::system(),
        auto_expose: AutoExpose::None,
        durability,
    })
    .unwrap()
}

/// Places an order; done when it counts.
pub(crate) async fn place(db: &Db, id: u64) -> Result<(), Error> {
    db.transaction(&Session::role("service_role"), move |tx| {
        let call = "select place_order($1, 1)";
        tx.query(call, &[Param::from(i64::try_from(id).unwrap())])?;
        Ok::<_, Error>(())
    })
    .await
}

/// What is wrong with the orders: acknowledged ones that are gone, and halves of any.
pub(crate) async fn faults(db: &Db, acknowledged: &[u64]) -> Result<Option<String>, Error> {
    let session = Session::role("service_role");
    let halves = db.query(&session, HALVES, Vec::new()).await?;
    if let Some(half) = halves.iter().next() {
        return Ok(Some(format!("{half:?}")));
    }
    let orders = db
        .query(&session, "select id::text from orders", Vec::new())
        .await?;
    let there = orders
        .iter()
        .map(|row| row.text("id"))
        .collect::<Result<HashSet<_>, _>>()?;
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|id| !there.contains(&id.to_string()))
        .collect();
    Ok((!lost.is_empty()).then(|| format!("lost {lost:?}")))
}
