//! Uploads that say another length than they have, break off, or do not end where they must: whoever sends them is answered or
//! cut off, and nothing of them is left, neither bytes nor rows.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::server::{Server, with_server};
use plinth_testkit::http::{Answer, Request, Then, exchange};
use plinth_testkit::process::POLL;
use plinth_testkit::s3;

/// Largest file of the bucket `small`.
const LIMIT: usize = 1 << 20;
/// What of a refused upload is read and thrown away at most, so that its client comes to hear why.
const DISCARDED: usize = 64 << 20;
/// What two sockets of loopback may hold that nobody has read.
const IN_SOCKETS: usize = 48 << 20;
/// So much is sent of what has no end. A server that read on would take it all.
const ENDLESS: usize = 512 << 20;
/// In pieces of so many bytes, which are 10000 in hexadecimal digits.
const PIECE: usize = 0x10000;
/// How soon a client that sends no more is told, and what was refused is gone.
const SOON: Duration = Duration::from_secs(10);
const FORM: &str = "content-type: multipart/form-data; boundary=B\r\n";
/// The beginning of a form, up to the bytes of its file.
const FORM_OPENING: &str =
    "--B\r\ncontent-disposition: form-data; name=\"\"; filename=\"a\"\r\n\r\n";

/// What else a request says that sends bytes of a resumable upload.
const RESUMED: &str =
    "tus-resumable: 1.0.0\r\nupload-offset: 0\r\ncontent-type: application/offset+octet-stream\r\n";

/// A server with two buckets, of which nothing is in the end.
fn with_buckets(test: impl FnOnce(&Server)) {
    with_server(|server| {
        for bucket in [
            json!({ "name": "files" }),
            json!({ "name": "small", "file_size_limit": LIMIT }),
        ] {
            let made = Request::post("/storage/v1/bucket", bucket.to_string());
            let made = server.ask_as_admin(&made);
            assert_eq!(made.status, 200, "{}", made.text());
        }
        test(server);
        holds_nothing(server);
    });
}

