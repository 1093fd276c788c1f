//! What can be said wrongly on the command line, in the settings and in the environment.

use std::fs;
use std::net::TcpListener;

use plinth_testkit::temp::TempDir;

use crate::server::with_server;
use plinth_testkit::process::{run, run_with};

fn folder() -> TempDir {
    TempDir::new("bad-command").unwrap()
}

#[test]
fn what_is_not_understood_ends_with_2() {
    let folder = folder();
    let cases: [(&[&str], &str); 12] = [
        (&["frob"], "frob"),
        (&["serve", "--frob"], "--frob"),
        (&["serve", ".", "--listen"], "--listen"),
        (&["serve", ".", "--listen", "here"], "'here'"),
        (
            &["serve", ".", "--listen", "127.0.0.1:99999"],
            "127.0.0.1:99999",
        ),
        (&["serve", ".", "another"], "another"),
        (
            &["sql", ".", "-c", "select 1", "-f", "x.sql"],
            "cannot be used with",
        ),
        (
            &["sql", ".", "-c", "select 1", "--as", "x", "--role", "anon"],
            "cannot be used with",
        ),
        (&["sql", ".", "--format", "xml", "-c", "select 1"], "xml"),
        (
            &["migrate", ".", "--check", "--status"],
            "cannot be used with",
        ),
        (&["keys", "rotate", ".", "--keep-old", "soon"], "soon"),
        (&["completions", "tcl"], "tcl"),
    ];
    for (args, said) in cases {
        run(folder.path(), args).is(2, &[said, "--help"]);
    }
    assert!(!folder.path().join("data").exists(), "nothing was made");
}

#[test]
fn what_cannot_be_done_ends_with_1_and_the_reason() {
    let folder = folder();
    fs::write(folder.path().join("latin1.sql"), b"select 1;\n-- caf\xe9\n").unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let cases: [(&[&str], &[&str]); 7] = [
        (
            &["serve", "nowhere"],
            &["there is no folder nowhere", "plinth init nowhere"],
        ),
        (&["dev", "file"], &["file is a file"]),
        (
            &["dev", ".", "--listen", "0.0.0.0:0"],
            &["loopback only", "plinth serve"],
        ),
        (
            &["serve", ".", "--listen", "192.0.2.1:5000"],
            &["192.0.2.1:5000"],
        ),
        (
            &["sql", ".", "-f", "nofile.sql"],
            &["cannot read nofile.sql"],
        ),
        (
            &["sql", ".", "-f", "latin1.sql"],
            &["latin1.sql", "line 2", "UTF-8"],
        ),
        (
            &["sql", "nowhere", "-c", "select 1"],
            &["there is no folder nowhere"],
        ),
    ];
    for (args, said) in cases {
        run(folder.path(), args).is(1, said);
    }
}

#[test]
fn a_script_with_errors_ends_with_3() {
    let folder = folder();
    let cases = [
        ("table nope", "relation \"nope\" does not exist"),
        ("selec 1", "syntax error at or near \"selec\""),
        ("select 'a", "unterminated quoted string"),
        ("select 1 / 0", "division by zero"),
        (
            "select 'x'::integer",
            "invalid input syntax for type integer: \"x\"",
        ),
    ];
    for (sql, said) in cases {
        run(
            folder.path(),
            &["sql", ".", "-c", sql, "-c", "select 'and on'"],
        )
        .is(3, &[said, "and on"]);
    }
    run(
        folder.path(),
        &["sql", ".", "--role", "nobody", "-c", "select 1"],
    )
    .is(1, &["role \"nobody\" does not exist"]);
}

#[test]
fn settings_that_are_wrong_are_named() {
    let cases: [(&[u8], &[&str]); 7] = [
        (b"[server]\nprot = 1\n", &["line 2", "prot", "listen"]),
        (b"[sever]\n", &["sever", "server"]),
        (b"[server\n", &["line 1"]),
        (
            b"[limits]\npage_rows = \"many\"\n",
            &["line 2", "page_rows"],
        ),
        (
            b"[limits]\nfilters = 0\n",
            &["limits.filters must be at least 1"],
        ),
        (
            b"[limits]\nrest_body_bytes = 99999999999999999999\n",
            &["line 2"],
        ),
        (b"[server] # caf\xe9\n", &["UTF-8"]),
    ];
    for (settings, said) in cases {
        let folder = folder();
        fs::write(folder.path().join("plinth.toml"), settings).unwrap();
        for command in ["serve", "migrate", "status"] {
            let ended = run(folder.path(), &[command, "."]);
            ended.is(1, said);
            ended.is(1, &["plinth.toml"]);
        }
    }
}

#[test]
fn variables_that_are_wrong_are_named() {
    let cases: [(&str, &str, &str); 4] = [
        ("PLINTH_LIMITS_NOPE", "1", "nope"),
        ("PLINTH_LIMITS_FILTERS", "many", "environment"),
        ("PLINTH_SERVER_LISTEN", "here", "environment"),
        (
            "PLINTH_MASTER_KEY",
            "short",
            "PLINTH_MASTER_KEY must be 32 bytes",
        ),
    ];
    for (name, value, said) in cases {
        let folder = folder();
        let args = ["serve", ".", "--listen", "127.0.0.1:0"];
        run_with(folder.path(), &args, &[(name, value)]).is(1, &[said]);
    }
}

#[test]
fn a_port_in_use_is_named_and_nothing_is_made() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = folder();
    for command in ["serve", "dev"] {
        let ended = run(folder.path(), &[command, ".", "--listen", &address]);
        ended.is(1, &[&address, "already in use", "--listen"]);
    }
    assert!(!folder.path().join("data/plinth.db").exists());
}

#[test]
fn a_second_server_is_refused_with_the_name_of_the_first() {
    with_server(|server| {
        let elsewhere = folder();
        let folder = server.folder().display().to_string();
        for command in ["serve", "dev"] {
            let ended = run(
                elsewhere.path(),
                &[command, &folder, "--listen", "127.0.0.1:0"],
            );
            let first = format!("plinth dev (process {})", server.process());
            ended.is(
                1,
                &[
                    "is in use already",
                    &first,
                    &server.address().to_string(),
                    "stop that one first",
                ],
            );
        }
    });
}
