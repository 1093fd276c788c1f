//! Configuration: `plinth.toml`, then the environment, then flags. Every key has a default, unknown keys are errors,
//! and `docs/config.md` lists them all.

mod commerce;
mod environment;
mod limits;
mod mail;
mod metrics;
mod storage;

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use clap::ValueEnum;
use plinth_db::AutoExpose;
use serde::Deserialize;

pub(crate) use commerce::Commerce;
pub(crate) use limits::Limits;
pub(crate) use mail::Mail;
pub(crate) use metrics::Metrics;
pub(crate) use storage::Storage;

/// The commented file that `plinth init` writes: every key with its default.
pub(crate) const STARTER: &str = include_str!("starter.toml");

/// The name of the file.
pub(crate) const FILE: &str = "plinth.toml";

/// Everything that can be set.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Where we listen and how clients reach us.
    pub server: Server,
    /// Where the data is.
    pub database: Database,
    /// What the API shows.
    pub api: Api,
    /// Accounts.
    pub auth: Auth,
    /// Letters.
    pub mail: Mail,
    /// Files.
    pub storage: Storage,
    /// The shop.
    pub commerce: Commerce,
    /// Bounds.
    pub limits: Limits,
    /// Logs.
    pub log: Log,
    /// Figures for Prometheus.
    pub metrics: Metrics,
}

/// `[server]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Server {
    /// Address and port.
    pub listen: SocketAddr,
    /// The URL that clients use; empty means `http://` and the address.
    pub public_url: String,
}

impl Default for Server {
    fn default() -> Server {
        Server {
            listen: SocketAddr::from(([127, 0, 0, 1], 54321)),
            public_url: String::new(),
        }
    }
}

/// `[database]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Database {
    /// `postgres://…`; empty means one file in `data/`.
    pub url: String,
    /// Most connections that requests of one node take on a server.
    pub connections: usize,
}

impl Default for Database {
    fn default() -> Database {
        Database {
            url: String::new(),
            connections: 20,
        }
    }
}

impl Database {
    /// Whether the data is on a server.
    pub(crate) fn is_server(&self) -> bool {
        !self.url.is_empty()
    }
}

/// `[api]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Api {
    /// Schemas that REST requests may name; the first is meant when they name none.
    pub schemas: Vec<String>,
    /// Which new tables the API roles may reach without explicit grants.
    pub auto_expose: Expose,
}

impl Default for Api {
    fn default() -> Api {
        Api {
            schemas: ["public", "graphql_public", "commerce"]
                .map(str::to_owned)
                .into(),
            auto_expose: Expose::default(),
        }
    }
}

/// `auto_expose`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Expose {
    /// Tables with row-level security on.
    #[default]
    Protected,
    /// Every table.
    All,
    /// None.
    None,
}

impl From<Expose> for AutoExpose {
    fn from(expose: Expose) -> AutoExpose {
        match expose {
            Expose::Protected => AutoExpose::Protected,
            Expose::All => AutoExpose::All,
            Expose::None => AutoExpose::None,
        }
    }
}

/// `[auth]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Auth {
    /// Nobody can sign up; administrators still create users.
    pub disable_signup: bool,
    /// Whether new accounts may sign in before their address is confirmed.
    pub autoconfirm: Autoconfirm,
    /// Shortest password, in characters; 0 leaves it to the stage.
    pub password_min_length: usize,
    /// How long an access token holds.
    pub access_token_seconds: u32,
    /// How long a used refresh token may come again, for clients that lost the answer.
    pub refresh_reuse_seconds: u32,
    /// Anybody may sign in without an address, and add one later.
    pub anonymous_sign_ins: bool,
    /// The application's own address, where links lead when nothing else is asked for.
    pub site_url: String,
    /// Other addresses that links may lead to: globs.
    pub redirect_urls: Vec<String>,
    /// How long codes and links hold.
    pub otp_seconds: u32,
    /// A change of address is confirmed from the old address, too.
    pub double_confirm_changes: bool,
    /// A password is changed only in a session of the last day, or with a code sent by mail.
    pub reauthenticate_to_change_password: bool,
}

