//! `PLINTH_SECTION_KEY` in the environment stands for `key` in `[section]`.

use anyhow::bail;
use toml::{Table, Value};

/// The sections that can be set this way; other `PLINTH_…` variables are not ours to judge.
const SECTIONS: [&str; 10] = [
    "server", "database", "api", "auth", "mail", "storage", "commerce", "limits", "log", "metrics",
];

/// Keys that hold lists, written with commas here.
const LISTS: [&str; 5] = [
    "schemas",
    "redirect_urls",
    "s3_redirect_buckets",
    "check_command",
    "stripe_webhook_secrets",
];

/// Keys that hold text even when it looks like something else, as a password of digits does.
const TEXTS: [&str; 12] = [
    "listen",
    "smtp_host",
    "smtp_user",
    "smtp_password",
    "from",
    "folder",
    "s3_bucket",
    "s3_prefix",
    "s3_region",
    "s3_access_key_id",
    "s3_secret_access_key",
    "stripe_secret_key",
];

/// Puts the environment's settings over the file's. False when there are none.
pub(super) fn overlay(
    table: &mut Table,
    environment: impl IntoIterator<Item = (String, String)>,
) -> anyhow::Result<bool> {
    let mut any = false;
    for (name, text) in environment {
        let Some((section, key)) = setting(&name) else {
            continue;
        };
        let section = table
            .entry(section)
            .or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(section) = section else {
            bail!("{name} names a key of something that is no section")
        };
        let value = match key.as_str() {
            key if LISTS.contains(&key) => list(&text),
            key if TEXTS.contains(&key) => Value::String(text),
            _ => value(&text),
        };
        section.insert(key, value);
        any = true;
    }
    Ok(any)
}

fn setting(name: &str) -> Option<(&'static str, String)> {
    let name = name.strip_prefix("PLINTH_")?.to_ascii_lowercase();
    SECTIONS.iter().find_map(|section| {
        let key = name.strip_prefix(section)?.strip_prefix('_')?;
        Some((*section, key.to_owned()))
    })
}

/// Numbers and booleans as such, everything else as text.
fn value(text: &str) -> Value {
    if let Ok(number) = text.parse() {
        return Value::Integer(number);
    }
    match text {
        "true" => Value::Boolean(true),
        "false" => Value::Boolean(false),
        _ => Value::String(text.to_owned()),
    }
}

fn list(text: &str) -> Value {
    Value::Array(
        text.split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(|item| Value::String(item.to_owned()))
            .collect(),
    )
}