/// No object, no upload that has begun, and no file. What a connection that broke was writing is removed a moment later.
fn holds_nothing(server: &Server) {
    for bucket in ["files", "small"] {
        let list = format!("/storage/v1/object/list/{bucket}");
        let list = server.ask_as_admin(&Request::post(&list, json!({ "prefix": "" }).to_string()));
        assert_eq!(list.json(), json!([]), "{}", list.text());
        let keys = &server.keys;
        let begun = s3::request(keys, "GET", bucket, &[("uploads", "")], &[]);
        let begun = begun.send(server.address());
        assert_eq!(begun.status, 200, "{}", begun.text());
        assert!(!String::from_utf8_lossy(&begun.body).contains("<UploadId>"));
    }
    let media = server.folder().join("data/dev/media");
    let began = Instant::now();
    loop {
        let left: Vec<PathBuf> = ["incoming", "uploads", "objects"]
            .iter()
            .flat_map(|kind| files_below(&media.join(kind)))
            .collect();
        if left.is_empty() {
            return;
        }
        assert!(began.elapsed() < SOON, "{left:?}");
        thread::sleep(POLL);
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// The head of a request of the service role.
fn head(server: &Server, line: &str, headers: &str) -> String {
    let key = server.keys.service_role_jwt.expose();
    format!(
        "{line} HTTP/1.1\r\nhost: 127.0.0.1\r\napikey: {key}\r\nauthorization: Bearer {key}\r\n{headers}\r\n"
    )
}

fn object(server: &Server, bucket: &str) -> Answer {
    server.ask_as_admin(&Request::get(&format!("/storage/v1/object/{bucket}/a")))
}

/// A signed URL to upload to, as a target.
fn signed(server: &Server) -> String {
    let path = "/storage/v1/object/upload/sign/files/a";
    let signed = server.ask_as_admin(&Request::new("POST", path));
    assert_eq!(signed.status, 200, "{}", signed.text());
    format!("{path}?token={}", signed.json()["token"].as_str().unwrap())
}

/// Begins a resumable upload; gives its path.
fn begin_resumable(server: &Server, bucket: &str, length: usize) -> String {
    let metadata = [("bucketName", bucket), ("objectName", "a")]
        .map(|(key, value)| format!("{key} {}", STANDARD.encode(value)));
    let begin = Request::new("POST", "/storage/v1/upload/resumable")
        .header("tus-resumable", "1.0.0")
        .header("upload-length", length.to_string())
        .header("upload-metadata", metadata.join(","));
    let begun = server.ask_as_admin(&begin);
    assert_eq!(begun.status, 201, "{}", begun.text());
    let location = header(&begun, "location");
    location[location.find("/storage/").unwrap()..].to_owned()
}

fn resumable(method: &str, path: &str) -> Request {
    Request::new(method, path).header("tus-resumable", "1.0.0")
}

fn header(answer: &Answer, name: &str) -> String {
    let line = answer.head.lines().find_map(|line| {
        let (known, value) = line.split_once(':')?;
        let named = known.eq_ignore_ascii_case(name);
        named.then(|| value.trim().to_owned())
    });
    line.unwrap_or_else(|| panic!("no {name} in {}", answer.head))
}

#[test]
fn what_is_shorter_than_it_said_is_no_object() {
    with_buckets(|server| {
        let post = "POST /storage/v1/object/files/a";
        let signed = format!("PUT {}", signed(server));
        let form = format!("{FORM_OPENING}half");
        let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
        let chunked = "transfer-encoding: chunked\r\n";
        let long = "content-length: 1000\r\n";
        let cut = [
            (post, long.to_owned(), "half".to_owned()),
            (
                "PUT /storage/v1/object/files/a",
                long.to_owned(),
                "half".to_owned(),
            ),
            (signed.as_str(), long.to_owned(), "half".to_owned()),
            // Chunks without the last one, one that is cut, and what is none.
            (post, chunked.to_owned(), chunk("half")),
            (post, chunked.to_owned(), "ff\r\nhalf".to_owned()),
            (post, chunked.to_owned(), format!("{}zz\r\n", chunk("half"))),
            // A form that is cut by its connection.
            (post, format!("{FORM}{long}"), form.clone()),
            (post, format!("{FORM}{chunked}"), chunk(&form)),
        ];
        // A body that has ended before the form has. Nobody would answer a client that has asked and gone.
        let last = "connection: close\r\n";
        let ended = [
            (
                post,
                format!("{FORM}{last}content-length: {}\r\n", form.len()),
                form.clone(),
            ),
            (
                post,
                format!("{FORM}{last}{chunked}"),
                format!("{}0\r\n\r\n", chunk(&form)),
            ),
        ];
        let cut = cut.map(|case| (case, Then::Close));
        let ended = ended.map(|case| (case, Then::Wait));
        for ((line, headers, body), then) in cut.into_iter().chain(ended) {
            let bytes = head(server, line, &headers) + &body;
            let answer = Answer::read(&exchange(server.address(), bytes.as_bytes(), then));
            assert_eq!(
                answer.status, 400,
                "{line} {headers}{body}: {}",
                answer.head
            );
            let code = &answer.json()["code"];
            assert!(
                code == "Aborted" || code == "bad_request",
                "{}",
                answer.text()
            );
            assert_eq!(object(server, "files").json()["code"], "NoSuchKey");
        }
    });
}

/// The rest is another request, and a bad one.
#[test]
fn what_is_longer_than_it_said_ends_where_it_said() {
    with_buckets(|server| {
        let line = "POST /storage/v1/object/files/a";
        let bytes = head(server, line, "content-length: 5\r\n") + "hello, and more\r\n\r\n";
        let answers = exchange(server.address(), bytes.as_bytes(), Then::Close);
        assert_eq!(Answer::read(&answers).status, 200);
        let answers = String::from_utf8_lossy(&answers);
        assert_eq!(answers.matches("HTTP/1.1 400").count(), 1, "{answers}");
        let found = object(server, "files");
        assert_eq!(
            (found.status, found.body.as_slice()),
            (200, b"hello".as_slice())
        );
        let remove = Request::new("DELETE", "/storage/v1/object/files/a");
        assert_eq!(server.ask_as_admin(&remove).status, 200);
    });
}

#[test]
fn a_resumable_upload_has_what_came_and_no_more() {
    with_buckets(|server| {
        let upload = begin_resumable(server, "files", 1000);
        let line = format!("PATCH {upload}");
        let bytes = head(server, &line, &format!("{RESUMED}content-length: 1000\r\n")) + "half";
        exchange(server.address(), bytes.as_bytes(), Then::Close);
        let began = Instant::now();
        // Whoever asks is told what is safe by then.
        while header(
            &server.ask_as_admin(&resumable("HEAD", &upload)),
            "upload-offset",
        ) != "4"
        {
            assert!(began.elapsed() < SOON, "what came is not there");
            thread::sleep(POLL);
        }
        assert_eq!(object(server, "files").json()["code"], "NoSuchKey");
        let ended = loop {
            let ended = server.ask_as_admin(&resumable("DELETE", &upload));
            if ended.status != 423 || began.elapsed() > SOON {
                break ended;
            }
            thread::sleep(POLL);
        };
        assert_eq!(ended.status, 204, "{}", ended.text());
    });
}

#[test]
fn a_part_that_is_cut_is_none() {
    with_buckets(|server| {
        let keys = &server.keys;
        let put = s3::request(keys, "PUT", "files/a", &[], &[]);
        let put = put.body("half").header("content-length", "1000");
        let answer = Answer::read(&exchange(server.address(), &put.bytes(), Then::Close));
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(
            answer.text().contains("<Code>IncompleteBody</Code>"),
            "{}",
            answer.text()
        );

        let begin = s3::request(keys, "POST", "files/a", &[("uploads", "")], &[]);
        let begun = begin.send(server.address()).text();
        let (_, id) = begun.split_once("<UploadId>").unwrap();
        let (id, _) = id.split_once("</UploadId>").unwrap();
        let part = [("partNumber", "1"), ("uploadId", id)];
        let put = s3::request(keys, "PUT", "files/a", &part, &[]);
        let put = put.body("half").header("content-length", "1000");
        let answer = Answer::read(&exchange(server.address(), &put.bytes(), Then::Close));
        assert_eq!(answer.status, 400, "{}", answer.text());
        let upload = [("uploadId", id)];
        let list = s3::request(keys, "GET", "files/a", &upload, &[]);
        let list = list.send(server.address());
        assert_eq!(list.status, 200, "{}", list.text());
        assert!(!String::from_utf8_lossy(&list.body).contains("<PartNumber>"));
        let abort = s3::request(keys, "DELETE", "files/a", &upload, &[]);
        assert_eq!(abort.send(server.address()).status, 204);
    });
}

/// What is known to be too large before anything of it has come is not read at all.
#[test]
fn an_upload_that_says_it_is_too_large_is_not_read() {
    with_buckets(|server| {
        let length = format!("content-length: {}\r\n", 2 * ENDLESS);
        let upload = begin_resumable(server, "small", LIMIT);
        let post = "POST /storage/v1/object/small/a";
        for (line, headers) in [
            (post.to_owned(), length.clone()),
            (post.to_owned(), format!("{FORM}{length}")),
            (format!("PATCH {upload}"), format!("{RESUMED}{length}")),
        ] {
            let head = head(server, &line, &headers);
            let (taken, answer) = send_without_end(server, head.as_bytes(), &vec![0; PIECE]);
            assert!(taken <= IN_SOCKETS, "{line}: {taken} bytes");
            is_refused(&answer, &line);
        }
        let put = s3::request(&server.keys, "PUT", "small/a", &[], &[]);
        let put = put.header("content-length", (2 * ENDLESS).to_string());
        let (taken, answer) = send_without_end(server, &put.bytes(), &vec![0; PIECE]);
        // Whether it is read until the answer is there is not known to who throws it away.
        assert!(taken <= DISCARDED + IN_SOCKETS, "{taken} bytes");
        is_refused(&answer, "S3");
        assert_eq!(object(server, "small").json()["code"], "NoSuchKey");
        end(server, &upload);
    });
}

/// What turns out to be too large is read a bounded way further, so that its client comes to hear why, and no further.
#[test]
fn an_upload_past_its_limit_is_not_read_to_its_end() {
    with_buckets(|server| {
        let chunked = "transfer-encoding: chunked\r\n";
        let chunk = [b"10000\r\n".as_slice(), &vec![0; PIECE], b"\r\n"].concat();
        let opening = format!("{:x}\r\n{FORM_OPENING}\r\n", FORM_OPENING.len());
        let upload = begin_resumable(server, "small", LIMIT);
        let post = "POST /storage/v1/object/small/a".to_owned();
        for (line, headers, opening) in [
            (post.clone(), chunked.to_owned(), String::new()),
            (post, format!("{FORM}{chunked}"), opening),
            (
                format!("PATCH {upload}"),
                format!("{RESUMED}{chunked}"),
                String::new(),
            ),
        ] {
            let beginning = head(server, &line, &headers) + &opening;
            let (taken, answer) = send_without_end(server, beginning.as_bytes(), &chunk);
            let most = LIMIT + DISCARDED + IN_SOCKETS;
            assert!(taken <= most, "{line}: {taken} bytes");
            is_refused(&answer, &line);
            assert_eq!(object(server, "small").json()["code"], "NoSuchKey");
        }
        // Of an upload that is not what it said nothing is left, not even that it had begun.
        let asked = server.ask_as_admin(&resumable("HEAD", &upload));
        assert_eq!(asked.status, 404, "{}", asked.head);
    });
}

/// Nobody waits for the end of what is too large already.
#[test]
fn a_client_that_pauses_past_the_limit_is_told_at_once() {
    with_buckets(|server| {
        let chunked = "transfer-encoding: chunked\r\n";
        let mut bytes = head(server, "POST /storage/v1/object/small/a", chunked).into_bytes();
        bytes.extend(format!("{:x}\r\n", LIMIT + 1).bytes());
        bytes.extend(vec![0; LIMIT + 1]);
        bytes.extend(b"\r\n");
        let began = Instant::now();
        // It stays open: that it ends was not said.
        let answer = Answer::read(&exchange(server.address(), &bytes, Then::Wait));
        assert!(began.elapsed() < SOON, "after {:?}", began.elapsed());
        assert_eq!(answer.json()["code"], "EntityTooLarge", "{}", answer.text());
        assert_eq!(header(&answer, "connection"), "close");
    });
}

/// Sends a beginning and then the same piece again and again, until the server closes. Gives how many bytes it has taken, and its
/// answer, which is lost where the connection breaks under what is still on its way.
fn send_without_end(server: &Server, beginning: &[u8], piece: &[u8]) -> (usize, Answer) {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(2 * SOON)).unwrap();
    stream.set_write_timeout(Some(2 * SOON)).unwrap();
    let mut reader = stream.try_clone().unwrap();
    let answer = thread::spawn(move || {
        let mut bytes = Vec::new();
        drop(reader.read_to_end(&mut bytes));
        Answer::read(&bytes)
    });
    let mut taken = 0;
    if stream.write_all(beginning).is_ok() {
        while taken < ENDLESS && stream.write_all(piece).is_ok() {
            taken += piece.len();
        }
    }
    drop(stream.shutdown(std::net::Shutdown::Both));
    (taken, answer.join().unwrap())
}

/// By a refusal, in the shape of the road, or by the end of the connection.
fn is_refused(answer: &Answer, line: &str) {
    let status = answer.json()["statusCode"].clone();
    let told = match answer.status {
        0 | 413 => true,
        400 => status == json!("413") || answer.text().contains("EntityTooLarge"),
        _ => false,
    };
    assert!(told, "{line}: {} {}", answer.head, answer.text());
}

/// Ends a resumable upload.
fn end(server: &Server, upload: &str) {
    let ended = server.ask_as_admin(&resumable("DELETE", upload));
    assert!(matches!(ended.status, 204 | 404), "{}", ended.text());
}
