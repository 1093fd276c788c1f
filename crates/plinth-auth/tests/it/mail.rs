//! What is proved by mail: codes, links, flows with a code challenge, changes of address.

use plinth_auth::{Mailer, Outbox, Smtp, SmtpSecurity};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::app::{TestApp, start, start_with};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const ANN: &str = "ann@example.com";

/// With a mailbox, and addresses that have to be confirmed.
async fn start_with_mail() -> TestApp {
    start_with(|config| {
        config.autoconfirm = false;
        config.mailer = Mailer::Outbox(Outbox::default());
        "https://shop.example".clone_into(&mut config.site_url);
        config.redirect_urls = vec!["https://app.example/**".to_owned()];
        config.anonymous_sign_ins = true;
    })
    .await
}

impl TestApp {
    async fn letter(&self) -> crate::app::Letter {
        self.auth.deliver_mail().await.unwrap();
        self.newest_letter()
    }

    async fn letters(&self) -> usize {
        self.auth.deliver_mail().await.unwrap();
        self.outbox.letters().len()
    }

    /// An account whose address is confirmed, and its access token.
    async fn confirmed(&self, email: &str) -> String {
        self.sign_up(email, "a good password").await.ok();
        let code = self.letter().await.code;
        let body = json!({ "type": "signup", "email": email, "token": code });
        let answer = self.post("/verify", body).await.ok();
        self.pass(2);
        answer.access_token()
    }
}

#[tokio::test]
async fn an_account_waits_for_its_address_to_be_confirmed() {
    let app = start_with_mail().await;
    let answer = app.sign_up(ANN, "a good password").await.ok();
    assert_eq!(answer.body["access_token"], json!(null));
    assert!(answer.body["confirmation_sent_at"].is_string());
    app.sign_in(ANN, "a good password")
        .await
        .refused(400, "email_not_confirmed");

    let letter = app.letter().await;
    assert_eq!(letter.to, ANN);
    assert!(letter.subject.contains("Confirm"), "{}", letter.subject);
    let wrong = if letter.code == "000000" {
        "000001"
    } else {
        "000000"
    };
    app.post(
        "/verify",
        json!({ "type": "signup", "email": ANN, "token": wrong }),
    )
    .await
    .refused(403, "otp_expired");
    let body = json!({ "type": "email", "email": ANN, "token": letter.code });
    let session = app.post("/verify", body.clone()).await.ok();
    assert_eq!(
        session.body["user"]["user_metadata"]["email_verified"],
        true
    );
    app.user(&session.access_token()).await.ok();
    app.post("/verify", body).await.refused(403, "otp_expired");
    app.sign_in(ANN, "a good password").await.ok();
}

#[tokio::test]
async fn a_link_leads_back_with_a_session_and_works_once() {
    let app = start_with_mail().await;
    app.sign_up(ANN, "a good password").await.ok();
    let letter = app.letter().await;
    let to = app.follow(&letter).await;
    let (site, fragment) = to.split_once('#').unwrap();
    assert_eq!(site, "https://shop.example");
    for part in [
        "access_token=",
        "refresh_token=",
        "token_type=bearer",
        "type=signup",
        "&sb=",
    ] {
        assert!(fragment.contains(part), "{fragment}");
    }
    let again = app.follow(&letter).await;
    assert!(
        again.contains("error=access_denied&error_code=otp_expired"),
        "{again}"
    );
}

#[tokio::test]
async fn links_lead_only_where_they_may() {
    let app = start_with_mail().await;
    for (asked, leads) in [
        ("https%3A%2F%2Fapp.example%2Fin", "https://app.example/in#"),
        ("https%3A%2F%2Fevil.example", "https://shop.example#"),
    ] {
        app.pass(2);
        let path = format!("/otp?redirect_to={asked}");
        app.post(&path, json!({ "email": ANN })).await.ok();
        let to = app.follow(&app.letter().await).await;
        assert!(to.starts_with(leads), "{to}");
        // What the link says is asked again when it is followed.
        let forged = "/verify?token=x&type=signup&redirect_to=https%3A%2F%2Fevil.example";
        let answer = app.call("GET", forged, "", None, "").await;
        let to = answer.headers["location"].to_str().unwrap().to_owned();
        assert!(to.starts_with("https://shop.example#error="), "{to}");
    }
}

