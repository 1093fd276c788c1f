//! Plinth with a shop in it, and beside it the same statements by hand: one function that writes all that an order needs, as somebody would
//! write it who knows what he sells.

use std::net::SocketAddr;
use std::process::Child;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Places, free_address, json as ask, plinth, text_at};
use crate::http::{Request, send};
use crate::on_postgres::CONNECTIONS;
use crate::workload::{Chance, PASSWORD};

/// What is sold.
pub(crate) const PRODUCTS: usize = 1_000;
/// Nothing is ever sold out.
const ON_HAND: u64 = 1_000_000_000;
const AMOUNT: u64 = 1_999;

/// The same rows in the same tables. It decides nothing, knows one price, and trusts whoever calls it.
const BY_HAND: &str = "
create function by_hand(what uuid, how_many bigint, its_key text) returns uuid
  language plpgsql security definer set search_path = ''
as $$
declare
  made uuid := gen_random_uuid();
  attempt uuid := gen_random_uuid();
  offer record;
begin
  insert into commerce.idempotency (scope, key, fingerprint, holder, expires_at)
    values ('by hand', its_key, 'the digest of a body', made, now() + interval '1 day');
  select prices.id, prices.amount, products.name into offer
    from commerce.prices join commerce.products on products.id = prices.product_id and products.active
    where prices.product_id = what and prices.currency = 'EUR' and prices.active
    order by prices.created_at desc limit 1;
  insert into commerce.orders (id, user_id, currency, subtotal, discount, tax, total, provider, expires_at)
    values (made, auth.uid(), 'EUR', offer.amount * how_many, 0, 0, offer.amount * how_many, 'manual', now() + interval '1 hour');
  insert into commerce.order_lines (order_id, position, product_id, price_id, name, quantity, unit_amount, discount, tax_ppm,
                                    tax_included, tax, total)
    values (made, 1, what, offer.id, offer.name, how_many, offer.amount, 0, 0, true, 0, offer.amount * how_many);
  insert into commerce.order_events (order_id, event, to_state, actor) values (made, 'place', 'pending', 'customer');
  insert into commerce.payments (id, order_id, provider, amount, currency, state, provider_id, idempotency_key)
    values (attempt, made, 'manual', offer.amount * how_many, 'EUR', 'pending', attempt::text, attempt::text);
  update commerce.idempotency set state = 'done', status = 201, answer = jsonb_build_object('order', made)
    where scope = 'by hand' and key = its_key;
  update commerce.inventory set reserved = reserved + how_many
    where product_id = what and on_hand - reserved >= how_many;
  if not found then
    raise exception 'not enough is left';
  end if;
  insert into commerce.reservations (order_id, product_id, quantity) values (made, what, how_many);
  return made;
end
$$;
revoke execute on function by_hand(uuid, bigint, text) from public;
grant execute on function by_hand(uuid, bigint, text) to authenticated;
";

/// The server. It ends when this is dropped.
pub(crate) struct Shop {
    pub(crate) address: SocketAddr,
    child: Child,
    key: String,
    token: String,
}

/// What is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goods {
    /// One product, that everybody wants.
    Hot,
    /// Any of all.
    Any,
}

/// By which road.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Road {
    /// `POST /commerce/v1/orders`.
    Commerce,
    /// The function, through `/rest/v1/rpc`.
    ByHand,
}

impl Goods {
    /// As tables name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Goods::Hot => "one hot product",
            Goods::Any => "1,000 products",
        }
    }

    fn products(self) -> usize {
        match self {
            Goods::Hot => 1,
            Goods::Any => PRODUCTS,
        }
    }
}

