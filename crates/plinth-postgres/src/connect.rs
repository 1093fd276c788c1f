//! From a URL to connections.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio_postgres::config::{Host, TargetSessionAttrs};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, NoTls, Socket};

use crate::EngineError;
use crate::error::{self, Result};
use crate::fence::{Fence, Origin};
use crate::leaving::Room;
use crate::tls::{Mode, Tls};
use crate::wire::{Notices, Wire};

/// Longest wait for one host.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest that sent bytes may go without an answer of the other kernel: a host that froze is given up.
const UNHEARD: Duration = Duration::from_secs(10);

/// Whom to connect to, and how.
#[derive(Clone)]
pub(crate) struct Address {
    config: Config,
    tls: Tls,
    /// Keeps old primaries out.
    pub(crate) fence: Fence,
    /// A pooler that hands out connections by transaction stands between.
    pub(crate) pooled: bool,
}

/// A connection that was made.
pub(crate) struct Connected {
    pub(crate) client: Client,
    /// What the server says beside results.
    pub(crate) notices: Notices,
    /// None behind a pooler, and from servers that do not tell.
    pub(crate) origin: Option<Origin>,
    pub(crate) wire: Wire,
    /// Host and port.
    pub(crate) host: Arc<str>,
}

impl Connected {
    /// Has a task move its bytes, for those who keep one connection and do not care.
    pub(crate) fn carried(self) -> (Client, Notices) {
        tokio::spawn(self.wire.carry());
        (self.client, self.notices)
    }
}