#[tokio::test]
async fn a_code_challenge_turns_the_link_into_a_code() {
    let app = start_with_mail().await;
    app.confirmed(ANN).await;
    let ask = json!({ "email": ANN, "code_challenge": CHALLENGE, "code_challenge_method": "s256" });
    app.post("/recover", ask).await.ok();
    let letter = app.letter().await;
    assert!(letter.path.contains("token=pkce_"), "{}", letter.path);
    let to = app.follow(&letter).await;
    let code = to
        .strip_prefix("https://shop.example?code=")
        .unwrap()
        .to_owned();

    let exchange = |verifier: &str| json!({ "auth_code": code, "code_verifier": verifier });
    let path = "/token?grant_type=pkce";
    app.post(path, exchange("wrong"))
        .await
        .refused(400, "bad_code_verifier");
    let session = app.post(path, exchange(VERIFIER)).await.ok();
    app.user(&session.access_token()).await.ok();
    app.post(path, exchange(VERIFIER))
        .await
        .refused(404, "flow_state_not_found");

    let half = json!({ "email": ANN, "code_challenge": CHALLENGE });
    app.post("/recover", half)
        .await
        .refused(400, "validation_failed");
}

#[tokio::test]
async fn codes_of_links_end() {
    let app = start_with_mail().await;
    let ask = json!({ "email": ANN, "code_challenge": CHALLENGE, "code_challenge_method": "S256" });
    app.post("/otp", ask).await.ok();
    let to = app.follow(&app.letter().await).await;
    let code = to.strip_prefix("https://shop.example?code=").unwrap();
    app.pass(301);
    let body = json!({ "auth_code": code, "code_verifier": VERIFIER });
    app.post("/token?grant_type=pkce", body)
        .await
        .refused(422, "flow_state_expired");
}

#[tokio::test]
async fn a_code_is_old_after_an_hour_and_void_after_the_next() {
    let app = start_with_mail().await;
    app.post("/otp", json!({ "email": ANN })).await.ok();
    let first = app.letter().await.code;
    app.pass(2);
    app.post("/otp", json!({ "email": ANN })).await.ok();
    let second = app.letter().await.code;
    let verify = |code: &str| json!({ "type": "email", "email": ANN, "token": code });
    if first != second {
        app.post("/verify", verify(&first))
            .await
            .refused(403, "otp_expired");
    }
    app.pass(3601);
    app.post("/verify", verify(&second))
        .await
        .refused(403, "otp_expired");
}

#[tokio::test]
async fn codes_cannot_be_guessed_at_speed() {
    let app = start_with_mail().await;
    app.post("/otp", json!({ "email": ANN })).await.ok();
    let right = app.letter().await.code;
    for guess in 0..10 {
        let code = format!(
            "{:06}",
            (right.parse::<u32>().unwrap() + guess + 1) % 1_000_000
        );
        app.post(
            "/verify",
            json!({ "type": "email", "email": ANN, "token": code }),
        )
        .await
        .refused(403, "otp_expired");
    }
    app.post(
        "/verify",
        json!({ "type": "email", "email": ANN, "token": right }),
    )
    .await
    .refused(429, "over_request_rate_limit");
}

#[tokio::test]
async fn nobody_learns_who_has_an_account() {
    let app = start_with_mail().await;
    app.confirmed(ANN).await;
    let before = app.letters().await;
    for email in [ANN, "nobody@example.com"] {
        let first = app.post("/recover", json!({ "email": email })).await.ok();
        assert_eq!(first.body, json!({}));
        app.post("/recover", json!({ "email": email }))
            .await
            .refused(429, "over_email_send_rate_limit");
    }
    assert_eq!(app.letters().await, before + 1);
    app.pass(2);
    // A known address is answered as a fresh one would be, and gets no letter.
    let known = app.sign_up(ANN, "another password").await.ok();
    assert!(known.body["id"].is_string() && known.body["access_token"].is_null());
    assert_eq!(app.letters().await, before + 1);
    app.sign_in(ANN, "another password")
        .await
        .refused(400, "invalid_credentials");
}

