//! Questions and answers of Stripe's API: forms out, JSON in, and what each status means for whoever asked.
//!
//! Only an answer that was understood counts. A 4xx says that it will not be done; everything else, silence and nonsense among it, says
//! nothing of whether it was done.

use std::net::IpAddr;
use std::time::Duration;

use plinth_db::keys::Secret;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response, Url, redirect};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::Trouble;

/// The version of the API whose answers are read here.
pub(super) const VERSION: &str = "2024-06-20";
/// The code of an answer to a key that was used with another question.
pub(super) const OTHER_WORDS: &str = "idempotency_error";

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(4);
/// Longest wait for an answer. Somebody waits for an order meanwhile.
const ANSWER: Duration = Duration::from_secs(8);
/// What of an answer is read: a page of a hundred intents is far smaller.
const ANSWER_BYTES: usize = 4 << 20;
/// Longest that we let ourselves be sent away.
const AFTER_SECONDS: u64 = 3600;
/// Longest id of an object.
const ID_BYTES: usize = 255;

/// A way to the API.
pub(super) struct Api {
    client: Client,
    base: String,
    key: Secret,
}

/// What is in an answer that is none.
#[derive(Deserialize)]
struct Refusal {
    error: Said,
}

#[derive(Deserialize)]
struct Said {
    #[serde(rename = "type")]
    kind: Option<String>,
    code: Option<String>,
    message: Option<String>,
}

impl Api {
    /// Refuses an address to which the key would be sent unprotected.
    pub(super) fn open(base: &str, key: Secret) -> Result<Api, String> {
        let url = Url::parse(base)
            .map_err(|error| format!("commerce.stripe_api_url cannot be read: {error}"))?;
        if url.scheme() != "https" && !(url.scheme() == "http" && is_this_machine(&url)) {
            return Err(
                "commerce.stripe_api_url must begin with https://, or be on this machine"
                    .to_owned(),
            );
        }
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .build()
            .map_err(|error| format!("Stripe cannot be asked: {error}"))?;
        Ok(Api {
            client,
            base: base.trim_end_matches('/').to_owned(),
            key,
        })
    }

    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, Trouble> {
        let mut url = format!("{}{path}", self.base);
        if !query.is_empty() {
            url.push('?');
            url.push_str(&form(query));
        }
        self.ask(self.client.get(url)).await
    }

    /// With a key, the same question is answered once, however often it is asked.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        fields: &[(&str, String)],
        key: Option<&str>,
    ) -> Result<T, Trouble> {
        let mut request = self
            .client
            .post(format!("{}{path}", self.base))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form(fields));
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        self.ask(request).await
    }

    async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Trouble> {
        let request = request
            .header("Stripe-Version", VERSION)
            .bearer_auth(self.key.expose());
        let response = request.send().await.map_err(|error| silence(&error))?;
        let status = response.status().as_u16();
        let after = retry_after(response.headers());
        let insists = response
            .headers()
            .get("stripe-should-retry")
            .is_some_and(|value| value == "true");
        let body = read(response).await?;
        match status {
            200..=299 => serde_json::from_slice(&body)
                .map_err(|error| Trouble::later(format!("an answer that cannot be read: {error}"))),
            _ if insists => Err(Trouble::Later {
                after,
                why: format!("status {status}"),
            }),
            _ => Err(refusal(status, after, &body)),
        }
    }
}

/// What a status that is no success says.
fn refusal(status: u16, after: Option<Duration>, body: &[u8]) -> Trouble {
    let said = serde_json::from_slice(body).map(|Refusal { error }| error);
    let (kind, code, message) = match said {
        Ok(Said {
            kind,
            code,
            message,
        }) => (kind, code, message),
        Err(_) => (None, None, None),
    };
    let message = message.unwrap_or_else(|| format!("status {status}"));
    match status {
        // The key is wrong or lacks a right: somebody here will mend that, and no payment has failed.
        401 | 403 => {
            tracing::error!(status, said = %message, "Stripe does not accept our key");
            Trouble::Later {
                after,
                why: message,
            }
        }
        // The same question is being answered elsewhere (409), or too many are asked (429).
        408 | 409 | 425 | 429 => Trouble::Later {
            after,
            why: message,
        },
        400..=499 if kind.as_deref() == Some(OTHER_WORDS) => Trouble::Refused {
            code: OTHER_WORDS.to_owned(),
            message,
        },
        // A 4xx without the words of the API is of something between us and it.
        400..=499 if kind.is_some() => Trouble::Refused {
            code: code.or(kind).unwrap_or_default(),
            message,
        },
        _ => Trouble::Later {
            after,
            why: message,
        },
    }
}