impl Address {
    /// Reads `postgres://user:password@host:port,host:port/database?sslmode=…`, or libpq's `host=… user=…`.
    ///
    /// Beside the client library's own parameters it knows `sslmode` in full, `sslrootcert`, and `pgbouncer=true`.
    pub(crate) fn parse(url: &str) -> Result<Address> {
        let wrong = |what: String| EngineError::Setup(format!("the database URL {what}"));
        let is_url = url.starts_with("postgres://") || url.starts_with("postgresql://");
        let (bare, parameters) = if is_url {
            split_parameters(url)
        } else {
            ("", url.split_whitespace().map(pair).collect())
        };
        let mut tls = Tls::default();
        let mut pooled = false;
        let mut others = Vec::new();
        for (name, value) in parameters {
            match name {
                "sslmode" => {
                    tls.mode = Mode::parse(value)
                        .ok_or_else(|| wrong(format!("has an unknown sslmode `{value}`: disable, prefer, require, verify-ca and verify-full are known")))?;
                }
                "sslrootcert" => tls.root = Some(value.into()),
                "pgbouncer" => pooled = value == "true",
                _ => others.push(format!("{name}={value}")),
            }
        }
        let bare = match (is_url, others.is_empty()) {
            (true, true) => bare.to_owned(),
            (true, false) => format!("{bare}?{}", others.join("&")),
            (false, _) => others.join(" "),
        };
        let mut config: Config = bare.parse().map_err(|error: tokio_postgres::Error| {
            wrong(format!(
                "cannot be read: {}; `[database] url` has the form postgres://user:password@host/database",
                error::with_causes(&error)
            ))
        })?;
        if config.get_hosts().is_empty() {
            return Err(wrong(
                "names no host; `[database] url` has the form postgres://user:password@host/database"
                    .to_owned(),
            ));
        }
        // Nobody listens on a socket of this machine, and it has no name that a certificate could be for.
        #[cfg(unix)]
        if config
            .get_hosts()
            .iter()
            .all(|host| matches!(host, Host::Unix(_)))
        {
            tls.mode = Mode::Disable;
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        config
            .ssl_mode(tls.mode.for_client())
            .application_name("plinth")
            // Of several hosts, the one that takes writes.
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        if !pooled {
            config.options(crate::session::STARTUP);
        }
        Ok(Address {
            config,
            tls,
            fence: Fence::default(),
            pooled,
        })
    }

    /// The same server and database, as somebody else.
    pub(crate) fn with_login(&self, user: &str, password: &str) -> Address {
        let mut other = self.clone();
        other.config.user(user).password(password);
        other
    }

    /// Who connects.
    pub(crate) fn user(&self) -> &str {
        self.config.get_user().unwrap_or("postgres")
    }

    /// Host and port, for messages.
    pub(crate) fn display(&self) -> String {
        let ports = self.config.get_ports();
        let hosts = self
            .config
            .get_hosts()
            .iter()
            .enumerate()
            .map(|(place, host)| {
                let port = ports.get(place).or(ports.first()).copied().unwrap_or(5432);
                match host {
                    Host::Tcp(name) => format!("{name}:{port}"),
                    #[cfg(unix)]
                    Host::Unix(path) => format!("{}:{port}", path.display()),
                }
            });
        hosts.collect::<Vec<_>>().join(", ")
    }

    /// Connects to whichever host takes writes, all asked at once: one that froze would hold up the others.
    pub(crate) async fn connect(&self) -> Result<Connected> {
        self.connect_where(None).await
    }

    /// The same where there is room.
    pub(crate) async fn connect_where(&self, room: Option<Room<'_>>) -> Result<Connected> {
        let (hosts, room) = (self.hosts(), room.as_ref());
        let tries = hosts.iter().enumerate().map(|(place, host)| async move {
            let tried = host.connect_in_time(room).await;
            tried.map_err(|error| (place, error))
        });
        let mut tries: FuturesUnordered<_> = tries.collect();
        let mut refused = Vec::with_capacity(hosts.len());
        while let Some(tried) = tries.next().await {
            match tried {
                Ok(connected) => return Ok(connected),
                Err(why) => refused.push(why),
            }
        }
        refused.sort_by_key(|(place, _)| *place);
        Err(all_refused(
            refused.into_iter().map(|(_, error)| error).collect(),
        ))
    }

    /// One address for each host.
    fn hosts(&self) -> Vec<Address> {
        let hosts = self.config.get_hosts();
        let ports = self.config.get_ports();
        let each = hosts.iter().enumerate().map(|(place, host)| {
            let mut one = self.clone();
            one.config = self.without_hosts();
            match host {
                Host::Tcp(name) => one.config.host(name),
                #[cfg(unix)]
                Host::Unix(path) => one.config.host_path(path),
            };
            if let Some(port) = ports.get(place).or(ports.first()) {
                one.config.port(*port);
            }
            one
        });
        each.collect()
    }

    /// Everything but where to.
    fn without_hosts(&self) -> Config {
        let from = &self.config;
        let mut to = Config::new();
        to.ssl_mode(from.get_ssl_mode())
            .ssl_negotiation(from.get_ssl_negotiation())
            .channel_binding(from.get_channel_binding())
            .target_session_attrs(from.get_target_session_attrs())
            .tcp_user_timeout(UNHEARD)
            .keepalives_idle(UNHEARD)
            .keepalives_interval(UNHEARD);
        if let Some(user) = from.get_user() {
            to.user(user);
        }
        if let Some(password) = from.get_password() {
            to.password(password);
        }
        if let Some(database) = from.get_dbname() {
            to.dbname(database);
        }
        if let Some(options) = from.get_options() {
            to.options(options);
        }
        if let Some(name) = from.get_application_name() {
            to.application_name(name);
        }
        if let Some(timeout) = from.get_connect_timeout() {
            to.connect_timeout(*timeout);
        }
        to
    }

    /// The time is for the whole of it: a server that froze still takes connections, and says nothing.
    async fn connect_in_time(&self, room: Option<&Room<'_>>) -> Result<Connected> {
        if let Some(room) = room {
            room.wait_at(&self.display()).await?;
        }
        let limit = self.config.get_connect_timeout().copied();
        let limit = limit.unwrap_or(CONNECT_TIMEOUT);
        match tokio::time::timeout(limit, self.connect_to_host()).await {
            Ok(connected) => connected,
            Err(_) => Err(EngineError::Unavailable(format!(
                "the database at {} did not answer within {} s; check the host and port in `[database] url`, and that the server runs",
                self.display(),
                limit.as_secs()
            ))),
        }
    }

    async fn connect_to_host(&self) -> Result<Connected> {
        if self.tls.mode == Mode::Disable {
            return self.connect_with(NoTls).await;
        }
        self.connect_with(self.tls.connector()?).await
    }

    async fn connect_with<T>(&self, tls: T) -> Result<Connected>
    where
        T: MakeTlsConnect<Socket>,
        T::Stream: Send + 'static,
    {
        let connected = self.config.connect(tls).await;
        let (client, connection) = connected.map_err(|error| self.explain(error))?;
        let notices = Notices::default();
        let wire = Wire::new(connection, notices.clone());
        let origin = match self.pooled {
            // The next transaction may lead elsewhere.
            true => None,
            false => wire.drive(self.fence.admit(&client)).await?,
        };
        Ok(Connected {
            client,
            notices,
            origin,
            wire,
            host: self.display().into(),
        })
    }

    /// Why we were not let in, and what to change.
    fn explain(&self, error: tokio_postgres::Error) -> EngineError {
        let host = self.display();
        let user = self.user();
        let causes = error::with_causes(&error);
        if causes.contains("password missing") {
            return EngineError::Setup(format!(
                "the database at {host} asks for a password, and `[database] url` has none for `{user}`"
            ));
        }
        if causes.contains("does not support TLS") {
            return EngineError::Setup(format!(
                "the database at {host} does not support TLS: take `sslmode` out of `[database] url`, or set up TLS on the server"
            ));
        }
        if causes.contains("does not allow writes") {
            return EngineError::Standby(format!(
                "the database at {host} takes no writes: it is a standby, or set to read only"
            ));
        }
        if causes.contains("invalid peer certificate") {
            return EngineError::Setup(format!(
                "the certificate of the database at {host} is not accepted ({causes}): check the host in `[database] url`, and that `sslrootcert` names the authority that signed it"
            ));
        }
        let Some(said) = error.as_db_error() else {
            return EngineError::Unavailable(format!(
                "no connection to the database at {host}: {causes}; check the host and port in `[database] url`, and that the server runs"
            ));
        };
        let message = said.message();
        let refused = || {
            EngineError::Setup(format!(
                "the database at {host} refuses `{user}`: {message}; check user and password in `[database] url`, and the server's pg_hba.conf"
            ))
        };
        match said.code().code() {
            "28P01" | "28000" => refused(),
            "3D000" => EngineError::Setup(format!(
                "{message} at {host}; create it, or name another one in `[database] url`"
            )),
            "53300" => EngineError::Unavailable(format!(
                "the database at {host} has no connection left for `{user}` ({message}); lower `[database] connections`, or raise the server's max_connections"
            )),
            "57P03" => {
                EngineError::Standby(format!("the database at {host} is not ready: {message}"))
            }
            _ if message.contains("unsupported startup parameter") => EngineError::Setup(format!(
                "what answers at {host} is a pooler ({message}): add `pgbouncer=true` to `[database] url`"
            )),
            // A pooler has one code for everything.
            _ if message.contains("authentication failed") || message == "no such user" => {
                refused()
            }
            _ => EngineError::Unavailable(format!(
                "the database at {host} has no connection for `{user}`: {message}"
            )),
        }
    }
}

/// One error for those of all hosts, which tells them all. As long as one host may come to take writes, it is worth waiting.
fn all_refused(mut errors: Vec<EngineError>) -> EngineError {
    if errors.len() == 1
        && let Some(only) = errors.pop()
    {
        return only;
    }
    let mut text = "no host of `[database] url` can be used:".to_owned();
    for error in &errors {
        text += &format!("\n  {error}");
    }
    if errors
        .iter()
        .any(|one| matches!(one, EngineError::Standby(_)))
    {
        EngineError::Standby(text)
    } else if errors.iter().any(EngineError::is_away) {
        EngineError::Unavailable(text)
    } else {
        EngineError::Setup(text)
    }
}

/// The parameters behind a URL's `?`. Values are taken as they stand.
fn split_parameters(url: &str) -> (&str, Vec<(&str, &str)>) {
    match url.split_once('?') {
        Some((bare, query)) => {
            let pairs = query.split('&').filter(|pair| !pair.is_empty());
            (bare, pairs.map(pair).collect())
        }
        None => (url, Vec::new()),
    }
}

fn pair(text: &str) -> (&str, &str) {
    text.split_once('=').unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> String {
        Address::parse(url)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn urls_are_read() {
        let address = Address::parse(
            "postgres://me:pw@a,b:5433/shop?sslmode=verify-full&sslrootcert=/ca.pem&pgbouncer=true",
        )
        .unwrap();
        assert_eq!(address.user(), "me");
        assert_eq!(address.display(), "a:5432, b:5433");
        assert!(address.pooled);
        assert_eq!(address.tls.mode, Mode::VerifyFull);
        assert_eq!(
            address.tls.root.as_deref(),
            Some(std::path::Path::new("/ca.pem"))
        );
        let lines = Address::parse("host=/run/pg user=me dbname=shop").unwrap();
        assert_eq!(lines.display(), "/run/pg:5432");
        let lines = Address::parse("host=a user=me sslmode=verify-full dbname=shop").unwrap();
        assert_eq!(lines.tls.mode, Mode::VerifyFull);
    }

    #[test]
    fn every_host_says_why_it_cannot_be_used() {
        let away = || EngineError::Unavailable("a is away".to_owned());
        let wrong = || EngineError::Setup("b refuses `me`".to_owned());
        let standby = || EngineError::Standby("c takes no writes".to_owned());
        assert_eq!(all_refused(vec![away()]).to_string(), "a is away");
        let all = all_refused(vec![away(), wrong(), standby()]);
        assert!(matches!(all, EngineError::Standby(_)));
        assert_eq!(
            all.to_string(),
            "no host of `[database] url` can be used:\n  a is away\n  b refuses `me`\n  c takes no writes"
        );
        let some = all_refused(vec![wrong(), away()]);
        assert!(matches!(some, EngineError::Unavailable(_)));
        assert!(matches!(
            all_refused(vec![wrong(), wrong()]),
            EngineError::Setup(_)
        ));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(refused("postgres://me@a/shop?sslmode=maybe").contains("unknown sslmode `maybe`"));
        assert!(refused("postgres://me@a/shop?nonsense=1").contains("cannot be read"));
        assert!(refused("postgres:///shop").contains("names no host"));
    }
}