#[tokio::test]
async fn a_change_of_address_is_confirmed_from_both() {
    let app = start_with_mail().await;
    let token = app.confirmed(ANN).await;
    app.confirmed("taken@example.com").await;
    app.change(&token, json!({ "email": "taken@example.com" }))
        .await
        .refused(422, "email_exists");
    app.pass(2);
    let waits = app
        .change(&token, json!({ "email": "new@example.com" }))
        .await
        .ok();
    assert_eq!(waits.body["email"], ANN);
    assert_eq!(waits.body["new_email"], "new@example.com");
    app.auth.deliver_mail().await.unwrap();
    let letters = app.outbox.letters();
    let mut to: Vec<&str> = letters
        .iter()
        .take(2)
        .map(|sent| sent.to.as_str())
        .collect();
    to.sort_unstable();
    assert_eq!(to, [ANN, "new@example.com"]);
    let follow = |to: &'static str| {
        let sent = letters.iter().find(|sent| sent.to == to).unwrap();
        let link = sent.html.split("href=\"").nth(1).unwrap();
        let link = link.split('"').next().unwrap().replace("&amp;", "&");
        link.replace("http://127.0.0.1:54321/auth/v1", "")
    };
    let first = app
        .call("GET", &follow("new@example.com"), "", None, "")
        .await;
    let location = first.headers["location"].to_str().unwrap();
    assert!(location.contains("#message="), "{location}");
    assert_eq!(app.user(&token).await.body["email"], ANN);
    app.call("GET", &follow(ANN), "", None, "").await;
    let user = app.user(&token).await.body;
    assert_eq!(user["email"], "new@example.com");
    assert_eq!(user["identities"][0]["email"], "new@example.com");
    app.sign_in("new@example.com", "a good password").await.ok();
}

#[tokio::test]
async fn an_anonymous_account_becomes_somebody_s() {
    let app = start_with_mail().await;
    let session = app.post("/signup", json!({})).await.ok();
    assert_eq!(session.body["user"]["is_anonymous"], true);
    let (token, id) = (session.access_token(), session.body["user"]["id"].clone());
    app.change(&token, json!({ "email": ANN })).await.ok();
    assert_eq!(app.user(&token).await.body["is_anonymous"], true);
    app.follow(&app.letter().await).await;
    let user = app.user(&token).await.ok().body;
    assert_eq!((&user["id"], &user["is_anonymous"]), (&id, &json!(false)));
    assert_eq!(user["app_metadata"]["provider"], "email");
    app.change(&token, json!({ "password": "a good password" }))
        .await
        .ok();
    app.sign_in(ANN, "a good password").await.ok();

    let closed = start().await;
    closed
        .post("/signup", json!({}))
        .await
        .refused(422, "anonymous_provider_disabled");
}

#[tokio::test]
async fn administrators_invite_and_make_links() {
    let app = start_with_mail().await;
    let invited = app
        .admin("POST", "/invite", json!({ "email": ANN }))
        .await
        .ok();
    assert!(invited.body["invited_at"].is_string());
    let to = app.follow(&app.letter().await).await;
    assert!(to.contains("type=invite"), "{to}");
    app.admin("POST", "/invite", json!({ "email": ANN }))
        .await
        .refused(422, "email_exists");
    app.post("/invite", json!({ "email": ANN }))
        .await
        .refused(403, "not_admin");

    let ask = json!({ "type": "recovery", "email": ANN, "redirect_to": "https://app.example/x" });
    let made = app
        .admin("POST", "/admin/generate_link", ask)
        .await
        .ok()
        .body;
    assert_eq!(made["verification_type"], "recovery");
    assert_eq!(made["redirect_to"], "https://app.example/x");
    let body = json!({ "type": "recovery", "token_hash": made["hashed_token"] });
    app.post("/verify", body).await.ok();
    let fresh = json!({ "type": "magiclink", "email": "fresh@example.com" });
    let made = app
        .admin("POST", "/admin/generate_link", fresh)
        .await
        .ok()
        .body;
    assert_eq!(made["verification_type"], "signup");
    let body =
        json!({ "type": "signup", "email": "fresh@example.com", "token": made["email_otp"] });
    app.post("/verify", body).await.ok();
}

