//! What the URL of a database says: what is ours, and what the client library reads.
//!
//! A parameter has an effect or is refused by its name. One that is passed over would leave somebody with less than was asked for, and
//! without a word. Beside `sslmode` no message repeats a value: any of them may be a password in the wrong place.

use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, TargetSessionAttrs};

use crate::EngineError;
use crate::error::{self, Result};
use crate::tls::{Mode, Tls};

/// Longest wait for one host.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest that sent bytes may go without an answer of the other kernel: a host that froze is given up.
const UNHEARD: Duration = Duration::from_secs(10);
/// What messages name when a URL is none.
const FORM: &str = "`[database] url` has the form postgres://user:password@host/database";

/// What a URL says.
pub(crate) struct Said {
    /// Whom to connect to.
    pub(crate) config: Config,
    pub(crate) tls: Tls,
    /// A pooler that hands out connections by transaction stands between.
    pub(crate) pooled: bool,
}

/// Reads `postgres://user:password@host:port,host:port/database?sslmode=…`, or libpq's `host=… user=…`.
pub(crate) fn read(url: &str) -> Result<Said> {
    let is_url = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let (bare, parameters) = match is_url {
        true => split_url(url)?,
        false => ("", split_lines(url)?),
    };
    let mut ours = Ours::default();
    let mut others = Vec::new();
    for parameter in parameters {
        if !ours.take(&parameter)? {
            others.push(parameter.written);
        }
    }
    let text = match (is_url, others.is_empty()) {
        (true, true) => bare.to_owned(),
        (true, false) => format!("{bare}?{}", others.join("&")),
        (false, _) => others.join(" "),
    };
    let mut config: Config = text.parse().map_err(|error: tokio_postgres::Error| {
        wrong(&format!(
            "cannot be read: {}; {FORM}",
            error::with_causes(&error)
        ))
    })?;
    check_hosts(&config)?;
    // Nobody listens on a socket of this machine, and it has no name that a certificate could be for.
    #[cfg(unix)]
    if config.get_hosts().iter().all(is_path) {
        ours.tls.mode = Mode::Disable;
    }
    ours.set(&mut config);
    Ok(Said {
        config,
        tls: ours.tls,
        pooled: ours.pooled,
    })
}

fn wrong(what: &str) -> EngineError {
    EngineError::Setup(format!("the database URL {what}"))
}

/// Each host needs a name, which is what certificates are for; its address may be given beside it.
fn check_hosts(config: &Config) -> Result<()> {
    let (hosts, addresses) = (config.get_hosts(), config.get_hostaddrs());
    if hosts.is_empty() {
        return Err(wrong(&format!("names no host; {FORM}")));
    }
    let fit = addresses.len() == hosts.len() && !hosts.iter().any(is_path);
    if !addresses.is_empty() && !fit {
        return Err(wrong(
            "has a `hostaddr` that does not fit its hosts: give one address for each host's name",
        ));
    }
    Ok(())
}

/// Whether it is a folder with a socket.
fn is_path(host: &Host) -> bool {
    !matches!(host, Host::Tcp(_))
}

/// Parameters that the client library does not know, or reads otherwise than libpq.
#[derive(Default)]
struct Ours {
    tls: Tls,
    pooled: bool,
    keepalives: Option<bool>,
    keepalives_idle_seconds: Option<u64>,
    keepalives_interval_seconds: Option<u64>,
    keepalives_count: Option<u32>,
    tcp_user_timeout_ms: Option<u64>,
}

