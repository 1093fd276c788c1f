//! What a provider says of a payment, in every order, and what becomes of the order.

use serde_json::json;

use super::*;
use crate::money::Money;
use crate::work::stage::{eur, stripe};

fn payment() -> Payment {
    let id = Uuid::now_v7();
    Payment {
        id,
        order_id: Uuid::now_v7(),
        provider: "stripe".to_owned(),
        amount: eur(1234),
        state: PaymentState::Created,
        provider_id: None,
        client_secret: None,
        failure: None,
        idempotency_key: id.to_string(),
        attempts: 0,
        due_at: None,
    }
}

fn told(payment: &Payment, state: PaymentState) -> Told {
    Told {
        provider_id: "pi_1".to_owned(),
        state,
        amount: payment.amount,
        client_secret: None,
        failure: None,
        live: Some(false),
        payment: Some(payment.id),
    }
}

fn order(state: State) -> Order {
    Order {
        id: Uuid::nil(),
        number: 1,
        customer_id: None,
        user_id: None,
        secret_digest: None,
        email: None,
        currency: "EUR".parse().unwrap(),
        region: String::new(),
        state,
        version: 1,
        subtotal: 1234,
        discount: 0,
        tax: 0,
        total: 1234,
        captured: 0,
        refunded: 0,
        refunding: 0,
        owed: 0,
        provider: "stripe".to_owned(),
        placed_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
        expires_at: None,
        metadata: json!({}),
        lines: Vec::new(),
    }
}

#[test]
fn amount_currency_mode_and_mark_must_be_the_rows() {
    let providers = stripe();
    let provider = providers.get("stripe").unwrap();
    let row = payment();
    let good = told(&row, PaymentState::Captured);
    let why = |told: Told| contradiction(provider, &row, &told);
    assert_eq!(why(good.clone()), None);
    let wrong = [
        Told {
            amount: eur(1233),
            ..good.clone()
        },
        Told {
            amount: Money::new(1234, "USD".parse().unwrap()),
            ..good.clone()
        },
        Told {
            live: Some(true),
            ..good.clone()
        },
        Told {
            payment: Some(Uuid::now_v7()),
            ..good.clone()
        },
    ];
    for told in wrong {
        assert!(why(told.clone()).is_some(), "{told:?}");
    }
    // Nothing came of it.
    let cancelled = Told {
        amount: eur(1),
        state: PaymentState::Cancelled,
        ..good.clone()
    };
    assert_eq!(why(cancelled), None);
    let known = Payment {
        provider_id: Some("pi_0".to_owned()),
        ..row.clone()
    };
    assert!(contradiction(provider, &known, &good).is_some());
}

#[test]
fn what_the_provider_says_becomes_an_event_once() {
    let row = payment();
    let pending = order(State::Pending);
    let happens = |row: &Payment, told: &Told| event(&pending, row, told);
    let captured = told(&row, PaymentState::Captured);
    assert_eq!(happens(&row, &captured), Some(Event::Capture));
    for state in [State::Paid, State::Expired, State::Cancelled] {
        assert_eq!(event(&order(state), &row, &captured), Some(Event::Capture));
    }
    assert_eq!(happens(&row, &told(&row, PaymentState::Pending)), None);
    assert_eq!(happens(&row, &told(&row, PaymentState::Cancelled)), None);

    let asked = told(&row, PaymentState::ActionRequired);
    assert_eq!(happens(&row, &asked), Some(Event::ActionRequired));
    let after = becomes(&row, &asked, Timestamp::UNIX_EPOCH);
    assert_eq!(happens(&after, &asked), None);

    let failed = Told {
        failure: Some("Declined".to_owned()),
        ..told(&row, PaymentState::Pending)
    };
    assert_eq!(happens(&row, &failed), Some(Event::PaymentFailed));
    let after = becomes(&row, &failed, Timestamp::UNIX_EPOCH);
    assert_eq!(happens(&after, &failed), None);
    assert_eq!(event(&order(State::Expired), &row, &failed), None);
}

#[test]
fn what_is_not_final_is_asked_for_again() {
    let row = payment();
    let after = |told: &Told| becomes(&row, told, Timestamp::UNIX_EPOCH);
    let pending = Told {
        client_secret: Some("s".to_owned()),
        ..told(&row, PaymentState::Pending)
    };
    let pending = after(&pending);
    assert_eq!(pending.provider_id.as_deref(), Some("pi_1"));
    assert_eq!(pending.attempts, 1);
    assert!(pending.due_at.is_some());
    // What was told once is not forgotten.
    let later = becomes(
        &pending,
        &told(&row, PaymentState::ActionRequired),
        Timestamp::UNIX_EPOCH,
    );
    assert_eq!(later.client_secret.as_deref(), Some("s"));
    for state in [
        PaymentState::Captured,
        PaymentState::Failed,
        PaymentState::Cancelled,
    ] {
        assert_eq!(after(&told(&row, state)).due_at, None);
    }
    // Nobody can be asked whether money came by hand.
    let by_hand = Told {
        provider_id: row.id.to_string(),
        ..told(&row, PaymentState::Pending)
    };
    assert_eq!(after(&by_hand).due_at, None);
}

#[test]
fn what_has_ended_goes_on_only_by_news() {
    use PaymentState::{ActionRequired, Cancelled, Captured, Failed, Pending};
    let row = |state, provider_id: Option<&str>| Payment {
        state,
        provider_id: provider_id.map(str::to_owned),
        ..payment()
    };
    for (state, known, to, expected) in [
        (Pending, Some("pi_1"), ActionRequired, true),
        (Pending, None, Cancelled, true),
        // An old answer.
        (Cancelled, Some("pi_1"), ActionRequired, false),
        (Cancelled, Some("pi_1"), Pending, false),
        // Money, and a payment there of which nobody here knew.
        (Cancelled, Some("pi_1"), Captured, true),
        (Cancelled, None, Pending, true),
        (Failed, None, ActionRequired, true),
        (Cancelled, Some("pi_1"), Cancelled, true),
    ] {
        let row = row(state, known);
        let taken = is_taken(&row, &told(&row, to));
        assert_eq!(taken, expected, "{state:?} {known:?} {to:?}");
    }
}

#[test]
fn old_keys_are_not_counted_on() {
    let id = Uuid::now_v7();
    let made = made_at(id).unwrap();
    let after = |hours| made.checked_add(SignedDuration::from_hours(hours)).unwrap();
    assert!(is_fresh(id, after(19)));
    assert!(!is_fresh(id, after(20)));
    // Nobody knows how old this is.
    assert!(!is_fresh(Uuid::nil(), after(0)));
}