/// `auth.autoconfirm`: `true`, `false`, or `"auto"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Autoconfirm {
    /// As it was set.
    Set(bool),
    /// Yes in `dev` and without a mail server.
    By(Circumstances),
}

/// `"auto"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Circumstances {
    /// The only word.
    Auto,
}

impl Default for Autoconfirm {
    fn default() -> Autoconfirm {
        Autoconfirm::By(Circumstances::Auto)
    }
}

impl Default for Auth {
    fn default() -> Auth {
        Auth {
            disable_signup: false,
            autoconfirm: Autoconfirm::default(),
            password_min_length: 0,
            access_token_seconds: 3600,
            refresh_reuse_seconds: 10,
            anonymous_sign_ins: false,
            site_url: "http://127.0.0.1:3000".to_owned(),
            redirect_urls: Vec::new(),
            otp_seconds: 3600,
            double_confirm_changes: true,
            reauthenticate_to_change_password: false,
        }
    }
}

/// `[log]`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// How lines are written.
    pub format: LogFormat,
}

/// `log.format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object a line.
    Json,
}

impl Config {
    /// The URL that clients use.
    pub(crate) fn public_url(&self) -> String {
        match self.server.public_url.trim_end_matches('/') {
            "" => {
                let mut address = self.server.listen;
                if address.ip().is_unspecified() {
                    // "Every address" is none that a client can call.
                    address.set_ip(Ipv4Addr::LOCALHOST.into());
                }
                format!("http://{address}")
            }
            url => url.to_owned(),
        }
    }
}

/// What the command line says over everything else.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    /// `--listen`.
    pub listen: Option<SocketAddr>,
    /// `--database-url`.
    pub database_url: Option<String>,
}

