//! `Stripe-Signature`: `t=SECONDS,v1=HEX,v1=HEX,v0=…`.
//!
//! Signed is `SECONDS.BODY` with HMAC-SHA256. While a secret is replaced by another, messages carry a signature of each, and here
//! each of ours is tried against each of theirs. Schemes other than `v1` are for tests of Stripe's and never believed.
//! Source: docs.stripe.com/webhooks, "Verify webhook signatures manually".

use hex::FromHex as _;
use hmac::{Hmac, KeyInit, Mac as _};
use jiff::Timestamp;
use plinth_db::keys::Secret;
use sha2::Sha256;

use super::super::BadSignature;

/// How far the time of a message may be from ours, in seconds. What is older may be a recording; Stripe's own libraries take the same.
const TOLERANCE_SECONDS: u64 = 300;
/// Signatures of one message that are looked at. Stripe sends one for each active secret.
const SIGNATURES: usize = 16;
/// Longest header that is looked at.
const HEADER_BYTES: usize = 4096;
/// Bytes of SHA-256.
const DIGEST_BYTES: usize = 32;

/// Whether one of the secrets signed this body, not long ago.
pub(super) fn verify(
    header: &str,
    body: &[u8],
    secrets: &[Secret],
    now: Timestamp,
) -> Result<(), BadSignature> {
    let (seconds, signatures) = read(header)?;
    if now.as_second().abs_diff(seconds) > TOLERANCE_SECONDS {
        return Err(BadSignature::NotNow);
    }
    let signed = secrets.iter().any(|secret| {
        signatures
            .iter()
            .any(|signature| is_signed(secret, seconds, body, signature))
    });
    if signed {
        Ok(())
    } else {
        Err(BadSignature::Wrong)
    }
}

/// The time and the signatures of `v1`.
fn read(header: &str) -> Result<(i64, Vec<[u8; DIGEST_BYTES]>), BadSignature> {
    if header.len() > HEADER_BYTES {
        return Err(BadSignature::Malformed);
    }
    let (mut time, mut signatures) = (None, Vec::new());
    for part in header.split(',') {
        let (name, value) = part.split_once('=').ok_or(BadSignature::Malformed)?;
        match name.trim() {
            "t" => time = value.trim().parse().ok(),
            "v1" if signatures.len() < SIGNATURES => {
                // One that cannot be read is no reason not to look at the next.
                signatures.extend(<[u8; DIGEST_BYTES]>::from_hex(value.trim()).ok());
            }
            _ => {}
        }
    }
    let time = time.ok_or(BadSignature::Malformed)?;
    if signatures.is_empty() {
        return Err(BadSignature::Malformed);
    }
    Ok((time, signatures))
}

/// Takes the same time whatever differs.
fn is_signed(secret: &Secret, seconds: i64, body: &[u8], signature: &[u8]) -> bool {
    mac(secret, seconds, body).verify_slice(signature).is_ok()
}

fn mac(secret: &Secret, seconds: i64, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.expose().as_bytes())
        .expect("HMAC takes keys of any length");
    mac.update(seconds.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    mac
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_1"}"#;
    const AT: i64 = 1_700_000_000;

    /// As Stripe signs.
    pub(in super::super) fn signature(secret: &str, seconds: i64, body: &[u8]) -> String {
        let mac = mac(&Secret::new(secret), seconds, body);
        hex::encode(mac.finalize().into_bytes())
    }

    fn header(secret: &str) -> String {
        format!("t={AT},v1={}", signature(secret, AT, BODY))
    }

    fn check(header: &str, body: &[u8], secrets: &[&str], after: i64) -> Result<(), BadSignature> {
        let secrets: Vec<Secret> = secrets.iter().copied().map(Secret::new).collect();
        let now = Timestamp::from_second(AT + after).unwrap();
        verify(header, body, &secrets, now)
    }

    #[test]
    fn a_known_signature() {
        // Made with: printf '1700000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_a
        assert_eq!(
            signature("whsec_a", AT, BODY),
            "97ea69f91fd566038386bacf87292eb0d73a8207414ee62ed313d49996fe0639"
        );
    }

    #[test]
    fn what_the_provider_signed_is_believed() {
        assert_eq!(check(&header("a"), BODY, &["a"], 0), Ok(()));
        let upper = format!("t={AT}, v1={}", signature("a", AT, BODY).to_uppercase());
        assert_eq!(check(&upper, BODY, &["a"], 0), Ok(()));
    }

    #[test]
    fn two_secrets_hold_while_one_replaces_the_other() {
        assert_eq!(check(&header("new"), BODY, &["old", "new"], 0), Ok(()));
        assert_eq!(check(&header("old"), BODY, &["old", "new"], 0), Ok(()));
        assert_eq!(
            check(&header("older"), BODY, &["old", "new"], 0),
            Err(BadSignature::Wrong)
        );
        assert_eq!(check(&header("a"), BODY, &[], 0), Err(BadSignature::Wrong));
    }

    #[test]
    fn one_good_signature_among_several_is_enough() {
        let (other, ours) = (signature("other", AT, BODY), signature("a", AT, BODY));
        let text = format!("t={AT},v0={other},v1={other},v1=zz,v1={ours}");
        assert_eq!(check(&text, BODY, &["a"], 0), Ok(()));
        // Other schemes do not count, however right they are.
        let text = format!("t={AT},v0={ours},v1={other}");
        assert_eq!(check(&text, BODY, &["a"], 0), Err(BadSignature::Wrong));
    }

    #[test]
    fn what_was_altered_is_not_believed() {
        assert_eq!(
            check(&header("a"), br#"{"id":"evt_2"}"#, &["a"], 0),
            Err(BadSignature::Wrong)
        );
        let later = header("a").replace(&AT.to_string(), &(AT + 1).to_string());
        assert_eq!(check(&later, BODY, &["a"], 0), Err(BadSignature::Wrong));
    }

    #[test]
    fn recordings_are_not_believed() {
        for (after, believed) in [(300, true), (-300, true), (301, false), (-301, false)] {
            let checked = check(&header("a"), BODY, &["a"], after);
            assert_eq!(checked.is_ok(), believed, "{after}");
        }
        let far = format!("t={},v1={}", i64::MIN, signature("a", i64::MIN, BODY));
        assert_eq!(check(&far, BODY, &["a"], 0), Err(BadSignature::NotNow));
    }

    #[test]
    fn nonsense_is_malformed() {
        let ours = signature("a", AT, BODY);
        for text in [
            String::new(),
            "t".to_owned(),
            format!("v1={ours}"),
            format!("t=now,v1={ours}"),
            format!("t={AT}"),
            format!("t={AT},v1=abc"),
            format!("t={AT},v1={}", "é".repeat(32)),
            format!("t={AT},v1={ours},{}", "x".repeat(HEADER_BYTES)),
        ] {
            assert_eq!(
                check(&text, BODY, &["a"], 0),
                Err(BadSignature::Malformed),
                "{text}"
            );
        }
    }
}
