//! `plinth ledger check` and `plinth orders reconcile` end with 1 when something differs, and say what; with 0 when nothing does.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;

use plinth_db::keys::Keys;
use plinth_testkit::http::Request;
use plinth_testkit::process::{Ended, run_with};
use plinth_testkit::server::{Process, write_migration};
use plinth_testkit::shop;
use plinth_testkit::temp::TempDir;
use serde_json::{Value, json};

/// What the lamp costs.
const PRICE: i64 = 12_345;

/// A shop in a folder of its own.
struct Shop {
    folder: TempDir,
    environment: Vec<(&'static str, String)>,
}

impl Shop {
    fn new(environment: Vec<(&'static str, String)>) -> Shop {
        let folder = TempDir::new("findings").unwrap();
        write_migration(folder.path(), "0001_catalogue.sql", shop::CATALOGUE);
        Shop {
            folder,
            environment,
        }
    }

    fn start(&self) -> Process {
        Process::start_with("dev", self.folder.path(), &[], &self.environment())
    }

    fn run(&self, args: &[&str]) -> Ended {
        run_with(self.folder.path(), args, &self.environment())
    }

    fn ledger(&self) -> Ended {
        self.run(&["ledger", "check", ".", "--dev"])
    }

    fn reconcile(&self) -> Ended {
        self.run(&["orders", "reconcile", ".", "--dev"])
    }

    fn sql(&self, sql: &str) {
        self.run(&["sql", ".", "--dev", "-c", sql]).is(0, &[]);
    }

    fn environment(&self) -> Vec<(&str, &str)> {
        let all = self.environment.iter();
        all.map(|(name, value)| (*name, value.as_str())).collect()
    }
}

/// Asks as a back office does.
fn ask(server: &Process, path: &str, body: &Value) -> Value {
    let keys = Keys::local();
    let key = keys.service_role_jwt.expose();
    let answer = Request::post(path, body.to_string())
        .header("apikey", key)
        .header("authorization", format!("Bearer {key}"))
        .header("idempotency-key", path)
        .send(server.address);
    assert!(answer.status < 300, "{path}: {}", answer.text());
    answer.json()
}

/// Orders a lamp. Gives the order's id.
fn order(server: &Process) -> String {
    let lamp = json!({ "product_id": "00000000-0000-4000-8000-000000000001", "quantity": 1 });
    let body = json!({ "lines": [lamp], "currency": "EUR" });
    let placed = ask(server, "/commerce/v1/orders", &body);
    placed["id"].as_str().unwrap().to_owned()
}

#[test]
fn ledger_check_ends_with_1_when_the_books_do_not_fit() {
    let shop = Shop::new(Vec::new());
    let server = shop.start();
    let id = order(&server);
    let paid = format!("/commerce/v1/orders/{id}/paid");
    ask(&server, &paid, &json!({}));
    shop.ledger().is(0, &["the books fit"]);
    shop.reconcile().is(0, &["0 to be looked at"]);
    shop.sql("alter table commerce.orders disable trigger guard_order");
    shop.sql("update commerce.orders set captured = captured + 5");
    let found = [
        &format!("order_captured: {id}: expected 12345, found 12350"),
        "account_balance: customer_credit EUR: expected -5, found 0",
        "2 things do not fit",
    ];
    shop.ledger().is(1, &found);
    let as_json = shop.run(&["ledger", "check", ".", "--dev", "--json"]);
    as_json.is(1, &[r#"{"problems":2}"#, r#""rule":"order_captured""#]);
    server.kill();
    shop.ledger().is(1, &found);
    shop.sql("update commerce.orders set captured = captured - 5");
    shop.ledger().is(0, &["the books fit"]);
}

#[test]
fn orders_reconcile_ends_with_1_while_the_provider_says_something_else() {
    let provider = Provider::start();
    let shop = Shop::new(provider.environment());
    let server = shop.start();
    let id = order(&server);
    provider.says(PRICE - 1);
    let differs = shop.reconcile();
    differs.is(
        1,
        &[
            &format!("of order {id}: here "),
            "it is of 123.44 EUR, not of 123.45 EUR",
            "1 to be looked at",
        ],
    );
    let as_json = shop.run(&["orders", "reconcile", ".", "--dev", "--json"]);
    as_json.is(1, &[r#""problems":1"#, &id]);
    provider.says(PRICE);
    // The server itself may have heard of it first.
    shop.reconcile().is(0, &["0 to be looked at"]);
    shop.ledger().is(0, &["the books fit"]);
    server.kill();
    shop.reconcile().is(0, &["0 to be looked at"]);
}

#[test]
fn orders_reconcile_ends_with_1_when_the_provider_says_nothing() {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
    let shop = Shop::new(stripe_at(nowhere));
    let server = shop.start();
    let id = order(&server);
    shop.reconcile().is(1, &[&id, "no answer that counts"]);
    server.kill();
}

/// How Plinth is told to be paid there.
fn stripe_at(address: SocketAddr) -> Vec<(&'static str, String)> {
    [
        ("PLINTH_COMMERCE_PROVIDER", "stripe".to_owned()),
        (
            "PLINTH_COMMERCE_STRIPE_API_URL",
            format!("http://{address}"),
        ),
        ("PLINTH_COMMERCE_STRIPE_SECRET_KEY", "sk_test_1".to_owned()),
        (
            "PLINTH_COMMERCE_STRIPE_WEBHOOK_SECRETS",
            "whsec_1".to_owned(),
        ),
    ]
    .to_vec()
}

/// Answers as Stripe does of one payment of a lamp. What came of it, a test says.
struct Provider {
    address: SocketAddr,
    /// Nothing while it is zero.
    came: Arc<AtomicI64>,
}

impl Provider {
    fn start() -> Provider {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let came = Arc::new(AtomicI64::new(0));
        let says = Arc::clone(&came);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let answered =
                    stream.and_then(|stream| answer(stream, says.load(Ordering::SeqCst)));
                if let Err(error) = answered {
                    eprintln!("whoever asked is gone: {error}");
                }
            }
        });
        Provider { address, came }
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        stripe_at(self.address)
    }

    fn says(&self, came: i64) {
        self.came.store(came, Ordering::SeqCst);
    }
}

fn answer(mut stream: TcpStream, came: i64) -> io::Result<()> {
    let mut asked = Vec::new();
    while !is_whole(&asked) {
        let mut piece = [0; 4096];
        match stream.read(&mut piece)? {
            0 => return Ok(()),
            length => asked.extend_from_slice(&piece[..length]),
        }
    }
    let asked = String::from_utf8_lossy(&asked);
    let is_intent = asked.contains(" /v1/payment_intents");
    let body = match is_intent {
        true => json!({
            "id": "pi_1", "object": "payment_intent", "amount": PRICE, "amount_received": came, "currency": "eur",
            "status": if came == 0 { "requires_payment_method" } else { "succeeded" },
            "client_secret": "pi_1_secret_2", "livemode": false, "created": 1_700_000_000,
        }),
        false => json!({ "object": "list", "data": [], "has_more": false }),
    };
    let (body, length) = (body.to_string(), body.to_string().len());
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
    write!(stream, "{head}content-length: {length}\r\n\r\n{body}")
}

/// Whether all of a request is there, body and all.
fn is_whole(asked: &[u8]) -> bool {
    let text = String::from_utf8_lossy(asked);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().ok())?
    });
    body.len() >= length.unwrap_or(0)
}
