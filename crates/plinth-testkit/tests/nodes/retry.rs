//! A connection that breaks in the middle of a request: a read is sent once more, a write never.
//!
//! Between the node and its server stands a proxy that reads along. It breaks all connections at the message it was told of,
//! so that nobody has to hit the moment, and counts what was sent how often.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use plinth_testkit::http::Request;
use plinth_testkit::postgres::guarded::Guarded;
use serde_json::json;

use crate::Servers;
use crate::node::{Application, NOTES, Node, eventually, good, is_away};

/// Longest wait for what the server and the node do by themselves.
const SOON: Duration = Duration::from_secs(10);
/// Begins the statement by which a node asks whether the schema has changed.
const LOOK: &str = "with spaces as materialized";

/// Everybody may write, and call a function that only reads and one that writes.
const OPEN: (&str, &str) = (
    "0002_open.sql",
    "create policy write on notes for insert to anon with check (true);
     create function echo(said text) returns text language sql stable as 'select said';
     create function note(body text) returns integer language plpgsql as
       $$ begin insert into notes (body) values (note.body); return 1; end $$;",
);

/// A node that reaches its database, of this name, through the proxy.
fn start(server: &Guarded, connections: usize) -> (Node, Proxy, String) {
    let database = server.database().unwrap();
    let proxy = Proxy::before(server.port()).unwrap();
    let direct = format!("@127.0.0.1:{}/", server.port());
    let url = server
        .url(&database)
        .replace(&direct, &format!("@{}/", proxy.address));
    // What is encrypted could not be read along.
    let node = Application::new(&format!("{url}?sslmode=disable"), &[NOTES, OPEN])
        .with("PLINTH_DATABASE_CONNECTIONS", connections.to_string())
        .start();
    (node, proxy, database)
}

pub(crate) fn a_read_that_breaks_is_sent_once_more(servers: &Servers) {
    let (node, proxy, _) = start(&servers.shared, 4);
    for reach in [Reach::Server, Reach::Proxy] {
        let text = |what: &str| format!("{what}-{reach:?}");
        let (row, got, posted) = (text("row"), text("got"), text("posted"));
        for (text, request, answer) in [
            (
                row.as_str(),
                Request::get(&format!("/rest/v1/notes?select=id&id=eq.1&body=neq.{row}")),
                json!([{ "id": 1 }]),
            ),
            (
                got.as_str(),
                Request::get(&format!("/rest/v1/rpc/echo?said={got}")),
                json!(got),
            ),
            (
                posted.as_str(),
                Request::post("/rest/v1/rpc/echo", json!({ "said": posted }).to_string()),
                json!(posted),
            ),
        ] {
            proxy.break_at(text, reach);
            assert_eq!(good(text, &node.ask(&request)), answer);
            assert_eq!(proxy.sent(&[text]), 2, "{request}");
        }
    }
    // Once, and no more.
    proxy.break_at("two-breaks", Reach::Server);
    proxy.break_at("two-breaks", Reach::Server);
    is_away(&node.ask(&Request::get("/rest/v1/notes?body=neq.two-breaks")));
    assert_eq!(proxy.sent(&["two-breaks"]), 2);
    assert_eq!(node.read("/rest/v1/notes?select=id"), json!([{ "id": 1 }]));
}

pub(crate) fn a_write_that_breaks_is_never_sent_again(servers: &Servers) {
    let server = &servers.shared;
    let (node, proxy, database) = start(server, 4);
    let body = |text: &str| json!({ "body": text }).to_string();
    let insert = |text: &str| Request::post("/rest/v1/notes", body(text));
    let call = |text: &str| Request::post("/rest/v1/rpc/note", body(text));
    let insert_one = |text: &str| {
        insert(text)
            .header("prefer", "return=representation")
            .header("accept", "application/vnd.pgrst.object+json")
    };
    let written = |text: &str| {
        let count = format!("select count(*) from notes where body = '{text}'");
        server.sql(&database, &count).unwrap()
    };
    // What the server was sent it does, although nobody hears of it.
    let cases = [
        ("insert-done", insert("insert-done"), Reach::Server, "1\n"),
        ("insert-lost", insert("insert-lost"), Reach::Proxy, "0\n"),
        ("call-done", call("call-done"), Reach::Server, "1\n"),
        ("call-lost", call("call-lost"), Reach::Proxy, "0\n"),
        // Its commit is a message of its own: only when the answer has come is it known to be about one row.
        ("one-open", insert_one("one-open"), Reach::Server, "0\n"),
    ];
    for (text, request, reach, rows) in &cases {
        proxy.break_at(text, *reach);
        is_away(&node.ask_as_admin(request));
        eventually(SOON, || written(text), |count| count == rows);
    }
    good("another", &node.ask(&insert("insert-after")));
    for (text, request, _, rows) in &cases {
        assert_eq!(proxy.sent(&[*text]), 1, "{request}");
        assert_eq!(written(text), *rows, "{request}");
    }
}

