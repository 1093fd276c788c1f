//! The proxy: everything that is said to the provider comes by here, and not all of it arrives as it was sent.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use serde_json::json;

use super::api::Api;
use super::chaos::{Fate, Refusal};
use super::message::{Message, Reply};
use super::translate::is_from_browser;

/// Where the peer sends its webhooks.
pub(super) const HOOK: &str = "/_webhooks";

/// Answers until the end, each connection on a thread of its own.
pub(super) fn serve(listener: &TcpListener, api: &Arc<Api>) {
    for stream in listener.incoming() {
        if api.hooks.has_ended() {
            return;
        }
        let Ok(stream) = stream else { continue };
        let api = Arc::clone(api);
        thread::spawn(move || answer(&api, stream));
    }
}

fn answer(api: &Api, mut stream: TcpStream) {
    let Some(message) = Message::read(&mut stream) else {
        return;
    };
    if let Some(reply) = reply(api, &message) {
        reply.write(&mut stream);
    }
}

/// None where the connection breaks instead.
fn reply(api: &Api, message: &Message) -> Option<Reply> {
    if message.path() == HOOK {
        api.take_hook(message);
        return Some(Reply::json(200, &json!({})));
    }
    // What customers do is not what is tested, and whoever sets up the stage wants it to stand.
    if is_from_browser(message) || message.path() == "/v1/webhook_endpoints" {
        return Some(api.carry_out(message));
    }
    let fate = api.dice.of_request();
    if let Fate::Late(time) = fate {
        thread::sleep(time);
    }
    let reply = match fate {
        Fate::Lost => return None,
        Fate::Refused(refusal) => return Some(refusal.reply()),
        _ => api.carry_out(message),
    };
    match fate {
        Fate::AnswerLost => None,
        Fate::Silent(time) => {
            thread::sleep(time);
            None
        }
        Fate::AnswerLate(time) => {
            thread::sleep(time);
            Some(reply)
        }
        Fate::Twice => Some(api.carry_out(message)),
        Fate::Passes | Fate::Late(_) | Fate::Lost | Fate::Refused(_) => Some(reply),
    }
}

impl Refusal {
    fn reply(self) -> Reply {
        match self {
            Refusal::Broken => Reply::error(500, "api_error", "", "Something went wrong."),
            Refusal::Busy => {
                let why = "Request rate limit exceeded.";
                Reply::error(429, "invalid_request_error", "rate_limit", why)
                    .with("retry-after", "1")
            }
            Refusal::Empty => Reply::json(200, &json!({})),
            Refusal::Nonsense => Reply {
                status: 200,
                headers: vec![("content-type", "text/html".to_owned())],
                body: b"<html>We are back soon".to_vec(),
            },
        }
    }
}
