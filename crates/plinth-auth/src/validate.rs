//! Text from clients, made into values that are known to be good.

use std::sync::LazyLock;

use jiff::SignedDuration;
use serde_json::{Map, Value};

use crate::config::Config;
use crate::error::AuthError;
use crate::model::flow_state::Challenge;

/// As the column holds it.
const MAX_EMAIL_BYTES: usize = 255;
/// bcrypt's limit, which other servers of this API have: a longer password would not survive a move.
const MAX_PASSWORD_BYTES: usize = 72;
/// Metadata travel in every access token, and headers are limited to 32 KiB by us and to less by many proxies.
const MAX_METADATA_BYTES: usize = 16 * 1024;

/// A well-formed address in lower case.
pub(crate) fn email(text: &str) -> Result<String, AuthError> {
    let text = text.trim();
    if text.len() > MAX_EMAIL_BYTES {
        return Err(AuthError::validation("An email address is too long"));
    }
    match text.split_once('@') {
        Some((name, host)) if is_mailbox(name) && host.split('.').all(is_host_label) => {
            Ok(text.to_ascii_lowercase())
        }
        _ => Err(AuthError::validation(
            "Unable to validate email address: invalid format",
        )),
    }
}

/// A phone number in international form, without its plus sign, as clients write it with or without.
pub(crate) fn phone(text: &str) -> Result<String, AuthError> {
    let digits = text.trim().trim_start_matches('+');
    let fits = (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if fits && !digits.starts_with('0') {
        Ok(digits.to_owned())
    } else {
        Err(AuthError::validation(
            "Invalid phone number format (E.164 required)",
        ))
    }
}

/// A code challenge (RFC 7636): both parts or neither.
pub(crate) fn challenge(
    text: Option<&str>,
    method: Option<&str>,
) -> Result<Option<Challenge>, AuthError> {
    let given = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    let (text, method) = match (given(text), given(method)) {
        (None, None) => return Ok(None),
        (Some(text), Some(method)) => (text, method.to_ascii_lowercase()),
        _ => {
            return Err(AuthError::validation(
                "PKCE flow requires code_challenge_method and code_challenge",
            ));
        }
    };
    let hashed = match method.as_str() {
        "s256" => true,
        "plain" => false,
        _ => {
            return Err(AuthError::validation(
                "unsupported code_challenge_method: use s256 or plain",
            ));
        }
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if !(43..=128).contains(&text.len()) || !text.bytes().all(allowed) {
        return Err(AuthError::validation(
            "code challenge has to be between 43 and 128 characters of A-Z a-z 0-9 - . _ ~",
        ));
    }
    Ok(Some(Challenge { hashed, text }))
}

/// Whether a new password may be chosen.
pub(crate) fn new_password(password: &str, config: &Config) -> Result<(), AuthError> {
    password_fits(password)?;
    if password.chars().count() < config.password_min_length {
        return Err(AuthError::WeakPassword {
            message: format!(
                "Password should be at least {} characters.",
                config.password_min_length
            ),
            reasons: vec!["length"],
        });
    }
    if config.refuse_common_passwords && is_common(password) {
        return Err(AuthError::WeakPassword {
            message:
                "Password is known to be weak and easy to guess, please choose a different one."
                    .to_owned(),
            // The word by which clients know a password that stands in lists.
            reasons: vec!["pwned"],
        });
    }
    Ok(())
}

/// Whether everybody who guesses begins with this one, in whatever case it is written.
fn is_common(password: &str) -> bool {
    // In order, one a line, in small letters; none is shorter than a server's shortest password.
    const LIST: &str = include_str!("common_passwords.txt");
    static COMMON: LazyLock<Vec<&str>> = LazyLock::new(|| LIST.lines().collect());
    let password = password.trim().to_lowercase();
    COMMON.binary_search(&password.as_str()).is_ok()
}

/// Whether a password can be hashed at all.
pub(crate) fn password_fits(password: &str) -> Result<(), AuthError> {
    if password.len() > MAX_PASSWORD_BYTES {
        return Err(AuthError::validation(format!(
            "Password cannot be longer than {MAX_PASSWORD_BYTES} characters"
        )));
    }
    Ok(())
}

/// Merges one level deep; null removes a key. The result has a bound.
pub(crate) fn merge_metadata(
    into: &mut Map<String, Value>,
    from: Map<String, Value>,
) -> Result<(), AuthError> {
    for (key, value) in from {
        if value.is_null() {
            into.shift_remove(&key);
        } else {
            into.insert(key, value);
        }
    }
    if into
        .iter()
        .any(|(key, value)| key.contains('\0') || has_nul(value))
    {
        return Err(AuthError::validation(
            "Metadata cannot hold the character U+0000",
        ));
    }
    let size_bytes = serde_json::to_vec(into).map_or(usize::MAX, |text| text.len());
    if size_bytes > MAX_METADATA_BYTES {
        return Err(AuthError::validation(format!(
            "Metadata cannot be larger than {MAX_METADATA_BYTES} bytes, because it is part of every access token"
        )));
    }
    Ok(())
}

/// `24h`, `1h30m`, `1.5s`: a duration as Go writes it; `none` is no ban.
pub(crate) fn ban_duration(text: &str) -> Result<Option<SignedDuration>, AuthError> {
    if text == "none" {
        return Ok(None);
    }
    go_duration(text).map(Some).ok_or_else(|| {
        AuthError::validation(format!(
            "invalid format for ban duration: {}",
            text.escape_debug()
        ))
    })
}

/// A name for a role that a token may carry. Whether it exists is asked when the token is used.
pub(crate) fn role(text: &str) -> Result<String, AuthError> {
    if text.len() <= 63
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '$'))
    {
        Ok(text.to_owned())
    } else {
        Err(AuthError::validation("invalid role"))
    }
}

