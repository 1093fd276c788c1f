//! What `localstripe` says, in the words of the present API. Pure.

use serde_json::{Value, json};

use super::message::{Message, Reply, value};

/// Whether a request says who asks: a server by its secret key, a browser by the one that anybody may have.
pub(super) fn has_key(message: &Message) -> bool {
    is_from_browser(message)
        || key(message).is_some_and(|key| key.starts_with("sk_") || key.starts_with("rk_"))
}

/// Whether it comes from a customer's browser.
pub(super) fn is_from_browser(message: &Message) -> bool {
    let in_form = value(&message.form(), "key").is_some_and(|key| key.starts_with("pk_"));
    in_form || key(message).is_some_and(|key| key.starts_with("pk_"))
}

fn key(message: &Message) -> Option<&str> {
    message.header("authorization")?.strip_prefix("Bearer ")
}

/// A browser must know the secret of what it pays.
pub(super) fn refused_browser(message: &Message, intent: &Value) -> Option<Reply> {
    if !is_from_browser(message) || !intent["id"].is_string() {
        return None;
    }
    let form = message.form();
    let secret = value(&form, "client_secret");
    let is_known = secret.is_some() && secret == intent["client_secret"].as_str();
    let why = "The client_secret provided does not match the PaymentIntent.";
    (!is_known).then(|| Reply::error(400, "invalid_request_error", "", why))
}

/// An answer that has an intent in it, or an error.
pub(super) fn intent(reply: Reply) -> Reply {
    if !reply.is_good() {
        return failed(reply);
    }
    let old = reply.value();
    let received = match old["status"].as_str() {
        Some("succeeded") => old["amount"].as_i64(),
        _ => None,
    };
    Reply::json(
        200,
        &json!({
            "id": old["id"],
            "object": "payment_intent",
            "amount": old["amount"],
            "amount_capturable": 0,
            "amount_received": received.unwrap_or(0),
            "automatic_payment_methods": { "enabled": true },
            "canceled_at": null,
            "cancellation_reason": null,
            "capture_method": old["capture_method"],
            "client_secret": old["client_secret"],
            "created": old["created"],
            "currency": old["currency"],
            "customer": old["customer"],
            "last_payment_error": card_error(&old["last_payment_error"]),
            "latest_charge": old["latest_charge"]["id"],
            "livemode": false,
            "metadata": old["metadata"],
            "next_action": old["next_action"],
            "payment_method": old["payment_method"],
            "payment_method_types": ["card", "sepa_debit"],
            "status": old["status"],
        }),
    )
}

/// A refund that is under way, or one that is done.
pub(super) fn refund(old: &Value, is_under_way: bool) -> Value {
    json!({
        "id": old["id"],
        "object": "refund",
        "amount": old["amount"],
        "charge": old["charge"],
        "created": old["created"],
        "currency": old["currency"],
        "metadata": old["metadata"],
        "payment_intent": old["payment_intent"],
        "reason": null,
        "status": if is_under_way { "pending" } else { "succeeded" },
    })
}

/// Why a charge cannot be given back to this amount.
pub(super) fn no_refund(charge: &Value, amount: Option<&str>) -> Option<Reply> {
    const INVALID: &str = "invalid_request_error";
    if charge["status"] != "succeeded" {
        let why = "This PaymentIntent does not have a successful charge to refund.";
        return Some(Reply::error(400, INVALID, "", why));
    }
    let of = |name: &str| charge[name].as_i64().unwrap_or(0);
    let left = of("amount") - of("amount_refunded");
    let wanted = amount.map_or(Some(left), |amount| amount.parse().ok());
    match wanted {
        _ if left <= 0 => {
            let why = "Charge has already been refunded.";
            Some(Reply::error(400, INVALID, "charge_already_refunded", why))
        }
        Some(wanted) if wanted <= left => None,
        _ => {
            let why = format!("Refund amount is greater than unrefunded amount on charge ({left})");
            Some(Reply::error(400, INVALID, "amount_too_large", &why))
        }
    }
}

/// An answer that is an error; one that is none stays as it is.
pub(super) fn failed(reply: Reply) -> Reply {
    let error = reply.value()["error"].take();
    let message = error["message"].as_str().unwrap_or_default();
    match reply.status {
        200..300 => reply,
        402 => {
            let error = card_error(&error);
            Reply::json(402, &json!({ "error": error }))
        }
        404 => Reply::error(404, "invalid_request_error", "resource_missing", message),
        400..500 => Reply::error(reply.status, "invalid_request_error", "", message),
        status => Reply::error(status, "api_error", "", "Something went wrong on our end."),
    }
}

fn card_error(error: &Value) -> Value {
    let mut error = error.clone();
    if let Some(object) = error.as_object_mut() {
        object.insert("type".to_owned(), json!("card_error"));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_given_back_than_is_left() {
        let charge = json!({ "status": "succeeded", "amount": 100, "amount_refunded": 60 });
        assert_eq!(no_refund(&charge, Some("40")), None);
        assert_eq!(no_refund(&charge, None), None);
        let code = |charge: &Value, amount| {
            let reply = no_refund(charge, Some(amount)).unwrap();
            reply.value()["error"]["code"].clone()
        };
        assert_eq!(code(&charge, "41"), "amount_too_large");
        let nothing_left = json!({ "status": "succeeded", "amount": 100, "amount_refunded": 100 });
        assert_eq!(code(&nothing_left, "1"), "charge_already_refunded");
        assert_eq!(code(&json!({ "status": "failed" }), "1"), "");
        assert_eq!(code(&Value::Null, "1"), "");
    }

    #[test]
    fn a_browser_needs_the_secret_of_the_intent() {
        let intent = json!({ "id": "pi_1", "client_secret": "pi_1_secret_2" });
        let asked = |body: &str| {
            let message = Message {
                method: "POST".to_owned(),
                body: body.as_bytes().to_vec(),
                ..Message::default()
            };
            assert!(has_key(&message));
            refused_browser(&message, &intent).map(|reply| reply.status)
        };
        assert_eq!(asked("key=pk_test_1&client_secret=pi_1_secret_2"), None);
        assert_eq!(asked("key=pk_test_1&client_secret=pi_1"), Some(400));
        assert_eq!(asked("key=pk_test_1"), Some(400));
    }
}
