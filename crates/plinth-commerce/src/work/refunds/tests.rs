//! From which payment a refund is taken, and what a provider may say of it.

use std::slice::from_ref;

use super::*;
use crate::work::stage::{eur, stripe};

fn payment(amount: i64) -> Payment {
    let id = Uuid::now_v7();
    Payment {
        id,
        order_id: Uuid::nil(),
        provider: "stripe".to_owned(),
        amount: Money::new(amount, "EUR".parse().unwrap()),
        state: PaymentState::Captured,
        provider_id: Some("pi_1".to_owned()),
        client_secret: None,
        failure: None,
        idempotency_key: id.to_string(),
        attempts: 1,
        due_at: None,
    }
}

fn told(refund: &Refund, state: RefundState) -> ToldRefund {
    ToldRefund {
        provider_id: "re_1".to_owned(),
        state,
        amount: refund.amount,
        failure: None,
        refund: Some(refund.id),
        payment_id: Some("pi_1".to_owned()),
        live: Some(false),
    }
}

#[test]
fn a_refund_is_taken_from_a_payment_that_has_so_much_left() {
    let now = Timestamp::UNIX_EPOCH;
    let small = payment(100);
    let large = payment(300);
    let never = Payment {
        state: PaymentState::Failed,
        ..payment(1000)
    };
    let payments = [never, small.clone(), large.clone()];
    let planned = |refunds: &[Refund], amount| {
        plan(&payments, refunds, amount, now).map(|refund| refund.payment_id)
    };
    assert_eq!(planned(&[], eur(100)), Some(small.id));
    assert_eq!(planned(&[], eur(101)), Some(large.id));
    assert_eq!(planned(&[], eur(301)), None);
    let yen = Money::new(1, "JPY".parse().unwrap());
    assert_eq!(planned(&[], yen), None);
    let first = of(&small, eur(60), now);
    assert_eq!(planned(from_ref(&first), eur(40)), Some(small.id));
    assert_eq!(planned(from_ref(&first), eur(41)), Some(large.id));
    let failed = Refund {
        state: RefundState::Failed,
        ..first
    };
    assert_eq!(planned(&[failed], eur(100)), Some(small.id));
}

#[test]
fn what_is_told_twice_or_late_changes_nothing() {
    use RefundState::{Created, Failed, Pending, Succeeded};
    let paid = payment(100);
    let refund = of(&paid, eur(100), Timestamp::UNIX_EPOCH);
    for (from, to, expected) in [
        (Created, Pending, None),
        (Created, Succeeded, Some(Event::Refund)),
        (Pending, Succeeded, Some(Event::Refund)),
        (Pending, Failed, Some(Event::RefundFailed)),
        (Succeeded, Succeeded, None),
        (Succeeded, Pending, None),
        (Succeeded, Failed, Some(Event::RefundReturned)),
        (Failed, Failed, None),
        (Failed, Succeeded, None),
    ] {
        let row = Refund {
            state: from,
            ..refund.clone()
        };
        let happens = event(&row, &told(&row, to)).map(|(event, _)| event);
        assert_eq!(happens, expected, "{from:?} {to:?}");
    }
}

#[test]
fn an_answer_about_something_else_is_not_believed() {
    let providers = stripe();
    let provider = providers.get("stripe").unwrap();
    let paid = payment(100);
    let refund = of(&paid, eur(100), Timestamp::UNIX_EPOCH);
    let good = told(&refund, RefundState::Succeeded);
    let why = |told: &ToldRefund| contradiction(provider, &refund, told);
    assert_eq!(why(&good), None);
    let wrong = [
        ToldRefund {
            amount: eur(99),
            ..good.clone()
        },
        ToldRefund {
            amount: Money::new(100, "USD".parse().unwrap()),
            ..good.clone()
        },
        ToldRefund {
            live: Some(true),
            ..good.clone()
        },
        ToldRefund {
            refund: Some(Uuid::now_v7()),
            ..good.clone()
        },
    ];
    for told in wrong {
        assert!(why(&told).is_some(), "{told:?}");
    }
    // The payment was looked at when its money came.
    let unsaid = ToldRefund {
        live: None,
        ..good.clone()
    };
    assert_eq!(why(&unsaid), None);
    let known = Refund {
        provider_id: Some("re_0".to_owned()),
        ..refund.clone()
    };
    assert!(contradiction(provider, &known, &good).is_some());
}
