//! Clients that speak no HTTP, stop in the middle, or say two things at once.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use crate::refusals::{auth_difference, rest_difference};
use crate::server::{NOTES, Server, with_server};
use plinth_testkit::http::{Answer, Then, exchange};

fn head(server: &Server, line: &str, headers: &str) -> String {
    let key = &server.keys.publishable;
    format!(
        "{line} HTTP/1.1\r\nhost: 127.0.0.1\r\napikey: {key}\r\ncontent-type: application/json\r\n{headers}\r\n"
    )
}

fn post(server: &Server, target: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("{}{body}", head(server, &format!("POST {target}"), headers)).into_bytes()
}

#[test]
fn what_is_no_http_is_refused() {
    with_server(|server| {
        let get = |line: &str, headers: &str| head(server, line, headers).into_bytes();
        let requests = [
            b"hello\r\n\r\n".to_vec(),
            (0..=255).collect(),
            // The beginning of a TLS connection.
            [
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(),
                &[0; 200],
            ]
            .concat(),
            b"GET / HTTP/9.9\r\nhost: 127.0.0.1\r\n\r\n".to_vec(),
            get("GET /rest/v1/notes?title=eq.\"raw\"", ""),
            get("GET /rest/v1/notes?title=eq.a b", ""),
            get("GET /health", "a b: c\r\n"),
            get("GET /health", "a: b\r\n folded\r\n"),
            get("GET /health", "a: b\u{0}c\r\n"),
            post(server, NOTES, "content-length: -1\r\n", "{}"),
            post(server, NOTES, "content-length: x\r\n", "{}"),
            post(
                server,
                NOTES,
                "content-length: 1\r\ncontent-length: 2\r\n",
                "{}",
            ),
            post(server, NOTES, "transfer-encoding: gzip\r\n", "{}"),
        ];
        for bytes in requests {
            let answer = Answer::read(&exchange(server.address(), &bytes, Then::Close));
            let shown = String::from_utf8_lossy(&bytes);
            assert_eq!(
                rest_difference(&answer, 400, "bad_request"),
                None,
                "{shown}: {}\n{}",
                answer.head,
                answer.text()
            );
        }
    });
}

/// A document that ends before its announced end was perhaps never meant to be carried out, even if it reads well.
#[test]
fn a_body_that_stops_halfway_stores_nothing() {
    with_server(|server| {
        let whole = "{\"title\": \"half\"}";
        let account = "{\"email\": \"half@example.com\", \"password\": \"long enough\"}";
        let chunk = |body: &str| format!("{:x}\r\n{body}\r\n", body.len());
        for bytes in [
            post(server, NOTES, "content-length: 1000\r\n", whole),
            post(
                server,
                NOTES,
                "transfer-encoding: chunked\r\n",
                &chunk(whole),
            ),
            post(
                server,
                NOTES,
                "transfer-encoding: chunked\r\n",
                "1f\r\n{\"title\": \"ha",
            ),
            post(
                server,
                NOTES,
                "transfer-encoding: chunked\r\n",
                "zz\r\n{}\r\n0\r\n\r\n",
            ),
            post(
                server,
                NOTES,
                "transfer-encoding: chunked\r\n",
                &format!("{}-5\r\n", chunk(whole)),
            ),
        ] {
            let answer = Answer::read(&exchange(server.address(), &bytes, Then::Close));
            assert_eq!(
                rest_difference(&answer, 400, "PGRST102"),
                None,
                "{}",
                answer.text()
            );
        }
        let bytes = post(
            server,
            "/auth/v1/signup",
            "content-length: 1000\r\n",
            account,
        );
        let answer = Answer::read(&exchange(server.address(), &bytes, Then::Close));
        assert_eq!(
            auth_difference(&answer, 400, "bad_json"),
            None,
            "{}",
            answer.text()
        );
    });
}

#[test]
fn clients_that_go_away_leave_nothing_behind() {
    with_server(|server| {
        let whole = head(server, &format!("GET {NOTES}"), "");
        let insert = post(
            server,
            NOTES,
            "content-length: 1000\r\n",
            "{\"title\": \"half\"}",
        );
        for round in 0..50 {
            for bytes in [whole.as_bytes(), &insert] {
                let part = &bytes[..bytes.len() * round / 50];
                let mut stream = TcpStream::connect(server.address()).unwrap();
                stream.write_all(part).unwrap();
                drop(stream);
            }
        }
    });
}

#[test]
fn slow_clients_keep_nobody_else_waiting() {
    with_server(|server| {
        let mut slow: Vec<TcpStream> = (0..200)
            .map(|_| TcpStream::connect(server.address()).unwrap())
            .collect();
        for byte in b"GET / HTTP/1.1\r\nho" {
            for stream in &mut slow {
                stream.write_all(&[*byte]).unwrap();
            }
        }
        server.read(NOTES);
        for stream in &mut slow {
            stream.write_all(b"st: 127.0.0.1\r\n\r\n").unwrap();
            stream
                .set_read_timeout(Some(Duration::from_secs(20)))
                .unwrap();
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"HTTP/1.1 200");
        }
    });
}

#[test]
fn garbage_after_a_good_request_is_refused_by_itself() {
    with_server(|server| {
        let first = head(server, "GET /rest/v1/people?select=name&order=name", "");
        let bytes = format!("{first}GARBAGE\u{1}\r\n\r\n");
        let answers = exchange(server.address(), bytes.as_bytes(), Then::Close);
        let answers = String::from_utf8_lossy(&answers);
        assert!(answers.starts_with("HTTP/1.1 200"), "{answers}");
        assert!(answers.contains("[{\"name\":\"Ann\"},"), "{answers}");
        assert_eq!(answers.matches("HTTP/1.1 400").count(), 1, "{answers}");
    });
}

/// With two lengths a proxy in front could see other requests than we do.
#[test]
fn a_second_request_cannot_hide_in_a_body() {
    with_server(|server| {
        let hidden = head(server, "DELETE /rest/v1/notes?id=gt.0", "");
        let length = hidden.len() + 5;
        let both = format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n");
        let bytes = post(server, NOTES, &both, &format!("0\r\n\r\n{hidden}"));
        let answers = exchange(server.address(), &bytes, Then::Close);
        let answers = String::from_utf8_lossy(&answers);
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{answers}");
        let inside = post(
            server,
            NOTES,
            &format!("content-length: {}\r\nconnection: close\r\n", hidden.len()),
            &hidden,
        );
        let answer = Answer::read(&exchange(server.address(), &inside, Then::Wait));
        assert_eq!(
            rest_difference(&answer, 400, "PGRST102"),
            None,
            "{}",
            answer.text()
        );
        assert_eq!(
            server.read("/rest/v1/notes?select=id&order=id"),
            json!([{ "id": 1 }, { "id": 2 }, { "id": 3 }])
        );
    });
}