impl Shop {
    /// Starts it in an empty folder, with its rows there or on a database server.
    pub(crate) fn start(places: &Places, database_url: Option<&str>) -> Result<Shop> {
        let folder = places.scratch.join("Plinth-shop");
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        let migrations = folder.join("migrations");
        std::fs::create_dir_all(&migrations)?;
        std::fs::write(migrations.join("20260101000000_shop.sql"), catalogue())?;
        if let Some(url) = database_url {
            let settings = format!("[database]\nurl = {url:?}\nconnections = {CONNECTIONS}\n");
            std::fs::write(folder.join("plinth.toml"), settings)?;
        }
        let address = free_address()?;
        let (child, _) = plinth::launch(&places.plinth, &folder, address, None)?;
        let mut shop = Shop {
            address,
            child,
            key: String::new(),
            token: String::new(),
        };
        shop.key = plinth::key(&places.plinth, &folder, "PUBLISHABLE_KEY")?;
        let admin = plinth::key(&places.plinth, &folder, "SECRET_KEY")?;
        let account =
            json!({ "email": "ann@example.com", "password": PASSWORD, "email_confirm": true });
        let admin = [("apikey", admin.as_str())];
        ask(address, "POST", "/auth/v1/admin/users", &admin, &account)?;
        let session = ask(
            address,
            "POST",
            "/auth/v1/token?grant_type=password",
            &[("apikey", &shop.key)],
            &json!({ "email": "ann@example.com", "password": PASSWORD }),
        )?;
        shop.token = text_at(&session, "/access_token")?;
        Ok(shop)
    }

    /// The process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Orders, endlessly and by chance, each with a key of its own: no two rounds may have the same.
    pub(crate) fn requests(&self, road: Road, goods: Goods, round: u64) -> impl FnMut() -> Request {
        let mut chance = Chance::new(round);
        let mut number = 0_u64;
        let bearer = format!("Bearer {}", self.token);
        move || {
            number += 1;
            let key = format!("{road:?}-{goods:?}-{round}-{number}");
            let product = product(chance.below(goods.products()));
            let common = [
                ("apikey", self.key.as_str()),
                ("authorization", bearer.as_str()),
                ("content-type", "application/json"),
            ];
            match road {
                Road::Commerce => {
                    let headers = [&common[..], &[("idempotency-key", key.as_str())]].concat();
                    let body = format!(
                        r#"{{"lines":[{{"product_id":"{product}","quantity":1}}],"currency":"EUR"}}"#
                    );
                    Request::new("POST", "/commerce/v1/orders", &headers, body.as_bytes())
                }
                Road::ByHand => {
                    let body = format!(r#"{{"what":"{product}","how_many":1,"its_key":"{key}"}}"#);
                    Request::new("POST", "/rest/v1/rpc/by_hand", &common, body.as_bytes())
                }
            }
        }
    }

    /// Sends one and looks at the answer: a server that answers wrongly is not measured.
    pub(crate) fn check(&self, road: Road) -> Result<()> {
        let answer = send(self.address, &self.requests(road, Goods::Any, u64::MAX)())?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        match road {
            Road::Commerce => ensure!(
                answer.status == 201 && said["total"] == AMOUNT && said["state"] == "pending",
                "an order is answered with {}: {text}",
                answer.status
            ),
            Road::ByHand => {
                let id = said.as_str().map(str::len);
                let id = id.with_context(|| format!("by hand: {}: {text}", answer.status))?;
                ensure!(id == 36, "by hand: {text}");
            }
        }
        Ok(())
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        // It is killed: what it would do at its end is not measured here.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// The same by `pgbench`, on a connection that is the owner's.
pub(crate) fn script(goods: Goods) -> String {
    let last = goods.products() - 1;
    format!(
        "\\set n random(0, {last})\n\
         select public.by_hand(('00000000-0000-4000-8000-' || lpad((:n)::text, 12, '0'))::uuid, 1, gen_random_uuid()::text);\n"
    )
}

/// The id of a product, by number from 0.
fn product(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

fn catalogue() -> String {
    let rows: Vec<String> = (0..PRODUCTS)
        .map(|number| format!("('{}', 'product {number}')", product(number)))
        .collect();
    format!(
        "insert into commerce.products (id, name) values {};\n\
         insert into commerce.prices (product_id, currency, amount) select id, 'EUR', {AMOUNT} from commerce.products;\n\
         insert into commerce.inventory (product_id, on_hand) select id, {ON_HAND} from commerce.products;\n{BY_HAND}",
        rows.join(",")
    )
}