#[tokio::test]
async fn an_old_session_proves_its_owner_before_a_new_password() {
    let app = start_with(|config| {
        config.mailer = Mailer::Outbox(Outbox::default());
        config.reauthenticate_to_change_password = true;
        config.access_token_seconds = 400_000;
    })
    .await;
    let token = app
        .sign_up(ANN, "a good password")
        .await
        .ok()
        .access_token();
    app.change(&token, json!({ "password": "a second password" }))
        .await
        .ok();
    app.pass(90_000);
    let third = json!({ "password": "a third password" });
    app.change(&token, third)
        .await
        .refused(400, "reauthentication_needed");
    app.call(
        "GET",
        "/reauthenticate",
        crate::app::PUBLISHABLE,
        Some(&token),
        "",
    )
    .await
    .ok();
    let code = app.letter().await.code;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    app.change(
        &token,
        json!({ "password": "a third password", "nonce": wrong }),
    )
    .await
    .refused(422, "reauthentication_not_valid");
    app.change(
        &token,
        json!({ "password": "a third password", "nonce": code }),
    )
    .await
    .ok();
    app.sign_in(ANN, "a third password").await.ok();
}

#[tokio::test]
async fn without_a_mailer_letters_are_refused() {
    let app = start().await;
    app.post("/recover", json!({ "email": ANN }))
        .await
        .refused(422, "email_provider_disabled");
    let settings = app
        .call("GET", "/settings", crate::app::PUBLISHABLE, None, "")
        .await;
    assert_eq!(settings.body["mailer_autoconfirm"], true);
}

/// A mail server that takes one letter, after refusing as many as it is told to. Answers what it was sent.
async fn take_letter(listener: &TcpListener, refusals: usize) -> String {
    for attempt in 0.. {
        let (stream, _) = listener.accept().await.unwrap();
        let (reader, mut writer) = stream.into_split();
        let mut lines = BufReader::new(reader).lines();
        let (mut data, mut in_data) = (String::new(), false);
        writer.write_all(b"220 here\r\n").await.unwrap();
        while let Some(line) = lines.next_line().await.unwrap() {
            if in_data && line != "." {
                data.push_str(&line);
                data.push('\n');
                continue;
            }
            let answer = match line.split([' ', ':']).next().unwrap() {
                "MAIL" if attempt < refusals => "451 later\r\n",
                "DATA" => "354 go on\r\n",
                _ => "250 ok\r\n",
            };
            in_data = line == "DATA";
            writer.write_all(answer.as_bytes()).await.unwrap();
            if line == "." {
                return data;
            }
        }
    }
    unreachable!("the loop has no end")
}

#[tokio::test]
async fn a_mail_server_gets_letters_and_a_second_try() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move { take_letter(&listener, 1).await });
    let app = start_with(|config| {
        let smtp = Smtp::new(
            ("127.0.0.1", port),
            SmtpSecurity::None,
            None,
            "Shop <shop@example.com>",
        );
        config.mailer = Mailer::Smtp(smtp.unwrap());
        config.autoconfirm = false;
    })
    .await;
    app.sign_up(ANN, "a good password").await.ok();
    app.auth.deliver_mail().await.unwrap();
    assert!(!server.is_finished());
    // Not before its time has come.
    app.auth.deliver_mail().await.unwrap();
    app.pass(16);
    app.auth.deliver_mail().await.unwrap();
    let letter = server.await.unwrap();
    assert!(letter.contains("From: Shop <shop@example.com>"), "{letter}");
    assert!(letter.contains("To: ann@example.com"), "{letter}");
    assert!(
        letter.contains("text/plain") && letter.contains("text/html"),
        "{letter}"
    );
    let waiting = app
        .db
        .query(
            &plinth_db::Session::system(),
            "select id from auth.mail_queue",
            Vec::new(),
        )
        .await
        .unwrap();
    assert!(waiting.is_empty());
}