fn is_mailbox(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte))
}

fn is_host_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// As deep as the JSON parser allows, which is 128.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(map) => map
            .iter()
            .any(|(key, value)| key.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn go_duration(text: &str) -> Option<SignedDuration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut seconds = 0.0_f64;
    if rest.is_empty() || text.len() > 64 {
        return None;
    }
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, next) = tail.split_at(unit_end);
        let unit_seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * unit_seconds;
        rest = next;
    }
    SignedDuration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use plinth_http::Mode;

    #[test]
    fn addresses_are_folded_and_checked() {
        assert_eq!(
            email(" Ann.Lee+x@Example.COM ").unwrap(),
            "ann.lee+x@example.com"
        );
        assert_eq!(email("a@localhost").unwrap(), "a@localhost");
        for bad in [
            "",
            "a",
            "@b.c",
            "a@",
            "a@b@c",
            "a b@c.d",
            "a@-b.c",
            "a@b..c",
            "ä@b.c",
            "a\0@b.c",
            "a@b.c\n<x>",
        ] {
            assert!(matches!(email(bad), Err(AuthError::Validation(_))), "{bad}");
        }
        assert!(email(&format!("{}@b.c", "a".repeat(300))).is_err());
    }

    #[test]
    fn passwords_have_a_shortest_and_a_longest_form() {
        let config = Config::for_mode(Mode::Dev);
        assert!(new_password("secret", &config).is_ok());
        assert!(matches!(
            new_password("short", &config),
            Err(AuthError::WeakPassword { .. })
        ));
        assert!(new_password(&"x".repeat(72), &config).is_ok());
        assert!(matches!(
            new_password(&"x".repeat(73), &config),
            Err(AuthError::Validation(_))
        ));
        assert!(new_password("secret7", &Config::for_mode(Mode::Serve)).is_err());
    }

    #[test]
    fn what_everybody_guesses_first_is_refused_by_a_server() {
        let (serve, dev) = (Config::for_mode(Mode::Serve), Config::for_mode(Mode::Dev));
        for common in [
            "password",
            "12345678",
            "PassWord",
            "trustno1",
            " iloveyou ",
            "zxcvbnm1",
        ] {
            assert!(
                matches!(new_password(common, &serve), Err(AuthError::WeakPassword { ref reasons, .. }) if *reasons == ["pwned"]),
                "{common}"
            );
            assert!(new_password(common, &dev).is_ok(), "{common}");
        }
        assert!(new_password("correct horse battery", &serve).is_ok());
        let lines: Vec<&str> = include_str!("common_passwords.txt").lines().collect();
        assert!(lines.is_sorted());
        assert!(
            lines
                .iter()
                .all(|line| line.len() >= 8 && **line == line.to_lowercase())
        );
    }

    #[test]
    fn metadata_merge_by_key_and_null_removes() {
        let object = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap();
        let mut into = object(r#"{"a":1,"b":{"x":1},"c":3}"#);
        merge_metadata(&mut into, object(r#"{"b":{"y":2},"c":null,"d":4}"#)).unwrap();
        assert_eq!(into, object(r#"{"a":1,"b":{"y":2},"d":4}"#));
        assert!(merge_metadata(&mut into, object(r#"{"n":["\u0000"]}"#)).is_err());
        let mut large = Map::new();
        large.insert("x".to_owned(), Value::from("y".repeat(MAX_METADATA_BYTES)));
        assert!(merge_metadata(&mut Map::new(), large).is_err());
    }

    #[test]
    fn bans_are_written_as_go_durations() {
        assert_eq!(ban_duration("none").unwrap(), None);
        assert_eq!(
            ban_duration("24h").unwrap(),
            Some(SignedDuration::from_hours(24))
        );
        assert_eq!(
            ban_duration("1h30m").unwrap(),
            Some(SignedDuration::from_mins(90))
        );
        assert_eq!(
            ban_duration("1.5s").unwrap(),
            Some(SignedDuration::from_millis(1500))
        );
        for bad in [
            "",
            "h",
            "5",
            "5d",
            "-1h",
            "1..2h",
            "1h µ",
            "99999999999999999999999999h",
        ] {
            assert!(ban_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn phone_numbers_are_international() {
        assert_eq!(phone("+491701234567").unwrap(), "491701234567");
        for bad in ["", "+0123456789", "12", "+49 170", "1234567890123456"] {
            assert!(phone(bad).is_err(), "{bad}");
        }
    }
}
