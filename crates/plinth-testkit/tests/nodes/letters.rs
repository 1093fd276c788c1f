//! Letters, when every node looks for those that wait.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::Servers;
use crate::node::{Application, Node, credentials, eventually, good};

/// Long enough for the other nodes to find the same letter.
const SLOW: Duration = Duration::from_millis(100);
const LETTERS: usize = 12;
const SENT: Duration = Duration::from_secs(20);

/// A mail server that takes its time and notes to whom letters go.
struct MailServer {
    address: SocketAddr,
    recipients: Arc<Mutex<Vec<String>>>,
}

impl MailServer {
    fn start() -> MailServer {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let server = MailServer {
            address: listener.local_addr().unwrap(),
            recipients: Arc::default(),
        };
        let recipients = Arc::clone(&server.recipients);
        // Both threads end with the process, or with the client.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let recipients = Arc::clone(&recipients);
                thread::spawn(move || converse(&stream, &recipients));
            }
        });
        server
    }

    fn recipients(&self) -> Vec<String> {
        let mut recipients = self.recipients.lock().unwrap().clone();
        recipients.sort();
        recipients
    }
}

fn converse(stream: &TcpStream, recipients: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut answer = stream;
    let mut lines = BufReader::new(stream).lines();
    let mut recipient = String::new();
    answer.write_all(b"220 ready\r\n")?;
    while let Some(line) = lines.next().transpose()? {
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "RCPT" => recipient = line,
            "DATA" => {
                answer.write_all(b"354 go on\r\n")?;
                while lines.next().transpose()?.is_some_and(|line| line != ".") {}
                thread::sleep(SLOW);
                recipients.lock().unwrap().push(recipient.clone());
            }
            "QUIT" => return answer.write_all(b"221 bye\r\n"),
            _ => {}
        }
        answer.write_all(b"250 ok\r\n")?;
    }
    Ok(())
}

/// Nodes that send by this mail server, and their database.
fn nodes(servers: &Servers, count: usize, mail: &MailServer) -> (Vec<Node>, String) {
    let database = servers.shared.database().unwrap();
    let url = servers.shared.url(&database);
    let node = |_| {
        Application::new(&url, &[])
            .with("PLINTH_MAIL_SMTP_HOST", "127.0.0.1")
            .with("PLINTH_MAIL_SMTP_PORT", mail.address.port().to_string())
            .with("PLINTH_MAIL_SMTP_SECURITY", "none")
            .with("PLINTH_MAIL_FROM", "nodes@example.com")
            .start()
    };
    ((0..count).map(node).collect(), database)
}

pub(crate) fn a_letter_is_sent_by_one_node(servers: &Servers) {
    let mail = MailServer::start();
    let (nodes, database) = nodes(servers, 3, &mail);
    for number in 0..LETTERS {
        let request = credentials("/auth/v1/signup", &format!("l{number}@example.com"));
        good("sign-up", &nodes[number % nodes.len()].ask(&request));
    }
    let waiting = || {
        let count = "select count(*) from auth.mail_queue";
        servers.shared.sql(&database, count).unwrap()
    };
    eventually(SENT, waiting, |waiting| waiting.trim() == "0");
    let recipients = mail.recipients();
    let mut once = recipients.clone();
    once.dedup();
    assert_eq!(once.len(), LETTERS);
    assert_eq!(recipients, once, "nobody gets a letter twice");
}
