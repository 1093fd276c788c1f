//! `/metrics`: on its own port, for this machine only, with labels that nobody outside can make grow.

use plinth_testkit::http::Request;
use plinth_testkit::process::run_with;
use plinth_testkit::server::Process;
use plinth_testkit::temp::TempDir;

#[test]
fn figures_are_for_this_machine_and_their_labels_have_bounds() {
    let folder = TempDir::new("metrics").unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let settings = format!("[metrics]\nlisten = \"{port}\"\n");
    std::fs::write(folder.path().join("plinth.toml"), settings).unwrap();
    let server = Process::start("serve", folder.path());
    for n in 0..50 {
        Request::new("GET", &format!("/rest/v1/secret_table_{n}")).send(server.address);
        Request::new("GET", &format!("/secret/path/{n}")).send(server.address);
        Request::new(&format!("SECRET{n}"), "/rest/v1/").send(server.address);
    }
    let shown = Request::get("/metrics").header("host", port.to_string());
    let text = shown.send(port);
    assert_eq!(text.status, 200, "{}", text.text());
    let body = String::from_utf8(text.body).unwrap();
    for line in [
        "plinth_http_requests_total{method=\"GET\",route=\"/rest/v1/{relation}\",status=\"401\"} 50",
        "plinth_http_requests_in_flight 0",
        "plinth_writes_waiting 0",
        "plinth_letters_waiting 0",
        "process_resident_memory_bytes",
        "plinth_http_request_seconds_bucket",
    ] {
        assert!(body.contains(line), "{line} is not in\n{body}");
    }
    assert!(!body.to_lowercase().contains("secret"), "{body}");
    assert!(body.len() < 20_000, "{} bytes", body.len());
    // Another name for this machine is how a page in a browser would ask; the public port has none of it.
    let stranger = shown.clone().header("host", "evil.example").send(port);
    assert_eq!(stranger.status, 403, "{}", stranger.text());
    assert_eq!(Request::get("/metrics").send(server.address).status, 404);
}

#[test]
fn only_a_loopback_address_will_do() {
    let folder = TempDir::new("metrics-address").unwrap();
    for (address, said) in [
        ("0.0.0.0:9464", "loopback"),
        ("[::]:9464", "loopback"),
        ("192.0.2.1:9464", "loopback"),
        ("9464", "address and a port"),
        ("localhost:9464", "address and a port"),
    ] {
        let environment = [("PLINTH_METRICS_LISTEN", address)];
        let args = ["serve", ".", "--listen", "127.0.0.1:0"];
        run_with(folder.path(), &args, &environment).is(1, &["metrics.listen", said]);
    }
}