/// The configuration of a directory, with what the environment and the flags say on top.
pub(crate) fn load(
    dir: &Path,
    environment: impl IntoIterator<Item = (String, String)>,
    flags: Flags,
) -> anyhow::Result<Config> {
    let path = dir.join(FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let mut config = parse(&text, environment).with_context(|| path.display().to_string())?;
    if let Some(listen) = flags.listen {
        config.server.listen = listen;
    }
    if let Some(url) = flags.database_url {
        config.database.url = url;
    }
    Ok(config)
}

fn parse(
    text: &str,
    environment: impl IntoIterator<Item = (String, String)>,
) -> anyhow::Result<Config> {
    // The file alone first: its errors then show the line they are about.
    let config: Config =
        toml::from_str(text).map_err(|error| anyhow!("{}", error.to_string().trim_end()))?;
    let mut table: toml::Table = toml::from_str(text)?;
    let config = if environment::overlay(&mut table, environment)? {
        table.try_into().map_err(|error: toml::de::Error| {
            anyhow!("PLINTH_… in the environment: {}", error.message())
        })?
    } else {
        config
    };
    validate(&config)?;
    Ok(config)
}

fn validate(config: &Config) -> anyhow::Result<()> {
    let url = &config.server.public_url;
    if !url.is_empty() && !url.starts_with("http://") && !url.starts_with("https://") {
        bail!("server.public_url must begin with http:// or https://, not {url:?}");
    }
    if config.database.connections == 0 {
        bail!("database.connections must be at least 1");
    }
    if config.api.schemas.is_empty() {
        bail!("api.schemas must name at least one schema");
    }
    if config.auth.access_token_seconds == 0 {
        bail!("auth.access_token_seconds must be at least 1");
    }
    config.metrics.address()?;
    config.storage.validate()?;
    config.commerce.validate()?;
    config.limits.validate()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_file(text: &str) -> anyhow::Result<Config> {
        parse(text, [])
    }

    #[test]
    fn no_file_means_the_defaults() {
        assert_eq!(parse_file("").unwrap(), Config::default());
        assert_eq!(Config::default().public_url(), "http://127.0.0.1:54321");
    }

    #[test]
    fn the_starter_shows_every_key_with_its_default() {
        assert_eq!(parse_file(STARTER).unwrap(), Config::default());
        assert_eq!(parse_file(&uncommented()).unwrap(), Config::default());
    }

    #[test]
    fn every_key_is_documented() {
        let documentation = include_str!("../../../../docs/config.md");
        for line in uncommented().lines() {
            if let Some((key, _)) = line.split_once(" = ") {
                assert!(
                    documentation.contains(&format!("`{key}`")),
                    "docs/config.md does not list {key}"
                );
            }
        }
    }

    /// The starter with every `#key = value` line in force.
    fn uncommented() -> String {
        let lines = STARTER.lines().map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => setting,
            _ => line,
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn unknown_keys_are_errors_that_name_the_key_and_the_line() {
        let error = parse_file("[server]\nlisten = \"127.0.0.1:1\"\nport = 3\n")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("port") && error.contains("line 3"),
            "{error}"
        );
        let error = parse_file("[sever]\n").unwrap_err().to_string();
        assert!(
            error.contains("sever") && error.contains("server"),
            "{error}"
        );
    }

    #[test]
    fn wrong_values_are_errors() {
        for text in [
            "[server]\nlisten = \"here\"",
            "[api]\nauto_expose = \"some\"",
            "[limits]\npage_rows = -1",
            "[limits]\npage_rows = 0",
            "[api]\nschemas = []",
            "[server]\npublic_url = \"shop.example\"",
            "[auth]\naccess_token_seconds = 0",
            "[storage]\nstore = \"s3\"",
            "[storage]\nresumable_seconds = 0",
            "[storage]\ns3_redirect_seconds = 60",
            "[commerce]\nprovider = \"paypal\"",
            "[commerce]\nprovider = \"stripe\"",
            "[commerce]\norder_expiry_minutes = 0",
            "[commerce]\ncart_days = 0",
            "[commerce]\nreconcile_days = 0",
            "[server",
        ] {
            assert!(parse_file(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let set = [
            ("PLINTH_SERVER_LISTEN".to_owned(), "127.0.0.1:9".to_owned()),
            ("PLINTH_LIMITS_PAGE_ROWS".to_owned(), "7".to_owned()),
            ("PLINTH_AUTH_DISABLE_SIGNUP".to_owned(), "true".to_owned()),
            ("PLINTH_API_SCHEMAS".to_owned(), "public, shop".to_owned()),
            ("PLINTH_MAIL_SMTP_PASSWORD".to_owned(), "123".to_owned()),
            (
                "PLINTH_AUTH_REDIRECT_URLS".to_owned(),
                "https://a.example/*,https://b.example".to_owned(),
            ),
            (
                "PLINTH_COMMERCE_STRIPE_SECRET_KEY".to_owned(),
                "sk_test_x".to_owned(),
            ),
            (
                "PLINTH_COMMERCE_STRIPE_WEBHOOK_SECRETS".to_owned(),
                "whsec_old,whsec_new".to_owned(),
            ),
            ("PLINTH_MASTER_KEY".to_owned(), "x".to_owned()),
            ("HOME".to_owned(), "/".to_owned()),
        ];
        let config = parse("[limits]\npage_rows = 5\n", set).unwrap();
        assert_eq!(config.server.listen.port(), 9);
        assert_eq!(config.limits.page_rows, 7);
        assert!(config.auth.disable_signup);
        assert_eq!(config.api.schemas, ["public", "shop"]);
        assert_eq!(config.mail.smtp_password, "123");
        assert_eq!(config.auth.redirect_urls.len(), 2);
        assert_eq!(config.commerce.stripe_secret_key, "sk_test_x");
        assert_eq!(config.commerce.stripe_webhook_secrets.len(), 2);
    }

    #[test]
    fn unknown_keys_in_the_environment_are_errors() {
        let error = parse("", [("PLINTH_LIMITS_PAGE_ROW".to_owned(), "7".to_owned())])
            .unwrap_err()
            .to_string();
        assert!(error.contains("page_row"), "{error}");
    }
}