impl Ours {
    /// Takes a parameter. False when it is the client library's.
    fn take(&mut self, parameter: &Parameter) -> Result<bool> {
        let Parameter { name, value, .. } = parameter;
        match name.as_str() {
            "sslmode" => {
                self.tls.mode = Mode::parse(value).ok_or_else(|| {
                    wrong(&format!("has an unknown sslmode `{value}`: disable, prefer, require, verify-ca and verify-full are known"))
                })?;
            }
            "sslrootcert" => self.tls.root = Some(value.into()),
            "pgbouncer" => self.pooled = switch(parameter)?,
            "keepalives" => self.keepalives = Some(switch(parameter)?),
            "keepalives_idle" => self.keepalives_idle_seconds = Some(number(parameter)?),
            "keepalives_interval" => self.keepalives_interval_seconds = Some(number(parameter)?),
            "keepalives_count" => self.keepalives_count = Some(number(parameter)?),
            // The client library takes it for seconds.
            "tcp_user_timeout" => self.tcp_user_timeout_ms = Some(number(parameter)?),
            // Of several hosts we want the one that takes writes, whatever is said.
            "target_session_attrs" => {
                if !matches!(value.as_str(), "any" | "read-write" | "primary") {
                    return Err(wrong(
                        "asks by `target_session_attrs` for another server than the primary, which takes the writes",
                    ));
                }
            }
            "keepalives_retries" => {
                return Err(wrong(
                    "has `keepalives_retries`, which is called `keepalives_count`, as in libpq",
                ));
            }
            "load_balance_hosts" => {
                return Err(wrong(
                    "has `load_balance_hosts`, which has no effect here: all hosts are asked at once; take it out",
                ));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Sets what is ours, and what is left to us where nothing was said.
    fn set(&self, config: &mut Config) {
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_application_name().is_none() {
            config.application_name("plinth");
        }
        // The server would take the user's name, and requests connect as another one.
        if config.get_dbname().is_none()
            && let Some(user) = config.get_user().map(str::to_owned)
        {
            config.dbname(user);
        }
        config
            .ssl_mode(self.tls.mode.for_client())
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .keepalives(self.keepalives.unwrap_or(true));
        if let Some(idle) = wait(self.keepalives_idle_seconds, Duration::from_secs) {
            config.keepalives_idle(idle);
        }
        if let Some(interval) = wait(self.keepalives_interval_seconds, Duration::from_secs) {
            config.keepalives_interval(interval);
        }
        if let Some(count) = self.keepalives_count.filter(|count| *count > 0) {
            config.keepalives_retries(count);
        }
        if let Some(unheard) = wait(self.tcp_user_timeout_ms, Duration::from_millis) {
            config.tcp_user_timeout(unheard);
        }
        if !self.pooled {
            // Of two that set the same the later one counts, and answers are put together by what ours say.
            let ours = crate::session::STARTUP;
            let options = match config.get_options() {
                Some(given) => format!("{given} {ours}"),
                None => ours.to_owned(),
            };
            config.options(options);
        }
    }
}

/// Ours where nothing was said. None for zero, which leaves it to the system, as in libpq.
fn wait(said: Option<u64>, unit: fn(u64) -> Duration) -> Option<Duration> {
    match said {
        None => Some(UNHEARD),
        Some(0) => None,
        Some(count) => Some(unit(count)),
    }
}

/// On or off.
fn switch(parameter: &Parameter) -> Result<bool> {
    match parameter.value.to_ascii_lowercase().as_str() {
        "true" | "on" | "1" => Ok(true),
        "false" | "off" | "0" => Ok(false),
        _ => Err(wrong(&format!(
            "has another `{}` than true or false (on or off, 1 or 0)",
            parameter.name
        ))),
    }
}

/// A whole number that is not negative.
fn number<T: FromStr>(parameter: &Parameter) -> Result<T> {
    parameter.value.parse::<T>().map_err(|_| {
        let name = &parameter.name;
        wrong(&format!("has a `{name}` that is no whole number"))
    })
}

/// One of a URL's parameters.
struct Parameter {
    name: String,
    /// Without escapes.
    value: String,
    /// As the client library reads it in a URL of the same form.
    written: String,
}

/// What stands before a URL's `?`, and the parameters behind it.
fn split_url(url: &str) -> Result<(&str, Vec<Parameter>)> {
    let Some((bare, query)) = url.split_once('?') else {
        return Ok((url, Vec::new()));
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    Ok((bare, pairs.map(url_parameter).collect::<Result<_>>()?))
}

fn url_parameter(pair: &str) -> Result<Parameter> {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let is_no_text = || wrong(&format!("has a `{name}` that is no text in UTF-8"));
    Ok(Parameter {
        name: named(name)?,
        value: decoded(value).ok_or_else(is_no_text)?,
        written: format!("{name}={value}"),
    })
}

/// libpq's `name = value`, with or without blanks around the `=`.
fn split_lines(text: &str) -> Result<Vec<Parameter>> {
    let unreadable = || wrong(&format!("cannot be read; {FORM}"));
    let mut parameters = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or_else(unreadable)?;
        let (value, after) = line_value(after.trim_start()).ok_or_else(unreadable)?;
        let name = named(name.trim_end())?;
        let quoted = value.replace('\\', "\\\\").replace('\'', "\\'");
        parameters.push(Parameter {
            written: format!("{name}='{quoted}'"),
            name,
            value,
        });
        rest = after.trim_start();
    }
    Ok(parameters)
}

/// A value at the beginning of a text, and the rest: to the next blank, or between quotes. A backslash takes what follows it as it stands.
/// None when a quote has no end.
fn line_value(text: &str) -> Option<(String, &str)> {
    let (mut rest, quoted) = match text.strip_prefix('\'') {
        Some(inner) => (inner, true),
        None => (text, false),
    };
    let mut value = String::new();
    loop {
        let mut chars = rest.chars();
        match chars.next() {
            None if quoted => return None,
            None => return Some((value, rest)),
            Some('\'') if quoted => return Some((value, chars.as_str())),
            Some(blank) if !quoted && blank.is_whitespace() => return Some((value, rest)),
            Some('\\') => value.extend(chars.next()),
            Some(other) => value.push(other),
        }
        rest = chars.as_str();
    }
}

/// A parameter's name. What looks like none is not repeated, because a password with a `?` in it ends up here.
fn named(name: &str) -> Result<String> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || !name.bytes().all(is_name) {
        return Err(wrong(&format!(
            "cannot be read: what stands where a parameter's name should be is none; {FORM}, with special characters escaped as in %3F"
        )));
    }
    Ok(name.to_owned())
}

/// What `%2F` and its like stand for. A `%` before anything else is itself, as the client library has it. None when the result is no text.
fn decoded(text: &str) -> Option<String> {
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16)?).ok();
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = match after {
            [high, low, ..] if first == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        rest = match escaped {
            Some((high, low)) => {
                bytes.push(high * 16 + low);
                &after[2..]
            }
            None => {
                bytes.push(first);
                after
            }
        };
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(url: &str) -> Said {
        read(url).map_err(|error| error.to_string()).unwrap()
    }

    fn refused(url: &str) -> String {
        read(url)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn a_pooler_is_told_by_any_word_for_yes() {
        for yes in ["true", "TRUE", "1", "on", "On"] {
            assert!(said(&format!("postgres://me@a/shop?pgbouncer={yes}")).pooled);
        }
        for no in ["false", "0", "OFF"] {
            assert!(!said(&format!("postgres://me@a/shop?pgbouncer={no}")).pooled);
        }
        assert!(!said("postgres://me@a/shop").pooled);
        for neither in ["yes", "", "transaction"] {
            let told = refused(&format!("postgres://me@a/shop?pgbouncer={neither}"));
            assert!(told.contains("`pgbouncer`"), "{told}");
        }
    }

    #[test]
    fn options_are_kept_and_ours_come_after_them() {
        let given = said("postgres://me@a/shop?options=-c%20work_mem%3D8MB");
        let options = given.config.get_options().unwrap();
        assert!(options.starts_with("-c work_mem=8MB -c "), "{options}");
        assert!(options.ends_with(crate::session::STARTUP));
        let plain = said("postgres://me@a/shop");
        assert_eq!(plain.config.get_options(), Some(crate::session::STARTUP));
        // Behind a pooler start-up options are for whoever has set it up to take them.
        let pooled = said("postgres://me@a/shop?pgbouncer=1&options=project%3Dx");
        assert_eq!(pooled.config.get_options(), Some("project=x"));
    }

    #[test]
    fn a_host_may_have_its_address_beside_it() {
        let given = said("postgres://me@a,b/shop?hostaddr=10.0.0.1,10.0.0.2");
        let addresses: Vec<String> = given
            .config
            .get_hostaddrs()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(addresses, ["10.0.0.1", "10.0.0.2"]);
        for url in [
            "postgres://me@a,b/shop?hostaddr=10.0.0.1",
            "host=/run/pg hostaddr=10.0.0.1 user=me",
        ] {
            assert!(refused(url).contains("`hostaddr`"), "{}", refused(url));
        }
        assert!(refused("hostaddr=10.0.0.1 user=me").contains("names no host"));
    }

    #[test]
    fn what_is_said_of_dead_connections_counts() {
        let ours = said("postgres://me@a/shop").config;
        assert!(ours.get_keepalives());
        assert_eq!(ours.get_keepalives_idle(), UNHEARD);
        assert_eq!(ours.get_keepalives_interval(), Some(UNHEARD));
        assert_eq!(ours.get_keepalives_retries(), None);
        assert_eq!(ours.get_tcp_user_timeout(), Some(&UNHEARD));
        let given = said(
            "postgres://me@a/shop?keepalives=1&keepalives_idle=60&keepalives_interval=7&keepalives_count=3&tcp_user_timeout=1500",
        )
        .config;
        assert_eq!(given.get_keepalives_idle(), Duration::from_mins(1));
        assert_eq!(
            given.get_keepalives_interval(),
            Some(Duration::from_secs(7))
        );
        assert_eq!(given.get_keepalives_retries(), Some(3));
        assert_eq!(
            given.get_tcp_user_timeout(),
            Some(&Duration::from_millis(1500))
        );
        let system = said("postgres://me@a/shop?keepalives=0&tcp_user_timeout=0").config;
        assert!(!system.get_keepalives());
        assert_eq!(system.get_tcp_user_timeout(), None);
        for name in ["keepalives_idle", "keepalives_count", "tcp_user_timeout"] {
            let told = refused(&format!("postgres://me@a/shop?{name}=soon"));
            assert!(told.contains(&format!("`{name}`")), "{told}");
        }
    }

    #[test]
    fn what_would_have_no_effect_is_refused() {
        for value in ["any", "read-write", "primary"] {
            said(&format!(
                "postgres://me@a/shop?target_session_attrs={value}"
            ));
        }
        for parameter in [
            "target_session_attrs=standby",
            "target_session_attrs=read-only",
            "load_balance_hosts=random",
            "keepalives_retries=3",
            "sslcert=/me.pem",
        ] {
            let name = parameter.split('=').next().unwrap_or_default();
            let told = refused(&format!("postgres://me@a/shop?{parameter}"));
            assert!(told.contains(&format!("`{name}`")), "{told}");
        }
        let named = said("postgres://me@a/shop?application_name=mine").config;
        assert_eq!(named.get_application_name(), Some("mine"));
    }

    #[test]
    fn values_are_read_without_their_escapes() {
        let root = said("postgres://me@a/shop?sslrootcert=%2Fetc%2Fmy%20ca.pem&sslmode=verify-ca");
        let path = root.tls.root.unwrap();
        assert_eq!(path, std::path::Path::new("/etc/my ca.pem"));
        assert_eq!(decoded("100%,%zz,%4"), Some("100%,%zz,%4".to_owned()));
        assert_eq!(decoded("%ff"), None);
        assert_eq!(decoded("%C3%A9"), Some("é".to_owned()));
    }

    #[test]
    fn lines_are_read_as_libpq_does() {
        let given = said(
            r"host=a user = me password='it\'s a \\ b' dbname=my\ shop sslmode='require' sslrootcert='/my ca.pem'",
        );
        assert_eq!(given.config.get_password(), Some(r"it's a \ b".as_bytes()));
        assert_eq!(given.config.get_user(), Some("me"));
        assert_eq!(given.config.get_dbname(), Some("my shop"));
        assert_eq!(given.tls.mode, Mode::Require);
        assert_eq!(
            given.tls.root.as_deref(),
            Some(std::path::Path::new("/my ca.pem"))
        );
        let empty = said("host=a user=me password=''");
        assert_eq!(empty.config.get_password(), Some(&b""[..]));
        for broken in ["host=a password='open", "nonsense", "host"] {
            assert!(refused(broken).contains("cannot be read"), "{broken}");
        }
    }

    #[test]
    fn what_may_be_a_password_is_not_repeated() {
        for url in [
            "postgres://me:pa?s-s-s@a/shop",
            "mysql://me:s-s-s@a/shop?x=1",
            "host=a password='s-s-s",
        ] {
            let told = refused(url);
            assert!(!told.contains("s-s-s") && told.contains(FORM), "{told}");
        }
    }
}