/// `Retry-After` in seconds; the form with a date is not used here.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds.min(AFTER_SECONDS)))
}

async fn read(mut response: Response) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| silence(&error))? {
        if body.len() + chunk.len() > ANSWER_BYTES {
            return Err(Trouble::later("an answer without end"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// With the causes: the outermost text only says that something was not sent.
fn silence(error: &reqwest::Error) -> Trouble {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    Trouble::later(text)
}

fn form<V: AsRef<str>>(fields: &[(&str, V)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

/// An id that can stand in a path.
pub(super) fn path_id(id: &str) -> Result<&str, Trouble> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if id.is_empty() || id.len() > ID_BYTES || !id.bytes().all(fits) {
        return Err(Trouble::Refused {
            code: "resource_missing".to_owned(),
            message: "That is no id of Stripe's".to_owned(),
        });
    }
    Ok(id)
}

fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || bare
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(kind: &str, code: &str) -> Vec<u8> {
        format!(r#"{{"error":{{"type":"{kind}","code":"{code}","message":"No."}}}}"#).into_bytes()
    }

    #[test]
    fn only_what_the_api_refuses_is_refused() {
        let body = said("invalid_request_error", "amount_too_small");
        for status in [400, 402, 404, 422] {
            let refused = Trouble::Refused {
                code: "amount_too_small".to_owned(),
                message: "No.".to_owned(),
            };
            assert_eq!(refusal(status, None, &body), refused, "{status}");
        }
        for status in [301, 401, 403, 408, 409, 425, 429, 500, 502, 503, 599] {
            assert!(
                matches!(refusal(status, None, &body), Trouble::Later { .. }),
                "{status}"
            );
        }
        // A gateway's page says nothing of the payment.
        for body in ["", "<html>", "{}", r#"{"error":{}}"#, r#"{"error":"x"}"#] {
            let trouble = refusal(404, None, body.as_bytes());
            assert!(matches!(trouble, Trouble::Later { .. }), "{body}");
        }
    }

    #[test]
    fn a_key_that_was_used_in_other_words_is_told_apart() {
        let trouble = refusal(400, None, &said("idempotency_error", "whatever"));
        assert!(matches!(trouble, Trouble::Refused { code, .. } if code == OTHER_WORDS));
    }

    #[test]
    fn who_is_sent_away_knows_for_how_long() {
        let mut headers = HeaderMap::new();
        assert_eq!(retry_after(&headers), None);
        headers.insert(RETRY_AFTER, "7".parse().unwrap());
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(7)));
        headers.insert(RETRY_AFTER, u64::MAX.to_string().parse().unwrap());
        assert_eq!(retry_after(&headers), Some(Duration::from_hours(1)));
        headers.insert(RETRY_AFTER, "tomorrow".parse().unwrap());
        assert_eq!(retry_after(&headers), None);
    }

    #[test]
    fn the_key_goes_nowhere_unprotected() {
        let open = |base: &str| Api::open(base, Secret::new("sk_test_x")).is_ok();
        for good in [
            "https://api.stripe.com",
            "http://127.0.0.1:8420/",
            "http://[::1]:8420",
            "http://localhost:8420",
        ] {
            assert!(open(good), "{good}");
        }
        for bad in [
            "http://api.stripe.com",
            "http://10.0.0.1",
            "ftp://localhost",
            "nonsense",
        ] {
            assert!(!open(bad), "{bad}");
        }
    }

    #[test]
    fn ids_are_no_paths() {
        assert_eq!(path_id("pi_3Ab"), Ok("pi_3Ab"));
        for bad in ["", "a/b", "..", "a?b", "ä", &"a".repeat(256)] {
            assert!(path_id(bad).is_err(), "{bad}");
        }
    }
}