pub(crate) fn requests_of_one_shape_are_prepared_once(servers: &Servers) {
    const READS: usize = 20;
    // On a server that is shared others make roles, and after any change of the schema everything is prepared anew.
    let server = servers.untouched();
    let (node, proxy, _) = start(&server, 1);
    // The first looks may find what the node itself has made when it started.
    let looks = || proxy.sent(&[LOOK]);
    let before = looks();
    eventually(SOON, looks, |count| *count >= before + 4);
    for id in 1..=READS {
        node.read(&format!("/rest/v1/notes?select=id&id=eq.{id}"));
    }
    let by_callers = |what: &str| proxy.sent(&["set local role = 'anon'", what]);
    assert_eq!(by_callers("execute plinth_"), READS);
    assert_eq!(by_callers("prepare plinth_"), 1);
}

/// Stands before a server and reads what that is sent. It ends with the test run.
struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// All that clients have sent, message by message.
    messages: Mutex<Vec<String>>,
    /// What a message says at which the connections are still to break.
    breaks: Mutex<Vec<(String, Reach)>>,
    links: Mutex<Vec<Arc<Link>>>,
}

/// How far a message gets at which the connections break.
#[derive(Clone, Copy, Debug)]
enum Reach {
    Proxy,
    Server,
}

/// A client's connection, and ours for it.
struct Link {
    client: TcpStream,
    server: TcpStream,
    /// Whether answers still go back. Locked while one does.
    answers: Mutex<bool>,
}

impl Proxy {
    /// Listens on a port of loopback for a server on another one.
    fn before(port: u16) -> io::Result<Proxy> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let proxy = Proxy {
            address,
            shared: shared.clone(),
        };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // Where the server takes no connection, the client's is closed.
                if let Ok(server) = TcpStream::connect(("127.0.0.1", port)) {
                    carry(&shared, client, server);
                }
            }
        });
        Ok(proxy)
    }

    /// Has all connections break at the next message to the server that says this.
    fn break_at(&self, text: &str, reach: Reach) {
        lock(&self.shared.breaks).push((text.to_owned(), reach));
    }

    /// How many messages to the server have said all of this.
    fn sent(&self, texts: &[&str]) -> usize {
        let messages = lock(&self.shared.messages);
        let says_all = |message: &&String| texts.iter().all(|text| message.contains(*text));
        messages.iter().filter(says_all).count()
    }
}

impl Shared {
    /// Notes a message; how far it gets, when the connections are to break at it.
    fn hear(&self, message: &[u8]) -> Option<Reach> {
        let text = String::from_utf8_lossy(message).into_owned();
        let mut breaks = lock(&self.breaks);
        let due = breaks.iter().position(|(at, _)| text.contains(at.as_str()));
        lock(&self.messages).push(text);
        due.map(|place| breaks.remove(place).1)
    }

    fn break_all(&self) {
        let links = std::mem::take(&mut *lock(&self.links));
        for link in links {
            link.break_off();
        }
    }
}

impl Link {
    /// Brings the client's messages to the server until either is gone, or the connection is to break.
    fn carry_forth(&self, shared: &Shared) -> io::Result<()> {
        // All but the first begin with a byte for their kind.
        let begin = read_message(&self.client, 0)?;
        (&self.server).write_all(&begin)?;
        loop {
            let message = read_message(&self.client, 1)?;
            let Some(reach) = shared.hear(&message) else {
                (&self.server).write_all(&message)?;
                continue;
            };
            // First, or the server might be faster than we are.
            *lock(&self.answers) = false;
            if matches!(reach, Reach::Server) {
                (&self.server).write_all(&message)?;
            }
            shared.break_all();
            return Ok(());
        }
    }

    /// Brings the server's answers back. When the connection is broken they are read all the same, so that the server comes to
    /// its end as it would with a client that is gone.
    fn carry_back(&self) -> io::Result<()> {
        let mut bytes = [0; 8192];
        loop {
            let count = (&self.server).read(&mut bytes)?;
            if count == 0 {
                return Ok(());
            }
            let answers = lock(&self.answers);
            if *answers {
                (&self.client).write_all(&bytes[..count])?;
            }
        }
    }

    /// The client hears nothing more. The server reads what it was sent, and then that nothing follows.
    fn break_off(&self) {
        *lock(&self.answers) = false;
        drop(self.client.shutdown(Shutdown::Both));
        drop(self.server.shutdown(Shutdown::Write));
    }
}

/// Moves the bytes of a connection, in two threads, until it ends.
fn carry(shared: &Arc<Shared>, client: TcpStream, server: TcpStream) {
    for stream in [&client, &server] {
        drop(stream.set_nodelay(true));
    }
    let link = Arc::new(Link {
        client,
        server,
        answers: Mutex::new(true),
    });
    lock(&shared.links).push(link.clone());
    let (shared, forth) = (shared.clone(), link.clone());
    thread::spawn(move || {
        drop(forth.carry_forth(&shared));
        drop(forth.server.shutdown(Shutdown::Write));
    });
    thread::spawn(move || {
        drop(link.carry_back());
        drop(link.client.shutdown(Shutdown::Both));
    });
}

/// A message: so many bytes for its kind, its length, which counts itself, and the rest.
fn read_message(mut from: &TcpStream, kind: usize) -> io::Result<Vec<u8>> {
    let mut message = vec![0; kind + 4];
    from.read_exact(&mut message)?;
    let mut length = [0; 4];
    length.copy_from_slice(&message[kind..]);
    let length = (u32::from_be_bytes(length) as usize).max(4);
    message.resize(kind + length, 0);
    from.read_exact(&mut message[kind + 4..])?;
    Ok(message)
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
