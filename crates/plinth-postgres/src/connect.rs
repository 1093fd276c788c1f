//! From a URL to connections.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use plinth_sql::print::ident;
use tokio_postgres::config::Host;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, NoTls, Socket};

use crate::EngineError;
use crate::error::{self, Result};
use crate::fence::{Fence, Origin};
use crate::leaving::Room;
use crate::target::Target;
use crate::tls::{Mode, Tls};
use crate::url::{self, CONNECT_TIMEOUT, Said};
use crate::wire::{Notices, Wire};

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
    /// Reads what a [URL](crate::url) says.
    pub(crate) fn parse(url: &str) -> Result<Address> {
        let Said {
            config,
            tls,
            pooled,
        } = url::read(url)?;
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
        self.places().join(", ")
    }

    /// The database, for whoever asks whether it is the same as another one.
    pub(crate) fn target(&self) -> Target {
        let user = self.user().to_owned();
        let database = self.config.get_dbname().unwrap_or(&user).to_owned();
        Target::new(self.places(), database, user)
    }

    /// Host and port of each, with the address where one was given.
    fn places(&self) -> Vec<String> {
        let ports = self.config.get_ports();
        let addresses = self.config.get_hostaddrs();
        let hosts = self.config.get_hosts().iter().enumerate();
        let places = hosts.map(|(place, host)| {
            let port = ports.get(place).or(ports.first()).copied().unwrap_or(5432);
            let address = addresses.get(place).map(|address| format!(" ({address})"));
            let address = address.unwrap_or_default();
            match host {
                Host::Tcp(name) => format!("{name}:{port}{address}"),
                #[cfg(unix)]
                Host::Unix(path) => format!("{}:{port}", path.display()),
            }
        });
        places.collect()
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
        let addresses = self.config.get_hostaddrs();
        let each = hosts.iter().enumerate().map(|(place, host)| {
            let mut one = self.clone();
            one.config = self.without_hosts();
            match host {
                Host::Tcp(name) => one.config.host(name),
                #[cfg(unix)]
                Host::Unix(path) => one.config.host_path(path),
            };
            if let Some(address) = addresses.get(place) {
                one.config.hostaddr(*address);
            }
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
            .keepalives(from.get_keepalives())
            .keepalives_idle(from.get_keepalives_idle());
        if let Some(interval) = from.get_keepalives_interval() {
            to.keepalives_interval(interval);
        }
        if let Some(count) = from.get_keepalives_retries() {
            to.keepalives_retries(count);
        }
        if let Some(unheard) = from.get_tcp_user_timeout() {
            to.tcp_user_timeout(*unheard);
        }
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
            // The words depend on the server's language, the place in its code does not.
            "42501" if said.routine() == Some("CheckMyDatabase") => {
                let database = self.config.get_dbname().unwrap_or(user);
                EngineError::Setup(format!(
                    "`{user}` may not connect to the database `{database}` at {host}: run `grant connect on database {} to {}` as its owner, or name another user or database in `[database] url`",
                    ident(database),
                    ident(user)
                ))
            }
            "42501" => EngineError::Setup(format!(
                "the database at {host} refuses `{user}`: {message}; check what it may do, and `options` in `[database] url`"
            )),
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
        let beside = Address::parse("postgres://me@a/shop?hostaddr=10.0.0.1").unwrap();
        assert_eq!(beside.display(), "a:5432 (10.0.0.1)");
        let lines = Address::parse("host=/run/pg user=me dbname=shop").unwrap();
        assert_eq!(lines.display(), "/run/pg:5432");
        let lines = Address::parse("host=a user=me sslmode=verify-full dbname=shop").unwrap();
        assert_eq!(lines.tls.mode, Mode::VerifyFull);
    }

    #[test]
    fn each_host_has_all_that_was_said_of_connections() {
        let said = "postgres://me:pw@a,b:5433/shop?hostaddr=10.0.0.1,10.0.0.2&keepalives_idle=60&keepalives_interval=7\
             &keepalives_count=3&tcp_user_timeout=1500&connect_timeout=2&options=-c%20work_mem%3D8MB";
        let whole = Address::parse(said).unwrap();
        let (hosts, all) = (whole.hosts(), &whole.config);
        for (one, name, address) in [
            (&hosts[0], "a:5432 (10.0.0.1)", "10.0.0.1"),
            (&hosts[1], "b:5433 (10.0.0.2)", "10.0.0.2"),
        ] {
            assert_eq!(one.display(), name);
            let config = &one.config;
            assert_eq!(config.get_hostaddrs()[0].to_string(), address);
            assert_eq!(config.get_user(), all.get_user());
            assert_eq!(config.get_password(), all.get_password());
            assert_eq!(config.get_dbname(), all.get_dbname());
            assert_eq!(config.get_options(), all.get_options());
            assert_eq!(config.get_connect_timeout(), all.get_connect_timeout());
            assert_eq!(config.get_keepalives_idle(), all.get_keepalives_idle());
            let interval = all.get_keepalives_interval();
            assert_eq!(config.get_keepalives_interval(), interval);
            let count = all.get_keepalives_retries();
            assert_eq!(config.get_keepalives_retries(), count);
            assert_eq!(config.get_tcp_user_timeout(), all.get_tcp_user_timeout());
        }
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
